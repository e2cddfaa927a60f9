"""Processor time of commands that read a small catalog, as ratio to `from huggingface_hub import HfApi`.

    python bench/start_up.py --db demo.db

Each command runs in turn with the import, which any program needs that asks the Hub instead. Last figures (medians of 7
pairs, 2 cores, Python 3.11, huggingface_hub 2.4): models ls 0.36, models info 0.53, status 0.37, query 0.38.
With eight other programs beside it: mcp 2.3, which was 1.4 s of processor time, the import of the SDK alone 1.0 s.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

PEER = (sys.executable, "-c", "from huggingface_hub import HfApi")
COMMANDS = ("models ls", "models info google/gemma-3-4b-it", "status", "query trending", "mcp")
"""`mcp` ends when it has started, because its input is empty; most of its time is the import of the SDK."""


def processor_seconds(command: Sequence[str]) -> float:
    """User and system time of a command, which has to end well."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} ended with status {process.returncode}")
    return used.ru_utime + used.ru_stime


def measure_ratio(command: Sequence[str], pairs: int) -> tuple[float, float]:
    """Medians over pairs of runs of the command's time divided by the peer's, and of the command's time in seconds.

    One pair before them is not counted.
    """
    times = [(processor_seconds(command), processor_seconds(PEER)) for _ in range(pairs + 1)][1:]
    return median(own / peer for own, peer in times), median(own for own, _ in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", default="demo.db", help="a catalog that `hf-catalog demo` made")
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    program = str(Path(sys.executable).with_name("hf-catalog"))
    for words in COMMANDS:
        command = [program, *shlex.split(words), "--db", options.db]
        ratio, seconds = measure_ratio(command, options.pairs)
        print(f"{words:<40}{ratio:6.2f}{seconds:8.2f} s")


if __name__ == "__main__":
    main()
