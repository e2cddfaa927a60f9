"""A response of the Hub, and the parsers of its body and headers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from analysis.untrusted import JsonTooLarge, check_json_memory

MAX_MESSAGE_LENGTH = 400
"""Characters of an error message of the Hub."""

MAX_ERROR_BYTES = 65536
"""Of an error's body that is looked at."""

MAX_TITLE_LENGTH = 80
"""Characters of a web page's title, and of the name of a server."""

MAX_INT_DIGITS = 1000
"""Digits of an integer in JSON: Python's time to read one grows with their square."""

MAX_RETRY_AFTER_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Response:
    """A response, read to its end or to the number of bytes that were wanted."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    token: str = ""  # that was sent: a message that repeats it is not passed on as it is

    @property
    def message(self) -> str:
        """The Hub's own words about an error, printable and in one line."""
        text = self.headers.get("x-error-message") or ""
        payload = None if text else self._parse_error()
        if isinstance(payload, dict):
            error = payload.get("error")
            text = error if isinstance(error, str) else str(payload.get("detail") or error or "")
        text = text.replace(self.token, "***") if self.token else text
        return one_line(text[:MAX_MESSAGE_LENGTH])

    def _parse_error(self) -> Any:
        if len(self.body) > MAX_ERROR_BYTES:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_from_hub(self) -> bool:
        """Whether an error says in the Hub's own headers that it comes from the Hub, and not from something between."""
        return "x-error-code" in self.headers or "x-error-message" in self.headers

    @property
    def description(self) -> str:
        """What was received instead of what the Hub sends, in a few words."""
        found = re.search(rb"<title[^>]*>([^<]{1,200})", self.body[:MAX_ERROR_BYTES], re.IGNORECASE)
        title = one_line(found[1].decode("utf-8", "replace"))[:MAX_TITLE_LENGTH] if found else ""
        server = one_line(self.headers.get("server", ""))[:MAX_TITLE_LENGTH]
        kind = "a web page" if self.is_web_page else "no JSON" if self.body else "an empty response"
        if title:
            kind += f" titled {title!r}"
        elif self.message:
            kind = self.message
        return f"status {self.status}, {kind}{f', from {server}' if server else ''}"

    @property
    def is_web_page(self) -> bool:
        content_type = self.headers.get("content-type", "").partition(";")[0]
        start = self.body[:64].lstrip().lower()
        return "html" in content_type or start.startswith((b"<!doctype", b"<html"))

    @property
    def code(self) -> str:
        """The Hub's own code of an error, such as `RepoNotFound`."""
        return self.headers.get("x-error-code") or ""


@dataclass(frozen=True, slots=True)
class RangeResponse:
    """Bytes of a file from the requested position on."""

    data: bytes
    size: int | None  # of the whole file, if the response states it
    signed_url: str | None  # where the bytes were, if at another host than the Hub's
    is_partial: bool = True  # False: the server ignored the range and sent everything before it too


class IncompleteResponse(Exception):
    """An attempt without a valid response; another attempt may have one.

    Args:
        status: of a response with a server error.
        connected: whether a server was reached.
    """

    def __init__(self, why: str, *, status: int | None = None, connected: bool = True) -> None:
        super().__init__(why)
        self.status, self.connected = status, connected


def parse_json(response: Response) -> Any:
    """The JSON value of a response. Raises IncompleteResponse for web pages, truncated texts and too deep nesting."""
    try:
        check_json_memory(response.body)
        text = response.body.decode("utf-8", "replace")  # a wrong byte costs the value that it is in, not the page
        try:
            return json.loads(text)
        except ValueError as error:
            if "integer string conversion" not in str(error):
                raise
            return json.loads(text, parse_int=parse_json_int)
    except JsonTooLarge as error:
        raise IncompleteResponse(f"the JSON is too large: {error}") from error
    except (ValueError, RecursionError) as error:
        if response.is_web_page or not response.body:
            raise IncompleteResponse(f"expected JSON, received {response.description}") from error
        raise IncompleteResponse("the JSON is truncated or invalid") from error


def one_line(text: str) -> str:
    """A text without line breaks and unprintable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def parse_json_int(digits: str) -> int | float:
    """An integer; NaN for one of more digits than MAX_INT_DIGITS."""
    return int(digits) if len(digits) < MAX_INT_DIGITS else math.nan


def parse_digits(text: str | None) -> int | None:
    """A whole number of a header."""
    return int(text) if text is not None and text.strip().isdecimal() and len(text) < 20 else None


def parse_content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """(first, last, size) of `bytes 0-99/1234` or `bytes */1234`: RFC 9110, section 14.4."""
    found = re.fullmatch(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)", headers.get("content-range", "").strip())
    if not found:
        return None, None, None
    first, last, size = (parse_digits(part) for part in found.groups())
    return first, last, size


def json_type_name(value: Any) -> str:
    """What JSON calls the type of a value."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header. A date is compared with the response's own Date, so that no clock matters."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:MAX_RETRY_AFTER_DIGITS])
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None
