"""Processor time of commands that read a small catalog, as ratio to `from huggingface_hub import HfApi`.

    python bench/start_up.py --db demo.db

Each command runs in turn with the import, which any program needs that asks the Hub instead. Last figures (medians of 7
pairs, 2 cores, Python 3.11, huggingface_hub 2.4): models ls 0.36, models info 0.53, status 0.37, query 0.38.

`mcp` is timed from its start to its answer to `initialize`, beside a server of the same SDK with one tool of one line.
With twelve other programs on two cores (28 Nov 2026, medians of 4): mcp 0.94, the SDK's import alone 0.93, so that the
import is what remains; nearly half of it are pydantic and the classes of the protocol's messages.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

PEER = (sys.executable, "-c", "from huggingface_hub import HfApi")
COMMANDS = ("models ls", "models info google/gemma-3-4b-it", "status", "query trending")

EMPTY_SERVER = """
from mcp.server import MCPServer
server = MCPServer("empty")
@server.tool()
def double(number: int) -> int:
    return 2 * number
server.run()
"""
SDK_SERVER = (sys.executable, "-P", "-c", EMPTY_SERVER)
SDK_IMPORT = (sys.executable, "-P", "-c", "import mcp.server")

CLIENT = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
INITIALIZE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": CLIENT}).encode() + b"\n"
"""What a client sends first; a server ends when nothing follows it."""


def processor_seconds(command: Sequence[str], given: bytes = b"") -> float:
    """User and system time of a command that gets `given`, which has to end well, with an answer to `initialize`."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None and process.stdout is not None
    if given:
        process.stdin.write(given)
        process.stdin.flush()
        if b"serverInfo" not in process.stdout.readline():
            raise SystemExit(f"{shlex.join(command)} does not answer")
    process.stdin.close()
    process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} ended with status {process.returncode}")
    return used.ru_utime + used.ru_stime


def measure_ratio(
    command: Sequence[str], pairs: int, peer: Sequence[str] = PEER, given: bytes = b""
) -> tuple[float, float]:
    """Medians over pairs of runs of the command's time divided by the peer's, and of the command's time in seconds.

    One pair before them is not counted.
    """
    times = [(processor_seconds(command, given), processor_seconds(peer, given)) for _ in range(pairs + 1)][1:]
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
    ratio, seconds = measure_ratio([program, "mcp", "--db", options.db], options.pairs, SDK_SERVER, INITIALIZE)
    print(f"{'mcp, of an empty server of the SDK':<40}{ratio:6.2f}{seconds:8.2f} s")
    ratio, seconds = measure_ratio(SDK_IMPORT, options.pairs, SDK_SERVER)
    print(f"{'import of the SDK, of that server':<40}{ratio:6.2f}{seconds:8.2f} s")


if __name__ == "__main__":
    main()
