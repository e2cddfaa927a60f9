"""Evidence comes from the sources that its label declares."""

from __future__ import annotations

from pathlib import Path

from analysis.query.reader import CatalogReader
from db.labels import LABEL_BY_NAME, LABELS


def test_evidence_of_the_demo_catalog_comes_from_declared_sources(demo: Path) -> None:
    with CatalogReader(demo) as reader:
        found = reader.all("select field, source from labels group by field, source")
    assert {row["field"] for row in found} - LABEL_BY_NAME.keys() == {"quantizer"}, "evidence without a label"
    undeclared = [
        (row["field"], row["source"])
        for row in found
        if row["field"] in LABEL_BY_NAME and row["source"] not in LABEL_BY_NAME[row["field"]].sources
    ]
    assert undeclared == []


def test_keys_that_state_a_label_are_of_its_sources() -> None:
    assert [each.name for each in LABELS if {key.source for key in each.stated_by} - set(each.sources)] == []
