"""Unclaimed tokens are suggested as vocabulary entries with their evidence."""

from __future__ import annotations

from typing import Any

from analysis.catalog.suggest import classify, may_be_name, most_common

ROW: dict[str, Any] = {"token": "zorgon", "repos": 4, "authors": 3, "downloads": 90, "example": "a/Zorgon-7B"}


def evidence(**values: Any) -> dict[str, Any]:
    return {"token": "zorgon", "architecture": None, "family": None, "base_model": None, "repos": 1, **values}


def test_one_architecture_and_no_family_make_a_new_family() -> None:
    found = classify(ROW, [evidence(architecture="zorgon3", repos=3), evidence(architecture="llama")])
    assert (found.kind, found.architecture, found.share) == ("family", "zorgon3", 0.75)
    assert found.entry is not None and found.entry.startswith("zorgon = {")


def test_a_word_beside_a_known_family_is_a_word_of_that_family() -> None:
    found = classify(ROW, [evidence(family="qwen", architecture="qwen3", base_model="Qwen/Qwen3-8B", repos=4)])
    assert (found.kind, found.of, found.base_model, found.entry) == ("word", "qwen", "Qwen/Qwen3-8B", None)


def test_a_near_spelling_is_an_alias() -> None:
    found = classify({**ROW, "token": "mistrall"}, [])
    assert (found.kind, found.of) == ("alias", "mistral")
    assert found.entry == 'mistral: add "mistrall" to its aliases'


def test_a_token_that_cannot_be_a_name_is_not_suggested() -> None:
    assert [may_be_name(token) for token in ("xy", "123", "7-8", "zorgon")] == [False, False, False, True]
    assert most_common([], "family") == (None, None)
