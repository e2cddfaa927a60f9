"""A real browser for tests: Chromium without a window, told what to do through a pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
SECONDS = 30.0  # for one answer


class Browser:
    """One page of a browser. `problems` are errors of its console, of scripts, and requests that failed."""

    def __init__(self, reading: int, writing: int, downloads: Path) -> None:
        self.reading, self.writing = reading, writing
        self.downloads = downloads
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._numbers = itertools.count(1)
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads), eventsEnabled=True)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its answer."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        while True:
            said = self.hear()
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said.get('error')}"
                result: dict[str, Any] = said["result"]
                return result
            self._note(said)

    def hear(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.reading], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            part = os.read(self.reading, 65536)
            assert part, "the browser has gone"
            self._rest += part
        said, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(said)
        return heard

    def _note(self, said: dict[str, Any]) -> None:
        params = said.get("params", {})
        match said.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                self.problems.append(f"console: {params['args']}")
            case "Runtime.exceptionThrown":
                self.problems.append(f"script: {params['exceptionDetails'].get('text')}")
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.problems.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
        self._events.append(said)

    def wait(self, method: str) -> dict[str, Any]:
        """The next event of a kind, perhaps one that was heard already."""
        while True:
            for at, said in enumerate(self._events):
                if said.get("method") == method:
                    del self._events[: at + 1]
                    params: dict[str, Any] = said["params"]
                    return params
            self._note(self.hear())

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self._events.clear()
        answer = self.ask("Page.navigate", url=url)
        assert not answer.get("errorText"), f"{url}: {answer['errorText']}"
        self.wait("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript on the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer.get("exceptionDetails")
        return answer["result"].get("value")

    def click(self, script: str) -> None:
        """Click what an expression names, and wait for the page that this leads to."""
        self._events.clear()
        self.run(f"({script}).click()")
        self.wait("Page.loadEventFired")

    def download(self, script: str) -> Path:
        """Click what an expression names, and wait for the file that this brings."""
        self.run(f"({script}).click()")
        name: str = self.wait("Browser.downloadWillBegin")["suggestedFilename"]
        while self.wait("Browser.downloadProgress")["state"] != "completed":
            pass
        return self.downloads / name

    def see(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """How large the window is, and which colours and device the reader has."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = "dark" if dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path, *, whole: bool = False) -> Path:
        """What the window shows, or the whole page, as PNG."""
        answer = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser for the length of the block; skips the test that asks for it where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    folder = Path(tempfile.mkdtemp(prefix="hf-catalog-browser-"))
    to_read, to_browser = os.pipe()
    from_browser, to_write = os.pipe()
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}', program, *FLAGS, f"--user-data-dir={folder}"],
        pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(to_write)
    try:
        (folder / "downloads").mkdir()
        yield Browser(from_browser, to_browser, folder / "downloads")
    finally:
        os.close(to_browser)
        os.close(from_browser)
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)
