"""The declarations of labels, against the tables, views and indexes that must agree with them."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from analysis.query.reader import CatalogReader
from db.labels import (
    ARTIFACT_LABEL_NAMES,
    EVENT_LABELS,
    INDEXED_LABELS,
    LABEL_BY_NAME,
    LABEL_NAMES,
    LABELS,
    Label,
    Labels,
)
from db.schema.query_indexes import QUERY_INDEXES
from db.schema.tables import artifacts, repo_labels
from db.schema.views import expand_labels
from tests.db.made import fill


def test_a_declaration_has_the_kind_and_the_default_of_its_field() -> None:
    found = {each.name: (each.kind, each.default) for each in LABELS}
    assert list(found) == [each.name for each in fields(Labels)]
    assert found["family"] == ("text", None)
    assert found["parameters"] == ("integer", None)
    assert found["bits"] == ("real", None)
    assert found["quantized"] == ("boolean", None)
    assert found["qat"] == ("boolean", False)
    assert found["tuning"] == ("list", ())
    assert found["base_model_relation"] == ("text", None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("parameters", "8", 8), ("bits", "4.5", 4.5), ("quantized", "true", True), ("quantized", "false", False),
     ("quant", "Q4_0", "Q4_0")],
)  # fmt: skip
def test_evidence_is_parsed_as_the_kind_of_its_label(name: str, text: str, value: object) -> None:
    assert LABEL_BY_NAME[name].parse(text) == value


def test_tables_have_a_column_for_each_label_of_their_scope() -> None:
    assert [column.name for column in repo_labels.columns if column.name in LABEL_BY_NAME] == list(LABEL_NAMES)
    assert [column.name for column in artifacts.columns if column.name in LABEL_BY_NAME] == list(ARTIFACT_LABEL_NAMES)


def test_views_show_each_label_of_their_scope(db: str) -> None:
    fill(db)
    with CatalogReader(db) as reader:
        models = reader.rows("select * from models limit 1").columns
        wide = reader.rows("select * from artifacts_wide limit 1").columns
    assert [name for name in models if name in LABEL_BY_NAME] == list(LABEL_NAMES)
    assert set(ARTIFACT_LABEL_NAMES) <= set(wide)


def test_a_view_lists_the_labels_that_it_does_not_name_itself() -> None:
    text = "select\n    a.quant,\n    a.{artifact_labels},\n    a.main\nfrom artifacts a"
    columns = [line.strip(" ,") for line in expand_labels(text).splitlines() if line.startswith("    ")]
    others = [f"a.{name}" for name in ARTIFACT_LABEL_NAMES if name != "quant"]
    assert columns == ["a.quant", *others, "a.main"]


def test_labels_declared_as_indexed_lead_an_index_of_the_table() -> None:
    indexes = {*repo_labels.indexes, *(index for index in QUERY_INDEXES if index.table is repo_labels)}
    whole = [index for index in indexes if index.dialect_options["sqlite"]["where"] is None]  # not of rare rows
    leading = " ".join(str(next(iter(index.expressions))) for index in whole)
    names = set(re.findall(r"\w+", leading)) & set(LABEL_NAMES)
    assert {each.name for each in LABELS if each.is_indexed} <= names
    assert names <= set(INDEXED_LABELS), "an index is written only where its label differs"


def test_what_is_measured_is_no_event() -> None:
    """It comes and goes with the depth of a crawl."""
    measured = {each.name for each in LABELS if each.measures is not None}
    assert not measured & EVENT_LABELS


def test_a_label_that_measures_another_has_its_kind_and_unit() -> None:
    def unlike(one: Label, other: Label) -> bool:
        return (one.kind, one.unit) != (other.kind, other.unit)

    pairs = [(each, LABEL_BY_NAME[each.measures]) for each in LABELS if each.measures is not None]
    assert [one.name for one, other in pairs if unlike(one, other)] == []
