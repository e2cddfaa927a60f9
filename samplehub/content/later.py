"""What changes on the sample Hub after a while: cards are relicensed, and names of deleted repos are taken again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from samplehub.content.build_repo import build
from samplehub.content.catalog import Catalog
from samplehub.content.model_facts import load_built_in_facts, parse_time

LATER = timedelta(days=60)
"""After a repo was created."""


def apply_later_changes(catalog: Catalog) -> None:
    """Brings the built-in repos of a catalog to their later state; those that it does not hold are left out."""
    known = load_built_in_facts()
    for facts in known.repos:
        if facts.id not in catalog or not (facts.later_license or facts.reused):
            continue
        later = (parse_time(facts.created) + LATER).isoformat()
        if facts.reused:
            catalog.remove(facts.id)
            catalog.add(build(replace(facts, created=later, base=(), relation=""), known))
        else:
            catalog.add(build(replace(facts, license=facts.later_license, modified=later), known))
