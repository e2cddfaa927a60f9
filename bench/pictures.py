"""Pictures of the web catalog for docs/web.md: `python -m bench.pictures demo.db docs/web`.

Serves the catalog on a free port, opens the pages that the document shows in headless Chromium (Playwright) and saves
each as a PNG file. With `--every` all pages at 360, 768 and 1280 pixels and in dark mode, to look at after a change.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
MODEL = "/model/unsloth/gemma-3-4b-it-GGUF"
PAGES = {
    "home": "/",
    "results": "/search?q=gemma+4b",
    "model": MODEL,
    "fits": "/fits?machine=laptop-16gb",
    "compare": "/compare?id=google/gemma-3-4b-it&id=google/gemma-3-4b-it-qat-q4_0-gguf",
    "family": "/family/gemma",
    "publisher": "/publisher/google",
    "quantization": "/quantization/Q4_K_M",
    "changes": "/changes",
    "explore": "/explore",
    "query": "/query/quantizations",
    "about": "/about",
}
SHOWN = ("home", "results", "model", "fits", "compare")
"""Pages that docs/web.md shows."""

WIDTHS = (360, 768, 1280)


@contextmanager
def serving(db: str) -> Iterator[str]:
    """The address of a server of this catalog."""
    program = Path(sys.executable).with_name("hf-catalog")
    process = subprocess.Popen([program, "serve", "--port", "0", "--db", db], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = re.match(r"(http://\S+?)/  ", line)
        assert address, line
        yield address[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def take_pictures(browser: Any, address: str, folder: Path, *, every: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    windows = [*((width, "light") for width in WIDTHS), (WIDTHS[-1], "dark")] if every else [(WIDTHS[-1], "light")]
    for width, scheme in windows:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        for name in PAGES if every else SHOWN:
            page.goto(address + PAGES[name])
            suffix = f"-{width}-{scheme}" if every else ""
            page.screenshot(path=folder / f"{name}{suffix}.png", full_page=every)
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("db", help="a catalog, as that of hf-catalog demo")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", action="store_true", help="whole pages at three widths and in dark mode")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = next(path for path in CHROMIUM if Path(path).exists())
    with serving(options.db) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take_pictures(browser, address, options.folder, every=options.every)
        browser.close()


if __name__ == "__main__":
    main()
