"""A real browser for tests: headless Chromium, controlled through a pipe (Chrome DevTools Protocol)."""

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
ANSWER_TIMEOUT_SECONDS = 120.0


class Browser:
    """One page of a browser. `problems` are console errors, script errors and failed requests."""

    def __init__(self, reading: int, writing: int, downloads: Path) -> None:
        self.reading, self.writing = reading, writing
        self.downloads = downloads
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._numbers = itertools.count(1)
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads), eventsEnabled=True)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends one command and returns its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        while True:
            received = self._receive()
            if received.get("id") == number:
                assert "error" not in received, f"{method}: {received.get('error')}"
                result: dict[str, Any] = received["result"]
                return result
            self._note(received)

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.reading], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "no answer from the browser"
            part = os.read(self.reading, 65536)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                self.problems.append(f"console: {params['args']}")
            case "Runtime.exceptionThrown":
                self.problems.append(f"script: {params['exceptionDetails'].get('text')}")
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.problems.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
        self._events.append(event)

    def wait_for(self, method: str) -> dict[str, Any]:
        """Parameters of the next event of a kind, which may have been received already."""
        while True:
            for at, event in enumerate(self._events):
                if event.get("method") == method:
                    del self._events[: at + 1]
                    params: dict[str, Any] = event["params"]
                    return params
            self._note(self._receive())

    def open(self, url: str) -> None:
        """Opens a page and waits until it is loaded."""
        self._events.clear()
        answer = self.call("Page.navigate", url=url)
        assert not answer.get("errorText"), f"{url}: {answer['errorText']}"
        self.wait_for("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer.get("exceptionDetails")
        return answer["result"].get("value")

    def click(self, script: str) -> None:
        """Clicks the element that an expression gives, and waits for the page that loads."""
        self._events.clear()
        self.run(f"({script}).click()")
        self.wait_for("Page.loadEventFired")

    def download(self, script: str) -> Path:
        """Clicks the element that an expression gives, and waits for the file that is downloaded."""
        self.run(f"({script}).click()")
        name: str = self.wait_for("Browser.downloadWillBegin")["suggestedFilename"]
        while self.wait_for("Browser.downloadProgress")["state"] != "completed":
            pass
        return self.downloads / name

    def set_viewport(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Sets the size of the window, the colour scheme and the kind of device."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path, *, whole: bool = False) -> Path:
        """Saves the visible part of the page, or the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser for the duration of the block; skips the test where Chromium is not installed."""
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
        process.wait(timeout=300)
        shutil.rmtree(folder, ignore_errors=True)
