"""A sample Hub for each module, and a plain HTTP client that follows nothing and forgives nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from samplehub import Catalog, SampleHub


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def next(self) -> str | None:
        link = self.headers.get("link", "")
        return link.partition("<")[2].partition(">")[0] or None


class Client:
    """One connection a request; `get` takes a path of the Hub or a whole URL."""

    def __init__(self, endpoint: str, token: str | None = None) -> None:
        self.endpoint = endpoint
        self.token = token

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        timeout: float = 120.0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        url = urlsplit(target if target.startswith("http") else self.endpoint + target)
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.token and "authorization" not in named:
            named["authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout)
        try:
            connection.request(method, f"{url.path}?{url.query}" if url.query else url.path, body, named)
            response = connection.getresponse()
            kept = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, kept, response.read())
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Answer:
        return self.ask("GET", target, headers=headers)

    def head(self, target: str, **headers: str) -> Answer:
        return self.ask("HEAD", target, headers=headers)


@pytest.fixture(scope="module")
def hub() -> Iterator[SampleHub]:
    """The built-in catalog."""
    with SampleHub() as hub:
        yield hub


@pytest.fixture
def client(hub: SampleHub) -> Client:
    return Client(hub.endpoint)


@pytest.fixture
def small() -> Iterator[SampleHub]:
    """Seven repos that a test may change."""
    catalog = Catalog()
    for number in range(7):
        catalog.add(
            f"owner/model-{number}",
            {"config.json": b'{"model_type": "llama"}', "README.md": b"---\nlicense: mit\n---\n"},
            downloads=100 * number,
            tags=("gguf", "license:mit") if number % 2 else ("safetensors",),
        )
    with SampleHub(catalog=catalog) as hub:
        yield hub
