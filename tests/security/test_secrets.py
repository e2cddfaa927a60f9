"""Secrets of a whole round: token, passwords and keys of webhooks are in no output, log, file, answer or argument."""

from __future__ import annotations

import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from crawler.service.config import read_config
from crawler.service.logging import configure_log
from crawler.service.scheduler import Service
from samplehub import SampleHub
from samplehub.server.permissions import Account
from tests.crawler.cli.conftest import Answer, Ask, hf_catalog
from tests.crawler.hubs import small_catalog
from tests.servers import PostgreSQL

__all__ = ["hf_catalog"]

MARK = "s3cr3t"
"""Part of every secret of these tests."""

TOKEN = f"hf_{MARK}Token0123456789"


def check_hidden(answer: Answer) -> Answer:
    """The answer, which shows no secret and is no internal error."""
    assert MARK not in answer.out + answer.err, answer
    assert "internal error" not in answer.err, answer.err
    return answer


def read_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


# ---- a round with a token and a database with a password ------------------------------------------------------------


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(4)) as hub:
        hub.tokens[TOKEN] = Account("keeper", everything=True)
        yield hub


@pytest.fixture
def account(sample: SampleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleHub:
    """A Hub whose user has the token in the environment, in a folder of the test."""
    for name in ("HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", sample.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return sample


ROUND: dict[str, tuple[int, tuple[str, ...]]] = {
    "crawl": (0, ("crawl", "--depth", "headers", "--no-progress", "--json", "-v")),
    "status": (0, ("status",)),
    "status as JSON": (0, ("status", "--json")),
    "doctor": (0, ("doctor", "--json")),
    "check": (0, ("db", "check", "--json")),
    "current": (0, ("db", "current", "--json")),
    "stats": (0, ("db", "stats", "--json")),
    "query": (0, ("query", "select repo_id from models", "--json", "--allow-privileged-role")),
    "a query that is refused": (1, ("query", "delete from repos", "--allow-privileged-role")),
    "export": (0, ("export", "out", "--only", "models", "--json")),
    "report": (0, ("report", "--out", "report.html")),
    "serve": (3, ("serve",)),
    "backup": (3, ("db", "backup")),
    "optimize": (0, ("db", "optimize", "--json")),
    "upgrade": (0, ("db", "upgrade", "--json")),
}


def test_a_round_shows_no_secret(
    account: SampleHub, postgresql: PostgreSQL, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.create("catalog_template").replace("postgres@", f"postgres:{MARK}@")
    arguments: list[object] = []
    popen = subprocess.Popen

    def record(command: Any, *more: Any, **named: Any) -> Any:
        arguments.append(command)
        return popen(command, *more, **named)

    monkeypatch.setattr(subprocess, "Popen", record)
    monkeypatch.setattr("analysis.publish.report.make_figures", lambda reader: ())  # to draw them takes seconds
    for name, (status, words) in ROUND.items():
        answer = check_hidden(hf_catalog(*words, "--db", url))
        assert answer.status == status, (name, answer.err)
    check_hidden(hf_catalog("db", "copy", url, "copy.db", "--json"))
    assert any(request.token == TOKEN for request in account.requests), "it was used"
    assert MARK not in str(arguments)
    files = dict(read_files(tmp_path))
    assert {tmp_path / "copy.db", tmp_path / "out" / "manifest.json", tmp_path / "report.html"} <= files.keys()
    for path, data in files.items():
        assert MARK.encode() not in data, path


BAD_URLS = {
    "no server": f"postgresql://me:{MARK}@127.0.0.1:1/catalog",
    "a password in the query": f"postgresql://127.0.0.1:1/catalog?user=me&password={MARK}",
    "an encoded password": f"postgresql://me:%40{MARK}%2F@127.0.0.1:1/catalog",
    "a password with signs": f"postgresql://me:a@b/{MARK}?c#d@127.0.0.1:1/catalog",
    "no host": f"postgresql://me:{MARK}/catalog",
    "a port that is a word": f"postgresql://me:{MARK}@127.0.0.1:port/catalog",
    "another engine": f"mysql://me:{MARK}@127.0.0.1/catalog",
    "an unknown engine": f"nosuch+driver://me:{MARK}@127.0.0.1/catalog",
    "an unknown parameter": f"postgresql://me:{MARK}@127.0.0.1:1/catalog?colour=red",
    "an unknown mode": f"postgresql://me:{MARK}@127.0.0.1:1/catalog?sslmode=never&sslpassword={MARK}",
    "an open bracket": f"postgresql://me:{MARK}@[::1/catalog",
}
TOLD = (("status",), ("db", "check"), ("db", "current", "--json"), ("doctor", "--offline", "--json"), ("models", "ls"))


@pytest.mark.parametrize("name", BAD_URLS)
def test_a_database_that_can_not_be_used_is_named_without_its_password(name: str, hf_catalog: Ask) -> None:
    for words in TOLD:
        answer = check_hidden(hf_catalog(*words, "--db", BAD_URLS[name], "-v"))
        assert answer.status == (1 if words[0] == "doctor" else 3), answer
        assert "***" in answer.err + answer.out


def test_a_password_that_the_server_refuses_is_not_shown(postgresql: PostgreSQL, hf_catalog: Ask) -> None:
    for url in (
        f"postgresql://nobody:{MARK}@/catalog_template?host={postgresql.folder}",
        f"postgresql://postgres:{MARK}@/none?host={postgresql.folder}",
    ):
        answer = check_hidden(hf_catalog("status", "--db", url, "-v"))
        assert answer.status == 3 and ":***@" in answer.err


@pytest.fixture(scope="module")
def locked(postgresql: PostgreSQL) -> str:
    """URL of a role that the server asks for a password, with a wrong one."""
    rules = postgresql.folder / "data" / "pg_hba.conf"
    postgresql.execute("create role locked login password 'another'")
    rules.write_text(f"local all locked scram-sha-256\n{rules.read_text(encoding='utf-8')}", encoding="utf-8")
    postgresql.execute("select pg_reload_conf()")
    return f"postgresql://locked:{MARK}@/catalog_template?host={postgresql.folder}"


@pytest.mark.parametrize("words", [("status", "-v"), ("doctor", "--json"), ("query", "select 1"), ("export", "out")])
def test_a_wrong_password_is_refused_by_the_server_and_not_shown(
    words: tuple[str, ...], locked: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = check_hidden(hf_catalog(*words, "--db", locked))
    assert answer.status == (1 if words[0] == "doctor" else 3), answer
    assert "password authentication failed" in answer.out + answer.err
    assert not list(tmp_path.iterdir())


def test_pages_that_are_served_show_no_secret(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page about the program itself, and an error, of a server whose environment holds secrets."""
    pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")
    from tests.crawler.web.site import Site

    for name in ("HF_TOKEN", "DATASETTE_SECRET", "PGPASSWORD"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", f"https://me:{MARK}@hub.example.org")
    site = Site(small)
    for path in (
        "/catalog",
        "/catalog/models",
        "/-/settings.json",
        "/-/versions.json",
        "/-/metadata.json",
        "/-/plugins.json?all=1",
    ):
        assert MARK not in site.get(path) + str(site.headers), path
    assert MARK not in site.get("/catalog", 400, sql="select getenv('HF_TOKEN')")


@pytest.mark.parametrize("words", [("doctor", "--json"), ("crawl", "--no-progress", "-v", "--db", "new.db")])
def test_the_password_of_an_endpoint_is_not_shown(
    words: tuple[str, ...], account: SampleHub, tmp_path: Path, hf_catalog: Ask
) -> None:
    endpoint = account.endpoint.replace("http://", f"http://me:{MARK}@")
    check_hidden(hf_catalog(*words, "--endpoint", endpoint))
    check_hidden(hf_catalog(*words, "--endpoint", f"http://me:{MARK}@127.0.0.1:1"))
    for path, data in read_files(tmp_path):
        assert MARK.encode() not in data, path


# ---- the service ----------------------------------------------------------------------------------------------------


class Receiver(HTTPServer):
    """Records each request as (path, Authorization, body); `/s3cr3t-moved` redirects to `target`."""

    received: list[tuple[str, str | None, str]]
    target = ""


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.received.append((self.path, self.headers.get("Authorization"), body))
        moved = self.path.endswith("-moved")
        self.send_response(302 if moved else 500 if self.path.endswith("-refused") else 204)
        if moved:
            self.send_header("Location", self.server.target)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def running_receivers() -> Iterator[tuple[Receiver, Receiver]]:
    servers = Receiver(("127.0.0.1", 0), Handler), Receiver(("127.0.0.1", 0), Handler)
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    servers[0].target = f"http://127.0.0.1:{servers[1].server_port}/elsewhere"
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receivers(running_receivers: tuple[Receiver, Receiver]) -> tuple[Receiver, Receiver]:
    """Two servers for webhooks, which have received nothing; the first redirects to the second."""
    for server in running_receivers:
        server.received = []
    return running_receivers


def write_config(folder: Path, receiver: Receiver, more: str = "") -> Path:
    """A service with a database that does not answer, and webhooks of each kind."""
    at = f"127.0.0.1:{receiver.server_port}"
    hooks = (
        f"http://{at}/{MARK}-path?key={MARK}",
        f"http://me:{MARK}@{at}/{MARK}-refused",
        f"http://me:{MARK}@{at}/{MARK}-moved",
        f"http://127.0.0.1:1/{MARK}",
        f"http://me:{MARK}@127.0.0.1:1/",
    )
    text = f'db = "postgresql://me:{MARK}@127.0.0.1:1/catalog"\n'
    text += f'[jobs.look]\nevery = "1h"\nrun = ["status", "--json", "--db", "postgresql://me:{MARK}@127.0.0.1:1/x"]\n'
    text += "".join(f'[[hooks]]\nafter = ["look"]\nwebhook = "{url}"\n' for url in hooks)
    text += '[[hooks]]\nafter = ["look"]\ncommand = ["sh", "-c", "cat > hook.json; echo $HF_TOKEN > token.txt"]\n'
    path = folder / "catalog.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


@pytest.mark.parametrize("json_lines", [False, True])
def test_a_service_shows_no_secret(
    json_lines: bool,
    receivers: tuple[Receiver, Receiver],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receiver, other = receivers
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    configure_log(json_lines=json_lines)
    service = Service(read_config(write_config(tmp_path, receiver)))
    error = "Error: postgresql://me:***@127.0.0.1:1/x does not answer\nHint: look\x1b[31m\n"
    monkeypatch.setattr(service._processes, "run", lambda *_: (3, "", error))
    service.run(once=True)

    said = capsys.readouterr()
    assert MARK not in said.out + said.err and "hook failed" in said.err and "\x1b" not in said.err
    (tmp_path / "catalog.toml").unlink()
    for path, data in read_files(tmp_path):
        assert MARK.encode() not in data, path
    assert (tmp_path / "hook.json").exists() and (tmp_path / "token.txt").read_text(encoding="utf-8") == "\n"
    basic = "Basic " + b64encode(f"me:{MARK}".encode()).decode()
    assert [(path, authorization) for path, authorization, _ in receiver.received] == [
        (f"/{MARK}-path?key={MARK}", None), (f"/{MARK}-refused", basic), (f"/{MARK}-moved", basic),
    ]  # fmt: skip
    assert all(MARK not in body for _, _, body in receiver.received)
    assert other.received == [], "a redirect would carry the password to another host"


def test_a_jobs_process_gets_the_database_by_its_environment(
    receivers: tuple[Receiver, Receiver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path, receivers[0], '[jobs.other]\nevery = "1h"\nrun = ["status"]\n')
    started: list[tuple[list[str], Mapping[str, str]]] = []

    def refuse(command: list[str], *, env: Mapping[str, str], **_: object) -> None:
        started.append((command, env))
        raise OSError("not in this test")

    monkeypatch.setattr("crawler.service.run_process.subprocess.Popen", refuse)
    service = Service(read_config(config))
    service.run_job(service.config.jobs["other"])
    ((command, env),) = started
    assert MARK not in " ".join(command) and MARK in env["HF_CATALOG_DB"]


@pytest.mark.parametrize(
    "text",
    [
        f'[[hooks]]\nafter = ["look"]\nwebhook = "https://example.org/{MARK} {MARK}"\n',
        f'[[hooks]]\nafter = ["look"]\nwebhook = "https://me:{MARK}@[::1/"\n',
        f'[[hooks]]\nafter = ["look"]\nwebhook = "ftp://me:{MARK}@example.org/"\n',
        f'[[hooks]]\nafter = ["look"]\nwebhook = ["https://{MARK}"]\n',
        f'[[hooks]]\nafter = ["none"]\nwebhook = "https://example.org/{MARK}"\n',
        f'[health]\nport = "{MARK}"\n',
    ],
)
@pytest.mark.parametrize("words", [("schedule", "--check"), ("schedule", "--once"), ("status", "--db", "catalog.db")])
def test_a_configuration_that_is_refused_shows_no_secret(
    text: str,
    words: tuple[str, ...],
    receivers: tuple[Receiver, Receiver],
    tmp_path: Path,
    small: str,
    hf_catalog: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "catalog.db").symlink_to(small)
    write_config(tmp_path, receivers[0], text)
    monkeypatch.chdir(tmp_path)
    check_hidden(hf_catalog(*words, "-v") if words[0] == "status" else hf_catalog(*words))


def test_the_plan_of_a_service_shows_no_secret(
    receivers: tuple[Receiver, Receiver], tmp_path: Path, hf_catalog: Ask
) -> None:
    path = write_config(tmp_path, receivers[0])
    answer = check_hidden(hf_catalog("schedule", "--check", "--config", str(path)))
    assert answer.status == 0 and "look" in answer.out
