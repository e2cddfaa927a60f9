"""The web catalog in headless Chromium: what a visitor clicks, and axe-core on every kind of page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any, Literal

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")
pytest.importorskip("playwright", reason="playwright is not installed: pip install '.[test]'")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.browser import NAMES
from tests.crawler.cli.test_serve import serving

GEMMA = "google/gemma-3-4b-it"
QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"
KINDS = (
    "/", "/search?q=gemma", f"/model/{GEMMA}", "/fits?ram=16GB", f"/compare?id={GEMMA}&id={QAT}", "/family/gemma",
    "/publisher/google", "/quantization/Q4_0",
    "/changes", "/explore", "/query/best-under", "/about", "/model/nobody/nothing",
)  # fmt: skip
RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "dark": ["color-contrast", "link-in-text-block"],  # nothing else depends on colours
}


@pytest.fixture(scope="module")
def address(small: str) -> Iterator[str]:
    with serving(small) as address:
        yield address


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    """One page of one browser. `page.problems` collects errors of scripts and of the Content-Security-Policy."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=address, permissions=["clipboard-read", "clipboard-write"])
        page: Any = context.new_page()
        page.set_default_timeout(60_000)
        page.problems = []
        page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        yield page
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_kind_of_page(scheme: Literal["light", "dark"], page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme=scheme)
    found = []
    for path in KINDS:
        page.problems.clear()
        page.goto(path)
        expected = 1 if "nobody" in path else 0  # the browser reports the status of an error page
        assert len(page.problems) == expected, page.problems
        for each in Axe().run(page, options={"runOnly": RULES[scheme]}).response["violations"]:
            found.append((path, each["id"], [node["html"] for node in each["nodes"]]))
    assert found == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_the_window(width: int, page: Any) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in KINDS:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


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


def test_the_keyboard_reaches_the_content_first(page: Any) -> None:
    page.goto("/about")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_the_search_box_offers_what_it_finds(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Search by name").press_sequentially("unsloth")
    page.locator('#completions option[value^="unsloth/"]').first.wait_for(state="attached")
