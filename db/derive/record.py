"""What is worked out of a repo before it is stored, from it and its labels alone, so that any process may do it."""

from __future__ import annotations

from db.derive.digest import facts_of, repo_digest
from db.derive.search_document import document_of
from db.labels import Labels
from db.records import DerivedValues, RepoRecord


def derived(repo: RepoRecord, labels: Labels) -> DerivedValues:
    facts = facts_of(repo)
    return DerivedValues(facts, repo_digest(repo, facts), document_of(repo, labels, facts))
