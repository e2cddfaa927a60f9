"""Errors of calls as an agent reads them: what is wrong, and what to pass instead."""

from __future__ import annotations

from analysis.errors import AnalysisError, SavedQueryError, UnknownModel, UnknownValue
from analysis.text import escape_control_characters
from crawler.mcp.limits import MAX_TEXT
from db.errors import CatalogError, QueryError, QueryRefused, QueryTimeout, QueryTooCostly


class BadArgument(Exception):
    """An argument that no call can use; `hint` says what to pass."""

    def __init__(self, name: str, value: str, hint: str) -> None:
        super().__init__(f"{name}: {value[:80]!r} can't be used")
        self.hint = hint


EXPECTED = (BadArgument, AnalysisError, QueryError, CatalogError)
"""Errors that an agent, or the person behind it, can fix."""


def describe_error(error: Exception) -> str:
    """The error and the way out, in one line that is safe to show."""
    hint = hint_of(error)
    is_tool = "_" in hint.partition(" ")[0]  # whose name is passed on as it is called
    sentence = (hint if is_tool else f"{hint[:1].upper()}{hint[1:]}").rstrip(".")
    return escape_control_characters(" ".join(f"{error}. {sentence}.".split())[: 4 * MAX_TEXT])


def hint_of(error: Exception) -> str:
    """What to do: the commands of the error's own hint are of no use to an agent."""
    match error:
        case UnknownModel(close=close) | UnknownValue(close=close) if close:
            return f"Nearest: {', '.join(close)}."
        case UnknownModel():
            return "search_models finds models by words."
        case UnknownValue():
            return "search_models with text finds models by words."
        case SavedQueryError():
            return "describe_schema names the saved queries and their parameters."
        case QueryRefused():
            return "Only one statement that reads is run: select, with, values, explain."
        case QueryTimeout() | QueryTooCostly():
            return "Narrow it with a where or a limit."
        case QueryError():
            return "describe_schema names the tables, views and columns."
        case _:
            return str(getattr(error, "hint", ""))
