"""The list of changes on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from analysis.catalog.changes import list_changes
from analysis.query.reader import CatalogReader
from tests.small_catalog import FIRST, SECOND


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def test_changes_are_newest_first_and_filtered(reader: CatalogReader) -> None:
    found = list(list_changes(reader, since=FIRST - timedelta(days=1)))
    assert (found[0]["kind"], found[0]["repo_id"]) == ("gone", "old/vanished-7b") and len(found) == 15
    assert [row["kind"] for row in list_changes(reader, since=SECOND)] == ["gone"]
    assert {row["family"] for row in list_changes(reader, since=FIRST, families=["gemma"])} == {"gemma"}
    assert len(list(list_changes(reader, since=FIRST, kinds=["new"], limit=3))) == 3
