"""The server as it is started: by the configurations of docs/mcp.md, over stdio and HTTP, with parallel calls."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from crawler.mcp import answers
from crawler.mcp.limits import PARALLEL_CALLS
from crawler.mcp.server import TITLES, make_server
from tests.environment import user_environment

PROGRAM = str(Path(sys.executable).with_name("hf-catalog"))
DOCUMENT = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text(encoding="utf-8")
CONFIGURATIONS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
TOKEN = "a token of the tests"
PATIENCE = 300.0
"""Seconds that a client waits on a busy machine."""
QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"


def entry_of(configuration: dict[str, Any]) -> dict[str, Any]:
    """The entry of the one server that a configuration registers."""
    ((_, servers),) = configuration.items()
    found: dict[str, Any] = servers["hf-catalog"]
    return found


STDIO = [entry for entry in map(entry_of, CONFIGURATIONS) if "command" in entry]
HTTP = [entry for entry in map(entry_of, CONFIGURATIONS) if "url" in entry]


@pytest.mark.parametrize("entry", STDIO, ids=["mcpServers", "servers"])
def test_agents_start_it_by_the_configuration_that_the_document_shows(entry: dict[str, Any], small: str) -> None:
    text = json.dumps(entry).replace("/home/me/.local/bin/hf-catalog", PROGRAM).replace("/home/me/catalog.db", small)
    used = json.loads(text)
    parameters = StdioServerParameters(
        command=used["command"], args=used["args"], env={**user_environment(), **used.get("env", {})}
    )

    async def ask() -> tuple[list[str], Any]:
        async with Client(stdio_client(parameters)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            return tools, await client.call_tool("get_model", {"repo_id": QAT})

    tools, found = asyncio.run(ask())
    assert tools == list(TITLES) and found.structured_content["model"]["repo_id"] == QAT


def test_tools_are_documented_read_only_and_have_output_schemas(small: str) -> None:
    async def ask() -> Any:
        async with Client(make_server(small)) as client:
            return (await client.list_tools()).tools

    for tool in asyncio.run(ask()):
        assert f"`{tool.name}`" in DOCUMENT and tool.description and tool.title
        assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint
        assert {"summary", "next_steps", "basis"} <= set(tool.output_schema["properties"])
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}: {name}"


def test_resources_and_prompts(small: str) -> None:
    async def ask() -> tuple[list[Any], str]:
        async with Client(make_server(small)) as client:
            uris = ["catalog://schema", "catalog://schema/models", "catalog://queries/qat", f"catalog://model/{QAT}"]
            contents: list[Any] = [(await client.read_resource(uri)).contents[0] for uri in uris]
            prompts = sorted(prompt.name for prompt in (await client.list_prompts()).prompts)
            assert prompts == ["check_model", "choose_model"]
            prompt = await client.get_prompt("choose_model", {"memory": "16GB", "task": "code"})
            with pytest.raises(Exception, match="holds no model"):
                await client.read_resource("catalog://model/no/model")
            message: Any = prompt.messages[0].content
            return [json.loads(each.text) for each in contents], message.text

    (schema, models, rows, model), prompt = asyncio.run(ask())
    assert len(schema["relations"]) > 40 and models["relations"][0]["columns"] and rows["columns"]
    assert model["model"]["repo_id"] == QAT and "16GB" in prompt and "code" in prompt


def test_calls_run_beside_each_other_and_a_cancelled_one_ends_at_once(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    monkeypatch.setattr(answers, "CALL_SECONDS", 3.0)

    async def ask() -> list[Any]:
        async with Client(make_server(small)) as client:
            slow = asyncio.create_task(client.call_tool("query_sql", {"sql": endless}))
            names = [QAT, "google/gemma-3-4b-it"] * PARALLEL_CALLS
            found = await asyncio.gather(*(client.call_tool("get_model", {"repo_id": name}) for name in names))
            assert not slow.done()
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert [each.structured_content["model"]["repo_id"] for each in found] == names
            return found

    asyncio.run(ask())


# ---- HTTP -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(small: str) -> Iterator[str]:
    """The address of a server over HTTP."""
    with running_server(small) as (address, _):
        yield address


@contextmanager
def running_server(db: str, **environment: str) -> Iterator[tuple[str, list[str]]]:
    """A server over HTTP: its address, and the lines that it printed before it was ready."""
    process = subprocess.Popen(
        [PROGRAM, "mcp", "--http", "--port", "0", "--db", db],
        env={**user_environment(), "HF_CATALOG_MCP_TOKEN": TOKEN, **environment},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+/mcp) ", line)
        assert found is not None, line + process.stderr.read()
        yield found[1], [process.stderr.readline()] if environment else []
    finally:
        process.terminate()
        process.communicate(timeout=60)


@asynccontextmanager
async def http_client(url: str, headers: dict[str, str]) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http,
        Client(streamable_http_client(url, http_client=http)) as c,
    ):
        yield c


def test_http_answers_who_has_the_token(url: str) -> None:
    (entry,) = HTTP
    headers = {name: value.replace("${HF_CATALOG_MCP_TOKEN}", TOKEN) for name, value in entry["headers"].items()}

    async def ask() -> Any:
        async with http_client(url, headers) as client:
            return await client.call_tool("search_models", {"text": "gemma qat", "limit": 1})

    assert asyncio.run(ask()).structured_content["models"][0]["family"] == "gemma"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}, 421),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}, 403),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "http://localhost.evil.example"}, 403),
    ],
)
def test_http_refuses_others(url: str, headers: dict[str, str], status: int) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    kinds = {"Accept": "application/json, text/event-stream"}
    assert httpx2.post(url, json=message, headers={**kinds, **headers}, timeout=PATIENCE).status_code == status


def test_http_makes_a_token_where_none_is_set(small: str) -> None:
    with running_server(small, HF_CATALOG_MCP_TOKEN="") as (address, lines):
        assert re.fullmatch(r"Authorization: Bearer [\w-]{43}\n", lines[0])
        assert (
            httpx2.post(address, json={}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE).status_code
            == 401
        )


def test_a_short_token_and_a_missing_catalog_are_refused(small: str, tmp_path: Path) -> None:
    environment = {**user_environment(), "HF_CATALOG_MCP_TOKEN": "short"}
    for arguments, status, said in (
        (["--http", "--db", small], 2, "fewer than 16 characters"),
        (["--db", str(tmp_path / "none.db")], 3, "no catalog at"),
    ):
        done = subprocess.run(
            [PROGRAM, "mcp", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status and said in done.stderr and not done.stdout
