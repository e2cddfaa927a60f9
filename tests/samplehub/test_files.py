"""Bytes of files: redirects, ranges and the CDN's links."""

from __future__ import annotations

import pytest

from samplehub import READER, SampleHub
from tests.samplehub.conftest import Answer, Client

REPO, WEIGHTS = "unsloth/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q4_K_M.gguf"
FILE = f"/{REPO}/resolve/main/{WEIGHTS}"


@pytest.fixture
def link(client: Client) -> str:
    return client.head(FILE).headers["location"]


def test_large_files_are_elsewhere(hub: SampleHub, client: Client) -> None:
    first = client.head(FILE)
    content = hub.catalog[REPO].files[WEIGHTS]
    assert first.status == 302
    assert first.headers["x-linked-size"] == str(content.size)
    assert first.headers["x-linked-etag"] == f'"{content.digest}"'
    assert first.headers["x-repo-commit"] == hub.catalog[REPO].sha
    assert first.headers["location"].startswith(hub.cdn) and hub.cdn != hub.endpoint


def test_small_files_take_a_way_round(hub: SampleHub, client: Client) -> None:
    first = client.get("/Qwen/Qwen3-8B/resolve/main/config.json")
    assert first.status == 307 and first.headers["location"].startswith("/api/resolve-cache/models/Qwen/Qwen3-8B/")
    assert int(first.headers["content-length"]) == len(first.body)  # of the redirect, not of the file
    second = client.get(first.headers["location"])
    assert second.body == hub.catalog["Qwen/Qwen3-8B"].files["config.json"].head()
    direct = client.get("/Qwen/Qwen3-8B/resolve/main/README.md")
    assert direct.status == 200 and direct.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=0-15", 0, 16), ("bytes=100-", 100, None), ("bytes=-10", -10, None)]
)
def test_ranges(hub: SampleHub, client: Client, asked: str, start: int, end: int | None) -> None:
    target = "/Qwen/Qwen3-8B/resolve/main/README.md"
    whole = hub.catalog["Qwen/Qwen3-8B"].files["README.md"].head()
    answer = client.get(target, range=asked)
    assert (answer.status, answer.body) == (206, whole[start:end])
    first = start % len(whole)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(whole)}"


def test_ranges_of_weights(hub: SampleHub, client: Client, link: str) -> None:
    content = hub.catalog[REPO].files[WEIGHTS]
    head = content.head()
    assert client.get(link, range="bytes=0-3").body == b"GGUF"
    across = client.get(link, range=f"bytes={len(head) - 8}-{len(head) + 7}").body
    assert across == head[-8:] + bytes(8)  # behind the header there is nothing
    past = client.get(link, range=f"bytes={content.size}-")
    assert past.status == 416 and past.headers["content-range"] == f"bytes */{content.size}"
    last = client.get(link, range=f"bytes={content.size - 2}-{content.size + 100}")
    assert last.headers["content-range"].endswith(f"{content.size - 2}-{content.size - 1}/{content.size}")


def code(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body.partition(b"<Code>")[2].partition(b"</Code>")[0]


def test_links_are_signed_and_expire(hub: SampleHub, client: Client, link: str) -> None:
    assert code(client.get(link.replace("Signature=", "Signature=0"), range="bytes=0-3")) == (
        403,
        b"SignatureDoesNotMatch",
    )
    hub.link_life = -1
    try:
        stale = client.head(FILE).headers["location"]
    finally:
        hub.link_life = 3600
    assert code(client.get(stale, range="bytes=0-3")) == (403, b"AccessDenied")
    assert client.get(link, range="bytes=0-3").status == 206


def test_the_cdn_wants_no_token(hub: SampleHub, link: str) -> None:
    assert code(Client(hub.endpoint, READER).get(link)) == (400, b"InvalidArgument")


def test_missing(client: Client) -> None:
    missing = client.head(f"/{REPO}/resolve/main/nothing.gguf")
    assert (missing.status, missing.headers["x-error-code"]) == (404, "EntryNotFound")
    revision = client.head(f"/{REPO}/resolve/no-branch/{WEIGHTS}")
    assert (revision.status, revision.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_a_repo_without_an_owner(client: Client) -> None:
    moved = client.get("/bert-base-uncased/resolve/main/config.json")
    assert (moved.status, moved.headers["location"]) == (307, "/google-bert/bert-base-uncased/resolve/main/config.json")
