"""Two kills at random moments; bench/kills.py makes two hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_killed_crawls_end_in_the_same_catalog() -> None:
    line = [sys.executable, "-m", "bench.kills", "--kills", "2", "--repos", "8"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills" in done.stdout
    assert "0 catalogs differ" in done.stdout
