"""`hf-catalog serve` as a user runs it: a real server, a real browser, clicks and a download."""

from __future__ import annotations

import csv
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crawler.cli.errors import NO
from tests.browser import Browser, running_browser
from tests.crawler.cli.conftest import Ask

PROGRAM = Path(sys.executable).with_name("hf-catalog")


@contextmanager
def serving(db: str) -> Iterator[str]:
    """The address of a server of its own on a free port; ended as a terminal would, which is no failure."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", "0", "--db", db], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = re.match(r"(http://\S+)/  ", said)
        assert address, said + process.stderr.read()
        yield address[1]
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, ""), err
    assert "Traceback" not in err, err


@pytest.fixture(scope="module")
def address(small: str) -> Iterator[str]:
    with serving(small) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        browser.set_viewport(1200, 900)
        yield browser


def rows(browser: Browser) -> int:
    count = browser.run("document.querySelectorAll('table.rows-and-columns tbody tr').length")
    assert isinstance(count, int)
    return count


def link(text: str, within: str = "a") -> str:
    return f"[...document.querySelectorAll('{within}')].find(a => a.textContent.trim() == {text!r})"


@pytest.mark.parametrize(
    "path",
    ["/catalog", "/catalog/models", "/catalog/artifacts_wide", "/catalog/headers", "/catalog/quantizations", "/report"],
)
def test_pages_load_without_an_error(path: str, address: str, browser: Browser) -> None:
    browser.problems.clear()
    browser.requests.clear()
    browser.open(address + path)
    assert browser.problems == []
    assert browser.run("document.title") and browser.run("document.querySelector('h1').textContent")
    assert all(url.startswith((address, "data:")) for url in browser.requests), "nothing from anywhere else"


def test_the_report_leads_to_the_catalog_and_that_to_the_tables(address: str, browser: Browser) -> None:
    browser.open(f"{address}/report")
    assert browser.run("document.querySelector('h1').textContent") == "Models of the Hugging Face Hub"
    browser.click(link("The catalog"))
    assert browser.run("location.pathname") == "/"
    browser.click(link("Tables and SQL"))
    assert browser.run("location.pathname") == "/catalog"


def test_a_form_with_a_parameter_returns_rows(address: str, browser: Browser) -> None:
    browser.open(f"{address}/catalog")
    browser.click(link("Best copy of a model under a size"))
    assert rows(browser) > 1, "an empty form means the defaults"
    browser.run("document.querySelector('input[name=size]').value = '3GB'")
    browser.run("document.querySelector('input[name=model]').value = 'google/gemma-3-4b-it'")
    browser.click("document.querySelector('input[type=submit][value=\"Run SQL\"]')")
    assert "size=3GB" in browser.run("location.search")
    first = browser.run("document.querySelector('table.rows-and-columns tbody tr').textContent")
    assert "unsloth/gemma-3-4b-it-GGUF" in first and "Q4_K_XL" in first
    assert browser.problems == []


def test_a_facet_filters(address: str, browser: Browser) -> None:
    browser.open(f"{address}/catalog/models")
    assert rows(browser) == 14
    browser.click(link("qwen", ".facet-results a"))
    assert rows(browser) == 2 and "family=qwen" in browser.run("location.search")


def test_search_finds(address: str, browser: Browser) -> None:
    browser.open(f"{address}/catalog/models")
    browser.run("document.querySelector('input[name=_search]').value = 'gemma qat'")
    browser.click("document.querySelector('form.filters input[type=submit]')")
    assert rows(browser) == 1
    target = browser.run("document.querySelector('table.rows-and-columns tbody a').href")
    assert target == f"{address}/model/google/gemma-3-4b-it-qat-q4_0-gguf"


def test_a_csv_downloads(address: str, browser: Browser) -> None:
    browser.open(f"{address}/catalog/models?family=gemma")
    browser.run("document.querySelector('#export input[name=_dl]').checked = true")
    path = browser.download("document.querySelector('#export input[type=submit]')")
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert path.name == "models.csv" and len(found) == 5
    assert {row["family"] for row in found} == {"gemma"}


def test_a_port_in_use_is_an_error(small: str, hf_catalog: Ask) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = hf_catalog("serve", "--port", str(port), "--db", small)
    assert answer.status == NO and f"--port {port + 1}" in answer.err
