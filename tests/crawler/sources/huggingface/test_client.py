"""The Hub's client: the requests that it sends, the redirects that it follows, and what it makes of responses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.errors import SourceError
from crawler.errors import FileError, RepoError, RequestRefused
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.response import parse_content_range, parse_retry_after
from crawler.sources.huggingface.transport import parse_rate_limit
from samplehub import MEMBER, READER, Catalog, Fault, Kind, SampleHub
from tests.crawler.hubs import REAL, make_client, requested_paths, small_catalog

GGUF = REAL[2]


@pytest.fixture(scope="module")
def served() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(6)) as sample:
        yield sample


@pytest.fixture
def sample(served: SampleHub) -> Iterator[SampleHub]:
    served.requests.clear()
    yield served
    served.faults.clear()


def test_one_request_returns_files_hashes_and_counts(sample: SampleHub) -> None:
    info = make_client(sample).repo_info(GGUF)
    assert len(requested_paths(sample)) == 1
    weights = next(file for file in info["siblings"] if file["rfilename"].endswith(".gguf"))
    assert weights["lfs"]["sha256"]
    assert weights["size"] > 10**8
    assert info["gguf"]["architecture"] == "gemma3"


def test_a_hub_without_expand_for_single_repos_is_asked_without_it_from_then_on(sample: SampleHub) -> None:
    hub = make_client(sample)
    refuse(hub, "expand")
    assert hub.repo_info(GGUF)["siblings"][0]["size"] is not None
    sample.requests.clear()
    assert hub.repo_info(GGUF)["siblings"][0]["size"] is not None
    assert len(requested_paths(sample)) == 1


def refuse(hub: HubClient, key: str) -> None:
    """Makes the client's Hub refuse requests with a key."""
    real = hub.transport.get

    def follow(kind: object, url: str, params: object, *more: object) -> object:
        if any(name == key for name, _ in params):  # type: ignore[attr-defined]
            raise RequestRefused("/api/models/x", f"unknown {key}")
        return real(kind, url, params, *more)  # type: ignore[arg-type]

    hub.transport.get = follow  # type: ignore[method-assign,assignment]


def test_the_token_is_sent_to_the_hubs_host_only(sample: SampleHub) -> None:
    hub = make_client(sample, MEMBER)
    path = next(file["rfilename"] for file in hub.repo_info(GGUF)["siblings"] if file["rfilename"].endswith(".gguf"))
    hub.open_file(GGUF, path).read(0, 100)
    requested_paths(sample)
    hubs = [request for request in sample.requests if request.token]
    cdn = [request for request in sample.requests if not request.token]
    assert len(hubs) == 2
    assert len(cdn) == 1
    assert cdn[0].range == "bytes=0-99"


def test_an_api_request_is_not_redirected_to_another_host(sample: SampleHub) -> None:
    sample.faults.add(Fault(Kind.FOREIGN_HOST, on="info", match=GGUF, times=None))
    with pytest.raises(RepoError, match="another host") as caught:
        make_client(sample, MEMBER, tries=2).repo_info(GGUF)
    assert caught.value.reason == "failed"
    assert len(sample.foreign_requests) == 0


@pytest.mark.parametrize(
    ("repo", "token", "reason"),
    [
        ("nobody/nothing", False, "gone"),
        ("nobody/nothing", READER, "gone"),
        ("acme/Gemma-1-1B-it-0", False, "disabled"),
    ],
)
def test_an_error_of_one_repo_is_a_repo_error(sample: SampleHub, repo: str, token: str | bool, reason: str) -> None:
    sample.catalog.modify("acme/Gemma-1-1B-it-0", disabled=True)
    try:
        with pytest.raises(RepoError) as caught:
            make_client(sample, token).repo_info(repo)
    finally:
        sample.catalog.modify("acme/Gemma-1-1B-it-0", disabled=False)
    assert caught.value.reason == reason
    assert len(requested_paths(sample, repo)) == 1, "it is not requested again"


