"""Processes of this machine, identified by number and start time, as numbers are reused.

psutil is not used: its `create_time` is computed from the system's clock, so setting the clock changes it, and a crawl
that is running would look like one that has ended.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_running(pid: int, started: str = "") -> bool:
    """Whether the process exists; with `started`, whether it is the one that `start_time` described so."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it exists, but belongs to another user
    now = start_time(pid)
    return not started or not now or started == now


def start_time(pid: int) -> str:
    """When a process started: the id of the machine's boot, and clock ticks since it.

    Empty where /proc does not tell, as on systems other than Linux. Format: proc(5), /proc/PID/stat, field 22.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return ""
