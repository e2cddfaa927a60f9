"""The licence of a repo, as its card states it."""

from __future__ import annotations

from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.licences.licences import Licence, find_licence, find_licence_of_link
from analysis.untrusted import MAX_TAGS, check_text, check_texts
from db.record_base import Source
from db.records import RepoRecord

MAX_LICENCES = 20
"""Licences of one repo."""


def licence_evidence(repo: RepoRecord) -> Evidence:
    """SPDX id and kind of the licence, the ids of all where there are several; nothing of a repo that states none."""
    found = stated_licence(repo)
    if found is None:
        return ()
    licence, source, rule = found
    return (
        make_evidence("license_spdx", licence.identifier, source, rule, WEIGHT[source]),
        make_evidence("license_kind", licence.kind, source, rule, WEIGHT[source]),
        *several_evidence(repo),
    )


def several_evidence(repo: RepoRecord) -> Evidence:
    """Each licence of a card that states several, or of several tags; nothing where there is one alone."""
    stated = repo.card.get("license")
    if isinstance(stated, str):
        return ()
    source: Source = "card" if stated else "tag"
    tags = (tag.removeprefix("license:") for tag in repo.tags[:MAX_TAGS] if tag.startswith("license:"))
    written = check_texts(stated, MAX_LICENCES) if source == "card" else tuple(tags)[:MAX_LICENCES]
    if len(written) < 2:
        return ()
    named = (found for each in written if (found := find_licence(each)) is not None)
    identifiers = dict.fromkeys(each.identifier for each in named)
    rule = "license" if source == "card" else "license:"
    return tuple(make_evidence("licenses", each, source, rule, WEIGHT[source]) for each in identifiers)


def stated_licence(repo: RepoRecord) -> tuple[Licence, Source, str] | None:
    """The licence, who states it and under which key; None of a repo that states none.

    Of `license`, `license_name` and `license_link` the first that names a licence of known terms; else the first.
    """
    card = repo.card
    source: Source = "card" if card.get("license") else "tag"
    named = find_licence(check_text(card.get("license_name")))
    stated = [
        (find_licence(repo.license), source, "license" if source == "card" else "license:"),
        (named, "card", "license_name"),
        (find_licence_of_link(check_text(card.get("license_link"))), "card", "license_link"),
    ]
    known: list[tuple[Licence, Source, str]] = [(each, who, key) for each, who, key in stated if each is not None]
    return next((each for each in known if each[0].is_known), known[0] if known else None)
