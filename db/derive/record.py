"""Values that are computed from a repo and its labels before it is stored, so that any process can compute them."""

from __future__ import annotations

from db.derive.digest import facts_of, repo_digest
from db.derive.search_document import document_of
from db.labels import Labels
from db.records import DerivedValues, RepoRecord


def derived(repo: RepoRecord, labels: Labels) -> DerivedValues:
    facts = facts_of(repo)
    return DerivedValues(facts, repo_digest(repo, facts), document_of(repo, labels, facts))
