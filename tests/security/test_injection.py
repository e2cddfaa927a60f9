"""Untrusted texts in everything that is shown or written: terminals, HTML, SVG, XML, CSV, file names, long names."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest

from analysis.publish.atom import make_feed
from analysis.publish.export import export_catalog
from analysis.query.saved import SavedQuery
from analysis.text import UNPRINTABLE, escape_control_characters, to_json
from crawler.cli.printer import Printer
from tests.crawler.cli.conftest import Ask, hf_catalog
from tests.security.costs import check_cost

__all__ = ["hf_catalog"]

MARKUP = (
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "<svg/onload=alert(1)>",
    "]]><script>alert(1)</script>", "<!--<script>alert(1)//-->", "{{7*7}}{%raw%}<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;", "javascript:alert(1)", "<![CDATA[<script>alert(1)</script>]]>",
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>',
    "<a href='javascript:alert(1)'>x</a>", "<iframe srcdoc='<script>alert(1)</script>'>",
    "<style>*{display:none}</style>",
)  # fmt: skip
ESCAPES = (
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;http://evil.example\x1b\\", "\x1bP+q\x1b\\", "\x9b31m", "\x9d0;x\x9c",
    "\r\nFAKE", "\x08\x08\x08", "\x7f", "\u202egnp.exe", "\u2066x\u2069", "\u200b", "\ufeff", "\U000e0041", "\x00",
    "\ud800", "\u2028", "\x85", "\xad",
)  # fmt: skip


class Elements(HTMLParser):
    """Collects the elements of a page and their attributes, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def check(self) -> None:
        """Fails where a text became a part of the page that runs or loads something."""
        for tag, attributes in self.found:
            assert tag not in ("iframe", "object", "embed", "base"), (tag, attributes)
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            if attributes.get("href") != "data:,":  # the page's own icon, which is none
                assert not str(attributes.get("href", "")).lower().startswith(("javascript:", "data:")), attributes
            assert attributes.get("src") != "x", attributes


# ---- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_text_in_a_cell_of_the_report(text: str) -> None:
    from analysis.publish.pages import format_cell

    jinja2 = pytest.importorskip("jinja2")
    page = (
        jinja2.Environment(autoescape=True).from_string("<td title='{{ x }}'>{{ x }}</td>").render(x=format_cell(text))
    )
    elements = Elements(page)
    elements.check()
    assert [tag for tag, _ in elements.found] == ["td"]


@pytest.fixture(scope="module")
def site(small: str) -> Iterator[Any]:
    """The web pages of a catalog, one of whose saved queries has markup for title, description and parameter."""
    pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")
    from analysis.query.saved import Parameter
    from crawler.web import plugin
    from tests.crawler.web.site import Site

    evil = SavedQuery(
        "evil", MARKUP[2], MARKUP[0], "interactive", (Parameter("x", "text", MARKUP[3], MARKUP[3]),), "select :x as x"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin, "saved_queries", lambda: (evil,))
        yield Site(small)


@pytest.mark.parametrize("page", ["", "/evil"])
def test_the_texts_of_a_saved_query_are_no_markup(page: str, site: Any) -> None:
    html = site.get(f"/catalog{page}")
    Elements(html).check()
    assert "alert(1)" in html and "<script>alert(1)" not in html


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_a_request_is_text_in_its_page(text: str, site: Any) -> None:
    html = site.fetch("/catalog", {"sql": f'select :x as "{text.replace(chr(34), "")}"', "x": text})
    Elements(html).check()
    assert "<script>alert(1)" not in html and "<svg/onload" not in html and "<style>*" not in html


@pytest.mark.parametrize("text", MARKUP[:6])
def test_markup_in_an_address_is_text_in_the_error(text: str, site: Any) -> None:
    Elements(site.fetch("/catalog", {"sql": f"select {text}"}, 400)).check()
    Elements(site.fetch("/catalog/models", {"_sort": text}, 500)).check()


def test_markup_in_a_chart_is_text_in_its_svg() -> None:
    alt = pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    from analysis.publish.charts import Figure

    table = pd.DataFrame({"name": list(MARKUP), "count": range(len(MARKUP))})

    def draw(width: int) -> Any:
        return alt.Chart(table, title=MARKUP[0]).mark_bar().encode(x="count", y=alt.Y("name", title=MARKUP[1]))

    figure = Figure("evil", MARKUP[2], MARKUP[3], table, draw)
    for svg in (figure.svg(), figure.inline_svg(800, "wide")):
        for element in ElementTree.fromstring(svg).iter():
            assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "iframe", "image"), element
            assert not any(name.lower().startswith("on") for name in element.attrib), element.attrib
            assert not any("javascript:" in value for value in element.attrib.values() if "(" not in value)


