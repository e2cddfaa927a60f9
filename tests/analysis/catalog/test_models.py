"""Models for people: the list and its filters, one model, its tree; what happened, as a table and as a feed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analysis.catalog.models import SORTS, Filter, changes, find_model, info, list_models, tree, walk
from analysis.errors import UnknownModel
from analysis.publish.atom import ATOM, make_feed
from analysis.query.reader import CatalogReader
from analysis.text import csv_cell, escape_control_characters, escape_formula, jsonable, to_json
from analysis.units import (
    count_text,
    iso,
    parse_bandwidth,
    parse_context,
    parse_model_size,
    parse_size,
    parse_when,
    size_text,
)
from tests.small_catalog import FIRST, FORMULA, SECOND


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def ids(reader: CatalogReader, sort: str = "downloads", limit: int | None = None, **wanted: Any) -> list[str]:
    return [row["repo_id"] for row in list_models(reader, Filter(**wanted), sort=sort, limit=limit)]


# ---- the list -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_lists_every_model_once(sort: str, reader: CatalogReader) -> None:
    found = ids(reader, sort)
    assert len(found) == len(set(found)) == 13, "all but the one that is gone"
    assert found[:3] == ids(reader, sort, 3)


@pytest.mark.parametrize("wanted", [{"families": ["gemma"]}, {"quants": ["q4_k_m", "AWQ"]}, {"formats": ["gguf"]}])
def test_common_labels_are_met_and_rare_ones_looked_up(
    wanted: dict[str, Any], reader: CatalogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = ids(reader, **wanted)
    monkeypatch.setattr("analysis.catalog.models.COMMON", 0)
    assert ids(reader, **wanted) == looked_up != []


def test_the_most_downloaded_come_first(reader: CatalogReader) -> None:
    assert ids(reader, limit=2) == ["meta-llama/Llama-3.1-8B-Instruct", "openai/whisper-large-v3"]
    assert ids(reader, "parameters", 1) == ["unsloth/Qwen3-30B-A3B-GGUF"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"families": ["GEMMA"]}, 5),
        ({"families": ["gemma", "qwen"]}, 7),
        ({"quants": ["q4_k_m"]}, 3),
        ({"quants": ["Q8_0"]}, 2),  # held, though no repo's own scheme
        ({"quants": ["q*"]}, 6),
        ({"formats": ["gguf"], "authors": ["unsloth"]}, 2),
        ({"tunings": ["instruct"]}, 9),
        ({"licenses": ["apache-2.0"]}, 3),
        ({"licenses": [FORMULA]}, 1),
        ({"tasks": ["automatic-speech-recognition"]}, 1),
        ({"least": ("parameters", 8 * 10**9)}, 4),
        ({"least": ("parameters", 8 * 10**9), "most": ("parameters", 10**10)}, 3),
        ({"most": ("bytes", 10**9)}, 2),
        ({"quantized": True}, 8),
        ({"quantized": False}, 5),
        ({"qat": True}, 1),
        ({"gone": True}, 14),
        ({"families": ["100%"]}, 0),
        ({"authors": ["'; drop table repos; --"]}, 0),
    ],
)  # fmt: skip
def test_filters(wanted: dict[str, Any], count: int, reader: CatalogReader) -> None:
    assert len(ids(reader, **wanted)) == count


# ---- one model ------------------------------------------------------------------------------------------------------


def test_a_model_is_found_by_what_people_have_of_it(reader: CatalogReader) -> None:
    for asked in (
        "google/gemma-3-4b-it",
        "Google/Gemma-3-4B-IT",
        "https://huggingface.co/google/gemma-3-4b-it/",
        "000000000000000000000001",
    ):
        assert find_model(reader, asked)["repo_id"] == "google/gemma-3-4b-it"
    with pytest.raises(UnknownModel) as caught:
        find_model(reader, "goggle/gemma-3-4b-it")
    assert caught.value.close[0] == "google/gemma-3-4b-it"


def test_info_holds_all_that_belongs_to_a_model(reader: CatalogReader) -> None:
    found = info(reader, "bartowski/google_gemma-3-4b-it-GGUF")
    assert [row["quant"] for row in found.artifacts] == ["Q2_K", "Q4_K_M", "Q8_0", None], (
        "smallest first, sidecars last"
    )
    assert [row["field"] for row in found.conflicts] == ["quant"]
    assert found.parents[0]["parent"] == "google/gemma-3-4b-it"
    assert {row["repo_id"] for row in found.relatives} >= {"google/gemma-3-4b-it", "unsloth/gemma-3-4b-it-GGUF"}
    assert [row["kind"] for row in found.changes] == ["new"]
    assert found.model["tuning"] == ["instruct"] and found.model["imatrix"] is True


def test_a_tree_begins_with_the_ancestor(reader: CatalogReader) -> None:
    root = tree(reader, "unsloth/gemma-3-4b-it-GGUF")
    assert root.repo_id == "google/gemma-3-4b-it" and root.depth == 0 and not root.missing
    assert [node.repo_id for node in walk(root)][1] == "google/gemma-3-4b-it-qat-q4_0-gguf"
    assert {node.relation for node in root.children} == {"quantized"}
    missing = tree(reader, "halfway/Qwen3-8B-GGUF")
    assert missing.missing and missing.children[0].repo_id == "halfway/Qwen3-8B-GGUF"


def test_a_line_that_comes_back_to_itself_ends(db: str) -> None:
    from dataclasses import replace

    from db.records import EdgeRecord, Page
    from db.write.store import Store
    from tests.small_catalog import labelled, others

    model = others()[-1]
    circle = [("a/one", "a/two"), ("a/two", "a/three"), ("a/three", "a/one")]
    listed = tuple(
        (
            replace(model.record, repo_id=name, hub_id=f"{at:024x}", edges=(EdgeRecord(parent, "finetune", "card"),)),
            labelled(model.labels.labels),
        )
        for at, (name, parent) in enumerate(circle)
    )
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", Page(listed, (), None))
    with CatalogReader(db) as reader:
        assert len(list(walk(tree(reader, "a/one")))) == 3


# ---- what happened --------------------------------------------------------------------------------------------------


def test_changes_are_newest_first_and_narrow(reader: CatalogReader) -> None:
    found = list(changes(reader, since=FIRST - timedelta(days=1)))
    assert (found[0]["kind"], found[0]["repo_id"]) == ("gone", "old/vanished-7b") and len(found) == 15
    assert [row["kind"] for row in changes(reader, since=SECOND)] == ["gone"]
    assert {row["family"] for row in changes(reader, since=FIRST, families=["gemma"])} == {"gemma"}
    assert len(list(changes(reader, since=FIRST, kinds=["new"], limit=3))) == 3


def test_a_feed_is_atom_and_its_ids_stay(reader: CatalogReader) -> None:
    rows = list(changes(reader, since=FIRST))
    feed = ET.fromstring(make_feed(rows, db="catalog.db"))
    entries = feed.findall(f"{{{ATOM}}}entry")
    assert len(entries) == 15
    names = [entry.findtext(f"{{{ATOM}}}id") for entry in entries]
    assert len(set(names)) == 15
    again = ET.fromstring(make_feed(rows[::-1], db="catalog.db")).findall(f"{{{ATOM}}}entry")
    assert sorted(str(entry.findtext(f"{{{ATOM}}}id")) for entry in again) == sorted(map(str, names))
    assert all(entry.findtext(f"{{{ATOM}}}updated", "").endswith("Z") for entry in entries)


def test_a_feed_survives_what_xml_does_not_allow() -> None:
    row = {"seen_at": "2026-11-01T00:00:00.000Z", "repo_id": "a/b\x00\x1b<&>", "kind": "label", "subject": "x",
           "before": "\ufffe", "after": "]]>"}  # fmt: skip
    entry = ET.fromstring(make_feed([row], db="x")).find(f"{{{ATOM}}}entry")
    assert entry is not None and entry.findtext(f"{{{ATOM}}}title") == "a/b<&>: label x"


# ---- how values are read and written --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [("16GB", 16e9), ("16 gb", 16e9), ("16GiB", 2**34), ("16G", 16e9), ("7.5e9", 7.5e9), ("512", 512), (".5GB", 5e8)],
)
def test_sizes_are_read_as_people_write_them(text: str, number: float) -> None:
    assert parse_size(text) == number


@pytest.mark.parametrize("text", ["", "GB", "16 apples", "-3GB", "1e999GB", "16i", "0x10"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_size(text)


def test_other_units() -> None:
    assert parse_model_size("4B") == ("parameters", 4e9) and parse_model_size("270M") == ("parameters", 2.7e8)
    assert parse_model_size("4GB") == ("bytes", 4e9)
    assert parse_context("32k") == 32_768 and parse_context("1M") == 2**20 and parse_context("8192") == 8192
    assert parse_bandwidth("100GB/s") == 1e11
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert parse_when("7d", now) == now - timedelta(days=7)
    assert iso(parse_when("2026-11-01T12:00:00+02:00")) == "2026-11-01T10:00:00.000Z"
    with pytest.raises(ValueError, match="yesterday"):
        parse_when("yesterday")


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (4_700_000, "4.7 MB"), (3_155_051_328, "3.16 GB"), (150e9, "150 GB")],
)
def test_sizes_are_written_in_gigabytes(number: float | None, text: str) -> None:
    assert size_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (12_345, "12,345"), (270e6, "270M"), (999_885_952, "1B"), (3_880_263_168, "3.88B"), (1.6e12, "1.6T")],
)
def test_counts_are_written_short(number: float | None, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\x00b", "\u202eevil", "line\nbreak", "\u2028", "zero\u200bwidth"])
def test_what_a_terminal_acts_on_is_shown_as_an_escape(text: str) -> None:
    shown = escape_control_characters(text)
    assert shown != text and shown.isprintable()
    assert escape_control_characters("gemma 3 – 日本語 é") == "gemma 3 – 日本語 é"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "＝1"])
def test_what_a_spreadsheet_runs_gets_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == f"'{text}" and str(csv_cell(text)).startswith("'")
    assert (
        csv_cell(-1) == -1
        and csv_cell("\tx") == "\\tx"
        and csv_cell("a=b") == "a=b"
        and csv_cell(text, raw=True) == text
    )


def test_values_as_json_and_csv() -> None:
    assert csv_cell(None) == "" and csv_cell(True) == "true" and csv_cell(["a"]) == '["a"]'
    assert jsonable(b"\x01\xff") == "01ff" and jsonable(FIRST) == "2026-11-01T08:00:00.000Z"
    assert to_json({"a": "\x1b\u202e é"}) == '{"a": "\\u001b\\u202e é"}'
