"""The corpus: names with labels that a developer verified, whole names and label by label.

names.toml holds whole names: what a case does not list, the reading must not claim. The other files hold one label
each: [must] names that claim it, [must_not] names that do not claim this value, or any where the value is "*".
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from analysis.names import parse_name

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
LABELS = sorted(path.stem for path in CORPUS.glob("*.toml") if path.stem != "names")
NOT_LISTED = {"input", "kind", "owner", "name", "revision", "file", "tokens"}


def load(stem: str) -> dict[str, Any]:
    return tomllib.loads((CORPUS / f"{stem}.toml").read_text(encoding="utf-8"))


def claimed(name: str) -> dict[str, Any]:
    """What a name claims, in the corpus' form: only what is claimed."""
    reading = parse_name(name).as_dict()
    silent: tuple[object, ...] = (None, [], False)
    return {
        key: value
        for key, value in reading.items()
        if key not in NOT_LISTED and (value not in silent or (key == "quantized" and value is False))
    }


def test_whole_names() -> None:
    wrong = {}
    for name, case in load("names").items():
        reading = claimed(name)
        if reading != case:
            keys = {key for key in reading.keys() | case.keys() if reading.get(key) != case.get(key)}
            wrong[name] = {key: (case.get(key), reading.get(key)) for key in sorted(keys)}
    assert not wrong, "\n".join(f"{name}: {differences}" for name, differences in wrong.items())


@pytest.mark.parametrize("label", LABELS)
def test_names_that_claim_a_label(label: str) -> None:
    wrong = {
        name: reading
        for name, value in load(label)["must"].items()
        if (reading := parse_name(name).as_dict()[label]) != value
    }
    assert not wrong


@pytest.mark.parametrize("label", LABELS)
def test_names_that_do_not_claim_it(label: str) -> None:
    wrong = {}
    for name, value in load(label)["must_not"].items():
        reading = parse_name(name).as_dict()[label]
        said = (
            reading not in (None, [])
            if value == "*"
            else value in (reading if isinstance(reading, list) else [reading])
        )
        if said:
            wrong[name] = reading
    assert not wrong


def test_the_corpus_is_large() -> None:
    cases = len(load("names")) + sum(len(part) for label in LABELS for part in load(label).values())
    assert cases >= 1500
