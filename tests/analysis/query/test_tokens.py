"""PostgreSQL's SQL in tokens: what is code and what is text, where the server's scanner differs from a simple one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.query.calls import read_statement
from analysis.query.tokens import tokens
from db.errors import QueryRefused


def code(sql: str) -> str:
    """The statement without strings and comments."""
    return "".join(" " if token.kind in ("string", "comment") else token.text for token in tokens(sql))


@pytest.mark.parametrize(
    ("sql", "rest"),
    [
        ("a -- b\rc", "a  \rc"),
        ("a'b''c'd", "a d"),
        (r"E'\'' b", "  b"),
        (r"e'\\' b", "  b"),
        (r"'\' b", "  b"),
        (r"1E'\'' b", "1  b"),
        (r"aE'\' b", "aE  b"),
        ("E'a'\n 'b\\'' c", "  c"),
        ("E'a' -- x\n -- y\n 'b\\'' c", "  c"),
        ("E'a' 'b\\' c", "    c"),
        ("'a'\n'b\\' c", "  c"),
        ("U&'\\' a", "  a"),
        ("$$'$$ a", "  a"),
        ("$b$ $$ $b$ a", "  a"),
        ("$é$ x $é$ a", "  a"),
        ("1$$'$$ a", "1  a"),
        ("a$$ b$$", "a$$ b$$"),
        ("$1$$ a $$", "$1 "),
        ("a /* /* */ b */ c", "a   c"),
        ("a /*/ b */ c", "a   c"),
        ("a+--b\nc", "a+ \nc"),
        ('"a -- b" c', '"a -- b" c'),
        ("a 'b", "a  "),
        ("a $x$ b", "a  "),
    ],
)
def test_strings_and_comments_end_where_the_server_ends_them(sql: str, rest: str) -> None:
    assert code(sql) == rest


@given(st.text(alphabet="aeE1$'\"\\\n\r /*-&;.(é\u00a0", max_size=40))
def test_tokens_hold_every_character_once(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql
    assert all(sql[token.start : token.end] == token.text for token in tokens(sql))


def test_many_comments_between_strings_are_cut_in_linear_time() -> None:
    sql = "select 'a'" + "--" * 50_000 + "\n" + "-" * 50_000 + "x" * 50_000
    assert [token.kind for token in tokens(sql)][-1] == "comment"


@pytest.mark.parametrize(
    ("name", "value"),
    [("Models", "models"), ('"Models"', "Models"), ('"a""b"', 'a"b'), ("ÄB", "Äb"), ("x" * 70, "x" * 63)],
)
def test_names_are_those_that_the_server_looks_up(name: str, value: str) -> None:
    assert [token.value for token in tokens(name)] == [value]


def test_calls_are_names_before_a_bracket_or_after_a_dot() -> None:
    statement = read_statement('select a(b), c . "D" /* */ (1), (e).f, g.h as i from j where k in (1)')
    assert statement.first_word == "select"
    assert statement.calls == frozenset({"a", "in"})
    assert statement.qualified == frozenset({"D"})
    assert statement.members == frozenset({"f", "h"})


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "it is empty"),
        (" -- nothing\n;", "it is empty"),
        ("(delete from tags)", "it begins with 'delete'"),
        ('"select" 1', "it begins with '\"select\"'"),
        ("select 1 \0", "character of value zero"),
        ('select u&"x"', "name of the form"),
        ("select * from PG_Authid", "pg_authid holds what the server keeps secret"),
    ],
)
def test_what_is_no_query_is_refused_before_it_is_sent(sql: str, why: str) -> None:
    with pytest.raises(QueryRefused, match=why):
        read_statement(sql)
