"""What one visitor of the web pages may use, so that none takes the machine from the others."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.query.process import ProcessLimits
from analysis.units import GIB, KIB, MIB

MAX_TARGET_BYTES = 8 * KIB
"""Size of a request's path and query. The longest saved query has 3 KB. Datasette looks at SQL with regular expressions
whose time grows with the square of its length: a second for this one."""


PROCESS_LIMITS = ProcessLimits(heap=64 * MIB, memory=256 * MIB, temporary_file=GIB)


@dataclass(frozen=True, slots=True)
class WebLimits:
    """Times in seconds, sizes in bytes."""

    query_seconds: float = 5.0
    """One statement; a page may need several."""
    request_seconds: float = 30.0
    """From a request to the start of its response."""
    send_seconds: float = 60.0
    """How long a client may take to read one part of a response."""
    processes: int = 3
    """Statements that run at a time, each in a process of its own."""
    waiting_queries: int = 60
    """Statements that wait for a process; those of further requests are refused."""
    open_requests: int = 100
    """Requests at a time."""
    result_bytes: int = 8 * MIB
    """The rows of one page."""
    process: ProcessLimits = PROCESS_LIMITS


WEB_LIMITS = WebLimits()
