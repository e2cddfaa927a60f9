"""Crawls through a proxy that asks for a password, and tokens on connections that are not encrypted."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crawler.errors import TokenUnencrypted
from crawler.sources.huggingface.client import HubClient
from samplehub import SampleHub
from tests.crawler.hubs import small_catalog
from tests.crawler.test_other_hubs import copy_bytes, encrypted, make_certificate
from tests.environment import user_environment

PASSWORD = "p@ss/word"
IN_URL = "p%40ss%2Fword"
ALLOWED = b"proxy-authorization: basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).lower()


@contextmanager
def connect_proxy(heads: list[bytes]) -> Iterator[str]:
    """HOST:PORT of a proxy that connects those who send the user and password; `heads` are the requests it gets."""

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1 << 16)
            heads.append(head)
            if ALLOWED not in head.lower():
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = head.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as behind:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=copy_bytes, args=(behind, client), daemon=True).start()
                copy_bytes(client, behind)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(("password", "status"), [(IN_URL, 0), ("wrong-p%40ss", 4)])
def test_the_password_of_a_proxy_is_sent_to_it_and_shown_nowhere(password: str, status: int, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    db, heads = tmp_path / "c.db", list[bytes]()
    unset = ("NO_PROXY", "no_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "SSL_CERT_DIR")
    env = {name: value for name, value in user_environment().items() if name not in unset}
    with (
        SampleHub(catalog=small_catalog(3)) as sample,
        encrypted(sample, tmp_path) as endpoint,
        connect_proxy(heads) as proxy,
    ):
        env |= {"HTTPS_PROXY": f"http://ann:{password}@{proxy}", "SSL_CERT_FILE": str(tmp_path / "cert.pem")}
        done = subprocess.run(
            [sys.executable, "-m", "crawler.cli", "crawl", "-v", "--db", db, "--endpoint", endpoint],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == status, done.stderr
    assert heads
    assert all(head.startswith(b"CONNECT 127.0.0.1:") for head in heads), "nothing is sent past the proxy"
    shown = (done.stdout + done.stderr).encode() + (db.read_bytes() if db.exists() else b"")
    for secret in (password, PASSWORD, "wrong-p@ss", base64.b64encode(f"ann:{PASSWORD}".encode()).decode()):
        assert secret.encode() not in shown


@pytest.mark.parametrize("endpoint", ["http://hub.invalid", "http://192.0.2.1:8080/path", "http://[2001:db8::1]"])
def test_a_token_is_not_sent_unencrypted_to_another_machine(endpoint: str) -> None:
    client = HubClient(endpoint, "hf_secret", offline=False, timeout=0.5, patience=0.0)
    with pytest.raises(TokenUnencrypted, match="unencrypted") as caught:
        client.check_connection()
    assert client.counters.api_requests == 0
    assert "hf_secret" not in str(caught.value)
    assert "https" in caught.value.hint


@pytest.mark.parametrize(
    ("endpoint", "token"),
    [
        ("http://hub.invalid", False),
        ("https://hub.invalid", "hf_secret"),
        ("http://localhost:1", "hf_secret"),
        ("http://127.3.4.5:1", "hf_secret"),
        ("http://[::1]:1", "hf_secret"),
    ],
)
def test_other_endpoints_are_no_error(endpoint: str, token: str | bool) -> None:
    assert HubClient(endpoint, token, offline=False).has_token is bool(token)  # type: ignore[arg-type]
