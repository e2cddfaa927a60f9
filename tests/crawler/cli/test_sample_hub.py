"""`hf-catalog sample-hub`: it says where it is, serves until Ctrl-C, and leaves in peace."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

PROGRAM = [sys.executable, "-m", "crawler.cli", "sample-hub"]


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )


def test_it_serves_until_ctrl_c() -> None:
    process = started("--port", "0")
    try:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{endpoint}/api/models?limit=2", timeout=300) as answer:
            assert len(json.load(answer)) == 2
    finally:
        process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=300)
    assert process.returncode == 0
    assert endpoint in talk and "1 requests answered" in talk and "Traceback" not in talk


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = started("--port", str(taken.getsockname()[1]))
        _, talk = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "can't be used" in talk and "--port 0" in talk


def test_a_file_that_is_no_list_of_models(tmp_path: Path) -> None:
    path = tmp_path / "models.jsonl"
    path.write_text("nonsense\n")
    process = started("--models", str(path))
    _, talk = process.communicate(timeout=300)
    assert process.returncode == 2
    assert str(path) in talk and "Traceback" not in talk
