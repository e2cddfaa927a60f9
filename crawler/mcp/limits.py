"""What one call of an agent may use."""

from __future__ import annotations

from analysis.query.process import ProcessLimits
from analysis.units import GIB, MIB

CALL_SECONDS = 20.0
"""How long a statement of a call may run."""

PROCESS_LIMITS = ProcessLimits(heap=64 * MIB, memory=256 * MIB, temporary_file=GIB)
"""What the process of one statement may use: PARALLEL_CALLS times as much at a time."""

PARALLEL_CALLS = 4
"""Calls that work at a time; others wait. One that was cancelled counts until its statement ends."""

DEFAULT_ROWS = 25
MAX_ROWS = 100
MAX_OFFSET = 10_000
"""Rows that the pages of one list can reach."""

MAX_TEXT = 500
"""Characters of a text of the Hub, or of a cell; the rest is cut."""

MAX_SQL_CHARACTERS = 10_000
MAX_RESULT_CHARACTERS = 100_000
"""Size of the rows of a statement, as text."""

MAX_COMPARED = 8
MAX_DETAILS = 25
"""Rows of each list of one model."""

MAX_REQUEST_BYTES = 256 * 1024
"""Size of a request over HTTP."""

MAX_HASHED_BYTES = 8 * 10**9
"""Size of a local file whose content a call hashes: a second for each 100 MB."""
