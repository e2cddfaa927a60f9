"""Changes as an Atom feed (RFC 4287), for any feed reader."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from analysis.units import iso

ATOM = "http://www.w3.org/2005/Atom"
NOT_XML = "\ufffe\uffff"


def atom(rows: Sequence[Mapping[str, Any]], *, db: str) -> str:
    """A feed of rows of the view `changes`, newest first; ids are stable, so that readers show an entry once."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    add(feed, "id", f"urn:hf-catalog:{digest(db)}")
    add(feed, "title", "Changes of the Hugging Face Hub")
    add(feed, "updated", str(rows[0]["seen_at"]) if rows else iso(datetime.now(UTC)))
    author = ET.SubElement(feed, f"{{{ATOM}}}author")
    add(author, "name", "hf-catalog")
    for row in rows:
        entry = ET.SubElement(feed, f"{{{ATOM}}}entry")
        parts = [str(row[key] or "") for key in ("seen_at", "repo_id", "kind", "subject", "before", "after")]
        add(entry, "id", f"urn:hf-catalog:{digest(*parts)}")
        add(entry, "title", f"{row['repo_id']}: {row['kind']} {row['subject'] or ''}".rstrip())
        add(entry, "updated", str(row["seen_at"]))
        ET.SubElement(entry, f"{{{ATOM}}}link", href=f"https://huggingface.co/{quote(str(row['repo_id']))}")
        if row["before"] or row["after"]:
            add(entry, "summary", f"{row['before'] or 'nothing'} -> {row['after'] or 'nothing'}")
    ET.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def add(parent: ET.Element, name: str, text: str) -> None:
    """A child with text; characters that XML 1.0 does not allow are left out."""
    child = ET.SubElement(parent, f"{{{ATOM}}}{name}")
    child.text = "".join(letter for letter in text if letter in "\t\n" or (letter >= " " and letter not in NOT_XML))


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
