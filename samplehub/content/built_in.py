"""The catalog that comes with the program: the repos of models.toml, built."""

from __future__ import annotations

from samplehub.content.build_repo import build
from samplehub.content.catalog import Catalog
from samplehub.content.model_facts import load_built_in_facts


def built_in() -> Catalog:
    """A new catalog with every repo of models.toml. Raises InvalidFacts."""
    facts = load_built_in_facts()
    return Catalog((build(repo, facts) for repo in facts.repos), moved=facts.moved)
