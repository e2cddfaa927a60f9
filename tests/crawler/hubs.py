"""Small sample Hubs, clients of them, and crawls."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crawler.pipeline import crawl
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.pacer import Pacer
from db.records import RunRecord
from db.schema.migrate import upgrade
from db.sqlite_file import sqlite_path
from db.write.store import Store
from samplehub import Catalog, Fault, SampleHub
from samplehub.server.server import read_catalog

BEGUN = datetime(2025, 3, 1, tzinfo=UTC)

REAL = (
    "google/gemma-3-1b-it-qat-q4_0-gguf",
    "google/gemma-3-1b-it",
    "ggml-org/gemma-3-1b-it-GGUF",
    "unsloth/gemma-3-1b-it-bnb-4bit",
)
"""Repos of the built-in sample Hub with real headers, one for each way to read them."""


def plain_repos(catalog: Catalog, count: int, start: int = 0) -> Catalog:
    """Adds repos with a card and a config.json, created a minute apart."""
    for at in range(start, start + count):
        owner = ("acme", "borealis", "corvid")[at % 3]
        catalog.add(
            f"{owner}/Gemma-{at % 3 + 1}-{at % 9 + 1}B-it-{at}",
            {"README.md": b"# A model\n", "config.json": b'{"model_type": "gemma3"}'},
            created=BEGUN + timedelta(minutes=at),
            downloads=17 * at % 1000,
            likes=at % 5,
            tags=("transformers", "safetensors", "license:gemma", "base_model:google/gemma-3-4b-it"),
            pipeline="text-generation",
        )
    return catalog


def small_catalog(count: int = 40) -> Catalog:
    """`count` plain repos, and those of REAL."""
    catalog = plain_repos(Catalog(), count)
    built_in = read_catalog(None)
    for name in REAL:
        catalog.add(built_in[name])
    return catalog


def make_client(sample: SampleHub, token: str | bool = False, **options: Any) -> HubClient:
    """A client of a sample Hub with short time-outs."""
    options = {"timeout": 2.0, "backoff": 0.02, "offline": False, "patience": 0.3} | options
    endpoint = options.pop("endpoint", sample.endpoint)
    return HubClient(endpoint, token, options.pop("pacer", None) or Pacer(), **options)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def empty_catalog() -> bytes:
    """An empty SQLite catalog: to copy one takes a hundredth of the time of all migrations."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        upgrade(path, create=True)
        return path.read_bytes()


def run_crawl(
    db: Path, sample: SampleHub, *, hub: HubClient | None = None, token: str | bool = False, **orders: Any
) -> RunRecord:
    """One crawl into a catalog. Pages are small, so that there are several."""
    settings = replace(CrawlSettings(depth="files", page=10, workers=4), **orders)
    if sqlite_path(db) is not None and not db.exists():  # not the URL of a server
        db.write_bytes(empty_catalog())
    with Store.open(db, create=True) as store:
        return crawl(store, HuggingFaceSource(hub or make_client(sample, token)), settings)[-1]


def requested_paths(sample: SampleHub, part: str = "") -> list[str]:
    """Paths with queries of the requests that contain `part`. Waits until no further request is logged."""
    count = -1
    while count != len(sample.requests):
        count = len(sample.requests)
        time.sleep(0.05)
    return [request.target for request in sample.requests if part in request.target]


def with_faults(*faults: Fault, count: int = 40) -> SampleHub:
    return SampleHub(catalog=small_catalog(count), faults=faults)


def repo_ids(sample: SampleHub) -> Sequence[str]:
    return sorted(repo.id for repo in sample.catalog)
