"""SQL functions that parse the parameters of saved queries as the command line does: `parse_size('16GB', '4GB')`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, get_args

from analysis.query.saved import Parameter, ParameterType
from analysis.units import iso


def add_parameter_functions(connection: sqlite3.Connection) -> None:
    """Adds `parse_KIND(text, default)` for each kind of parameter."""
    for kind in get_args(ParameterType):
        connection.create_function(f"parse_{kind}", 2, parameter_function(kind), deterministic=True)


def parameter_sql(parameter: Parameter) -> str:
    """The call that gives a parameter's value, or the default's where the form is empty."""
    default = (parameter.default or "").replace("'", "''")
    return f"parse_{parameter.type}(:{parameter.name}, '{default}')"


def parameter_function(kind: ParameterType) -> Callable[[Any, str], Any]:
    """A SQL function that parses a parameter's text as the command line does; invalid text is a query error."""

    def parse(text: Any, default: str) -> Any:
        value = Parameter("value", kind, default or None, "").parse(None if text in (None, "") else str(text))
        return iso(value) if hasattr(value, "astimezone") else value

    return parse
