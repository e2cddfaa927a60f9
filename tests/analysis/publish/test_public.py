"""What is published leaves out private repos, also those that vanished, on both engines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from analysis.publish.export import export_catalog
from analysis.publish.report import build_report, render_report
from analysis.query.public import private_repos
from analysis.query.reader import CatalogReader
from crawler.cli.serve import has_private, make_public_copy
from db.derive.totals import TABLES
from db.engine import open_engine
from db.maintain.totals import rebuild
from db.rows import Rows
from db.totals import measure
from tests.crawler.cli.conftest import Ask, hf_catalog

__all__ = ["hf_catalog"]

PRIVATE_IDS = private_repos()
PRIVATE = "google/gemma-3-4b-it"
WAS_PRIVATE = "stranger/frobnitz-GGUF"
SKIPPED = "secret-owner/secret"


def make_private(db: str) -> None:
    """A private repo, one that was private until it vanished, one that was skipped, and a crawl of it by name."""
    statements = (
        f"update repos set status = 'private' where repo_id = '{PRIVATE}'",
        f"update repos set status = 'gone' where repo_id = '{WAS_PRIVATE}'",
        "insert into events (id, repo, kind, subject, before, after, run, at)"
        " select 1000, r.id, 'gone', 'status', 'private',"
        f" 'gone', max(c.id), max(c.started_at) from repos r, crawl_runs c where r.repo_id = '{WAS_PRIVATE}'"
        " group by r.id",
        "update skips set reason = 'private', repo_id = '" + SKIPPED + "'",
        "update crawl_runs set scope = 'repo=" + SKIPPED + "', detail = '" + SKIPPED + "' where id = 2",
    )
    engine = open_engine(db, read_only=False)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def private(small: str, tmp_path: Path) -> str:
    path = tmp_path / "private.db"
    shutil.copy(small, path)
    make_private(str(path))
    return str(path)


def said(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_export_names_no_private_repo_unless_told_to(private: str, tmp_path: Path) -> None:
    manifest = export_catalog(private, tmp_path / "out")
    assert manifest["public_only"] and manifest["repos"] == 12
    out = said(tmp_path / "out").replace(f'"{PRIVATE}"', "").replace(f",{PRIVATE},", ",")  # as a base model of others
    assert WAS_PRIVATE not in out and SKIPPED not in out
    assert f"\n{PRIVATE}," not in out, "it has no row of its own"
    everything = export_catalog(private, tmp_path / "all", public_only=False)
    assert everything["repos"] == 14
    assert all(name in said(tmp_path / "all") for name in (PRIVATE, WAS_PRIVATE, SKIPPED))


def test_the_report_counts_public_repos(private: str) -> None:
    report = build_report(private)
    assert report.counts["repos"] == 12 and "11 repos" in report.source
    page = render_report(report)
    assert WAS_PRIVATE not in page and SKIPPED not in page
    assert SKIPPED in render_report(build_report(private, public_only=False))


def test_a_feed_is_public_and_a_table_is_not(private: str, hf_catalog: Ask) -> None:
    words = ("changes", "--since", "2026-01-01", "--limit", "0", "--db", private)
    title, cell = f"<title>{PRIVATE}: ", f",{PRIVATE},"
    assert title not in hf_catalog(*words, "--format", "atom").out
    assert title in hf_catalog(*words, "--format", "atom", "--with-private").out
    assert cell in hf_catalog(*words, "--csv").out
    assert cell not in hf_catalog(*words, "--csv", "--public-only").out


def test_a_site_for_others_is_public(private: str, hf_catalog: Ask) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install '.[parquet]'")
    refused = hf_catalog("serve", "--host", "0.0.0.0", "--db", private)
    assert refused.status == 2 and "--public-only" in refused.err
    assert has_private(Path(private))
    from crawler.cli.printer import Printer

    copy = make_public_copy(Path(private), Printer(quiet=True))
    try:
        with CatalogReader(copy) as reader:
            names = {row["repo_id"] for row in reader.all("select repo_id from repos")}
        assert len(names) == 12 and not names & {PRIVATE, WAS_PRIVATE}
        assert SKIPPED not in str(copy.read_bytes())
    finally:
        shutil.rmtree(copy.parent)


def test_both_engines_publish_the_same(private: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    from tests.small_catalog import build

    server = request.getfixturevalue("postgresql")
    url = server.create("catalog_template")
    build(url)
    make_private(url)
    export_catalog(private, tmp_path / "one", only=["models", "changes", "skips", "crawl_runs"])
    export_catalog(server.reader_url(url), tmp_path / "other", only=["models", "changes", "skips", "crawl_runs"])
    for name in ("models.csv", "changes.csv", "skips.csv", "crawl_runs.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    with CatalogReader(url) as reader:
        assert reader.all("select count(*) as n from repos")[0]["n"] == 14, "nothing stays of the temporary views"


def test_totals_count_public_repos_alone(private: str, request: pytest.FixtureRequest) -> None:
    """On both engines, as if the private repos had never been: groups, members, extremes, and what reads them."""
    from tests.small_catalog import build

    server = request.getfixturevalue("postgresql")
    url = server.create("catalog_template")
    build(url)
    make_private(url)
    for db in (private, url):
        engine = open_engine(db, read_only=False)
        with engine.begin() as connection:
            rebuild(Rows(connection))  # the statements above wrote past the store, which keeps them
            ids = [
                number
                for (number,) in connection.execute(text(f"select id from repos where id not in ({PRIVATE_IDS})"))
            ]
            expected = measure(Rows(connection), ids)
        engine.dispose()
        with CatalogReader(server.reader_url(url) if db == url else db, public_only=True) as reader:
            for table in TABLES:
                names = ", ".join(f'"{name}"' for name in (*table.key, *table.sums, *table.extremes[:2]))
                width = len(table.sums) + len(table.extremes[:2])
                found = [tuple(row.values()) for row in reader.all(f"select {names} from {table.name}")]
                values = [(*key, *table.values(value)[:width]) for key, value in expected.of(table).items()]
                assert sorted(found, key=repr) == sorted(values, key=repr), (db, table.name)
            families = {row["family"]: row["repos"] for row in reader.all("select family, repos from families")}
            counted = reader.all(
                "select family, count(*) as n from models where family is not null and status <> 'gone' group by family"
            )
        assert families == {row["family"]: row["n"] for row in counted}
        with CatalogReader(db) as reader:
            all_families = {row["family"]: row["repos"] for row in reader.all("select family, repos from families")}
        assert all_families["gemma"] == families["gemma"] + 1
