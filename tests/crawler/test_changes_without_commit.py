"""What the Hub says of a repo may change though its commit does not: labels follow, without further requests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samplehub import MEMBER, Catalog, Fault, Kind, SampleHub
from tests.crawler.dump import QUERIES, dump
from tests.crawler.hubs import REAL, requested_paths, run_crawl, small_catalog

NOT_COMPARED = frozenset(("aliases", "events", "header_layouts", "headers", "metrics", "skips"))
"""Tables that hold what happened, or what repos had that are hidden now."""

QUANTIZED, PLAIN, MEASURED = "acme/Gemma-1-1B-it-0", "borealis/Gemma-2-2B-it-1", REAL[3]

Change = Callable[[Catalog], Any]


def present_differences(one: Path, other: Path) -> list[str]:
    """The differences of two catalogs in what belongs to the repos that the other one holds."""
    left, right = dump(one), dump(other)
    shown = {row[1] for row in right["repos"]}
    found = []
    for table in sorted(QUERIES.keys() - NOT_COMPARED):
        column = 1 if table == "repos" else 0
        before, after = ({repr(row) for row in each[table] if row[column] in shown} for each in (left, right))
        found += [f"{table}: {row}" for row in before ^ after]
    return found


CHANGES: dict[str, Change] = {
    "tags": lambda catalog: catalog.modify(QUANTIZED, tags=("gguf", "license:mit", "de", "region:us")),
    "tags of a repo with headers": lambda catalog: catalog.modify(MEASURED, tags=("text-to-speech", "license:mit")),
    "library": lambda catalog: catalog.modify(PLAIN, library="peft"),
    "task": lambda catalog: catalog.modify(PLAIN, pipeline="feature-extraction"),
    "base model": lambda catalog: catalog.modify(PLAIN, base=(REAL[1],), relation="adapter"),
    "several": lambda catalog: [catalog.modify(name, tags=("merge",)) for name in (QUANTIZED, PLAIN, *REAL)],
    "gated": lambda catalog: catalog.modify(PLAIN, gated="auto"),
    "base model renamed": lambda catalog: catalog.rename(REAL[1], "google/gemma-3-renamed"),
    "base model hidden": lambda catalog: catalog.modify(REAL[1], private=True),
    "branches": lambda catalog: catalog.modify(PLAIN, tags=("gptq",)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_labels_follow_the_listing(name: str, tmp_path: Path) -> None:
    catalog = small_catalog(6)
    catalog.modify(REAL[0], base=(REAL[1],), relation="quantized")
    known, new = tmp_path / "known.db", tmp_path / "new.db"
    with SampleHub(catalog=catalog) as sample:
        run_crawl(known, sample, depth="headers", token=MEMBER)
        CHANGES[name](sample.catalog)
        read = len(requested_paths(sample, "/resolve/"))
        run_crawl(known, sample, depth="headers", token=MEMBER, full=True)
        if "rename" not in name:
            assert len(requested_paths(sample, "/resolve/")) == read, "no file is requested again"
        run_crawl(new, sample, depth="headers", token=MEMBER)
    assert present_differences(known, new) == []


def test_a_listing_alone_is_enough(tmp_path: Path) -> None:
    known, new = tmp_path / "known.db", tmp_path / "new.db"
    with SampleHub(catalog=small_catalog(6)) as sample:
        run_crawl(known, sample, depth="headers", token=MEMBER)
        sample.catalog.modify(QUANTIZED, tags=("license:mit", "merge", "not-for-all-audiences"))
        asked = len(requested_paths(sample, f"{QUANTIZED}"))
        run_crawl(known, sample, depth="listing", full=True)
        assert len(requested_paths(sample, f"{QUANTIZED}")) == asked
        run_crawl(new, sample, depth="headers", token=MEMBER)
    assert present_differences(known, new) == []
    with sqlite3.connect(known) as connection:
        events = connection.execute("select subject, after from events where kind = 'label'").fetchall()
    connection.close()
    assert ("tuning", '["instruct","merge"]') in events


@pytest.mark.parametrize("place", ["info", "listing"])
@pytest.mark.parametrize("key", ["tags", "config", "cardData", "pipeline_tag", "safetensors"])
def test_a_value_that_was_missing_once_comes_back(place: Any, key: str, tmp_path: Path) -> None:
    known, new = tmp_path / "known.db", tmp_path / "new.db"
    fault = Fault(Kind.ALTERED_FIELD, on=place, name=key, body=b"null", times=20)
    with SampleHub(catalog=small_catalog(6), faults=(fault,)) as sample:
        run_crawl(known, sample, depth="headers", token=MEMBER)
        sample.faults.clear()
        run_crawl(known, sample, depth="headers", token=MEMBER, full=True)
        run_crawl(known, sample, depth="headers", token=MEMBER, full=True)
        run_crawl(new, sample, depth="headers", token=MEMBER)
    assert present_differences(known, new) == []
