"""Families: brands on foundations, teachers, words of common speech, shorthand, and likeness as a last resort."""

from __future__ import annotations

import pytest

from analysis.names import parse_name
from analysis.names.family import find_closest_family


@pytest.mark.parametrize(
    ("name", "family", "version", "base_family", "base_version"),
    [
        ("google/gemma-3-4b-it", "gemma", "3", "gemma", None),
        ("Nous-Hermes-2-Mixtral-8x7B-DPO", "hermes", "2", "mixtral", None),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes", "3", "llama", "3.1"),
        ("DeepSeek-R1-Distill-Qwen-7B", "deepseek", "R1", "qwen", None),
        ("DeepSeek-R1-0528-Qwen3-8B", "deepseek", "R1", "qwen", "3"),
        ("Llama-3_1-Nemotron-51B-Instruct", "nemotron", None, "llama", "3.1"),
        ("dolphin-2.9.3-mistral-7B-32k", "dolphin", "2.9.3", "mistral", None),
        ("MythoMax-L2-13B", "mythomax", None, "llama", "2"),
        ("Meta-Llama-3-70B-Instruct-abliterated-v3.5", "llama", "3", "llama", None),
        ("Qwen3.5-4B-Claude-4.6-Opus-Reasoning-Distilled-v2", "qwen", "3.5", "qwen", None),
        ("Qwen3.5-9B-DeepSeek-V4-Flash", "qwen", "3.5", "qwen", None),
        ("Gemma-2-Ataraxy-9B", "gemma", "2", "gemma", None),
        ("L3.1-ClaudeMaid-4x8B", "llama", "3.1", "llama", None),
        ("OpenHermes-2.5-Mistral-7B", "openhermes", "2.5", "mistral", None),
    ],
)
def test_families_and_versions(
    name: str, family: str, version: str | None, base_family: str | None, base_version: str | None
) -> None:
    found = parse_name(name)
    assert (found.family, found.version, found.base_family, found.base_version) == (
        family, version, base_family, base_version,
    )  # fmt: skip


def test_common_words_are_a_family_only_at_the_start() -> None:
    assert parse_name("Step-3.7-Flash").family == "step"
    assert parse_name("pythia-160m-step-4000").family == "pythia"
    assert parse_name("mtp-Step-3.7-Flash.gguf").family == "step"


def test_a_similar_spelling_is_the_last_resort() -> None:
    found = find_closest_family(["Zorg", "Mistrall"])
    assert found is not None and (found.family, found.word) == ("mistral", "Mistrall") and found.score >= 88
    assert find_closest_family(["ocean", "wave", "7b"]) is None
    assert find_closest_family(["lama"]) is None  # too short to be distinguished from others
