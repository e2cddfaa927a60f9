"""Changes as an Atom feed (RFC 4287), for any feed reader."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from analysis.text import escape_control_characters
from analysis.units import iso

ATOM = "http://www.w3.org/2005/Atom"
NON_XML_CHARACTERS = "\ufffe\uffff"


def make_feed(rows: Sequence[Mapping[str, Any]], *, db: str) -> str:
    """An Atom document with an entry for each row of the view `changes`, newest first.

    Ids are stable, so that a feed reader shows an entry once. `db` is the catalog's file or URL.
    """
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    add_text(feed, "id", f"urn:hf-catalog:{stable_id(db)}")
    add_text(feed, "title", "Changes of the Hugging Face Hub")
    add_text(feed, "updated", str(rows[0]["seen_at"]) if rows else iso(datetime.now(UTC)))
    author = ET.SubElement(feed, f"{{{ATOM}}}author")
    add_text(author, "name", "hf-catalog")
    for row in rows:
        entry = ET.SubElement(feed, f"{{{ATOM}}}entry")
        parts = [str(row[key] or "") for key in ("seen_at", "repo_id", "kind", "subject", "before", "after")]
        add_text(entry, "id", f"urn:hf-catalog:{stable_id(*parts)}")
        add_text(entry, "title", f"{row['repo_id']}: {row['kind']} {row['subject'] or ''}".rstrip())
        add_text(entry, "updated", str(row["seen_at"]))
        ET.SubElement(entry, f"{{{ATOM}}}link", href=f"https://huggingface.co/{quote(str(row['repo_id']))}")
        if row["before"] or row["after"]:
            add_text(entry, "summary", f"{row['before'] or 'nothing'} -> {row['after'] or 'nothing'}")
    ET.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def add_text(parent: ET.Element, name: str, text: str) -> None:
    """Add a child element with text; control characters are escaped, and others that XML 1.0 does not allow dropped."""
    child = ET.SubElement(parent, f"{{{ATOM}}}{name}")
    child.text = "".join(letter for letter in escape_control_characters(text) if letter not in NON_XML_CHARACTERS)


def stable_id(*parts: str) -> str:
    """The first 32 hexadecimal digits of the parts' sha256."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
