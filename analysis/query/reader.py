"""Questions over the catalog: ad-hoc SQL or one of `queries/*.sql` by name, read-only by the engine itself.

A question is one SQL file with a header of comments:

    -- title: Quantized copies of a model
    -- description: Who quantized it, how, and how big the files are.
    -- kind: interactive            (it needs a parameter from a person) or: report (it runs as it is)
    -- param: model | text | google/gemma-3-4b-it | repo id of the original
    select ... where base_model = :model

Types of parameters: text, integer, number, size (`16GB`), date (`7d`, `2026-11-01`). An empty default is NULL.

Nothing written here trusts the words of a statement. On SQLite an authorizer lets the engine read and nothing else
(no attach, no pragma that sets, no functions that reach out), with `mode=ro`, a cap on the length of a value and a
clock that ends what takes too long. On PostgreSQL the transaction is READ ONLY with a statement_timeout.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from analysis.errors import BadParameter, InvalidSavedQuery, UnknownSavedQuery
from analysis.units import iso, parse_size, parse_when
from db.errors import QueryError, QueryRefused, QueryTimeout

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine

QueryKind = Literal["interactive", "report"]
ParameterType = Literal["text", "integer", "number", "size", "date"]

FOLDER = Path(__file__).parents[1] / "queries"
DEFAULT_TIMEOUT = 300.0  # seconds
MAX_VALUE = 16 * 2**20  # bytes of one value: `zeroblob(1e9)` is refused, no catalog's cell is near
STEPS = 20_000  # of SQLite's virtual machine between two looks at the clock: about a millisecond


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a question, with its default as written; None where the default is NULL."""

    name: str
    type: ParameterType
    default: str | None
    description: str

    def read(self, text: str | None) -> Any:
        """The value that a person's text means. Raises BadParameter."""
        text = self.default if text is None else text
        if text is None or text == "":
            return None
        try:
            match self.type:
                case "integer":
                    return int(text.replace(",", "").replace("_", ""))
                case "number":
                    return float(text)
                case "size":
                    return parse_size(text)
                case "date":
                    return parse_when(text)
                case "text":
                    return text
        except (ValueError, OverflowError):
            raise BadParameter(self.name, text, self.type) from None


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One question that comes with the program."""

    name: str
    title: str
    description: str
    kind: QueryKind
    parameters: tuple[Parameter, ...]
    sql: str

    def values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Every parameter's value, from what was given and the defaults. Raises BadParameter."""
        known = {parameter.name for parameter in self.parameters}
        for name, text in given.items():
            if name not in known:
                raise BadParameter(name, text, None, tuple(sorted(known)))
        return {parameter.name: parameter.read(given.get(parameter.name)) for parameter in self.parameters}


def parse_saved_query(name: str, text: str) -> SavedQuery:
    """A question from its file's text. Raises BadQuestion where the header is not whole or the SQL uses other names."""
    entries: list[tuple[str, str]] = []
    lines = text.splitlines()
    body = 0
    for body, line in enumerate(lines):  # noqa: B007
        comment = re.fullmatch(r"--\s?(.*)", line)
        if comment is None:
            break
        keyed = re.match(r"(title|description|kind|param):\s*(.*)", comment[1])
        if keyed:
            entries.append((keyed[1], keyed[2].strip()))
        elif entries and comment[1].strip():  # a line that goes on
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {comment[1].strip()}")
    header = {key: value for key, value in entries if key != "param"}
    kind = header.get("kind", "report")
    if not header.get("title") or not header.get("description"):
        raise InvalidSavedQuery(name, "it needs a title and a description")
    if kind not in get_args(QueryKind):
        raise InvalidSavedQuery(name, f"kind {kind!r} is neither interactive nor report")
    parameters = tuple(parse_parameter(name, value) for key, value in entries if key == "param")
    sql = "\n".join(lines[body:]).strip().rstrip(";")
    used, named = set(bound_names(sql)), {parameter.name for parameter in parameters}
    if used != named:
        raise InvalidSavedQuery(name, f"the SQL uses {sorted(used)}, the header names {sorted(named)}")
    return SavedQuery(name, header["title"], header["description"], kind, parameters, sql)  # type: ignore[arg-type]


