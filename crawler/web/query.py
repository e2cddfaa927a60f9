"""The query string of a page's address, checked: what a form sent, or a user wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

MAX_FIELDS = 100
MAX_TEXT = 300  # characters of one value

Value = TypeVar("Value")


class BadRequest(Exception):
    """A value of the address is none that its field takes; `hint` says which it takes."""

    def __init__(self, name: str, value: str, hint: str) -> None:
        super().__init__(f"{name}: {value[:MAX_TEXT]!r} is not a value of this field")
        self.hint = hint


class NotFound(Exception):
    """There is no `what` of this name; `links` are (title, URL) of pages that list what there is."""

    def __init__(self, what: str, name: str, links: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"there is no {what} {name[:MAX_TEXT]!r}")
        self.what, self.links = what, links


class Query:
    """The fields of a query string in their order; empty ones are absent, as forms send all of their fields."""

    def __init__(self, text: str) -> None:
        """Raises BadRequest for more or longer fields than any page has."""
        try:
            pairs = parse_qsl(text, max_num_fields=MAX_FIELDS, errors="replace")
        except ValueError:
            raise BadRequest("address", text, f"at most {MAX_FIELDS} fields") from None
        self.pairs = [(name, value.strip()) for name, value in pairs if value.strip()]
        for name, value in self.pairs:
            if len(value) > MAX_TEXT:
                raise BadRequest(name, value, f"at most {MAX_TEXT} characters")

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a field."""
        return tuple(value for key, value in self.pairs if key == name)

    def text(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        found = self.texts(name)
        return found[-1] if found else default

    def parsed(self, name: str, parse: Callable[[str], Value], hint: str) -> Value | None:
        """The value of a field as `parse` reads it, None where there is none. Raises BadRequest where it can't."""
        text = self.text(name)
        if not text:
            return None
        try:
            return parse(text)
        except (ValueError, OverflowError):
            raise BadRequest(name, text, hint) from None

    def choice(self, name: str, known: Sequence[str] | Mapping[str, object], default: str) -> str:
        """A value that is one of `known`. Raises BadRequest."""
        text = self.text(name, default)
        if text not in known:
            raise BadRequest(name, text, f"one of {', '.join(known)}")
        return text

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1. Raises BadRequest."""
        found = self.parsed(name, int, f"a number from 1 to {most}")
        if found is not None and not 1 <= found <= most:
            raise BadRequest(name, str(found), f"a number from 1 to {most}")
        return default if found is None else found

    def with_values(self, path: str, **values: str | None) -> str:
        """The address with some fields replaced; None removes a field. The page number is dropped unless given."""
        kept = [(name, value) for name, value in self.pairs if name not in values and name != "page"]
        kept += [(name, value) for name, value in values.items() if value is not None]
        return f"{path}?{urlencode(kept)}" if kept else path

    def add(self, path: str, name: str, value: str) -> str:
        """The address with one more value of a field."""
        kept = [pair for pair in self.pairs if pair[0] != "page" and pair != (name, value)]
        return f"{path}?{urlencode([*kept, (name, value)])}"

    def remove(self, path: str, name: str, value: str) -> str:
        """The address without one value of a field."""
        kept = [pair for pair in self.pairs if pair[0] != "page" and pair != (name, value)]
        return f"{path}?{urlencode(kept)}" if kept else path
