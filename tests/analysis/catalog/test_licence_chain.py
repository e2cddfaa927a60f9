"""Foundations of chains that end in a copy, by its name."""

from __future__ import annotations

import pytest

from analysis.catalog.licence_chain import add_foundations
from analysis.licences.licences import find_licence
from analysis.licences.verdict import Claim


@pytest.mark.parametrize(
    ("name", "stated", "chosen"),
    [
        ("huggyllama/llama-7b", "other", "llama1"),
        ("huggyllama/llama-7b", None, "llama1"),
        ("acme/my-llama-chat", "apache-2.0", None),  # without a version the name is a hint only
        ("unsloth/llama-2-7b-bnb-4bit", "apache-2.0", "llama2"),
        ("NousResearch/Nous-Hermes-llama-2-7b", "mit", "llama2"),  # the foundation under a brand
        ("meta-llama/Llama-3.1-8B", "llama3.1", None),  # it states a licence of this family
        ("google/gemma-4-E4B-it", "apache-2.0", None),  # its publisher chose Apache-2.0
        ("TinyLlama/TinyLlama-1.1B", "apache-2.0", None),
    ],
)
def test_a_name_tells_the_licence_of_its_foundation(name: str, stated: str | None, chosen: str | None) -> None:
    found = add_foundations([Claim(name, find_licence(stated), "card license", stated)])
    assert [each.licence and each.licence.id for each in found] == ([chosen] if chosen else [])


def test_the_last_model_of_a_chain_counts() -> None:
    claims = [Claim("a/x", None, ""), Claim("a/llama-2-7b", find_licence("mit"), "", depth=2), Claim("a/y", None, "")]
    (found,) = add_foundations(claims)
    assert (found.repo_id, found.depth, found.source) == ("llama 2", 3, "the name of a/llama-2-7b")
