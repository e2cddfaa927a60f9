"""Hubs of other software, mirrors and proxies: a crawl ends in the right catalog, and a second one changes nothing."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.errors import InvalidResponse, RequestRefused
from crawler.known_hubs import describe_capabilities, format_capabilities, parse_capabilities
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.source import Capabilities, ListingQuery, Order
from db.records import RepoFilter
from samplehub import MEMBER, Dialect, Fault, Kind, RecordedRequest, SampleHub
from samplehub.server.http_server import Listener, Response
from samplehub.server.server import read_catalog
from tests.crawler.dump import differences
from tests.crawler.hubs import REAL, make_client, repo_ids, run_crawl, small_catalog
from tests.crawler.test_crawl import rows
from tests.environment import user_environment

OTHER_SOFTWARE = (Dialect.KOHAKU, Dialect.MATRIX)

MEASURED = (
    "select repo_id, artifact, quant_measured, parameters_measured, bits_per_weight from artifacts_wide order by 1, 2"
)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.mark.parametrize("dialect", OTHER_SOFTWARE)
def test_a_hub_of_other_software_is_crawled_with_files_and_headers(dialect: Dialect, db: Path, tmp_path: Path) -> None:
    with SampleHub(catalog=small_catalog(100)) as same:
        run_crawl(tmp_path / "same.db", same, depth="headers", token=MEMBER)
    with SampleHub(catalog=small_catalog(100), dialect=dialect) as sample:
        run = run_crawl(db, sample, depth="headers", token=MEMBER)
        assert (run.outcome, run.repos_new, run.repos_enriched) == ("complete", 104, 104), run.detail
        assert [repo for (repo,) in rows(db, "select repo_id from repos order by repo_id")] == repo_ids(sample)
        assert dict(rows(db, "select repo_id, sha from repos")) == {repo.id: repo.sha for repo in sample.catalog}
    assert rows(db, "select * from skips") == []
    assert rows(db, MEASURED) == rows(tmp_path / "same.db", MEASURED)
    assert {repo_id for repo_id, _, _, parameters, _ in rows(db, MEASURED) if parameters} == set(REAL)


@pytest.mark.parametrize("dialect", OTHER_SOFTWARE)
def test_a_second_crawl_writes_and_reads_nothing(dialect: Dialect, db: Path) -> None:
    with SampleHub(catalog=small_catalog(100), dialect=dialect) as sample:
        run_crawl(db, sample, depth="headers", token=MEMBER)
        for full in (False, False, True):
            run = run_crawl(db, sample, depth="headers", token=MEMBER, full=full)
            assert run.outcome == "complete"
            assert (run.repos_new, run.repos_changed, run.repos_enriched) == (0, 0, 0), run
    assert rows(db, "select * from events") == []
    assert rows(db, "select * from aliases") == []


@pytest.mark.parametrize("dialect", OTHER_SOFTWARE)
def test_a_changed_repo_is_found(dialect: Dialect, db: Path) -> None:
    with SampleHub(catalog=small_catalog(60), dialect=dialect) as sample:
        run_crawl(db, sample, depth="files", token=MEMBER)
        name = repo_ids(sample)[7]
        sample.catalog.change_files(name, {"README.md": b"# Another text\n", "config.json": b"{}", "new.txt": b"new"})
        run_crawl(db, sample, depth="files", token=MEMBER)
        sha = sample.catalog[name].sha
        read = "select r.sha, e.sha from repos r join enrichments e on e.repo = r.id where repo_id = '{}'"
        assert rows(db, read.format(name)) == [(sha, sha)]
        assert ("new.txt",) in rows(db, f"select path from files where repo_id = '{name}'")


def test_a_row_that_breaks_every_page_is_passed_by_its_number(db: Path) -> None:
    bad = "acme/Gemma-1-4B-it-30"
    fault = Fault(Kind.POISONED_ROW, on="listing", name=bad, status=500, times=None)
    with SampleHub(catalog=small_catalog(40), dialect=Dialect.MATRIX, faults=[fault]) as sample:
        run = run_crawl(db, sample, depth="listing")
        wanted = [name for name in repo_ids(sample) if name != bad]
    assert run.outcome == "complete", run.detail
    assert "a row of the listing after row" in str(run.detail)
    assert [repo for (repo,) in rows(db, "select repo_id from repos order by repo_id")] == wanted


def test_what_is_known_of_a_hub_is_kept_and_not_asked_again(db: Path) -> None:
    with SampleHub(catalog=small_catalog(60), dialect=Dialect.KOHAKU) as sample:
        run_crawl(db, sample, depth="listing")
        assert [request.status for request in sample.requests].count(422) == 1
        stored = rows(db, "select * from endpoints")
        known = json.loads(stored[0][1])
        assert (known["orders"]["createdAt"], known["has_links"]) == ("recent", False)
        sample.requests.clear()
        run_crawl(db, sample, depth="listing", full=True)
        assert 422 not in [request.status for request in sample.requests]
        assert rows(db, "select * from endpoints") == stored


def test_what_is_known_of_a_hub_is_found_anew_where_it_fits_no_longer(db: Path) -> None:
    with SampleHub(catalog=small_catalog(60), dialect=Dialect.KOHAKU) as sample:
        run_crawl(db, sample, depth="listing")
    with SampleHub(catalog=small_catalog(60)) as sample:
        source = HuggingFaceSource(make_client(sample))
        source.use_capabilities(Capabilities({"createdAt": "recent", "lastModified": "updated"}))
        query = ListingQuery(RepoFilter(), "createdAt", 10)
        with pytest.raises(RequestRefused) as refused:
            source.list_page(query, None)
        assert source.adapt_query(query, refused.value) == query
        assert source.capabilities.orders == {}
        assert len(source.list_page(query, None).rows) == 10


def test_a_hub_that_refuses_every_order_is_listed_without_one(db: Path) -> None:
    refusal = Fault(Kind.RESPONSE, on="listing", match="sort=", status=400, body=b'{"error": "no"}', times=None)
    with SampleHub(catalog=small_catalog(60), faults=[refusal]) as sample:
        assert run_crawl(db, sample, depth="listing").repos_new == 64
        assert run_crawl(db, sample, depth="listing").outcome == "complete"


def test_keys_that_a_hub_does_not_know_are_searched_once(db: Path) -> None:
    refusal = Fault(Kind.RESPONSE, on="api", match="expand=evalResults", status=400, body=b"{}", times=None)
    with SampleHub(catalog=small_catalog(30), faults=[refusal]) as sample:
        run_crawl(db, sample, depth="files")
        sample.requests.clear()
        run = run_crawl(db, sample, depth="files", full=True)
        assert 400 not in [request.status for request in sample.requests]
    assert (run.repos_seen, run.repos_changed) == (34, 0)


def test_what_a_hub_refuses_to_tell_stays_as_it_was(db: Path) -> None:
    known = (
        "select r.repo_id, e.parent, e.relation, f.facts from repos r join edges e on e.repo = r.id"
        " join repo_facts f on f.repo = r.id where e.source = 'api' order by 1, 2"
    )
    with SampleHub(catalog=small_catalog(30)) as sample:
        sample.catalog.add(read_catalog(None)["unsloth/gemma-3-4b-it-GGUF"])
        run_crawl(db, sample, depth="files")
        stored = rows(db, known)
        assert stored
        for key in ("baseModels", "cardData"):
            refusal = Fault(Kind.RESPONSE, on="api", match=f"expand={key}", status=400, body=b"{}", times=None)
            sample.faults.add(refusal)
        for repo_id in repo_ids(sample):
            sample.catalog.change_files(repo_id, {"new.txt": b"new"})
        run = run_crawl(db, sample, depth="files", full=True)
    assert (run.repos_changed, run.repos_enriched) == (35, 35)
    assert rows(db, known) == stored


def test_what_is_known_of_a_hub_is_said_in_words() -> None:
    assert describe_capabilities(Capabilities(has_hub_ids=True, has_links=True, sends_ranges=True)) == ""
    orders: dict[Order, str] = {"createdAt": "recent", "downloads": "", "lastModified": "lastModified"}
    known = Capabilities(orders, frozenset({"gguf"}), False, 1000, False, False)
    assert describe_capabilities(known) == (
        "orders: createdAt is recent, downloads is not offered; does not know gguf; repos have no _id;"
        " pages of at most 1,000 rows; no links between pages; files are sent whole, though ranges are asked for"
    )


def test_whether_files_are_sent_in_ranges_is_known_from_the_largest(db: Path) -> None:
    for faults, is_sent in (((), True), ((Fault(Kind.IGNORED_RANGE, on="any", times=None),), False)):
        with SampleHub(catalog=small_catalog(3), faults=faults) as sample:
            hub = make_client(sample, MEMBER)
            run_crawl(db.with_name(f"{is_sent}.db"), sample, hub=hub, depth="headers")
        assert hub.capabilities.sends_ranges is is_sent


def test_what_is_kept_of_a_hub_can_be_of_another_version() -> None:
    known = Capabilities({"createdAt": "recent"}, frozenset({"gguf"}), False, 100, False, True)
    assert parse_capabilities(format_capabilities(known)) == known
    assert parse_capabilities('{"orders": {}, "unknown_keys": [], "max_rows": -3, "has_links": 1}') == Capabilities()
    assert parse_capabilities('{"orders": {"size": "x"}, "unknown_keys": [], "has_hub_ids": 7}') == Capabilities()
    for text in ("{}", "[]", "no JSON", '{"orders": 1, "unknown_keys": 2, "has_hub_ids": null}'):
        assert parse_capabilities(text) == Capabilities()


# ---- mirrors and proxies --------------------------------------------------------------------------------------------

BELOW_A_PATH = "/artifactory/api/huggingfaceml/repo"


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of a crawl of the Hub itself."""
    db = tmp_path_factory.mktemp("truth") / "catalog.db"
    with SampleHub(catalog=small_catalog(24)) as sample:
        assert run_crawl(db, sample, depth="headers", token=MEMBER).outcome == "complete"
    return db


