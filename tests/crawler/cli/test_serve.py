"""`hf-catalog serve` where it can't start; tests/crawler/web has its pages."""

from __future__ import annotations

import socket

from crawler.cli.errors import NO
from tests.crawler.cli.conftest import Ask


def test_a_port_in_use_is_an_error(small: str, hf_catalog: Ask) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = hf_catalog("serve", "--port", str(port), "--db", small)
    assert answer.status == NO and f"--port {port + 1}" in answer.err
