"""Processes of this machine, identified by number and start time, as numbers are reused; memory and limits of this one.

psutil is not used: its `create_time` is computed from the system's clock, so setting the clock changes it, and a crawl
that is running would look like one that has ended.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path

PARENT_CHECK_SECONDS = 0.5
"""How often a process checks whether the one that started it still runs."""


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


def end_with_parent(parent: int) -> None:
    """Ends this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def resident_bytes() -> int:
    """Memory of this process in bytes; 0 where the system is not Linux."""
    return _memory_field(1)


def data_bytes() -> int:
    """What RLIMIT_DATA counts of this process, in bytes; 0 where the system is not Linux."""
    return _memory_field(5)


def limit_memory(most_bytes: int) -> None:
    """Limits what `data_bytes` counts of this process, which leaves no core file either, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def limit_processor_time(seconds: float) -> None:
    """Lets the system end this process after further seconds of processor time, where it can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds) + 1, hard))


def _memory_field(index: int) -> int:
    """A field of proc(5), /proc/PID/statm, whose unit is pages: 1 is resident memory, 5 data and stack."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[index])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
