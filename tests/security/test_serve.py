"""Attacks on `serve` over HTTP: other sites, hostile SQL, many requests, formulas in CSV, paths of the machine."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")

import uvicorn

from analysis.query import guarded
from analysis.query.process import ProcessLimits
from analysis.units import MIB
from crawler.web.gate import Gate
from crawler.web.limits import MAX_TARGET_BYTES, WebLimits
from crawler.web.plugin import make_application
from tests.security.processes import MAX_WAIT_SECONDS, children, is_running, needs_proc, wait_until
from tests.security.test_query_limits import COUNT, ENDLESS_FUNCTION, LONG, REFUSED
from tests.small_catalog import FORMULA

SMALL_PROCESS = ProcessLimits(heap=32 * MIB, memory=160 * MIB, temporary_file=4 * MIB)
LIMITS = WebLimits(query_seconds=0.5, processes=2, result_bytes=1 * MIB, process=SMALL_PROCESS)
PATIENT = WebLimits(query_seconds=60, processes=1, result_bytes=1 * MIB, process=SMALL_PROCESS)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Sends requests to the server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def request(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=MAX_WAIT_SECONDS)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """What the server sends back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=MAX_WAIT_SECONDS) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def sql(self, sql: str, extension: str = "json") -> Answer:
        return self.request(f"/catalog.{extension}?{urlencode({'sql': sql, '_shape': 'array'})}")


