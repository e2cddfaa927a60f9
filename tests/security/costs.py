"""What an attack may cost, and how tests measure it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

MAX_SECONDS = 2.0
"""Seconds of processor time that an attack may take."""

MAX_MEMORY_BYTES = 300_000_000
"""Memory that an attack may take."""

PROC = Path("/proc/self")


def check_cost(work: Callable[[], object]) -> None:
    """Fails where the work takes more than the allowed time, or than the allowed memory.

    Processor time doubles on a machine that does other work: work that takes longer is done again, three times in all.
    """
    took = []
    for _ in range(3):
        before = reset_peak()
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
        grown = read_peak() - before
        assert grown < MAX_MEMORY_BYTES, f"{grown:,} bytes"
        if took[-1] < MAX_SECONDS:
            return
    raise AssertionError(f"{min(took):.2f} s")


def reset_peak() -> int:
    """Lets the system measure this process's peak memory (proc(5), clear_refs); that of now, in bytes."""
    if (PROC / "clear_refs").exists():
        (PROC / "clear_refs").write_text("5", encoding="ascii")
    return read_peak()


def read_peak() -> int:
    """The largest memory of this process since `reset_peak`, or ever where the system can't tell, in bytes."""
    if (PROC / "status").exists():
        lines = (PROC / "status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
