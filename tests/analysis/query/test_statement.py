"""The SQL scanner: `:name` is a parameter outside literals and comments only, by the rules of each engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.errors import BadParameter
from analysis.query.reader import run_query
from analysis.query.statement import Dialect, can_stream, parameter_names, strip_literals, to_psycopg

BOTH: tuple[Dialect, ...] = ("sqlite", "postgresql")


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select :a, :b, :a", ["a", "b", "a"]),
        ("select ':a', \":b\" from t where c = :c", ["c"]),
        ("select 'it''s :a', :b", ["b"]),
        ("select :a -- not :b\n, :c", ["a", "c"]),
        ("select :a /* not :b\n nor :c */, :d", ["a", "d"]),
        ("select x::text, :a::int", ["a"]),
        ("select :a /* :b", ["a"]),
    ],
)
def test_parameters_stand_outside_literals_comments_and_casts(dialect: Dialect, sql: str, names: list[str]) -> None:
    assert parameter_names(sql, dialect) == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select $$ :a $$, :b", ["b"]),
        ("select $tag$ :a $$ :b $tag$, :c", ["c"]),
        (r"select E'\' :a', :b", ["b"]),
        (r"select '\', :a", ["a"]),
        ("select /* /* :a */ :b */ :c", ["c"]),
        ("select x[1], :a", ["a"]),
    ],
)
def test_postgresql_has_dollar_quotes_escape_strings_and_nested_comments(sql: str, names: list[str]) -> None:
    assert parameter_names(sql, "postgresql") == names


@pytest.mark.parametrize(("sql", "names"), [("select [:a], `:b`, :c", ["c"]), ("select /* /* :a */ :b", ["b"])])
def test_sqlite_has_brackets_and_backticks_and_no_nested_comments(sql: str, names: list[str]) -> None:
    assert parameter_names(sql, "sqlite") == names


@pytest.mark.parametrize("dialect", BOTH)
def test_stripping_literals_keeps_every_position(dialect: Dialect) -> None:
    sql = "select 'a', :b /* c */ from \"d\" -- e"
    assert strip_literals(sql, dialect) == "select" + " " * 4 + ", :b" + " " * 9 + "from" + " " * 9
    assert len(strip_literals(sql, dialect)) == len(sql)


def test_psycopg_gets_typed_placeholders_and_doubled_percent_signs() -> None:
    sql = "select ':a 5%', x % 2, :n, :t, :missing from y where z like '%q' and :n > 1"
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    statement, used = to_psycopg(sql, {"n": 3, "t": moment, "missing": None, "unused": 1})
    assert statement == (
        "select ':a 5%%', x %% 2, %(n)s::bigint, %(t)s::timestamptz, %(missing)s::text"
        " from y where z like '%%q' and %(n)s::bigint > 1"
    )
    assert used == {"n": 3, "t": moment, "missing": None}


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(BadParameter, match="size"):
        to_psycopg("select :size", {})


@pytest.mark.parametrize(
    ("sql", "streamed"),
    [
        ("select 1", True),
        ("  with x as (select 1) select * from x", True),
        ("select 'delete me'", True),
        ("with x as (select 1) delete from repos", False),
        ("delete from repos", False),
        ("explain select 1", False),
    ],
)
def test_only_queries_are_streamed(sql: str, streamed: bool) -> None:
    assert can_stream(sql) is streamed


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("select ':word'", ":word"),
        ("select 'a :word b 100%' /* :word */", "a :word b 100%"),
        ("select cast(:n as integer) -- :word", 4),
        ("select case when 7 % 4 = 3 then ':n%' else '' end", ":n%"),
        ("select :n + :n", 8),
    ],
)
def test_both_engines_run_statements_with_colons_and_percent_signs(sql: str, value: Any, small_on_both: str) -> None:
    with run_query(small_on_both, sql, {"n": "4"}) as rows:
        assert list(rows) == [(value,)]


@pytest.mark.parametrize("small_on_both", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("select :n::int * 2", 8),
        ("select $$it's :word$$", "it's :word"),
        ("select $a$ :word $$ $a$", " :word $$ "),
        (r"select E'\' :word'", "' :word"),
        ("select /* /* :word */ :word */ 1", 1),
        ("select (array[1, 2])[1]", 1),
    ],
)
def test_postgresql_runs_its_own_casts_and_quotes(sql: str, value: Any, small_on_both: str) -> None:
    with run_query(small_on_both, sql, {"n": "4"}) as rows:
        assert list(rows) == [(value,)]


def test_lists_of_numbers_hide_no_literal_and_no_parameter() -> None:
    sql = "select '1, 2, :a' from t where a in (1, 20, 300) and b = :b and c = $1 and x1, 2 = 3 -- 4, 5 :c"
    assert parameter_names(sql, "postgresql") == ["b"]
    stripped = strip_literals(sql, "postgresql")
    assert len(stripped) == len(sql) and "20" not in stripped and "$1" in stripped and "x1, 2" in stripped
    assert parameter_names("select 1, 2$$ :a $$, :b", "postgresql") == ["b"]