@pytest.mark.parametrize("token", [False, READER])
def test_a_gated_file_is_a_file_error(sample: SampleHub, token: str | bool) -> None:
    source = make_client(sample, token).open_file(REAL[0], "gemma-3-1b-it-q4_0.gguf")
    with pytest.raises(FileError) as caught:
        source.read(0, 10)
    assert caught.value.reason == "gated"
    assert isinstance(caught.value, SourceError), "readers of headers handle it"


def test_a_file_is_read_in_ranges_with_one_request_to_the_hub(sample: SampleHub) -> None:
    hub = make_client(sample)
    path, size = next(
        (file["rfilename"], file["size"])
        for file in hub.repo_info(GGUF)["siblings"]
        if file["rfilename"].endswith(".gguf")
    )
    sample.requests.clear()
    source = hub.open_file(GGUF, path)
    assert source.read(0, 4) == b"GGUF"
    assert source.size == size
    assert len(source.read(4, 1000)) == 1000
    assert len(source.read(size - 10, 100)) == 10, "fewer only at the end"
    assert source.read(size + 5, 100) == b""
    assert (source.requests, source.bytes_read) == (3, 1014)
    assert len(requested_paths(sample, "/resolve/")) == 1, "the signed link is kept for further ranges of this file"


def test_an_expired_signed_link_is_renewed(sample: SampleHub) -> None:
    sample.faults.add(Fault(Kind.EXPIRED_LINK, on="cdn", after=1))
    source = make_client(sample).open_file(GGUF, next(iter_gguf(sample)))
    assert source.read(0, 64) == source.read(0, 64)
    assert len(requested_paths(sample, f"/{GGUF}/resolve/")) == 2


def iter_gguf(sample: SampleHub) -> Iterator[str]:
    return (path for path in sample.catalog[GGUF].files if path.endswith(".gguf"))


def test_bytes_of_a_file_of_another_size_are_refused(sample: SampleHub) -> None:
    source = make_client(sample, tries=2).open_file(GGUF, next(iter_gguf(sample)), size=12345)
    with pytest.raises(FileError, match="expected a file of 12,345 bytes"):
        source.read(0, 10)


def test_a_file_that_is_not_there_is_unreadable(sample: SampleHub) -> None:
    with pytest.raises(FileError) as caught:
        make_client(sample).open_file(GGUF, "none.gguf").read(0, 10)
    assert caught.value.reason == "unreadable"


def test_file_trees_are_read_page_by_page() -> None:
    files = {f"data/part-{at:04}.bin": b"x" for at in range(2300)}
    catalog = Catalog()
    catalog.add("acme/many", files)
    with SampleHub(catalog=catalog) as sample:
        entries = [e for e in make_client(sample).list_files("acme/many", "main") if e["type"] == "file"]
        assert len(entries) == 2300
        assert len(requested_paths(sample, "/tree/")) == 3


def test_the_quota_is_learned_from_responses(sample: SampleHub) -> None:
    hub = make_client(sample)
    assert hub.pacer.quota("api") == (None, None)
    hub.check_connection()
    left, of = hub.pacer.quota("api")
    assert of == 1_000_000
    assert left is not None
    assert left < of


def test_response_headers_are_parsed() -> None:
    limit = parse_rate_limit({"ratelimit": '"api";r=487;t=71', "ratelimit-policy": '"fixed window";"api";q=500;w=300'})
    assert limit is not None
    assert (limit.bucket, limit.left, limit.reset, limit.quota, limit.window) == ("api", 487, 71, 500, 300)
    assert parse_rate_limit({"ratelimit": "gibberish"}) is None
    assert parse_content_range({"content-range": "bytes 0-99/1234"}) == (0, 99, 1234)
    assert parse_content_range({"content-range": "bytes */1234"}) == (None, None, 1234)
    assert parse_content_range({"content-range": "bytes x"}) == (None, None, None)
    assert parse_retry_after({"retry-after": "7"}) == 7
    dated = {"retry-after": "Tue, 24 Nov 2026 06:00:30 GMT", "date": "Tue, 24 Nov 2026 06:00:00 GMT"}
    assert parse_retry_after(dated) == 30
    assert parse_retry_after({"retry-after": "soon"}) is None
