"""The web catalog in headless Chromium: what a visitor clicks, and axe-core on every kind of page.

One server and one browser for all tests; each kind of page is loaded once, and looked at in several windows.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")
pytest.importorskip("playwright", reason="playwright is not installed: pip install '.[test]'")

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import sync_playwright

from analysis.catalog.models import ModelFilter
from analysis.catalog.watches import WatchDefinition
from db.watches import Watch, WatchEvent, WatchStore, watch_file
from tests.browser import NAMES
from tests.crawler.web.serving import serving

GEMMA = "google/gemma-3-4b-it"
QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"
OWN = (
    "/", "/search?q=gemma", f"/model/{GEMMA}", "/fits?ram=16GB", f"/compare?id={GEMMA}&id={QAT}", "/family/gemma",
    "/publisher/google", "/quantization/Q4_0", "/changes", "/explore", "/query/best-under", "/about", "/watches",
    "/watch/gemma", "/report", "/model/nobody/nothing", "/search?min_size=much",
)  # fmt: skip
OF_DATASETTE = (
    "/catalog", "/catalog/models", "/catalog/headers/1", "/catalog/skips", "/catalog/best-under",
    "/catalog?sql=select+1+as+one", "/catalog?sql=select+nothing+from+nowhere",
)  # fmt: skip
ERRORS = ("nobody", "much", "nowhere")
"""In addresses of error pages, of which the browser reports the status."""

SCROLLING = """[...document.querySelectorAll('.table:not(.comparison), .rows-and-columns td')]
    .filter(each => each.scrollWidth > each.clientWidth + 1)
    .map(each => each.getAttribute('aria-label') || each.textContent.slice(0, 100))"""
"""Tables and values that a window cuts: only models side by side may be as wide as they are many."""

ALL_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOUR_RULES = ("color-contrast", "link-in-text-block")
"""Nothing else depends on the colour scheme, and these don't depend on the width; they take most of the time."""


@pytest.fixture(scope="module")
def address(small: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the small catalog with a watch."""
    db = str(shutil.copy(small, tmp_path_factory.mktemp("served") / "catalog.db"))
    now = datetime(2026, 11, 28, tzinfo=UTC)
    watch = Watch("gemma", WatchDefinition(ModelFilter(families=("gemma",))).to_data(), ("feed",), None, now)
    with WatchStore(watch_file(db)) as store:
        store.add(watch, [WatchEvent("key", GEMMA, "google/gemma-3-4b-it is new", now)])
    with serving(db) as address:
        yield address


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    """One page of one browser. `page.problems` collects errors of scripts and of the Content-Security-Policy,
    `page.elsewhere` what it loaded from another server."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=address, permissions=["clipboard-read", "clipboard-write"])
        page: Any = context.new_page()
        page.set_default_timeout(60_000)
        page.problems, page.elsewhere = [], []
        page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda asked: page.elsewhere.append(asked.url))
        yield page
        browser.close()


def find_violations(page: Any, rules: Sequence[str], without: Sequence[str] = ()) -> list[Any]:
    """Rule and elements of each violation that axe-core finds; its script is in the page already.

    Without the marks of charts, of which the report has thousands: the picture around them names its values.
    """
    off = {rule: {"enabled": False} for rule in without}
    options = {"runOnly": list(rules), "resultTypes": ["violations"], "rules": off}
    script = "(options) => axe.run({exclude: [['figure svg > g']]}, options).then(each => each.violations)"
    found = page.evaluate(script, options)
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:5]]) for each in found]


