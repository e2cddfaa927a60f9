"""Keeps what is known of a hub's API in the catalog, from one crawl to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import get_args

from crawler.sources.source import Capabilities, Order, Source
from db.write.store import Store

MAX_AGE = timedelta(days=7)
"""After this time it is found again: hubs are updated."""


@contextmanager
def kept_capabilities(store: Store, source: Source) -> Iterator[None]:
    """Gives the source what earlier crawls found of its hub, and stores what this one finds, however it ends."""
    stored = store.load_capabilities(source.endpoint, datetime.now(UTC) - MAX_AGE)
    if stored is not None:
        source.use_capabilities(parse_capabilities(stored))
    try:
        yield
    finally:
        found = format_capabilities(source.capabilities)
        if found != stored:
            store.save_capabilities(source.endpoint, found)


def format_capabilities(capabilities: Capabilities) -> str:
    """As a JSON object, the same for equal ones."""
    values = asdict(capabilities) | {"unknown_keys": sorted(capabilities.unknown_keys)}
    return json.dumps(values, sort_keys=True)


def parse_capabilities(text: str) -> Capabilities:
    """The inverse of `format_capabilities`; what another version wrote and this one does not know is left out."""
    try:
        values = json.loads(text)
        orders = {order: str(values["orders"][order]) for order in get_args(Order) if order in values["orders"]}
        known = values["has_hub_ids"]
        return Capabilities(
            orders, frozenset(map(str, values["unknown_keys"])), known if known in (True, False) else None
        )
    except (ValueError, TypeError, KeyError):
        return Capabilities()
