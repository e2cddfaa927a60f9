"""The service's log on stderr: one event a line, as text or as JSON. An event's facts are its `extra["facts"]`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from analysis.text import escape_control_characters
from analysis.units import iso

log = logging.getLogger("hf-catalog.schedule")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event, and the event's facts."""

    def format(self, record: logging.LogRecord) -> str:
        at = iso(datetime.fromtimestamp(record.created, UTC))
        facts = getattr(record, "facts", {})
        return json.dumps(
            {"time": at, "level": record.levelname.lower(), "event": record.getMessage(), **facts}, default=str
        )


class TextFormatter(logging.Formatter):
    """Time, level, event, and the event's facts as key=value, their control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        at = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M:%S}"
        facts = getattr(record, "facts", {})
        words = [
            f"{key}={escape_control_characters(str(value))}"
            for key, value in facts.items()
            if value not in (None, {}, "")
        ]
        return " ".join([at, record.levelname.lower(), record.getMessage(), *words])


def configure_log(*, json_lines: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
