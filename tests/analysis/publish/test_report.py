"""The report: one page that loads nothing, runs no script, and shows untrusted text as text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analysis.publish import report
from analysis.publish.charts import PALETTE, make_figures, write_charts
from analysis.publish.pages import format_cell
from analysis.publish.report import build_report, render_report, write_report
from analysis.query.reader import CatalogReader
from tests.browser import running_browser
from tests.small_catalog import SCRIPT

CHARTS = ("families-over-time", "schemes", "sizes-and-bits", "quantizers", "size-classes", "formats")


class Page(HTMLParser):
    """The elements of a page with their attributes, in order."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(small: str) -> str:
    return render_report(build_report(small, family="gemma"))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


# ---- the page -------------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing(html: str, page: Page) -> None:
    assert not page.all("script") and not page.all("iframe") and not page.all("object")
    loaded = [attributes.get(name) or "" for _, attributes in page.elements for name in ("src", "xlink:href")]
    loaded += [attributes["href"] or "" for attributes in page.all("link")]
    assert {each for each in loaded if each} <= {"data:,"}
    assert "@import" not in html and "url(http" not in html
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'")


def test_pictures_fit_a_phone_and_a_tablet_without_being_scaled_down(html: str) -> None:
    """Text of 11 and 12 pixels keeps its size on pages of 331 and 728 pixels: windows of 360 and 768."""
    for name, room in (("narrow", 331), ("wide", 728)):
        widths = [float(found) for found in re.findall(rf'<svg class="{name}"[^>]* viewBox="0 0 ([\d.]+) ', html)]
        assert len(widths) == len(CHARTS) and room * 0.9 < min(widths) and max(widths) <= room, name


def test_numbers_of_the_served_report_lead_to_their_rows(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.publish.report.inline_pictures", lambda figure: "<svg></svg>")
    report = build_report(small, family="gemma")
    page = render_report(report, {"quantized_repos": "/some?a=1&b=2", CHARTS[0]: "/rows"})
    assert f'<dd><a href="/some?a=1&amp;b=2">{report.counts["quantized_repos"]}</a></dd>' in page
    assert f'<a href="/rows">The rows of {report.figures[0].title}</a>' in page
    assert f"<dd>{report.counts['families']}</dd>" in page, "without a link"
    assert 'href="/model/google/gemma-3-4b-it"' in page


def test_untrusted_text_is_escaped(html: str, page: Page) -> None:
    assert "<script" not in html
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    links = [attributes["href"] or "" for attributes in page.all("a")]
    assert all(link.startswith(("#", "https://huggingface.co/")) for link in links)


def test_a_script_in_a_file_name_is_escaped(tmp_path: Path) -> None:
    """The same page with a conflict in a file whose name is a script."""
    from db.records import ConflictRecord
    from tests.small_catalog import others

    mystery = next(model for model in others() if model.record.author == "stranger")
    assert any(SCRIPT.replace("/", "") in artifact.artifact for artifact, _ in mystery.artifacts)
    from dataclasses import replace

    from db.records import Page as Listed
    from db.write.store import Store

    conflict = ConflictRecord("quant", SCRIPT, "name", "</td><script>1</script>", "tensors")
    artifacts = [(artifact, replace(label, conflicts=(conflict,))) for artifact, label in mystery.artifacts]
    with Store.open(tmp_path / "c.db", create=True) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", Listed(((mystery.record, mystery.labels),), (), None))
        store.save_enrichments(run, [(replace(mystery.enrichment(), artifacts=tuple(artifacts)), 0)])
    html = render_report(build_report(tmp_path / "c.db"))
    assert "<script" not in html and "&lt;script&gt;" in html
    Page(html)


def test_every_chart_has_a_text_alternative_and_a_table(html: str, page: Page) -> None:
    sections = ["glance", *CHARTS, "fits", "lineage", "conflicts", "health", "method", "words"]
    assert [a["id"] for a in page.all("section")] == sections
    pictures = page.all("svg")
    assert len(pictures) == 2 * len(CHARTS), "each for a desktop and for a phone"
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids)), "ids are unique"
    for picture in pictures:
        assert picture["role"] == "img" and picture["viewbox"]
        assert all(name in ids for name in (picture["aria-labelledby"] or "").split())
    assert html.count("Show as a table") == len(CHARTS)
    assert "<title>quantization: " in html.replace("; ", "<title>"), "a bar names its value under the pointer"
    assert {heading.get("scope") for heading in page.all("th")} == {"col", "row"}


def test_the_page_has_styles_for_dark_mode_phones_and_print(html: str) -> None:
    for rule in ("prefers-color-scheme: dark", "@media print", "@media (max-width: 34rem)", 'name="viewport"'):
        assert rule in html
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "currentColor" in drawn and "#1f2328" not in drawn, "colours follow the page"
    assert 'fill="var(--chart-blue)"' in drawn and PALETTE[0] not in drawn, "dark blue is hard to see on a dark ground"
    light, dark = re.findall(r"--chart-blue: (#\w+); --chart-sky: (#\w+)", html)[:2]
    assert [each.upper() for each in light] == [PALETTE[0], PALETTE[4]]
    assert len({*light, *dark}) == 4


def test_the_page_shows_what_fits_and_the_lineage(html: str) -> None:
    assert "gone from the Hub" in html and "old/vanished-7b" not in html
    fits = html[html.index('id="fits"') : html.index('id="lineage"')]
    assert fits.index("<h3>8 GB") < fits.index("<h3>16 GB") < fits.index("<h3>80 GB")
    assert "Qwen3-30B-A3B-GGUF" in fits[fits.index("<h3>24 GB") :]
    assert "Qwen3-30B-A3B-GGUF" not in fits[: fits.index("<h3>24 GB")], "18.6 GB do not fit in 16"
    tree = html[html.index('id="lineage"') : html.index('id="conflicts"')]
    assert tree.index("google/gemma-3-4b-it<") < tree.index("google/gemma-3-4b-it-qat-q4_0-gguf<")