@contextmanager
def running(db: Path, limits: WebLimits) -> Iterator[Client]:
    """A server of its own in a thread, which knows the name models.example.org."""
    site = make_application(db, lambda: "<header>the report", limits)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            Gate(site.app(), ["models.example.org"], limits), log_level="critical", lifespan="on", http="h11"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Client(listener.getsockname()[1])
        finally:
            site.hf_catalog_pool.close()
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def folder(small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog, whose name no page may show."""
    folder = tmp_path_factory.mktemp("secret-place")
    shutil.copy(small, folder / "catalog-of-mine.db")
    return folder


@pytest.fixture(scope="module", autouse=True)
def short_grace() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guarded, "KILL_SECONDS", 0.2)
        yield


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with running(folder / "catalog-of-mine.db", LIMITS) as client:
        yield client


@pytest.fixture(scope="module")
def patient(folder: Path) -> Iterator[Client]:
    """A server that gives a query as long as a slow machine needs."""
    with running(folder / "catalog-of-mine.db", PATIENT) as client:
        yield client


# ---- other sites -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example:8001",
        "attacker.example:8001",
        "models.example.org.attacker.example",
        "xlocalhost",
        "10.0.0.1",
        "0.0.0.0",
        "[::2]",
    ],
)
def test_a_host_that_points_here_is_refused(host: str, patient: Client) -> None:
    answer = patient.request("/catalog.json?sql=select+1", headers={"Host": host})
    assert answer.status == 421 and "--allow-host" in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8001", "localhost.", "models.example.org"]
)
def test_known_hosts_are_answered(host: str, patient: Client) -> None:
    assert patient.request("/-/settings.json", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"Host: \r\n",
        b"Host: localhost\r\nHost: attacker.example\r\n",
        b"Host: localhost/x\r\n",
        b"Host: user@localhost\r\n",
        b"Host: localhost, attacker.example\r\n",
    ],
)
def test_a_request_without_one_valid_host_is_refused(lines: bytes, patient: Client) -> None:
    answer = patient.raw(b"GET /-/settings.json HTTP/1.0\r\n" + lines + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("mode", "kind", "status"),
    [
        ("no-cors", "script", 403),
        ("cors", "empty", 403),
        ("no-cors", "image", 403),
        ("navigate", "iframe", 403),
        ("navigate", "document", 200),
    ],
)
def test_other_sites_may_link_here_but_load_nothing(mode: str, kind: str, status: int, patient: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind}
    assert patient.request("/catalog.json?sql=select+1", headers=headers).status == status
    own = {**headers, "Sec-Fetch-Site": "same-origin"}
    assert patient.request("/catalog.json?sql=select+1", headers=own).status == 200


# ---- SQL -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [ENDLESS_FUNCTION, f"{COUNT} select count(*) from n", f"{COUNT} select i from n where i < 0"],
    ids=["function", "recursion", "rows"],
)
@pytest.mark.parametrize("extension", ["json", "csv"])
def test_a_query_ends_at_its_deadline(sql: str, extension: str, client: Client) -> None:
    answer = client.sql(sql, extension)
    assert answer.status == 400 and "ran for more than 0.5 s" in answer.text


def test_as_many_endless_queries_as_processes_do_not_stop_the_server(client: Client) -> None:
    with ThreadPoolExecutor(6) as threads:
        attacks = [threads.submit(client.sql, ENDLESS_FUNCTION) for _ in range(6)]
        assert {attack.result().status for attack in attacks} == {400}
    assert client.request("/-/versions.json").status == 200


def test_queries_that_find_the_queue_full_are_refused(folder: Path) -> None:
    limits = WebLimits(query_seconds=2, processes=1, waiting_queries=1, process=SMALL_PROCESS)
    with running(folder / "catalog-of-mine.db", limits) as client, ThreadPoolExecutor(8) as threads:
        attacks = [threads.submit(client.sql, ENDLESS_FUNCTION) for _ in range(8)]
        answers = [attack.result() for attack in attacks]
    refused = [answer for answer in answers if answer.status == 503]
    assert refused and {answer.status for answer in answers} <= {400, 503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)


def test_a_page_of_many_queries_has_a_deadline(folder: Path) -> None:
    limits = WebLimits(query_seconds=60, request_seconds=0.3, processes=1, process=SMALL_PROCESS)
    with running(folder / "catalog-of-mine.db", limits) as client:
        answer = client.sql(ENDLESS_FUNCTION)
        assert answer.status == 503 and "longer than 0.3 s" in answer.text and answer.headers["retry-after"]


def test_requests_at_a_time_have_a_limit(folder: Path) -> None:
    limits = WebLimits(query_seconds=2, processes=1, open_requests=2, process=SMALL_PROCESS)
    with running(folder / "catalog-of-mine.db", limits) as client, ThreadPoolExecutor(6) as threads:
        attacks = [threads.submit(client.sql, ENDLESS_FUNCTION) for _ in range(6)]
        statuses = [attack.result().status for attack in attacks]
    assert 503 in statuses and 400 in statuses


@pytest.mark.parametrize(
    "sql",
    [
        f"select {LONG} || {LONG}",
        f"select hex({LONG})",
        "select zeroblob(100000000)",
        f"{COUNT} select group_concat(i) from (select i from n limit 1000000)",
        f"{COUNT} select json_group_array(i) from (select i from n limit 1000000)",
        f"{COUNT} select printf('%.*c', 50000, i) from n limit 1000",
        "select " + ", ".join(f"{LONG} as c{at}" for at in range(60)),
        f"{COUNT} select i, printf('%.*c', 10000, 'a') as x from n order by x, i desc",
    ],
    ids=["join", "hex", "zeroblob", "group_concat", "json", "rows", "columns", "sort"],
)
def test_a_query_gets_little_memory(sql: str, patient: Client) -> None:
    answer = patient.sql(sql)
    assert answer.status == 400 and len(answer.body) < 10_000
    assert re.search("MiB|memory|space|do more than read", answer.text), answer.text


@pytest.mark.parametrize("sql", REFUSED.values(), ids=REFUSED)
def test_a_query_only_reads(sql: str, patient: Client) -> None:
    assert patient.sql(sql).status == 400


@pytest.mark.parametrize("path", ["/_memory", "/_memory.json", "/_internal.json", "/%5Fmemory", "/catalog.db"])
def test_there_is_no_other_database(path: str, patient: Client) -> None:
    assert patient.request(f"{path}?sql=select+1").status in (302, 403, 404)
    assert patient.request(f"{path}?sql=select+1").body.find(b"SQLite format 3") == -1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_sent(method: str, patient: Client) -> None:
    answer = patient.request("/catalog", method)
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"


def test_a_long_address_is_refused(patient: Client) -> None:
    """Datasette's regular expressions would take a minute for this one."""
    spaces = "+" * 60_000
    assert patient.request(f"/catalog.json?sql=/**/{spaces}x").status == 414
    assert patient.request(f"/{'x' * MAX_TARGET_BYTES}").status == 414


# ---- what pages tell -------------------------------------------------------------------------------------------------

PAGES = [
    "/catalog",
    "/catalog.json",
    "/catalog/models",
    "/catalog/models.json",
    "/catalog/repos/1",
    "/catalog/nothing-here",
    "/nothing/here",
    "/-/databases",
    "/-/databases.json",
    "/-/settings.json",
    "/-/versions.json",
    "/-/metadata.json",
    "/-/plugins.json?all=1",
    "/catalog.json?sql=select+nonsense",
    "/catalog?sql=select+file+from+pragma_database_list",
    "/catalog?sql=pragma+database_list",
    "/catalog/models?_sort=nonsense",
    "/catalog/models?_next=%00",
    "/catalog/models?_trace=1&_context=1",
    "/catalog/models.json?_size=-1",
    "/catalog/models?_timelimit=x",
    "/catalog.json?sql=select+1&_timelimit=x",
    "/catalog/models.nonsense",
    "/catalog.blob?sql=select+1",
]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_a_path_or_a_traceback(path: str, folder: Path, patient: Client) -> None:
    answer = patient.request(path)
    for told in (str(folder), "secret-place", "catalog-of-mine", "site-packages", "Traceback", sys.prefix):
        assert told not in answer.text, told


@pytest.mark.parametrize(
    "page", ["threads", "threads.json", "permissions", "messages", "allow-debug", "patterns", "logout", "auth-token"]
)
def test_pages_for_developers_are_not_served(page: str, patient: Client) -> None:
    assert patient.request(f"/-/{page}").status == 404


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/catalog", "localhost", 200),
        ("/report", "localhost", 200),
        ("/catalog/models.csv", "localhost", 200),
        ("/catalog/models.json", "localhost", 200),
        ("/-/static/app.css", "localhost", 200),
        ("/catalog/nothing", "localhost", 404),
        ("/catalog?sql=delete+from+repos", "localhost", 400),
        ("/-/threads", "localhost", 404),
        ("/catalog", "attacker.example", 421),
    ],
)
def test_every_response_has_security_headers(path: str, host: str, status: int, patient: Client) -> None:
    answer = patient.request(path, headers={"Host": host})
    assert answer.status == status
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert re.fullmatch(r"script-src 'self'( 'nonce-[\w-]{16,}')?", script)  # pages without scripts need none
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/catalog", "/catalog/tags", "/catalog?sql=select+1"])
def test_scripts_of_pages_run_by_a_nonce_that_is_used_once(path: str, patient: Client) -> None:
    nonces = set()
    for _ in range(2):
        answer = patient.request(path)
        found = re.search(r"'nonce-([\w-]+)'", answer.headers["content-security-policy"])
        assert found
        nonces.add(found[1])
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts and all(f'nonce="{found[1]}"' in script for script in scripts)
    assert len(nonces) == 2


