"""Processor time of commands that read a small catalog, as ratio to `from huggingface_hub import HfApi`.

    python bench/start_up.py --db demo.db

Each command runs in turn with the import, which any program needs that asks the Hub instead. Last figures (medians of 7
pairs, 2 cores, Python 3.11, huggingface_hub 2.4): models ls 0.36, models info 0.53, status 0.37, query 0.38.
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
COMMANDS = ("models ls", "models info google/gemma-3-4b-it", "status", "query trending")


def processor_seconds(command: Sequence[str]) -> float:
    """User and system time of a command, which has to end well."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} ended with status {process.returncode}")
    return used.ru_utime + used.ru_stime


def measure_ratio(command: Sequence[str], pairs: int) -> float:
    """Median of the command's time divided by the peer's, over pairs of runs; one pair before them is not counted."""
    ratios = [processor_seconds(command) / processor_seconds(PEER) for _ in range(pairs + 1)]
    return median(ratios[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", default="demo.db", help="a catalog that `hf-catalog demo` made")
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    program = str(Path(sys.executable).with_name("hf-catalog"))
    for words in COMMANDS:
        command = [program, *shlex.split(words), "--db", options.db]
        print(f"{words:<40}{measure_ratio(command, options.pairs):6.2f}")


if __name__ == "__main__":
    main()
