"""A few kills at random moments, as bench/kills.py makes two hundred of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]


def test_what_is_killed_goes_on_to_the_same_catalog() -> None:
    line = [sys.executable, "-m", "bench.kills", "--kills", "4", "--repos", "16"]
    done = subprocess.run(line, cwd=HOUSE, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kills" in done.stdout
    assert "0 catalogs differ" in done.stdout
