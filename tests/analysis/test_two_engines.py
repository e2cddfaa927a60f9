"""One catalog on SQLite and on PostgreSQL gives the same answers: every saved query, table, summary and view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.publish.datapackage import DATA_PACKAGE
from analysis.publish.export import export_catalog, exportable_names
from analysis.publish.manifest import MANIFEST
from analysis.query.reader import CatalogReader
from db.maintain.copy import copy
from db.schema.views import view_sources
from tests.servers import PostgreSQL


@pytest.fixture(scope="module")
def both(demo: Path, postgresql: PostgreSQL) -> tuple[str, str]:
    """The catalog of the demo on both engines."""
    url = postgresql.create("catalog_template")
    copy(demo, url)
    return str(demo), url


def test_every_file_of_an_export_is_the_same(both: tuple[str, str], tmp_path: Path) -> None:
    for db, name in zip(both, ("sqlite", "postgresql"), strict=True):
        export_catalog(db, tmp_path / name, only=exportable_names(), form="jsonl")
    files = sorted(path.name for path in (tmp_path / "sqlite").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "postgresql").iterdir())
    assert len(files) > len(exportable_names())
    differ = [
        file
        for file in files
        if file not in (MANIFEST, DATA_PACKAGE)
        and (tmp_path / "sqlite" / file).read_bytes() != (tmp_path / "postgresql" / file).read_bytes()
    ]
    assert differ == []
    packages = [
        json.loads((tmp_path / name / DATA_PACKAGE).read_text(encoding="utf-8")) for name in ("sqlite", "postgresql")
    ]
    for package in packages:
        del package["created"]
    assert packages[0] == packages[1]


@pytest.mark.parametrize("view", [view for view, _ in view_sources()])
def test_every_view_has_the_same_rows(view: str, both: tuple[str, str]) -> None:
    answers = []
    for db in both:
        with CatalogReader(db) as reader:
            rows = reader.all(f"select * from {view}")
        answers.append(sorted(json.dumps(row, sort_keys=True, default=str) for row in rows))
    assert answers[0] == answers[1]
