"""A catalog's site in this process, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from crawler.web.limits import WEB_LIMITS, WebLimits
from crawler.web.plugin import make_application


class Site:
    """The site of one catalog."""

    def __init__(self, db: str, report: Any = None, limits: WebLimits = WEB_LIMITS) -> None:
        self.app = make_application(Path(db), report, limits)
        self.loop = asyncio.new_event_loop()

    def get(self, path: str, status: int = 200, **query: str) -> str:
        return self.fetch(path, query, status)

    def fetch(self, path: str, query: Mapping[str, str], status: int = 200) -> str:
        url = path + (f"?{urlencode(query)}" if query else "")
        answer = self.loop.run_until_complete(self.app.client.get(url, follow_redirects=True))
        assert answer.status_code == status, f"{url}: {answer.status_code}\n{answer.text[:600]}"
        self.headers, self.url = answer.headers, str(answer.url)
        text: str = answer.text
        return text

    def json(self, path: str, status: int = 200) -> Any:
        return json.loads(self.get(path, status))

    def rows(self, path: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.fetch(f"{path}.json", {"_shape": "array", **query}))
        return found
