"""The ten questions of docs/scaling.md, asked of a Parquet snapshot by DuckDB."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.publish.export import export_catalog

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[analytics]'")
PAGE = Path(__file__).resolve().parents[3] / "docs" / "scaling.md"
QUESTIONS = [part.strip() for part in re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)[0].split(";")][:-1]


@pytest.fixture(scope="module")
def snapshot(small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parquet") / "snapshot"
    export_catalog(small, folder, form="parquet")
    return folder


def test_there_are_ten() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda text: text.partition("\n")[0][3:])
def test_each_is_answered(question: str, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(snapshot)
    rows = duckdb.sql(question).fetchall()
    assert rows, "a small catalog holds one of each"
