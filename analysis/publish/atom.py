"""Changes as an Atom feed (RFC 4287), for any feed reader."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from analysis.text import escape_control_characters
from analysis.units import iso
from db.watches import WatchEvent

ATOM = "http://www.w3.org/2005/Atom"
NON_XML_CHARACTERS = "\ufffe\uffff"


def make_feed(rows: Sequence[Mapping[str, Any]], *, db: str) -> str:
    """An Atom document with an entry for each row of the view `changes`, newest first.

    Ids are stable, so that a feed reader shows an entry once. `db` is the catalog's file or URL.
    """
    entries = []
    for row in rows:
        parts = [str(row[key] or "") for key in ("seen_at", "repo_id", "kind", "subject", "before", "after")]
        summary = f"{row['before'] or 'nothing'} -> {row['after'] or 'nothing'}"
        title = f"{row['repo_id']}: {row['kind']} {row['subject'] or ''}".rstrip()
        text = summary if row["before"] or row["after"] else None
        entries.append(Entry(stable_id(*parts), title, str(row["seen_at"]), str(row["repo_id"]), text))
    return write_feed("Changes of the Hugging Face Hub", stable_id(db), entries)


def make_models_feed(rows: Sequence[Mapping[str, Any]], *, title: str, key: str) -> str:
    """An Atom document with an entry for each row of the view `models`, which a new commit makes a new entry.

    `key` tells this feed from others.
    """
    entries = []
    for row in rows:
        updated = str(row["last_modified"] or row["first_seen"])
        summary = ", ".join(str(row[name]) for name in ("family", "quant", "format", "license") if row[name])
        repo_id = str(row["repo_id"])
        entries.append(Entry(stable_id(str(row["hub_id"]), updated), repo_id, updated, repo_id, summary or None))
    return write_feed(title, stable_id(key), entries)


def make_watch_feed(watch: str, events: Sequence[WatchEvent]) -> str:
    """An Atom document with an entry for each event of a watch: an event has one place, however often it is read."""
    entries = [Entry(stable_id(each.key), each.text, each.at.isoformat(), each.repo_id or "", None) for each in events]
    return write_feed(f"hf-catalog: {watch}", stable_id(f"watch {watch}"), entries)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its stable id, the time as ISO 8601 text, and the repo that it links to."""

    id: str
    title: str
    updated: str
    repo_id: str
    summary: str | None


def write_feed(title: str, feed_id: str, entries: Sequence[Entry]) -> str:
    """The document; it was updated when its latest entry was."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    add_text(feed, "id", f"urn:hf-catalog:{feed_id}")
    add_text(feed, "title", title)
    add_text(feed, "updated", max((entry.updated for entry in entries), default=iso(datetime.now(UTC))))
    author = ET.SubElement(feed, f"{{{ATOM}}}author")
    add_text(author, "name", "hf-catalog")
    for each in entries:
        entry = ET.SubElement(feed, f"{{{ATOM}}}entry")
        add_text(entry, "id", f"urn:hf-catalog:{each.id}")
        add_text(entry, "title", each.title)
        add_text(entry, "updated", each.updated)
        address = f"https://huggingface.co/{quote(each.repo_id, errors='replace')}"
        ET.SubElement(entry, f"{{{ATOM}}}link", href=address)
        if each.summary:
            add_text(entry, "summary", each.summary)
    ET.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def add_text(parent: ET.Element, name: str, text: str) -> None:
    """Add a child element with text; control characters are escaped, and others that XML 1.0 does not allow dropped."""
    child = ET.SubElement(parent, f"{{{ATOM}}}{name}")
    child.text = "".join(letter for letter in escape_control_characters(text) if letter not in NON_XML_CHARACTERS)


def stable_id(*parts: str) -> str:
    """The first 32 hexadecimal digits of the parts' sha256."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
