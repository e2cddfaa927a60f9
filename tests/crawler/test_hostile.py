"""Untrusted input and secrets: malicious texts reach no database or log, and the token reaches no other host."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.labels.resolve import label_repo
from crawler.errors import CrawlError, InvalidResponse, RepoError, TokenRefused
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.fetch import fetch_repo
from crawler.sources.huggingface.parse import parse_repo
from crawler.sources.huggingface.response import Response
from db.packed_text import unpack
from db.records import LeasedRepo, Page, RepoRecord, Skipped
from db.write.store import Store
from samplehub import Fault, Kind, SampleHub
from samplehub.server.permissions import Account
from tests.crawler.hubs import REAL, make_client, run_crawl, small_catalog
from tests.crawler.sources.huggingface.test_parse import ROW
from tests.crawler.test_crawl import rows

SECRET = "hf_TheSecretOfThisTest0123456789"


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(12)) as hub:
        hub.tokens[SECRET] = Account("keeper", everything=True)
        yield hub


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


# ---- the token ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(600)  # it starts five programs, one after the other
def test_the_token_appears_only_in_requests_to_the_hub(sample: SampleHub, tmp_path: Path) -> None:
    """After crawls with faults and a service with its log and hook, everything that was written is searched."""
    (tmp_path / "catalog.toml").write_text(
        '[jobs.look]\nevery = "1h"\nrun = ["crawl", "--depth", "headers", "--json"]\n'
        '[[hooks]]\nafter = ["look"]\ncommand = ["sh", "-c", "env > hook.txt; cat >> hook.txt"]\n'
    )
    sample.faults.add(
        Fault(Kind.FOREIGN_HOST, on="listing"),
        Fault(Kind.FOREIGN_HOST, on="info", after=2),
        Fault(Kind.SERVER_ERROR, on="info", match="Gemma-1-1B-it-0"),
        Fault(Kind.EXPIRED_LINK, on="cdn", after=1),
        Fault(Kind.HTML, on="resolve", after=1),
    )
    said = [
        run_program(tmp_path, sample, "schedule", "--once", "--log-format", "json"),
        run_program(tmp_path, sample, "crawl", "--full", "-v"),
        run_program(tmp_path, sample, "status", "--json"),
        run_program(tmp_path, sample, "header", "nobody/nothing", "-v"),
    ]
    sample.tokens.clear()
    said.append(run_program(tmp_path, sample, "crawl", "--full", "-v"))
    assert [status for status, _, _ in said] == [0, 0, 0, 1, 4], said
    written = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"catalog.db", "catalog.state.json", "hook.txt"} <= set(written)
    assert len(written["catalog.db"]) > 100_000
    for name, data in written.items():
        assert SECRET.encode() not in data, name
    for _, text, line in said:
        assert SECRET not in text
        assert SECRET not in line
    assert any(request.token == SECRET for request in sample.requests), "it was used"
    assert not any(request.token for request in sample.foreign_requests)
    assert not any(request.token for request in sample.requests if request.path.startswith("/repos")), "nor by a CDN"


def run_program(folder: Path, sample: SampleHub, *arguments: str) -> tuple[int, str, str]:
    """Exit status, both output streams, and the process's command line while it runs."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COV"))}
    env |= {"HF_TOKEN": SECRET, "HF_ENDPOINT": sample.endpoint, "HF_HOME": str(folder / "home")}
    line = [sys.executable, "-m", "crawler.cli", *arguments]
    process = subprocess.Popen(line, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(0.3)
    called = Path(f"/proc/{process.pid}/cmdline")
    title = called.read_text() if called.exists() else ""
    out, _ = process.communicate(timeout=300)
    return process.returncode, out, title


def test_the_token_is_masked_in_the_hubs_messages() -> None:
    message = f"no such user: {SECRET}"
    for answer in (
        Response(400, {}, json.dumps({"error": message}).encode(), "http://hub", SECRET),
        Response(400, {"x-error-message": "x" * 380 + message}, b"", "http://hub", SECRET),
    ):
        assert "hf_" not in answer.message


@pytest.mark.parametrize("token", [f"{SECRET}\n", f"{SECRET}\x00", f"{SECRET}é"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(sample: SampleHub, token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        make_client(sample, token).check_connection()
    assert SECRET not in str(caught.value)
    assert len(sample.requests) == 0


# ---- malicious JSON -------------------------------------------------------------------------------------------------


def altered(hub: HubClient, change: Callable[[bytes], bytes]) -> HubClient:
    """A client that receives other responses: those that contain cards are changed."""
    real = hub.transport.exchange

    def once(*asked: Any, **more: Any) -> Response:
        answer = real(*asked, **more)
        return replace(answer, body=change(answer.body)) if b'"cardData":{' in answer.body else answer

    hub.transport.exchange = once  # type: ignore[method-assign]
    return hub


def in_first_card(text: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(b'"cardData":{}', b'"cardData":{"evil":' + text + b"}", 1)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"9" * 10_000,
        b"-" + b"9" * 400,
        b"1e999",
        b"NaN",
        b"-Infinity",
        b'"' + b"x" * 3_000_000 + b'"',
        b'"\\u0000\\ud800\\u001b]0;title\\u0007"',
        b"[" + b"0," * 100_000 + b"0]",
    ],
    ids=["deep list", "deep object", "long", "large", "1e999", "NaN", "-Infinity", "wide", "controls", "many"],
)
def test_a_malicious_card_loses_no_repo(sample: SampleHub, db: Path, text: bytes) -> None:
    hub = altered(make_client(sample), in_first_card(text))
    assert text in hub.transport.exchange(f"{sample.endpoint}/api/models?expand=cardData", (), {}, None).body, (
        "the client receives it"
    )
    run = run_crawl(db, sample, hub=hub, depth="listing")
    assert run.outcome == "complete"
    assert run.repos_seen == len(sample.catalog)
    kept = [unpack(packed) for (packed,) in rows(db, "select facts from repo_facts")]
    assert kept and not any(len(text) > 60_000 or re.search("evil.*9999", text) for text in kept)


def test_a_count_of_ten_thousand_digits_is_unknown(sample: SampleHub, db: Path) -> None:
    digits = b'"downloads":' + b"7" * 10_000 + b',"x":'
    hub = altered(make_client(sample), lambda body: body.replace(b'"downloads":', digits, 1))
    assert run_crawl(db, sample, hub=hub, depth="listing", page=1000).repos_seen == len(sample.catalog)
    assert rows(db, "select count(*) from repos where downloads is null") == [(1,)]


def test_a_page_of_a_hundred_thousand_rows_is_refused(sample: SampleHub, db: Path) -> None:
    hub = altered(make_client(sample, tries=2), lambda body: b"[" + b"{}," * 100_000 + b'{"cardData":{}}]')
    with pytest.raises(InvalidResponse, match="100,001 rows"):
        hub.list_page([("limit", "1000"), ("expand", "cardData")])
    assert run_crawl(db, sample, hub=hub).outcome == "complete", "without cards the pages are right"
    assert rows(db, "select count(*) from skips where reason = 'malformed'") == [(0,)]


def test_a_captive_portal_with_status_404_marks_nothing_as_gone(sample: SampleHub, db: Path) -> None:
    """The log-in page of a hotel's network in place of the Hub's responses."""
    run_crawl(db, sample)
    hub = make_client(sample, tries=2)

    def login_page(url: str, *_: object, **__: object) -> Response:
        return Response(404, {"content-type": "text/html"}, b"<html>Log in</html>", url)

    hub.transport.exchange = login_page  # type: ignore[method-assign]
    with pytest.raises(CrawlError):
        run_crawl(db, sample, hub=hub, full=True)
    found = fetch_repo(hub, LeasedRepo("0" * 24, REAL[0], None, None, 0))
    assert isinstance(found, Skipped)
    assert found.reason == "failed"
    with pytest.raises(RepoError):
        hub.repo_info(REAL[0])
    assert rows(db, "select count(*) from repos where status = 'gone'") == [(0,)]


# ---- texts ----------------------------------------------------------------------------------------------------------

EVIL = (
    "\x00",
    "\ud800",
    "\x1b[2J",
    "\x9b31m",
    "\u202egnp.exe",
    "x" * 100_000,
    "\r\nSet-Cookie: a=b",
    "\ufeff",
    "{{7*7}}",
)


def with_text(value: Any, text: str) -> Any:
    """The value with `text` in place of each of its strings, keys included."""
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [with_text(item, text) for item in value] + [text]
    if isinstance(value, dict):
        return {key: with_text(item, text) for key, item in value.items()} | {text: text}
    return value


@pytest.mark.parametrize("text", EVIL, ids=[ascii(text[:8]) for text in EVIL])
def test_untrusted_texts_are_stored_printable_and_short(db: Path, text: str) -> None:
    """Each string of a row in turn is an attacker's; what is stored is printable, short and valid."""
    row = ROW | {"pipeline_tag": "text-generation", "library_name": "gguf", "trendingScore": 3, "later": {"a": "b"}}
    row |= {
        "model-index": [{"name": "m", "results": [{"task": {"type": "t"}, "metrics": [{"type": "m", "value": 1}]}]}]
    }
    records: list[RepoRecord] = []
    skips: list[Skipped] = []
    for at, key in enumerate(row):
        found = parse_repo(
            row | {"_id": f"{at:024x}", "id": f"acme/gemma-{at}"} | {key: with_text(row[key], text)}, datetime.now(UTC)
        )
        if isinstance(found, RepoRecord):
            records.append(found)
        else:
            skips.append(found)
    assert len(records) > 8
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "http://hub")
        counts = store.save_page(run, "", Page(tuple((repo, label_repo(repo)) for repo in records), tuple(skips), None))
        assert (counts.seen, counts.skipped) == (len(records), len(skips))
    for value in texts(db):
        assert value.isprintable(), ascii(value[:200])
        assert len(value) < 20_000


def texts(db: Path) -> Iterator[str]:
    """Every text in every column of every table."""
    with sqlite3.connect(db) as connection:
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            if not name.startswith(("sqlite_", "search_")):
                yield from (
                    v for row in connection.execute(f'select * from "{name}"') for v in row if isinstance(v, str)
                )
    connection.close()


def test_two_repos_with_one_name_in_one_page_are_both_stored(db: Path) -> None:
    found = [parse_repo(ROW | {"_id": f"{at:024x}", "downloads": at}) for at in (1, 2)]
    records = [repo for repo in found if isinstance(repo, RepoRecord)]
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "http://hub")
        for _ in range(2):
            store.save_page(run, "", Page(tuple((repo, label_repo(repo)) for repo in records), (), None))
    assert rows(db, "select count(*) from repos") == [(2,)]
