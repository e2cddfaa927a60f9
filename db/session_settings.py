"""The settings of a session on PostgreSQL: ours, and those of the URL's `options`.

They are set in each transaction. A pooler in transaction mode (pgbouncer) refuses startup options that it does not
know, and would give settings of a session to other clients of the same connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

OPTION_WORDS = re.compile(r"(?:[^\s\\]|\\.)+")
"""Words of `options`: a backslash keeps a space in one
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS)."""

OURS = {"timezone": "UTC", "jit": "off"}
"""What every transaction has, unless the URL says otherwise. Compiling a query that reads wide views takes seconds
where its rows take milliseconds."""

SETTING = re.compile(r"(?:-c\s*|--)([a-zA-Z_][\w.-]*)=(.*)", re.DOTALL)

IDENTIFIERS = re.compile(r'"((?:[^"]|"")*)"|([^,\s"]+)')
"""Names in a search path, quoted or not."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Statements that set them in a transaction, and what can only be given to the server at the start of a session."""

    statements: tuple[str, ...]
    startup_options: str


def session_settings(url: URL, schema: str | None) -> SessionSettings:
    """The settings for a catalog in `schema`; None: wherever the search path leads."""
    given = url.query.get("options", ())
    words = OPTION_WORDS.findall(" ".join((given,) if isinstance(given, str) else given))
    settings, rest = dict(OURS), []
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word += words.pop(0)
        if found := SETTING.fullmatch(word):
            settings[found[1].lower().replace("-", "_")] = re.sub(r"\\(.)", r"\1", found[2])
        else:
            rest.append(word)
    if schema is not None:  # public too, where pg_trgm usually is
        settings["search_path"] = f"{quote_name(schema)},public"
    return SessionSettings(tuple(_set_local(name, value) for name, value in settings.items()), " ".join(rest))


def _set_local(name: str, value: str) -> str:
    return f"set local {'.'.join(map(quote_name, name.split('.')))} to {_value(name, value)}"


def _value(name: str, value: str) -> str:
    if name != "search_path":
        return "'" + value.replace("'", "''") + "'"
    names = (quoted.replace('""', '"') if quoted else plain.lower() for quoted, plain in IDENTIFIERS.findall(value))
    return ", ".join(map(quote_name, names)) or "''"


def quote_name(name: str) -> str:
    """A name as SQL writes it, whatever its characters."""
    return '"' + name.replace('"', '""') + '"'
