"""Pages of a list: opaque cursors, each valid for the arguments that it was made for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

from crawler.mcp.errors import BadArgument
from crawler.mcp.limits import MAX_OFFSET

Row = TypeVar("Row")


def digest_arguments(arguments: object) -> str:
    """What tells the arguments of one list from those of another."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()[:12]


def parse_cursor(cursor: str | None, arguments: object) -> int:
    """The number of rows to pass over. Raises BadArgument for a cursor of other arguments, or none at all."""
    if cursor is None:
        return 0
    try:
        offset, digest = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if digest == digest_arguments(arguments) and isinstance(offset, int) and 0 <= offset <= MAX_OFFSET:
            return offset
    except (ValueError, TypeError, RecursionError):
        pass
    raise BadArgument("cursor", cursor, "pass next_cursor of the answer before, with the same other arguments")


def make_cursor(offset: int, arguments: object) -> str | None:
    """The cursor of the page that begins at `offset`; None beyond MAX_OFFSET."""
    if offset > MAX_OFFSET:
        return None
    return base64.urlsafe_b64encode(json.dumps([offset, digest_arguments(arguments)]).encode()).decode()


def take_page(rows: Iterable[Row], limit: int, cursor: str | None, arguments: Any) -> tuple[list[Row], str | None]:
    """The rows of the page that `cursor` names, and the cursor of the next one. `rows` are all, from the first."""
    offset = parse_cursor(cursor, arguments)
    page = list(islice(rows, offset, offset + limit + 1))
    return page[:limit], make_cursor(offset + limit, arguments) if len(page) > limit else None
