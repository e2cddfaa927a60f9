"""The explanation of a name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from analysis.names import parse_name
from analysis.names.explain import corpus_case, describe_release, explain, explain_parts

CORPUS = Path(__file__).resolve().parents[2] / "corpus" / "names.toml"


def explained(name: str) -> dict[str, tuple[str, str]]:
    return {part.text: (part.kind, part.meaning) for part in explain_parts(parse_name(name))}


def test_every_part_is_explained() -> None:
    parts = explained("google/gemma-3-4b-it-qat-q4_0-gguf")
    assert parts["gemma"] == ("family", "Gemma, open models by Google")
    assert parts["3"] == ("version", "third generation")
    assert "16 GB of memory at 32 bits" in parts["4b"][1]
    assert "follows requests" in parts["it"][1]
    assert "trained to be quantized" in parts["qat"][1]
    assert "2.32 GB" in parts["q4_0"][1] and "86% less than 32 bits" in parts["q4_0"][1]
    assert "llama.cpp" in parts["gguf"][1]


def test_active_parameters_teachers_and_unknown_words() -> None:
    parts = explained("Qwen3-30B-A3B-Instruct-2507-Claude-Zorgon")
    assert parts["A3B"] == ("active", "3 billion parameters are used for each token")
    assert parts["2507"] == ("release", "released in July 2025")
    assert "a teacher" in parts["Claude"][1]
    assert parts["Zorgon"][0] == "unknown"


def test_the_explanation_ends_with_what_a_name_can_tell() -> None:
    text = explain(parse_name("google/gemma-3-4b-it-qat-q4_0-gguf"))
    assert text.splitlines()[-1] == "A name only claims. `hf-catalog header` measures."


def test_every_name_of_the_corpus_is_explained_and_its_case_loads() -> None:
    for name, expected in tomllib.loads(CORPUS.read_text(encoding="utf-8")).items():
        found = parse_name(name)
        assert explain(found).startswith(name)
        assert tomllib.loads(corpus_case(found))[name] == expected


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("2507", "released in July 2025"), ("0528", "released on 28 May"), ("20240806", "released on 6 August 2024"),
        ("240806", "released on 6 August 2024"), ("12-2024", "released in December 2024"),
        ("202408", "released in August 2024"), ("2025-04-14", "released on 14 April 2025"),
    ],
)  # fmt: skip
def test_release_dates_are_described(written: str, meaning: str) -> None:
    assert describe_release(written) == meaning


def test_a_name_with_quotes_gives_a_case_that_loads() -> None:
    name = 'odd"na\\me-7b'
    assert tomllib.loads(corpus_case(parse_name(name)))[name]["parameters"] == 7_000_000_000