@pytest.mark.parametrize("paths", [OWN, OF_DATASETTE], ids=["own", "Datasette"])
def test_every_kind_of_page_in_windows_of_three_widths_and_both_colour_schemes(
    paths: Sequence[str], page: Any, address: str
) -> None:
    """axe-core finds nothing, no window scrolls sideways, and nothing fails or comes from elsewhere."""
    found: list[tuple[Any, ...]] = []
    for path in paths:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.problems.clear()
        page.elsewhere.clear()
        page.goto(path)
        expected = any(word in path for word in ERRORS)
        found += [(path, "console", page.problems[:])] if len(page.problems) != expected else []
        found += [(path, url) for url in page.elsewhere if not url.startswith((address, "data:"))]
        page.evaluate(AXE_SCRIPT)
        found += [(path, "1280 px", each) for each in find_violations(page, ALL_RULES)]
        page.emulate_media(color_scheme="dark")
        found += [(path, "dark", each) for each in find_violations(page, COLOUR_RULES)]
        page.emulate_media(color_scheme="light")
        for width in (768, 360):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [(path, f"{wide} px wide in a window of {width}")] if wide > width else []
        found += [(path, "360 px", each) for each in find_violations(page, ALL_RULES, COLOUR_RULES)]
        found += [(path, "moves sideways", each) for each in page.evaluate(SCROLLING)]
    assert found == []
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("path", ["/fits?ram=16GB", "/catalog/models"])
def test_pages_print_on_white_paper_without_navigation_and_with_tables(path: str, page: Any) -> None:
    """Also where the window is narrow and dark: a sheet of paper is narrower than most windows."""
    page.set_viewport_size({"width": 700, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(path)
    looks = page.evaluate("(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.body))")
    shown = [page.locator(each).first.is_visible() for each in ("header nav", "form", "main table thead")]
    page.emulate_media(media="screen", color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert looks == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"] and shown == [False, False, True]


def test_from_a_search_to_the_command_that_runs_a_quantization(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Search by name").fill("gemma qat")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=QAT).click()
    assert page.url.endswith(f"/model/{QAT}")
    page.get_by_role("button", name="Copy the command for llama.cpp").click()
    page.get_by_role("button", name="Copy the command for llama.cpp").get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"llama-server -hf {QAT}")


def test_a_facet_narrows_the_result_and_its_chip_widens_it(page: Any) -> None:
    page.goto("/search?q=gemma")
    page.locator(".facets").get_by_role("link", name="safetensors").click()
    page.wait_for_url("**format=safetensors**")
    assert page.get_by_role("status").inner_text() == "2 models"
    page.get_by_role("link", name="format: safetensors remove").click()
    assert page.get_by_role("status").inner_text() == "5 models"


def test_the_form_of_fits_and_a_model_of_its_answer(page: Any) -> None:
    page.goto("/fits")
    page.get_by_label("or memory (RAM)").fill("16GB")
    page.get_by_label("Context, tokens").fill("4k")
    page.get_by_role("button", name="Show what fits").click()
    assert "ram=16GB" in page.url and page.locator("h1").inner_text() == "What fits 16 GB RAM"
    assert page.locator("svg.memory").count() == page.locator("tbody tr").count() > 0
    page.locator("tbody a").first.click()
    assert "/model/" in page.url


def test_two_models_are_compared(page: Any) -> None:
    page.goto(f"/compare?id={GEMMA}")
    page.get_by_label("Model 2").fill(QAT)
    page.get_by_role("button", name="Compare").click()
    assert page.locator("thead th").all_inner_texts() == [GEMMA, QAT]
    assert page.locator("tr.differs").count() > 0
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"/compare?id={GEMMA}&id={QAT}&id={GEMMA}&id={QAT}")
    move = """(() => { const region = document.querySelector('.comparison'); region.scrollLeft = 200;
        return [region.scrollLeft, region.querySelector('tbody th').getBoundingClientRect().left]; })()"""
    moved = page.evaluate(move)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert moved[0] > 50 and 0 <= moved[1] < 30, "what a line is of stays beside its values"


def test_the_lineage_is_walked_by_clicks(page: Any) -> None:
    page.goto(f"/model/{GEMMA}")
    page.locator(f'svg.tree-drawing a[href="/model/{QAT}"]').click()
    assert page.locator("h1").inner_text() == QAT
    page.locator(f'svg.tree-drawing a[href="/model/{GEMMA}"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/model/{GEMMA}")


def test_a_saved_query_with_a_parameter(page: Any) -> None:
    page.goto("/explore")
    page.get_by_role("link", name="Best copy of a model under a size").click()
    page.get_by_label("size", exact=True).fill("3GB")
    page.get_by_role("button", name="Run").click()
    assert "Q4_K_XL" in page.locator("tbody tr").first.inner_text()


def test_the_feed_of_changes_is_linked(page: Any) -> None:
    page.goto("/changes?kind=gone")
    url = page.locator('link[rel="alternate"]').get_attribute("href")
    answer = page.request.get(url)
    assert answer.headers["content-type"].startswith("application/atom+xml") and "old/vanished-7b" in answer.text()


def focused(page: Any) -> str:
    """What has the focus: its name, text or address."""
    text: str = page.evaluate(
        "(() => { const at = document.activeElement; return at.getAttribute('aria-label') || at.name"
        " || at.getAttribute('href') || at.textContent.trim(); })()"
    )
    return text


def walk(page: Any, steps: int) -> list[str]:
    """What Tab reaches from the start of the page, in order; each has a visible outline."""
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached.append(focused(page))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"no outline shows the focus on {reached[-1]}"
    return reached


def test_all_that_a_pointer_can_do_the_keyboard_can(page: Any) -> None:
    page.goto("/search?q=gemma")
    reached = walk(page, 80)
    order = ["#content", "/", "q", "min_size", "quantized", "sort", f"/model/{QAT}", "/search?q=gemma&format=gguf"]
    places = [reached.index(each) for each in order]
    assert places == sorted(places), "search, filters, order, results, facets: from the top to the bottom"
    page.goto(f"/model/{QAT}")
    reached = walk(page, 150)
    assert {"machine", "Copy the command for llama.cpp", f"/model/{GEMMA}"} <= set(reached)
    page.goto("/about")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_the_search_box_offers_what_it_finds_and_escape_keeps_the_page(page: Any) -> None:
    page.goto("/")
    box = page.get_by_label("Search by name")
    box.press_sequentially("unsloth")
    page.locator('#completions option[value^="unsloth/"]').first.wait_for(state="attached")
    box.press("Escape")
    assert page.url.endswith("/") and focused(page) == "q"


# ---- tables and SQL -------------------------------------------------------------------------------------------------


def test_the_report_leads_to_the_catalog_and_that_to_the_tables(page: Any) -> None:
    page.goto("/report")
    assert page.locator("h1").inner_text() == "Models of the Hugging Face Hub"
    page.get_by_role("link", name="The catalog", exact=True).click()
    page.get_by_role("link", name="Tables and SQL").click()
    assert page.url.endswith("/catalog")


def test_a_saved_query_in_datasette_takes_parameters(page: Any) -> None:
    page.goto("/catalog/best-under")
    rows = page.locator("table.rows-and-columns tbody tr")
    assert rows.count() > 1, "an empty form means the defaults"
    page.locator("input[name=size]").fill("3GB")
    page.locator("input[name=model]").fill(GEMMA)
    page.get_by_role("button", name="Run SQL").click()
    page.wait_for_url("**size=3GB**")
    assert "Q4_K_XL" in rows.first.inner_text()


def test_a_table_is_searched_and_downloaded(page: Any, tmp_path: Path) -> None:
    page.goto("/catalog/models")
    page.get_by_label("Search:").fill("gemma qat")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**_search=gemma**")
    links = page.locator("table.rows-and-columns tbody a")
    assert links.first.get_attribute("href") == f"/model/{QAT}"
    page.goto("/catalog/models?family=gemma")
    page.locator("#export input[name=_dl]").check()
    with page.expect_download() as started:
        page.get_by_role("button", name="Export CSV").click()
    started.value.save_as(tmp_path / "models.csv")
    with (tmp_path / "models.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 5 and {row["family"] for row in found} == {"gemma"}
