"""docs/labels.md against the declarations of the labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.labels.documentation import replace_table
from db.labels import LABELS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")


def test_the_table_of_labels_is_up_to_date() -> None:
    assert replace_table(DOCUMENT) == DOCUMENT, "run: python -m analysis.labels.documentation docs/labels.md"


def test_each_label_that_names_claim_is_explained_before_the_table() -> None:
    prose = DOCUMENT.partition("## All labels of the catalog")[0]
    assert [each.name for each in LABELS if each.is_claimed_by_names and f"`{each.name}`" not in prose] == []


def test_a_document_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        replace_table("# Labels\n")