def parse_parameter(question: str, text: str) -> Parameter:
    parts = [part.strip() for part in text.split("|", 3)]
    if len(parts) != 4 or not parts[0].isidentifier() or parts[1] not in get_args(ParameterType):
        raise InvalidSavedQuery(question, f"param {text!r} is not `name | type | default | description`")
    default = None if parts[2].lower() in ("", "null", "none") else parts[2]
    parameter = Parameter(parts[0], parts[1], default, parts[3])  # type: ignore[arg-type]
    parameter.read(None)  # the default must be of its type
    return parameter


def bound_names(sql: str) -> list[str]:
    """The `:name` parameters of a statement, without those in strings, comments and PostgreSQL's `::type` casts."""
    return re.findall(r"(?<![:\w]):([A-Za-z_]\w*)", strip_literals(sql))


def strip_literals(sql: str) -> str:
    """A statement without its strings, quoted names and comments."""
    return re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)


def can_stream(sql: str) -> bool:
    """Whether PostgreSQL's cursor takes it, which knows queries alone: what writes must meet the READ ONLY transaction
    and be told so, rather than a syntax error."""
    words = re.findall(r"[a-z]+", strip_literals(sql).lower())
    return words[:1] in (["select"], ["with"], ["values"]) and not {"insert", "update", "delete", "merge"} & set(words)