def test_a_mirror_whose_links_name_another_hub_is_read_by_itself(db: Path, truth: Path) -> None:
    with SampleHub(catalog=small_catalog(24)) as original:
        with SampleHub(catalog=small_catalog(24), links_to=original.endpoint) as mirror:
            run = run_crawl(db, mirror, depth="headers", token=MEMBER)
        assert (run.outcome, run.repos_new) == ("complete", 28), run.detail
        assert list(original.requests) == []
    assert differences(db, truth) == []


def test_an_endpoint_below_a_path_is_crawled(db: Path, truth: Path) -> None:
    with SampleHub(catalog=small_catalog(24), path=BELOW_A_PATH) as sample:
        run = run_crawl(db, sample, depth="headers", token=MEMBER)
        assert all(request.path.startswith(BELOW_A_PATH) or "/repos/" in request.path for request in sample.requests)
    assert (run.outcome, run.repos_new) == ("complete", 28), run.detail
    assert differences(db, truth) == []


def test_a_renamed_repo_is_found_below_a_path_and_by_a_mirror(tmp_path: Path) -> None:
    with SampleHub(catalog=small_catalog(3), path=BELOW_A_PATH) as sample:
        sample.catalog.rename("acme/Gemma-1-1B-it-0", "acme/Gemma-new")
        assert make_client(sample).repo_info("acme/Gemma-1-1B-it-0")["id"] == "acme/Gemma-new"