def test_a_script_in_the_data_has_no_nonce(patient: Client) -> None:
    answer = patient.request(f"/catalog?{urlencode({'sql': 'select :x as x', 'x': '<script>alert(1)</script>'})}")
    assert answer.status == 200
    assert "<script>alert" not in answer.text and "nonce&#34;" not in answer.text


# ---- CSV -------------------------------------------------------------------------------------------------------------


def table(answer: Answer) -> list[list[str]]:
    assert answer.status == 200, answer.text
    return list(csv.reader(io.StringIO(answer.text)))


@pytest.mark.parametrize("path", ["/catalog.csv", "/~63atalog.csv"])
@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+cmd", "@SUM(1)", "\tx", "\rx", "＝1"])
def test_formulas_of_a_query_are_escaped_in_csv(path: str, cell: str, patient: Client) -> None:
    named = '"{}"'.format(cell.replace("\t", " =").replace("\r", "="))
    query = urlencode({"sql": f"select :cell as {named}, -1 as number", "cell": cell})
    heading, row = table(patient.request(f"{path}?{query}"))
    assert row[1] == "-1", "numbers stay numbers"
    for text in (heading[0], row[0]):
        assert text[0] not in "=+-@\t\r＝", text


@pytest.mark.parametrize("options", ["", "?_stream=on&_size=2", "?_labels=on", "?_dl=1"])
def test_formulas_of_a_table_are_escaped_in_csv(options: str, patient: Client) -> None:
    heading, *rows = table(patient.request(f"/catalog/models.csv{options}"))
    licences = {row[heading.index("license")] for row in rows}
    assert f"'{FORMULA}" in licences and FORMULA not in licences
    assert len(rows) == 14, "a streamed table is complete"
    exact = json.loads(patient.request("/catalog/models.json?_shape=array").text)
    assert FORMULA in {row["license"] for row in exact}, "JSON has the exact values"


