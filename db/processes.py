"""Processes of this machine, told apart by number and birth: numbers are used again."""

from __future__ import annotations

import os
from pathlib import Path


def is_running(pid: int, born: str = "") -> bool:
    """Whether a process of that number is there, and of that birth where one is told (see `birth`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # there, but somebody else's
    now = start_time(pid)
    return not born or not now or born == now


def start_time(pid: int) -> str:
    """When a process started: the machine's own start, and ticks since; empty where nobody tells (Linux does)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return ""
