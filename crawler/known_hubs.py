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


FLAGS = ("has_hub_ids", "has_links", "sends_ranges")
"""Fields of Capabilities that are true, false, or unknown."""


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
        rows = values.get("max_rows")
        return Capabilities(
            orders,
            frozenset(map(str, values["unknown_keys"])),
            max_rows=rows if type(rows) is int and rows > 0 else None,
            **{name: values[name] for name in FLAGS if type(values.get(name)) is bool},
        )
    except (ValueError, TypeError, KeyError):
        return Capabilities()


def describe_capabilities(known: Capabilities) -> str:
    """How a hub's API differs from huggingface.co's, in words; empty if it does not, as far as is known."""
    renamed = sorted((order, name) for order, name in known.orders.items() if name != order)
    orders = ", ".join(f"{order} is {name or 'not offered'}" for order, name in renamed)
    differences = (
        (bool(renamed), f"orders: {orders}"),
        (bool(known.unknown_keys), f"does not know {', '.join(sorted(known.unknown_keys))}"),
        (known.has_hub_ids is False, "repos have no _id"),
        (known.max_rows is not None, f"pages of at most {known.max_rows or 0:,} rows"),
        (known.has_links is False, "no links between pages"),
        (known.sends_ranges is False, "files are sent whole, though ranges are asked for"),
    )
    return "; ".join(text for is_so, text in differences if is_so)
