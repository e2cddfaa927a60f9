"""Saved queries: what their files must hold, how they are found, and how their parameters are parsed."""

from __future__ import annotations

import pytest

from analysis.errors import BadParameter, InvalidSavedQuery, UnknownSavedQuery
from analysis.query.reader import CatalogReader
from analysis.query.saved import find_saved_query, is_query_name, parse_saved_query, saved_queries

FILE = """-- title: Big ones
-- description: Models over a size,
--   biggest first.
-- kind: interactive
-- param: size | size | 3GB | how big
-- param: family | text | | which family
select repo_id from models where total_size > :size and family = :family
"""


def test_every_shipped_query_has_a_title_a_description_and_described_parameters() -> None:
    assert len(saved_queries()) >= 30
    for query in saved_queries():
        assert query.title[0].isupper() and not query.title.endswith(".")
        assert len(query.description) > 30 and query.description.endswith(".")
        assert all(parameter.description for parameter in query.parameters)
        assert "order by" in query.sql.lower(), f"{query.name} has no stable order"
    assert len({query.title for query in saved_queries()}) == len(saved_queries())


def test_no_query_has_the_name_of_a_table(small: str) -> None:
    """Datasette has one address for both."""
    with CatalogReader(small) as reader:
        tables = {row["name"] for row in reader.all("select name from sqlite_master where type in ('table', 'view')")}
    assert not tables & {query.name for query in saved_queries()}


def test_a_query_is_parsed_from_its_comments() -> None:
    query = parse_saved_query("big", FILE)
    assert query.description == "Models over a size, biggest first."
    assert query.parse_values({}) == {"size": 3_000_000_000, "family": None}
    assert query.parse_values({"size": "1GiB", "family": "gemma"}) == {"size": 2**30, "family": "gemma"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("-- title: Big ones\n", "", "title"),
        ("interactive", "sometimes", "sometimes"),
        (":size and", "3 and", "size"),
        ("3GB", "much", "much"),
        ("| size |", "| weight |", "weight"),
    ],
)
def test_an_invalid_file_is_refused(old: str, new: str, problem: str) -> None:
    with pytest.raises((InvalidSavedQuery, BadParameter), match=problem):
        parse_saved_query("big", FILE.replace(old, new, 1))


def test_an_unknown_name_is_an_error_with_similar_names() -> None:
    with pytest.raises(UnknownSavedQuery) as caught:
        find_saved_query("quantised-copies")
    assert "quantized-copies" in caught.value.close


def test_hyphen_and_underscore_are_equal_in_names() -> None:
    assert find_saved_query("best_under") is find_saved_query("best-under")


def test_a_parameter_of_the_wrong_type_or_name_is_an_error() -> None:
    query = find_saved_query("best-under")
    with pytest.raises(BadParameter, match="much"):
        query.parse_values({"size": "much"})
    with pytest.raises(BadParameter, match="model, size"):
        query.parse_values({"modle": "x"})


@pytest.mark.parametrize(
    ("text", "is_name"), [("top-families", True), ("best_under", True), ("select 1", False), ("", False)]
)
def test_a_query_name_is_one_word(text: str, is_name: bool) -> None:
    assert is_query_name(text) is is_name
