r"""PostgreSQL's SQL in tokens, as its own scanner cuts it (src/backend/parser/scan.l).

What is inside a string or a comment depends on all that stands before it, so the text is cut from left to right and
nothing is searched for: in `1E'\' ...` a number ends before an escape string, in `a$$` a name ends with two dollars,
a string continues after a line end (`'a'` and `'b'` on two lines are one), `--` ends at a carriage return too.
`standard_conforming_strings` must be on, as it is since PostgreSQL 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

TokenKind = Literal["space", "comment", "string", "name", "quoted", "number", "symbol"]

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names (NAMEDATALEN - 1)."""

_LETTER = r"A-Za-z_\x80-\U0010ffff"
_JOIN = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'"
"""What separates two parts of one string: white space and comments with a line end, and the next quote."""


def _string(prefix: str, content: str) -> str:
    """A pattern of a string with all its parts; one that is not closed continues to the end of the text."""
    return rf"{prefix}'(?:{content})*+(?:'(?:{_JOIN}(?:{content})*+')*+|\Z)"


_PATTERNS: dict[TokenKind, str] = {
    "space": r"[ \t\n\r\f\v]+",
    "comment": r"--[^\n\r]*|/\*",
    "string": "|".join((
        _string("[eE]", r"[^'\\]|\\.|''"),
        _string("(?:[bBnNxX]|[uU]&)?", r"[^']|''"),
        rf"\$(?P<tag>(?:[{_LETTER}][{_LETTER}0-9]*)?)\$.*?(?:\$(?P=tag)\$|\Z)",
    )),
    "quoted": r'(?:[uU]&)?"(?:[^"]|"")*+(?:"|\Z)',
    "name": rf"[{_LETTER}][{_LETTER}0-9$]*",
    "number": r"\$?[0-9]+",
    "symbol": r".",
}  # fmt: skip
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()), re.DOTALL)
_COMMENT_MARK = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """A part of a statement: `sql[start:end]`."""

    kind: TokenKind
    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """The name that a name or a quoted name stands for."""
        if self.kind == "quoted":
            name = self.text[1:-1].replace('""', '"')
        else:
            name = re.sub("[A-Z]+", lambda part: part[0].lower(), self.text)  # letters of ASCII only
        return name.encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def tokens(sql: str) -> Iterator[Token]:
    """Every token from the first character to the last, white space and comments among them."""
    position = 0
    while found := _TOKEN.match(sql, position):
        end = _nested_comment_end(sql, position) if found[0] == "/*" else found.end()
        yield Token(_kind(found), sql[position:end], position, end)
        position = end


def _kind(found: re.Match[str]) -> TokenKind:
    return next(kind for kind in _PATTERNS if found[kind] is not None)


def _nested_comment_end(sql: str, start: int) -> int:
    """Where the comment that begins at `start` ends; comments inside it have ends of their own."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(sql, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)
