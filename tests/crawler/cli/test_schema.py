"""`hf-catalog schema`: the relations that SQL can read, and what their columns mean; no catalog is needed."""

from __future__ import annotations

import json

from analysis.catalog.other_relations import ABOUT
from db.engine import open_engine
from db.schema.tables import metadata
from db.schema.views import view_sources
from tests.crawler.cli.test_crawl import ran


def test_every_view_and_table_is_listed_with_a_sentence() -> None:
    rows = json.loads(ran("schema", "--json").stdout)
    assert {row["name"] for row in rows if row["kind"] == "view"} == {name for name, _ in view_sources()}
    assert {row["name"] for row in rows if row["kind"] == "table"} == set(metadata.tables)
    assert all(row["about"] for row in rows)


def test_the_columns_of_a_view_have_a_type_and_a_meaning() -> None:
    rows = {row["column"]: row for row in json.loads(ran("schema", "Models", "--json").stdout)}
    assert rows["bits_per_weight"] == {
        "column": "bits_per_weight",
        "type": "real",
        "meaning": "bits per weight of the files: bytes x 8 / parameters",
    }
    assert next(iter(rows)) == "repo_id" and "first_seen" in rows


def test_sentences_are_wrapped_not_cut() -> None:
    done = ran("schema", "repo_schemes", COLUMNS="60")
    assert max(map(len, done.stdout.splitlines())) <= 60 and "…" not in done.stdout
    assert "where only the" in " ".join(done.stdout.split())


def test_what_others_made_in_a_catalog_is_listed_too(db: str) -> None:
    engine = open_engine(db, read_only=False)
    with engine.begin() as connection:
        connection.exec_driver_sql('create view "My view" as select repo_id, downloads from repos')
        connection.exec_driver_sql("create table notes (note text)")
    engine.dispose()
    rows = json.loads(ran("schema", "--db", db, "--json").stdout)
    others = {row["name"]: row["kind"] for row in rows if row["about"] == ABOUT}
    assert others == {"My view": "view", "notes": "table"}
    columns = json.loads(ran("schema", "My view", "--db", db, "--json").stdout)
    assert [row["column"] for row in columns] == ["repo_id", "downloads"]
    assert ran("schema", "My view").returncode == 2


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    done = ran("schema", "modles")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: no table or view 'modles'; perhaps models or model_tags",
        "Hint: list them with: hf-catalog schema",
    ]