# ---- feeds, tables, terminals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", (*MARKUP, *ESCAPES))
def test_any_text_is_one_text_in_a_feed(text: str) -> None:
    row = dict.fromkeys(("seen_at", "repo_id", "kind", "subject", "before", "after"), text)
    feed = ElementTree.fromstring(make_feed([row], db=text))
    atom = "{http://www.w3.org/2005/Atom}"
    assert {each.tag.removeprefix(atom) for each in feed.iter()} <= {
        "feed", "id", "title", "updated", "author", "name", "entry", "link", "summary",
    }  # fmt: skip
    link = feed.find(f"{atom}entry/{atom}link")
    assert link is not None and link.get("href", "").startswith("https://huggingface.co/")


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "nl", "table", "text"])
def test_any_text_is_harmless_in_every_form_of_output(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [*MARKUP, *ESCAPES, 'a,b\tc"d', "=1+1"]
    out = io.StringIO()
    Printer(form, stdout=out).rows([{"text": text, text: 1} for text in texts])
    shown = out.getvalue()
    for line in shown.replace("\r\n", "\n").split("\n"):
        assert not UNPRINTABLE.search(line.replace("\t", "")), ascii(line)


@pytest.mark.parametrize("text", (*MARKUP, *ESCAPES))
def test_json_and_csv_keep_what_can_be_shown(text: str) -> None:
    assert json.loads(to_json({"x": text})) == {"x": text}
    out = io.StringIO()
    Printer("csv", stdout=out).rows([{"a": text, "b": 1}])
    heading, row = csv.reader(io.StringIO(out.getvalue()))
    assert heading == ["a", "b"] and row[0].lstrip("'") == escape_control_characters(text).lstrip("'") and row[1] == "1"


ARGUMENTS: dict[str, tuple[str, ...]] = {
    "info": ("models", "info", "{}"),
    "tree": ("models", "tree", "{}"),
    "search": ("search", "{}"),
    "similar": ("similar", "{}"),
    "compare": ("compare", "{}", "{}"),
    "label": ("label", "{}"),
    "header": ("header", "{}"),
    "query": ("query", "select '{}' as \"{}\" from nothing"),
    "saved query": ("query", "top-families", "-p", "{}", "{}"),
    "fits": ("fits", "--vram", "{}"),
    "family": ("models", "ls", "--family", "{}"),
    "tuning": ("models", "ls", "--tuning", "{}"),
    "columns": ("models", "ls", "--columns", "{}"),
    "schema": ("schema", "{}"),
    "export": ("export", "out", "--only", "{}"),
    "memory": ("memory", "{}"),
    "vocabulary": ("vocabulary", "ls", "{}"),
}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_no_argument_controls_the_terminal(
    command: str, small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_CATALOG_DB", small)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    for text in ("x\x1b]0;t\x07\x9b31m\u202e\r\nFAKE", MARKUP[0]):
        monkeypatch.setenv("HF_CATALOG_DB", small)
        answer = hf_catalog(*(word.replace("{}", text) for word in ARGUMENTS[command]))
        assert answer.status in (0, 1, 2, 4), answer
        for line in (answer.out + answer.err).split("\n"):
            assert not UNPRINTABLE.search(line), ascii(line)
        assert "internal error" not in answer.err


@pytest.mark.parametrize("command", [name for name in ARGUMENTS if name != "memory"])
def test_a_name_of_a_million_characters_costs_little(
    command: str, small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    for text in ("a/" + "b" * 1_000_000, "a" * 500_000 + "-7b-" * 125_000):
        monkeypatch.setenv("HF_CATALOG_DB", small)
        start = time.process_time()
        answer = hf_catalog(*(word.replace("{}", text) for word in ARGUMENTS[command]))
        assert time.process_time() - start < 10
        assert answer.status in (0, 1, 2, 4) and "internal error" not in answer.err, answer.err[:500]
        assert len(answer.err) < 5000, "an error shows the beginning of a name"


# ---- names of files --------------------------------------------------------------------------------------------------

DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{name}{at}" for name in ("com", "lpt") for at in range(1, 10))})
"""Names that Windows gives to devices, whatever ending they have."""


def test_no_file_of_an_export_has_a_name_that_a_system_forbids(small: str, tmp_path: Path) -> None:
    manifest = export_catalog(small, tmp_path / "out")
    names = [entry["name"] for entry in manifest["files"]]
    assert len(names) > 10 and len({name.lower() for name in names}) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z0-9_-]+\.csv", name) and name.partition(".")[0] not in DEVICES


@pytest.mark.parametrize(
    "name", ["CON", "nul.txt", "a.", "a ", "...", "-rf", "\u202egnp", "a\nb", "x" * 200, "~", "$HOME"]
)
def test_a_folder_of_any_name_holds_an_export_and_nothing_else(
    name: str, small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = hf_catalog("export", "--only", "files", "--db", small, "--", name)
    assert answer.status == 0, answer.err
    assert not any(UNPRINTABLE.search(line) for line in (answer.out + answer.err).split("\n"))
    assert [path.name for path in tmp_path.iterdir()] == [name]


TARGETS: dict[str, tuple[tuple[str, ...], int]] = {
    "export": (("export", "link", "--only", "files", "--db", "catalog.db"), 1),
    "backup": (("db", "backup", "link", "--db", "catalog.db"), 3),
    "backup by force": (("db", "backup", "link", "--force", "--db", "catalog.db"), 0),
    "report": (("report", "--out", "link", "--db", "catalog.db"), 0),
    "copy": (("db", "copy", "catalog.db", "link"), 3),
}


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
@pytest.mark.parametrize("command", TARGETS)
def test_a_link_at_the_target_is_never_followed(
    command: str, kind: str, small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.publish.report.build_report", lambda *_, **__: None)
    monkeypatch.setattr("analysis.publish.report.render_report", lambda report: "a page")
    victim, work = tmp_path / "victim", tmp_path / "work"
    work.mkdir()
    shutil.copy(small, work / "catalog.db")
    if kind == "file":
        victim.write_text("precious", encoding="utf-8")
    elif kind == "folder":
        victim.mkdir()
    (work / "link").symlink_to(victim)
    monkeypatch.chdir(work)
    answer = hf_catalog(*TARGETS[command][0])
    assert answer.status in (0, 1, 2, 3) and "internal error" not in answer.err, answer
    assert not victim.is_file() or victim.read_text(encoding="utf-8") == "precious"
    assert not victim.is_dir() or command.startswith("backup") or not list(victim.iterdir())
    assert victim.exists() == (kind != "nothing"), "nothing was written through the link"


def test_escaping_takes_linear_time() -> None:
    check_cost(lambda: escape_control_characters("\x1b" * 200_000))
