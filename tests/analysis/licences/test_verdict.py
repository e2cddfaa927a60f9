"""Verdicts on licences of derived models: each of the four words, with the clause that decides."""

from __future__ import annotations

import pytest

from analysis.licences.licences import find_licence
from analysis.licences.verdict import NOT_STORED, Claim, breaks_naming, judge


def claim(stated: str | None, name: str = "owner/model", depth: int = 0) -> Claim:
    return Claim(name, find_licence(stated), "card", stated, depth=depth)


@pytest.mark.parametrize(
    ("child", "base", "verdict"),
    [
        ("apache-2.0", "apache-2.0", "consistent"),
        ("apache-2.0", "mit", "consistent"),
        ("agpl-3.0", "gpl-3.0", "consistent"),
        ("llama3.1", "llama2", "consistent"),  # of one family: its terms are passed on
        ("cc-by-nc-4.0", "apache-2.0", "child asks for more"),
        ("gemma", "mit", "child asks for more"),
        ("apache-2.0", "cc-by-nc-4.0", "contradiction"),
        ("mit", "openrail++", "contradiction"),
        ("apache-2.0", "gemma", "contradiction"),
        ("cc-by-nc-4.0", "llama3", "contradiction"),
        ("mit", "gpl-3.0", "contradiction"),
        ("cc-by-4.0", "cc-by-nd-4.0", "contradiction"),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "contradiction"),
        (None, "apache-2.0", "can't be told"),
        ("apache-2.0", None, "can't be told"),
        ("other", "apache-2.0", "can't be told"),
        ("apache-2.0", "other", "can't be told"),
    ],
)
def test_a_licence_is_judged_against_that_of_a_base_model(child: str | None, base: str | None, verdict: str) -> None:
    assert judge(claim(child), [claim(base, "owner/base", 1)]).verdict == verdict


def test_a_contradiction_counts_whatever_a_silent_link_between_leaves_open() -> None:
    found = judge(claim("apache-2.0"), [claim(None, "a/middle", 1), claim("llama2", "meta/base", 2)])
    assert found.verdict == "contradiction"
    assert found.decisive is not None
    assert (found.decisive.ancestor, found.decisive.clause) == (
        "meta/base",
        "Llama 2 Community License, section 1.b.iv",
    )
    assert [each.verdict for each in found.findings] == ["can't be told", "contradiction"]


@pytest.mark.parametrize(
    ("source", "reason"), [(NOT_STORED, "a/base is not in the catalog"), ("card", "a/base states no licence")]
)
def test_what_was_not_read_is_not_said_to_state_nothing(source: str, reason: str) -> None:
    found = judge(claim("apache-2.0"), [Claim("a/base", None, source, depth=1)])
    assert found.verdict == "can't be told"
    assert found.decisive is not None and found.decisive.reason == reason


def test_a_silent_link_leaves_a_chain_open() -> None:
    found = judge(claim("apache-2.0"), [claim(None, "a/middle", 1), claim("apache-2.0", "a/base", 2)])
    assert found.verdict == "can't be told"


def test_a_merge_is_judged_against_every_parent() -> None:
    parents = [claim("apache-2.0", "a/one", 1), claim("cc-by-nc-4.0", "a/two", 1)]
    assert judge(claim("apache-2.0"), parents).verdict == "contradiction"
    assert judge(claim("cc-by-nc-4.0"), parents).verdict == "child asks for more"


def test_a_model_without_parents_is_consistent_if_it_states_a_known_licence() -> None:
    assert [judge(claim(each), []).verdict for each in ("mit", "other", None)] == [
        "consistent", "can't be told", "can't be told",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "stated", "breaks"),
    [
        ("acme/Llama-3.1-8B-tuned", "llama3.1", False),
        ("acme/Meta-Llama-3-8B-GGUF", "llama3", False),
        ("acme/dolphin-8b", "llama3.1", True),
        ("acme/Llama-2-chat", "llama3", True),
        ("acme/dolphin-7b", "llama2", False),  # Llama 2 asks for a notice, not for a name
        ("acme/dolphin", "mit", False),
    ],
)
def test_names_of_derivatives_begin_as_some_licences_say(name: str, stated: str, breaks: bool) -> None:
    licence = find_licence(stated)
    assert licence is not None
    assert (breaks_naming(name, [licence]) is not None) is breaks
