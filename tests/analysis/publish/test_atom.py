"""The Atom feed of changes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from analysis.catalog.changes import list_changes
from analysis.publish.atom import ATOM, make_feed
from analysis.query.reader import CatalogReader
from tests.small_catalog import FIRST


def test_a_feed_is_valid_atom_with_stable_ids(small: str) -> None:
    with CatalogReader(small) as reader:
        rows = list(list_changes(reader, since=FIRST))
    feed = ET.fromstring(make_feed(rows, db="catalog.db"))
    entries = feed.findall(f"{{{ATOM}}}entry")
    assert len(entries) == 15
    names = [entry.findtext(f"{{{ATOM}}}id") for entry in entries]
    assert len(set(names)) == 15
    again = ET.fromstring(make_feed(rows[::-1], db="catalog.db")).findall(f"{{{ATOM}}}entry")
    assert sorted(str(entry.findtext(f"{{{ATOM}}}id")) for entry in again) == sorted(map(str, names))
    assert all(entry.findtext(f"{{{ATOM}}}updated", "").endswith("Z") for entry in entries)


def test_control_characters_are_escaped_and_others_that_xml_does_not_allow_dropped() -> None:
    row = {"seen_at": "2026-11-01T00:00:00.000Z", "repo_id": "a/b\x00\x1b<&>", "kind": "label", "subject": "x",
           "before": "\ufffe", "after": "]]>"}  # fmt: skip
    entry = ET.fromstring(make_feed([row], db="x")).find(f"{{{ATOM}}}entry")
    assert entry is not None and entry.findtext(f"{{{ATOM}}}title") == "a/b\\x00\\x1b<&>: label x"