def test_of_many_models_the_best_are_evaluated(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {each.gigabytes: each for each in find_memories(small)}
    monkeypatch.setattr(report, "MAX_FITS", 1)
    for few in find_memories(small):
        all_of_them = whole[few.gigabytes]
        assert not all_of_them.has_more and few.has_more == (all_of_them.models > 1)
        assert few.models == min(1, all_of_them.models) and few.best[:1] == all_of_them.best[:1]
    assert whole[8].models == 1 and whole[80].models > 1
    assert "At least 1 models fit; the largest of the best 1 is " in render_report(build_report(small))


def find_memories(db: str) -> list[report.MemoryFits]:
    with CatalogReader(db) as reader:
        return report.find_fits_by_memory(reader)


def test_an_empty_catalog_has_a_page(sqlite_db: str) -> None:
    html = render_report(build_report(sqlite_db))
    Page(html)
    assert "No header has been read yet." in html and "no crawl yet" in html and "<svg" not in html


def test_both_engines_give_the_same_page(html: str, small_on_both: str) -> None:
    other = render_report(build_report(small_on_both, family="gemma"))
    made = re.compile(r"at \d{4}-\d\d-\d\d \d\d:\d\d UTC")
    assert made.sub("", other) == made.sub("", html)


def test_a_failed_write_keeps_the_earlier_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_report("first", path)

    def fail(self: Path, target: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_report("second", path)
    assert path.read_text() == "first" and [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (True, "yes"),
        (3, "3"),
        (4.5, "4.50"),
        (12345, "12,345"),
        ("\x1b[2J", "\\x1b[2J"),
    ],
)
def test_a_cell_is_readable_and_escaped(value: Any, text: str) -> None:
    assert format_cell(value) == text


SCROLLING = """[...document.querySelectorAll('.table')].filter(each => each.scrollWidth > each.clientWidth + 1)
    .map(each => each.getAttribute('aria-label'))"""


def test_the_page_renders_in_a_browser(html: str, tmp_path: Path) -> None:
    """No error, no network request, nothing wider than the window, text with enough contrast."""
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    with running_browser() as browser:
        for width, dark, phone in ((1200, False, False), (390, True, True)):
            browser.set_viewport(width, 800, dark=dark, phone=phone)
            browser.open(path.as_uri())
            assert browser.problems == []
            assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}
            assert browser.run("document.documentElement.scrollWidth") <= width
            shown = browser.run("[...document.querySelectorAll('figure svg')].filter(s => s.clientWidth).length")
            assert shown == len(CHARTS), "one picture of each pair"
            background, ink = (
                browser.run(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")
            )
            light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (background, ink)]
            assert (light[0] < light[1]) is dark and abs(light[0] - light[1]) > 400
            assert browser.run("getComputedStyle(document.querySelector('svg text')).fill") == ink
            browser.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
            assert browser.run(SCROLLING) == [], "tables that need to be moved sideways"


# ---- charts ---------------------------------------------------------------------------------------------------------


def test_charts_show_their_tables(small: str) -> None:
    with CatalogReader(small) as reader:
        found = {figure.name: figure for figure in make_figures(reader)}
    assert tuple(found) == CHARTS
    schemes = found["schemes"].table.set_index("quantization")
    assert schemes.loc["Q4_K_M", "repos"] == 3 and schemes.loc["Q4_K_M", "downloads"] == 180_140
    conflicting = found["sizes-and-bits"].table.query("conflict")
    assert list(conflicting["quantization"].sort_values()) == ["Q2_K", "Q4_0"]
    assert found["size-classes"].table["repos"].sum() == 11
    for figure in found.values():
        assert figure.description.endswith(".") and figure.draw is not None
        assert figure.svg().startswith("<svg") and figure.title in figure.svg("dark")
    basis = "Source: models of hub.example, the whole list, 13 repos, 2026-11-02; hf-catalog"
    assert found["size-classes"].basis == f"n = 11 repos. {basis}"
    assert found["schemes"].basis.startswith("n = 8 repos with quantized files; the first 8 quantizations")
    svg = found["size-classes"].svg("dark")
    root = ET.fromstring(svg)
    names = {child.get("id"): child.text for child in root if child.get("id")}
    assert root.get("aria-labelledby", "").split() == list(names)
    assert names["size-classes-title"] == "Size classes" and basis in (names["size-classes-desc"] or "")
    assert svg.count("n = 11 repos") == 2, "in the description, and to be seen in the picture"
    *_, width, height = map(float, root.get("viewBox", "").split())
    lines = [text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("font-size") == "11"]
    assert lines and all(0 < float(line.get("y", 0)) < height for line in lines) and width > 0
    assert float(root.get("height", 0)) == height


def test_charts_are_written_as_png_and_svg(small: str, tmp_path: Path) -> None:
    with CatalogReader(small) as reader:
        written = list(write_charts(reader, tmp_path / "pictures"))
    assert {path.name for path in written} == {f"{name}{form}" for name in CHARTS for form in (".svg", ".png")}
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"<svg")


def test_charts_that_can_not_be_drawn_leave_no_folder(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.publish.charts.import_vl_convert", lambda: 1 / 0)
    with CatalogReader(small) as reader, pytest.raises(ZeroDivisionError):
        list(write_charts(reader, tmp_path / "made" / "pictures"))
    assert list(tmp_path.iterdir()) == []


def test_no_two_colours_of_the_palette_are_alike() -> None:
    assert len(set(PALETTE)) == len(PALETTE)