def test_a_proxy_that_asks_for_a_password_is_crawled_with_one_in_the_endpoint(db: Path, truth: Path) -> None:
    with SampleHub(catalog=small_catalog(24), basic=("ann", "p@ss")) as sample:
        host = sample.endpoint.removeprefix("http://")
        client = make_client(sample, MEMBER, endpoint=f"http://ann:p%40ss@{host}")
        assert client.endpoint == sample.endpoint, "without the password"
        run = run_crawl(db, sample, hub=client, depth="files")
    assert (run.outcome, run.repos_new) == ("complete", 28), run.detail
    assert b"p@ss" not in db.read_bytes()
    assert b"p%40ss" not in db.read_bytes()


def test_a_proxy_without_a_listing_is_crawled_repo_by_repo(db: Path) -> None:
    with SampleHub(catalog=small_catalog(6), dialect=Dialect.NO_LISTING) as sample:
        run = run_crawl(db, sample, depth="headers", token=MEMBER, scope=RepoFilter(repo_ids=REAL))
    assert (run.outcome, run.repos_seen, run.repos_enriched) == ("complete", 4, 4), run.detail
    assert {repo_id for repo_id, _, _, parameters, _ in rows(db, MEASURED) if parameters} == set(REAL)


def test_an_address_that_moved_to_https_is_named_and_gets_the_token_once() -> None:
    moved = {"Location": "https://127.0.0.1:1/api/models"}
    requests: list[RecordedRequest] = []
    listener = Listener(lambda request: Response(301, moved), requests.append)
    try:
        with pytest.raises(InvalidResponse, match=r"it is at https://127\.0\.0\.1:1: name that as the endpoint"):
            HubClient(listener.url, MEMBER, offline=False).check_connection()
    finally:
        listener.close()
    assert len(requests) == 1


@pytest.mark.parametrize(("variable", "status"), [("SSL_CERT_FILE", 0), ("REQUESTS_CA_BUNDLE", 0), ("UNRELATED", 4)])
def test_a_private_certificate_is_trusted_where_it_is_named(variable: str, status: int, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    without = {name: value for name, value in user_environment().items() if name not in names}
    with SampleHub(catalog=small_catalog(3)) as sample, encrypted(sample, tmp_path) as endpoint:
        done = subprocess.run(
            [sys.executable, "-m", "crawler.cli", "crawl", "--db", tmp_path / "c.db", "--endpoint", endpoint],
            env=without | {variable: str(tmp_path / "cert.pem")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == status, done.stderr
    assert ("SSL_CERT_FILE" in done.stderr) is (status != 0)


def make_certificate(folder: Path) -> None:
    """key.pem and cert.pem of an authority that is not known."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def encrypted(sample: SampleHub, folder: Path) -> Iterator[str]:
    """The URL of a server that passes on what it receives, encrypted, to a sample Hub."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    hub = urlsplit(sample.endpoint)

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=pass_on, args=(server.accept()[0],), daemon=True).start()

    def pass_on(raw: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(raw, server_side=True) as client,
            socket.create_connection((hub.hostname or "", hub.port or 0)) as behind,
        ):
            threading.Thread(target=copy_bytes, args=(behind, client), daemon=True).start()
            copy_bytes(client, behind)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"


def copy_bytes(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while received := source.recv(1 << 16):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)