def test_a_query_that_fails_is_an_error_in_csv_too(patient: Client) -> None:
    answer = patient.sql("select nonsense from models", "csv")
    assert answer.status == 400 and "no such column: nonsense" in answer.text


def test_hashes_of_a_table_are_links_in_csv(patient: Client) -> None:
    heading, *rows = table(patient.request("/catalog/repos.csv"))
    assert len(rows) == 14 and all(len(row) == len(heading) for row in rows)


# ---- the command -----------------------------------------------------------------------------------------------------


SERVE = """
import sys
import crawler.web.server
from crawler.cli import main
crawler.web.server.GRACE_SECONDS = 0.3
sys.argv[0] = "hf-catalog"
main()
"""
"""The command with less time for responses to end: endless queries take the processors until then."""


SECRET = "hf_s3cr3tToken0123456789"
SECRETS = {
    **dict.fromkeys(("HF_TOKEN", "DATASETTE_SECRET", "PGPASSWORD"), SECRET),
    "HF_ENDPOINT": f"https://me:{SECRET}@hub.example.org",
}
"""What the environment of a server may hold."""


def started(db: Path) -> tuple[subprocess.Popen[str], Client]:
    """A running server, whose environment holds secrets."""
    command = [sys.executable, "-c", SERVE, "serve", "--port", "0", "--timeout", "10m", "--db", str(db)]
    environment = {**os.environ, **SECRETS}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    told = process.stderr.readline()
    address = re.match(r"http://localhost:(\d+)/", told)
    assert address, told + process.stderr.read()
    return process, Client(int(address[1]))


def send_and_forget(client: Client, sql: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", client.port), timeout=MAX_WAIT_SECONDS)
    connection.sendall(f"GET /catalog.json?sql={quote(sql)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_signal_ends_the_server_whatever_runs(number: signal.Signals, folder: Path) -> None:
    process, client = started(folder / "catalog-of-mine.db")
    pages = [client.request(path) for path in ("/", "/catalog/models.json", "/-/settings.json", "/no/such/page")]
    connection = send_and_forget(client, ENDLESS_FUNCTION)
    wait_until(lambda: children(process.pid))
    running = children(process.pid)
    arguments = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (process.pid, *running)]
    process.send_signal(number)
    printed, told = process.communicate(timeout=MAX_WAIT_SECONDS)
    assert SECRET not in f"{pages}{arguments}{printed}{told}"
    assert process.returncode == (0 if number == signal.SIGTERM else -number), told
    assert "Traceback" not in told
    wait_until(lambda: not any(map(is_running, running)))
    connection.close()
