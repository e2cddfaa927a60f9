"""The server as an agent sees it: the SDK's own client, in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from mcp.client.client import Client

from crawler.mcp.server import make_server


@dataclass(frozen=True)
class Answer:
    """What a call returned: its short text, its structure (empty for an error), and whether it is an error."""

    text: str
    structure: dict[str, Any]
    is_error: bool

    @classmethod
    def of(cls, result: Any) -> Answer:
        texts = [each.text for each in result.content]
        structure = result.structured_content or {}
        if not result.is_error:  # what a model reads is what a program reads
            rows = {key: value for key, value in structure.items() if key not in ("summary", "next_steps")}
            assert json.loads(texts[1]) == rows
        return cls(texts[0], structure, result.is_error)


Call = Callable[..., Answer]


@pytest.fixture
def call(small: str) -> Call:
    """Calls one tool of the small catalog: `call("get_model", repo_id="owner/name")`."""

    def run(tool: str, **arguments: Any) -> Answer:
        async def ask() -> Answer:
            async with Client(make_server(small)) as client:
                return Answer.of(await client.call_tool(tool, arguments))

        return asyncio.run(ask())

    return run
