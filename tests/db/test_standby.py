"""A catalog on a hot standby, and one that was dumped and restored: PostgreSQL's own tools, told nothing of ours."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crawler.cli import cli
from db.errors import CatalogError
from db.maintain.check import check
from db.maintain.stats import stats
from db.write.store import Store
from tests.db.made import enrichment, fill, page, repo
from tests.servers import PostgreSQL, database_of, postgresql_binaries, running_standby


@pytest.fixture(scope="module")
def primary_url(postgresql: PostgreSQL) -> str:
    url = postgresql.create("catalog_template")
    fill(url)
    return url


@pytest.fixture(scope="module")
def standby(postgresql: PostgreSQL, primary_url: str) -> Iterator[PostgreSQL]:
    with running_standby(postgresql) as standby:
        yield standby


def answer(url: str, *words: str) -> Any:
    done = CliRunner().invoke(cli, [*words, "--db", url, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("models", "ls"),
        ("models", "info", "acme/renamed"),
        ("search", "gemma"),
        ("db", "stats"),
        ("status",),
        ("query", "top-families", "--allow-privileged-role"),
    ],
)
def test_commands_that_read_answer_as_on_the_primary(
    words: tuple[str, ...], postgresql: PostgreSQL, primary_url: str, standby: PostgreSQL
) -> None:
    url = standby.url(database_of(primary_url))
    found, wanted = (json.dumps(answer(each, *words), sort_keys=True) for each in (url, primary_url))
    assert found.replace(standby.folder.name, postgresql.folder.name) == wanted


def test_what_the_primary_stores_is_soon_on_the_standby(
    postgresql: PostgreSQL, primary_url: str, standby: PostgreSQL
) -> None:
    with Store.open(primary_url) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([50]))
    (position,) = postgresql.execute("select pg_current_wal_lsn()").fetchone()
    while not standby.execute(f"select pg_last_wal_replay_lsn() >= '{position}'::pg_lsn").fetchone()[0]:
        time.sleep(0.05)
    found = answer(standby.url(database_of(primary_url)), "models", "info", repo(50).repo_id)
    assert found["repo_id"] == repo(50).repo_id
    assert [finding for finding in check(standby.url(database_of(primary_url))) if not finding.ok] == []


def test_a_crawl_into_a_standby_is_refused(primary_url: str, standby: PostgreSQL) -> None:
    url = standby.url(database_of(primary_url))
    with pytest.raises(CatalogError, match="accepts no writes") as refused, Store.open(url) as store, store.crawling():
        store.save_enrichments(store.start_run("full", "", "https://hub.example"), [(enrichment(1), 0)])
    assert "name the primary server" in refused.value.hint


def test_a_dump_of_a_schema_is_restored_into_another_database(postgresql: PostgreSQL, tmp_path: Path) -> None:
    """The recipe of docs/scaling.md."""
    url = f"{postgresql.create()}&schema=cats"
    fill(url)
    binaries = postgresql_binaries()
    assert binaries is not None
    dump = tmp_path / "catalog.dump"
    copy = postgresql.create()
    dumped = ["pg_dump", "-Fc", "--schema=cats", "--extension=pg_trgm", f"--file={dump}", database_of(url)]
    for program, *options in (dumped, ["pg_restore", "--exit-on-error", f"--dbname={database_of(copy)}", str(dump)]):
        command = [str(binaries / program), f"--host={postgresql.folder}", "--username=postgres", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    restored = f"{copy}&schema=cats"
    assert [finding for finding in check(restored) if not finding.ok] == []
    counts, wanted = ({table.table: table.rows for table in stats(each).tables} for each in (restored, url))
    assert counts == wanted