@cache
def saved_queries() -> tuple[SavedQuery, ...]:
    """All questions that come with the program, by name. Raises BadQuestion."""
    return tuple(
        parse_saved_query(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.sql"))
    )


def find_saved_query(name: str) -> SavedQuery:
    """One question by name; `-` and `_` are the same. Raises UnknownQuestion, with names that are close."""
    by_name = {question.name.replace("_", "-"): question for question in saved_queries()}
    asked = name.strip().replace("_", "-")
    if asked not in by_name:
        from difflib import get_close_matches

        raise UnknownSavedQuery(name, tuple(get_close_matches(asked, by_name, n=3, cutoff=0.4)))
    return by_name[asked]


def saved_queries_page() -> str:
    """docs/queries.md, which a test holds against this; make it anew with

    python -c "from analysis.query.reader import questions_page as page; print(page(), end='')" > docs/queries.md
    """
    lines = [Path(__file__).with_name("queries.md").read_text(encoding="utf-8")]
    lines += ["| name | answers | parameters |", "|---|---|---|"]
    for each in saved_queries():
        given = ", ".join(f"`{of.name}`" + (f" ({of.default})" if of.default else "") for of in each.parameters)
        lines.append(f"| [`{each.name}`](../analysis/queries/{each.name}.sql) | {each.title} | {given} |")
    for each in saved_queries():
        lines += ["", f"## {each.title}", "", f"`{each.name}`. {each.description}"]
        lines += [""] if each.parameters else []
        for of in each.parameters:
            default = f"default `{of.default}`" if of.default else "no default"
            lines.append(f"- `{of.name}`, {of.type}, {default}: {of.description}")
    return "\n".join(lines) + "\n"


def is_name(text: str) -> bool:
    """Whether text names a question rather than being SQL: one word of letters, digits, `-` and `_`."""
    return re.fullmatch(r"[A-Za-z][\w-]*", text.strip()) is not None


class QueryResult:
    """The answer, streamed: an iterator of tuples that holds a connection until its end or `close`.

    `columns` are the names; `truncated` says, after the last row, whether a limit left some out.
    """

    def __init__(
        self,
        engine: Engine,
        clock: QueryLimits,
        limit: int | None,
        *,
        owns_engine: bool = False,
        held: Connection | None = None,
    ) -> None:
        self.columns: tuple[str, ...] = ()
        self.truncated = False
        self._engine = engine
        self._clock = clock
        self._limit = limit
        self._owns_engine = owns_engine
        self._held = held
        self._connection: Connection | None = None
        self._result: CursorResult[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._result is None:
            return
        sqlite = self._engine.dialect.name == "sqlite"
        try:
            for count, row in enumerate(self._result, 1):
                if self._limit is not None and count > self._limit:
                    self.truncated = True
                    break
                yield tuple(row) if sqlite else tuple(plain_number(value) for value in row)
        except Exception as error:
            raise self._clock.to_query_error(error) from error
        finally:
            self.close()

    def dicts(self) -> Iterator[dict[str, Any]]:
        """The rows as mappings."""
        return (dict(zip(self.columns, row, strict=True)) for row in self)

    def ask(self, sql: str, values: Mapping[str, Any]) -> Self:
        """Run the statement. Raises QueryRefused, QueryTimeout, QueryError."""
        try:
            self._connection = self._held or self._engine.connect()
            asked = execute_sqlite if self._engine.dialect.name == "sqlite" else execute_postgres
            self._result = asked(self._connection, sql, values, self._clock)
            if not self._result.returns_rows:
                raise QueryRefused(sql, "it returns no rows")
            self.columns = unique_names(list(self._result.keys()))
        except Exception as error:
            self.close()
            raise self._clock.to_query_error(error) from error
        return self

    def close(self) -> None:
        """Give the connection back, unguarded; `run`'s own engine goes with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            raw = connection.connection.driver_connection
            if isinstance(raw, sqlite3.Connection):
                raw.set_authorizer(None)
                raw.set_progress_handler(None, 0)
            if connection is not self._held:
                connection.close()
            if self._owns_engine:
                self._engine.dispose()


class CatalogReader:
    """A catalog open for several questions in a row; a context manager.

    For the program's own SQL, whose values are of their types already: `all` gives tidy rows. With `snapshot` every
    answer is of one moment, whatever a crawl writes meanwhile; the answers must then be read one after the other.
    """

    def __init__(self, db: str | Path, *, timeout: float | None = DEFAULT_TIMEOUT, snapshot: bool = False) -> None:
        from db.engine import open_engine

        self.timeout = timeout
        self._engine = open_engine(db, read_only=True)
        self._held = self._engine.connect() if snapshot else None
        if self._held is not None and self.dialect == "postgresql":
            self._held.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        elif self._held is not None:  # whole tables are read, each page once
            raw = self._held.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute("pragma cache_size=-16384")

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self._engine.dialect.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._held.close()
        self._engine.dispose()

    def rows(self, sql: str, values: Mapping[str, Any] | None = None, *, limit: int | None = None) -> QueryResult:
        """A streamed answer."""
        return QueryResult(self._engine, QueryLimits(sql, self.timeout), limit, held=self._held).ask(sql, values or {})

    def all(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every row as a mapping, tidied: the same types whatever the engine."""
        return [normalize_row(row) for row in self.rows(sql, values).dicts()]


BOOLEANS = frozenset({
    "quantized", "qat", "imatrix", "dynamic", "approximate", "main", "size_verified",
    "inferred", "resolved", "declared", "missing", "cycle", "root",
})  # fmt: skip
LISTS = frozenset({"tuning", "specialty", "languages", "tags"})


def normalize_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with booleans, lists and times as Python and JSON know them; SQLite keeps them as numbers and text."""
    clean: dict[str, Any] = {}
    for name, value in row.items():
        if name in BOOLEANS and isinstance(value, int):
            clean[name] = bool(value)
        elif name in LISTS and isinstance(value, str):
            clean[name] = list_of(value)
        elif isinstance(value, datetime):
            clean[name] = iso(value)
        else:
            clean[name] = value
    return clean


def plain_number(value: Any) -> Any:
    """PostgreSQL's numeric (sums of 64 bits, rounded figures) as the number that SQLite gives; all else as it is."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def list_of(text: str | None) -> list[Any]:
    """A JSON list of the catalog; empty where there is none."""
    import json

    try:
        value = json.loads(text or "[]")
    except ValueError:
        return []
    return value if isinstance(value, list) else []


class QueryLimits:
    """How long one question may take, and what was refused on the way."""

    def __init__(self, sql: str, timeout: float | None) -> None:
        self.sql = sql
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.refused: str | None = None

    def is_expired(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def to_query_error(self, error: Exception) -> Exception:
        """The error in the catalog's words: what was refused, what took too long, or what is wrong in the SQL."""
        if type(error).__module__.startswith("db."):
            return error
        words = str(getattr(error, "orig", None) or error).strip()
        if self.refused or "one statement at a time" in words or "read-only transaction" in words:
            return QueryRefused(self.sql, self.refused or words.splitlines()[0])
        if "interrupted" in words or "statement timeout" in words:
            return QueryTimeout(self.sql, self.timeout or 0.0)
        if isinstance(error, sqlite3.Error | ValueError) or type(error).__module__.startswith(
            ("sqlalchemy", "psycopg")
        ):
            return QueryError(self.sql, words.splitlines()[0] if words else type(error).__name__)
        return error


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names made unique: a second `repo_id` is `repo_id_2`, so that no value is lost in a mapping."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(unique)


READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
PRAGMAS = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
    "function_list", "collation_list", "database_list", "compile_options", "data_version", "user_version",
    "schema_version", "page_count", "page_size", "freelist_count", "encoding",
}  # fmt: skip
SETTINGS = {"data_version", "user_version", "schema_version", "page_count", "page_size", "freelist_count", "encoding"}
FUNCTIONS_REFUSED = {"load_extension", "fts3_tokenizer", "edit", "readfile", "writefile", "zeroblob", "randomblob"}


def make_authorizer(clock: QueryLimits) -> Any:
    """An authorizer that lets SQLite read the catalog and nothing else (https://sqlite.org/c3ref/set_authorizer.html)."""

    def authorize(action: int, first: str | None, second: str | None, place: str | None, within: str | None) -> int:
        if action in READING:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in FUNCTIONS_REFUSED:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return sqlite3.SQLITE_OK  # a full-text table declares its columns so; the schema itself can't be updated
        pragma = (first or "").lower()
        if action == sqlite3.SQLITE_PRAGMA and pragma in PRAGMAS and not (second and pragma in SETTINGS):
            return sqlite3.SQLITE_OK
        clock.refused = clock.refused or f"it would do more than read ({ACTIONS.get(action, 'write')})"
        return sqlite3.SQLITE_DENY

    return authorize


ACTIONS = {
    sqlite3.SQLITE_ATTACH: "attach another database",
    sqlite3.SQLITE_DETACH: "detach a database",
    sqlite3.SQLITE_PRAGMA: "a pragma that sets something",
    sqlite3.SQLITE_FUNCTION: "a function that reaches out or fills memory",
    sqlite3.SQLITE_INSERT: "insert",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete",
    sqlite3.SQLITE_TRANSACTION: "begin or end a transaction",
}


def execute_sqlite(
    connection: Connection, sql: str, values: Mapping[str, Any], clock: QueryLimits
) -> CursorResult[Any]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    if not connection.in_transaction():
        connection.begin()  # before the guard, which lets no transaction begin or end
    raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    raw.set_authorizer(make_authorizer(clock))
    raw.set_progress_handler(lambda: int(clock.is_expired()), STEPS)
    given = {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}
    return connection.exec_driver_sql(sql, given)


def execute_postgres(
    connection: Connection, sql: str, values: Mapping[str, Any], clock: QueryLimits
) -> CursorResult[Any]:
    from sqlalchemy import BigInteger, DateTime, Double, Text, bindparam, text

    if not connection.in_transaction():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int((clock.timeout or 0) * 1000)}")
    types: dict[type, Any] = {int: BigInteger(), float: Double(), datetime: DateTime(timezone=True)}
    typed = [bindparam(name, value, type_=types.get(type(value), Text())) for name, value in values.items()]
    statement = text(sql).bindparams(*(each for each in typed if each.key in bound_names(sql)))
    return connection.execute(statement, execution_options={"stream_results": can_stream(sql)})


def parse_parameter_value(text: str) -> Any:
    """An ad-hoc parameter's value: a number where it is written as one (`4`, `0.5`; not `3.10` or `007`), else text."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text


def run_query(
    db: str | Path,
    sql_or_name: str,
    params: Mapping[str, str] | None = None,
    *,
    limit: int | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
) -> QueryResult:
    """Ask the catalog: a question by name with its parameters as text, or SQL that only reads.

    Raises UnknownQuestion, BadParameter; QueryRefused, QueryTimeout (seconds), QueryError; CatalogError.
    """
    from db.engine import open_engine

    given = dict(params or {})
    values: dict[str, Any]
    if is_name(sql_or_name):
        question = find_saved_query(sql_or_name)
        sql, values = question.sql, question.values(given)
    else:
        sql, values = (
            sql_or_name.strip().rstrip(";"),
            {name: parse_parameter_value(text) for name, text in given.items()},
        )
        missing = [name for name in bound_names(sql) if name not in values]
        if missing:
            raise BadParameter(missing[0], None, None)
    return QueryResult(open_engine(db, read_only=True), QueryLimits(sql, timeout), limit, owns_engine=True).ask(
        sql, values
    )
