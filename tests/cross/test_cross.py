"""What other programs expect of names, held against our readings.

They read fewer labels and by other rules, so some answers differ for good. Those are listed in baseline.json with what
we say; a difference that is not listed there fails, and so does a listed one that is gone: the list stays true.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from analysis.names import NameLabels, parse_name

HERE = Path(__file__).parent
SOURCES = ("gguf_py", "llama_ui", "huggingface_js")


def ours(found: NameLabels, field: str) -> str:
    """Our answer in the words of theirs; `-` where we read nothing."""
    value = getattr(found, field)
    if value is None:
        return "-"
    if field in ("parameters", "active_parameters"):
        text = f"{value / 1e9:g}B"
        return f"A{text}" if field == "active_parameters" else text
    return str(value)


def differences(source: str) -> dict[str, str]:
    """`name: field` -> `theirs, ours`, of all answers that differ."""
    found = {}
    for name, facts in tomllib.loads((HERE / f"{source}.toml").read_text(encoding="utf-8")).items():
        reading = parse_name(name)
        for field, theirs in facts.items():
            if (mine := ours(reading, field)) != theirs:
                found[f"{name}: {field}"] = f"{theirs}, ours {mine}"
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_no_new_disagreement(source: str) -> None:
    baseline = json.loads((HERE / "baseline.json").read_text(encoding="utf-8"))
    assert differences(source) == baseline[source]


@pytest.mark.parametrize("source", SOURCES)
def test_most_answers_agree(source: str) -> None:
    facts = tomllib.loads((HERE / f"{source}.toml").read_text(encoding="utf-8"))
    answers = sum(len(each) for each in facts.values())
    assert len(differences(source)) <= answers * 0.15
