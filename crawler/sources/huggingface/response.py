"""An answer of the Hub, read to its end, and what its body and its headers say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """A response, read to its end or to where it was cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    secret: str = ""  # the token that was sent, lest its echo is told on

    @property
    def message(self) -> str:
        """What the Hub says of an error, in one line of plain signs."""
        text = self.headers.get("x-error-message") or ""
        if not text:
            try:
                told = json.loads(self.body)
                text = str(told.get("error", "")) if isinstance(told, dict) else ""
            except ValueError:
                text = ""
        text = text.replace(self.secret, "***") if self.secret else text
        return " ".join("".join(sign if sign.isprintable() else " " for sign in text[:400]).split())

    @property
    def code(self) -> str:
        return self.headers.get("x-error-code") or ""


class IncompleteResponse(Exception):
    """A try that brought no whole answer; the next may. `status`: of a 5xx; `connected`: somebody was there."""

    def __init__(self, why: str, *, status: int | None = None, connected: bool = True) -> None:
        super().__init__(why)
        self.status, self.connected = status, connected


def parse_json(answer: Response) -> Any:
    """The JSON of an answer. Raises Broken for web pages, half texts, and what is nested too deep."""
    try:
        try:
            return json.loads(answer.body)
        except ValueError as error:
            if "integer string conversion" not in str(error):
                raise
            return json.loads(answer.body, parse_int=short_int)
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("content-type", "").partition(";")[0]
        start = answer.body[:64].lstrip().lower()
        if "html" in kind or start.startswith((b"<!doctype", b"<html")):
            raise IncompleteResponse("a web page where JSON is due") from error
        raise IncompleteResponse("JSON that breaks off or is none") from error


def short_int(digits: str) -> int | None:
    """A whole number; None for one of more digits than Python reads (reading them takes time squared)."""
    return int(digits) if len(digits) < 1000 else None


def parse_int(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() and len(text) < 20 else None


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """(first, last, size) of `bytes 0-99/1234` or `bytes */1234`."""
    found = re.fullmatch(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)", headers.get("content-range", "").strip())
    if not found:
        return None, None, None
    return tuple(parse_int(part) for part in found.groups())  # type: ignore[return-value]


def json_type_name(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the header's other form, a date, is reckoned from the answer's own Date, so that no clock matters."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None
