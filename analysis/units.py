"""Parsers of sizes, durations and dates as users write them, and numbers formatted for users. Standard library only."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

KIB, MIB, GIB = 2**10, 2**20, 2**30
GB = 10**9

MIN_MEMORY_BYTES = 10**8
"""Less memory than this runs no model: `--ram 16` is a forgotten unit."""

NUMBER = r"(?P<number>\d+(?:\.\d+)?(?:e\d{1,2})?|\.\d+)"
BYTES = re.compile(rf"{NUMBER}\s*(?P<unit>[kmgtp]?)(?P<binary>i?)b?", re.IGNORECASE)
PARAMETERS = re.compile(rf"{NUMBER}\s*(?P<unit>[KMBT])")
SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|min|m|h|d|w)", re.IGNORECASE)
DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
COUNTS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_size(text: str) -> int:
    """Bytes from `16GB`, `16GiB`, `16G`, `7.5e9`, `512`; decimal unless the unit has an `i`. Raises ValueError."""
    found = BYTES.fullmatch(text.strip())
    if not found or (found["binary"] and not found["unit"]):
        raise ValueError(text)
    unit = found["unit"].lower()
    return round(float(found["number"]) * (BINARY[unit] if found["binary"] else DECIMAL[unit]))


def parse_memory(text: str) -> int:
    """Bytes of a machine's memory; less than MIN_MEMORY_BYTES is a forgotten unit. Raises ValueError."""
    size = parse_size(text)
    if size < MIN_MEMORY_BYTES:
        raise ValueError(text)
    return size


def parse_model_size(text: str) -> tuple[str, int]:
    """The size of a model: ("parameters", 4e9) from `4B` or `270M`; ("bytes", 3e9) from `3GB` or a bare number."""
    found = PARAMETERS.fullmatch(text.strip())
    if found:
        return "parameters", round(float(found["number"]) * COUNTS[found["unit"]])
    return "bytes", parse_size(text)


def parse_bandwidth(text: str) -> int:
    """Bytes per second from `100GB/s` or `100GB`. Raises ValueError."""
    return parse_size(re.sub(r"(?i)(/s(ec)?|ps)$", "", text.strip()))


def parse_context(text: str) -> int:
    """Tokens from `8192`, `32k` (32,768, as context lengths are usually stated) or `1M`. Raises ValueError."""
    found = re.fullmatch(r"(\d+)\s*([km]?)", text.strip(), re.IGNORECASE)
    if not found or int(found[1]) == 0:
        raise ValueError(text)
    return int(found[1]) * {"": 1, "k": 2**10, "m": 2**20}[found[2].lower()]


def parse_span(text: str) -> timedelta:
    """A duration from `90s`, `30m`, `2h`, `7d`, `1w`. Raises ValueError."""
    found = SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return timedelta(seconds=float(found["number"]) * SECONDS[found["unit"].lower()])


def parse_when(text: str, now: datetime | None = None) -> datetime:
    """A time (aware, UTC) from a duration before now (`7d`), a date or an ISO 8601 time. Raises ValueError."""
    try:
        return (now or datetime.now(UTC)) - parse_span(text)
    except (ValueError, OverflowError):
        moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """A time as the catalog stores it: ISO 8601 in UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def size_text(number: float | None) -> str:
    """Bytes formatted, in GB (10^9) where that is readable: `3.16 GB`, `150 GB`, `0.29 GB`, `4.7 MB`, `12 B`."""
    if number is None:
        return ""
    for scale, unit, least in ((1e9, "GB", 0.1), (1e6, "MB", 0.1), (1e3, "kB", 1.0)):
        if abs(number) >= scale * least:
            value = number / scale
            return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
    return f"{number:.0f} B"


def volume_text(number: float | None) -> str:
    """Bytes of a whole catalog formatted, in the largest unit that they reach: `1.8 PB`, `34.4 TB`, `12 GB`."""
    for scale, unit in ((1e15, "PB"), (1e12, "TB")):
        if number is not None and abs(number) >= scale:
            return f"{number / scale:.3g} {unit}"
    return size_text(number)


def count_text(number: float | None) -> str:
    """A count formatted: `3.88B`, `270M`, `12,345`."""
    if number is None:
        return ""
    for scale, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(number) >= scale * 0.9995:  # 999.9 million are 1B, not 1000M
            value = number / scale
            return f"{value:.0f}{unit}" if abs(value) >= 100 else f"{value:.3g}{unit}"
    return f"{number:,.0f}"
