"""The table of licences, and what cards, links and files mean by it."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.errors import VocabularyError
from analysis.labels.evidence.licences import licence_evidence
from analysis.licences.licences import (
    clause_of,
    find_foundation_licence,
    find_licence,
    find_licence_of_digest,
    find_licence_of_link,
    licence_table,
    read_licences,
)
from db.records import RepoRecord


@pytest.mark.parametrize(
    ("stated", "identifier", "kind"),
    [
        ("apache-2.0", "Apache-2.0", "permissive"),
        ("Apache License 2.0", "Apache-2.0", "permissive"),
        ("bsl-1.0", "BSL-1.0", "permissive"),  # Boost, not the Business Source License
        ("pddl", "PDDL-1.0", "permissive"),
        ("odc-by", "ODC-By-1.0", "permissive"),
        ("c-uda", "C-UDA-1.0", "permissive"),
        ("lgpl-lr", "LGPLLR", "share-alike"),
        ("odbl", "ODbL-1.0", "share-alike"),
        ("gpl-3.0", "GPL-3.0-only", "share-alike"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0", "non-commercial"),
        ("cc-by-nc-nd-4.0", "CC-BY-NC-ND-4.0", "no-derivatives"),
        ("llama3.1", "LicenseRef-llama3.1", "use-restricted"),
        ("gemma", "LicenseRef-gemma", "use-restricted"),
        ("openrail++", "LicenseRef-openrail", "use-restricted"),
        ("Acme Terms v1", "LicenseRef-acme-terms-v1", "bespoke"),
        ("other", "LicenseRef-other", "bespoke"),
    ],
)
def test_a_stated_licence_has_an_identifier_and_a_kind(stated: str, identifier: str, kind: str) -> None:
    found = find_licence(stated)
    assert found is not None
    assert (found.identifier, found.kind) == (identifier, kind)


@pytest.mark.parametrize("text", ["", "unknown", None])
def test_what_names_no_licence_is_none(text: str | None) -> None:
    assert find_licence(text) is None


def test_links_digests_and_foundations_tell_a_licence() -> None:
    ids = [
        find_licence_of_link("https://ai.google.dev/gemma/terms"),
        find_licence_of_digest("d645695673349e3947e8e5ae42332d0ac3164cd7"),
        find_foundation_licence("llama", None),
        find_foundation_licence("llama", "3.2"),
        find_foundation_licence("gemma", "3"),
    ]
    assert [each and each.id for each in ids] == ["gemma", "apache-2.0", "llama1", "llama3.2", "gemma"]
    assert find_foundation_licence("gemma", "4") is None  # its publisher chose Apache-2.0
    assert find_licence_of_link("https://example.org") is None


def card(license_: str | None = None, **values: Any) -> RepoRecord:
    stated = {} if license_ is None else {"license": license_}
    return RepoRecord("a" * 24, "acme/x", license=license_, card={**stated, **values})


@pytest.mark.parametrize(
    ("repo", "value", "rule"),
    [
        (card("mit"), "MIT", "license"),
        (card("other", license_name="qwen-research"), "LicenseRef-qwen-research", "license_name"),
        (card("other", license_link="https://ai.google.dev/gemma/terms"), "LicenseRef-gemma", "license_link"),
        (card("other"), "LicenseRef-other", "license"),
        (RepoRecord("a" * 24, "acme/x", license="mit", tags=("license:mit",)), "MIT", "license:"),
    ],
)
def test_of_what_a_card_states_the_known_licence_counts(repo: RepoRecord, value: str, rule: str) -> None:
    found = licence_evidence(repo)[0]
    assert (found.field, found.value, found.rule) == ("license_spdx", value, rule)


def test_a_card_that_states_nothing_gives_no_evidence() -> None:
    assert licence_evidence(card()) == ()


def test_a_clause_names_the_text_and_the_place() -> None:
    assert clause_of(licence_table().licences["llama2"], ["use-restricted"]) == (
        "Llama 2 Community License, section 1.b.iv"
    )


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("[x]\nspdx = 'X'", "x"),
        ("[x]\nname = 'X'\ncolour = 'red'", "x"),
        ("[x]\nname = 'X'\nduties = ['sing']", "x"),
        ("[x]\nname = 'X'\ncompatible = ['y']", "x"),
        ("[x", ""),
    ],
)
def test_a_wrong_table_is_refused_by_the_name_of_its_entry(text: str, entry: str) -> None:
    with pytest.raises(VocabularyError) as caught:
        read_licences(text.encode())
    assert caught.value.entry == entry
