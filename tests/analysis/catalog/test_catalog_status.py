"""The counts of `status`, which one reading of the repos gives, against counts by a query of their own."""

from __future__ import annotations

from analysis.catalog.catalog_status import count_backlog, count_by, read_catalog_status
from analysis.query.reader import CatalogReader

STATES = [
    {"type": "model", "status": "available", "depth": "listing", "n": 5},
    {"type": "model", "status": "gated", "depth": "files", "n": 2},
    {"type": "model", "status": "available", "depth": "headers", "n": 9},
    {"type": "model", "status": "gone", "depth": "listing", "n": 40},
]


def test_counts_of_a_catalog(small_on_both: str) -> None:
    found = read_catalog_status(small_on_both)
    with CatalogReader(small_on_both) as reader:
        rows = reader.all("select status, count(*) as n from repos where type = 'model' group by status")
        (whole,) = reader.all("select count(*) as n from repos")
    assert found["by_status"] == {row["status"]: row["n"] for row in rows}
    assert sum(found["by_type"].values()) == whole["n"]
    present = sum(n for status, n in found["by_status"].items() if status != "gone")
    assert sum(found["by_depth"].values()) == present
    assert list(found["by_depth"].values()) == sorted(found["by_depth"].values(), reverse=True)


def test_what_is_gone_waits_for_nothing() -> None:
    assert count_backlog(STATES) == {"files": 5, "headers": 7}
    assert list(count_by(STATES, "status").items()) == [("gone", 40), ("available", 14), ("gated", 2)]
