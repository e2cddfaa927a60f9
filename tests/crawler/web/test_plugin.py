"""Datasette on the catalog, in this process: what it shows, how it parses parameters, what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")

from analysis.publish.report import COUNTS
from analysis.query.process import QueryRequest
from analysis.query.reader import CatalogReader
from analysis.query.saved import SavedQuery, find_saved_query, saved_queries
from analysis.query.statement import parameter_spans
from crawler.web.limits import WebLimits
from crawler.web.plugin import DATABASE, SHOWN_TABLES, list_tables, sql_with_defaults
from crawler.web.report_links import REPORT_LINKS
from crawler.web.tables import SHORT_COLUMNS
from crawler.web.templates_of_datasette import REPAIRS
from db.errors import QueryTimeout, QueryTooCostly
from tests.crawler.web.site import Site
from tests.small_catalog import SCRIPT


@pytest.fixture(scope="module")
def site(small: str) -> Site:
    return Site(small)


# ---- what it shows --------------------------------------------------------------------------------------------------


def test_every_table_and_view_opens_with_a_description(site: Site, small: str) -> None:
    with sqlite3.connect(small) as connection:
        names = [
            row[0] for row in connection.execute("select name from sqlite_master where type = 'view' order by name")
        ]
    assert {"models", "artifacts_wide", "label_conflicts", "files"} <= set(names)
    for name in [*names, "crawl_runs", "skips", "evaluations", "headers", "repos"]:
        html = site.get(f"/{DATABASE}/{name}")
        assert "column-descriptions" in html, f"{name} does not say what its columns are"


def test_columns_are_described_by_the_schema(site: Site) -> None:
    html = site.get(f"/{DATABASE}/models")
    assert "nominal bits per weight" in html
    assert "quantization-aware training" in html


def test_label_columns_have_facets_that_filter(site: Site) -> None:
    answer = json.loads(site.get(f"/{DATABASE}/models.json", _facet="family"))
    gemma = next(each for each in answer["facet_results"]["family"]["results"] if each["value"] == "gemma")
    assert gemma["count"] == 5
    assert {row["family"] for row in site.rows(f"/{DATABASE}/models", family="gemma")} == {"gemma"}


def test_repo_ids_link_to_their_pages_and_sizes_are_formatted(site: Site) -> None:
    html = site.get(f"/{DATABASE}/models", family="gemma", _columns="all")
    assert 'href="/model/google/gemma-3-4b-it"' in html
    assert ">8.6 GB</span>" in html and 'title="8,600,160,144 bytes"' in html


def test_untrusted_text_is_escaped(site: Site) -> None:
    for path in (f"/{DATABASE}/models", f"/{DATABASE}/artifacts_wide", f"/{DATABASE}/files"):
        html = site.get(path, _size="max")
        assert SCRIPT not in html and SCRIPT.replace("/", "") not in html
    assert site.rows(f"/{DATABASE}/models", author="stranger")[0]["pipeline_tag"] == SCRIPT, (
        "JSON keeps the exact value"
    )


def test_search_finds_models_by_words(site: Site) -> None:
    def found(table: str, text: str) -> set[str]:
        return {row["repo_id"] for row in site.rows(f"/{DATABASE}/{table}", _search=text)}

    assert found("models", "gemma qat") == {"google/gemma-3-4b-it-qat-q4_0-gguf"}
    assert found("models", "GEMMA") == found("artifacts_wide", "gemma") and len(found("models", "gemma")) == 5
    assert found("models", "gemma3 qat") == found("models", "gemma 3 qat") == found("models", "gemma qat")
    assert found("models", "nothing-like-this") == set()
    assert len(found("models", "  ")) == 14, "no word, no filter"
    assert found("models", "\"' or 1=1 --") == set()
    assert 'name="_search"' in site.get(f"/{DATABASE}/models")
    assert 'name="_search"' not in site.get(f"/{DATABASE}/crawl_runs")


def test_a_table_downloads_as_csv(site: Site) -> None:
    text = site.get(f"/{DATABASE}/models.csv", _stream="on", _dl="1")
    assert "attachment" in site.headers["content-disposition"]
    assert len(list(csv.DictReader(io.StringIO(text)))) == 14


# ---- saved queries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.name)
def test_every_saved_query_is_a_form_that_runs(query: SavedQuery, site: Site) -> None:
    texts = {"since": "2026-10-01"} if query.name == "new-models" else {}
    html = site.fetch(f"/{DATABASE}/{query.name}", texts)
    assert query.title in html
    for parameter in query.parameters:
        assert f'name="{parameter.name}"' in html
    assert site.rows(f"/{DATABASE}/{query.name}", **texts), "an empty form means the defaults"


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # how Python reports the error of an SQL function
def test_forms_parse_parameters_as_the_command_line_does(site: Site) -> None:
    page = f"/{DATABASE}/best-under"
    assert site.rows(page, model="google/gemma-3-4b-it", size="3GB")[0]["quant"] == "Q4_K_XL"
    assert site.rows(page, size="5 GB")[0]["quant"] == "Q8_0"
    assert site.rows(page, size="0.5GB") == []
    assert site.rows(f"/{DATABASE}/new-models", since="2026-11-02") == []
    assert len(site.rows(f"/{DATABASE}/new-models", since="2026-11-01")) == 13
    site.get(page, status=400, size="much")


def test_only_parameters_outside_literals_are_replaced() -> None:
    sql = "select ':size', a -- :size\nfrom t where b <= :size and c = ':x' || :name"
    assert [sql[slice(*span)] for span in parameter_spans(sql)] == [":size", ":name"]
    rewritten = sql_with_defaults(find_saved_query("best-under"))
    assert "parse_size(:size, '4GB')" in rewritten
    assert rewritten.count("parse_text(:model, 'google/gemma-3-4b-it')") == 2


# ---- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "delete from repos",
        "attach database '/etc/passwd' as x",
        "pragma writable_schema=on",
        "select load_extension('x')",
        "select zeroblob(1000000000)",
        "with x as (select 1) insert into tags (id, tag) select 9, 'x'",
        "select 1; delete from repos",
    ],
)
def test_statements_that_do_more_than_read_are_refused(sql: str, site: Site) -> None:
    site.get(f"/{DATABASE}?sql={quote(sql)}", status=400)
    assert len(site.rows(f"/{DATABASE}/models")) == 14


def test_a_query_beyond_the_time_limit_is_stopped(small: str) -> None:
    site = Site(small, limits=WebLimits(query_seconds=0.2))
    endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"
    assert "ran for more than 0.2 s" in site.get(f"/{DATABASE}?sql={quote(endless)}", status=400)


def test_a_facet_that_needs_too_much_memory_is_left_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run = site.app.hf_catalog_pool.run

    async def run_or_refuse(request: QueryRequest) -> Any:
        if "count(*)" in request.sql and "group by" in request.sql:
            raise QueryTooCostly(request.sql, "it needs more memory than a query may use")
        return await run(request)

    monkeypatch.setattr(site.app.hf_catalog_pool, "run", run_or_refuse)
    html = site.get(f"/{DATABASE}/models", _facet="family")
    assert "google/gemma-3-4b-it" in html and "facet" in html


def test_the_file_can_not_be_downloaded(site: Site) -> None:
    site.get(f"/{DATABASE}.db", status=403)


# ---- another user's catalog ---------------------------------------------------------------------------------------


def test_a_catalog_of_another_user_is_served_from_a_folder_where_nothing_may_be_written(small: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "readonly"
        Path(made).chmod(0o755)
        folder.mkdir()
        db = folder / "catalog.db"
        shutil.copy(small, db)
        with closing(sqlite3.connect(db)) as connection:
            assert connection.execute("pragma journal_mode = wal").fetchone() == ("wal",)
        db.chmod(0o444)
        folder.chmod(0o555)
        pid = os.fork()
        if pid == 0:
            if os.geteuid() == 0:
                os.setuid(65534)  # the user nobody, for whom permissions hold
            try:
                os._exit(0 if "repos" in list_tables(db) else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        folder.chmod(0o755)


# ---- the report, and a concurrent crawl ------------------------------------------------------------------


def test_the_reports_numbers_lead_to_the_rows_that_they_count(site: Site, small: str) -> None:
    with CatalogReader(small) as reader:
        (counts,) = reader.all(COUNTS)
    for name, url in REPORT_LINKS.items():
        shown = re.search(r"<h2>\s*([\d,]+) rows?", site.get(url))
        if name in ("repos", "quantized_repos", "headers"):
            assert shown and int(shown[1].replace(",", "")) == counts[name], name


def test_the_report_is_built_once_while_the_catalog_does_not_change(small: str) -> None:
    builds: list[int] = []

    def report() -> str:
        builds.append(1)
        return "<!doctype html><title>report</title><body><header><h1>The report</h1></header></body>"

    site = Site(small, report)
    for _ in range(2):
        html = site.get("/report")
        assert "The report" in html and re.search(r'<header>\s*<nav[^>]*><ul><li><a href="/">', html)
    assert builds == [1]
    Site(small).get("/report", status=404)


def test_pages_show_what_a_concurrent_crawl_writes(small: str, tmp_path: Path) -> None:
    from dataclasses import replace

    from db.records import Page
    from db.write.store import Store
    from tests.small_catalog import gemmas, labelled

    db = str(shutil.copy(small, tmp_path / "catalog.db"))
    site = Site(db)
    assert len(site.rows(f"/{DATABASE}/models")) == 14
    model = gemmas()[0]
    with Store.open(db) as store, store.crawling():
        run = store.start_run("incremental", "", "https://hub.example")
        new = replace(model.record, hub_id="f" * 24, repo_id="google/gemma-4-4b-it")
        store.save_page(run, "", Page(((new, labelled(model.labels.labels)),), (), None))
        assert len(site.rows(f"/{DATABASE}/models")) == 15
        assert site.rows(f"/{DATABASE}/models", _search="gemma-4")[0]["repo_id"] == "google/gemma-4-4b-it"


def test_a_wide_table_opens_with_columns_that_fit_a_window(site: Site) -> None:
    for name, columns in SHORT_COLUMNS.items():
        html = site.get(f"/{DATABASE}/{name}")
        assert site.url.endswith("?_columns=short&_col=" + "&_col=".join(columns))
        shown = re.findall(r"<th[^>]*data-column=\"(\w+)\"", html)  # none where there are no rows
        assert not shown or [each for each in shown if each != "id"] == list(columns)
        assert f'href="/catalog/{name}?_columns=all"' in html, f"{name} does not link to all columns"
    site.get(f"/{DATABASE}/models", family="gemma")
    assert "family=gemma&_columns=short&_col=repo_id" in site.url
    whole = site.get(f"/{DATABASE}/models", _columns="all")
    assert 'data-column="parameters_measured"' in whole and "_col=" not in site.url


def test_every_wide_table_that_is_listed_has_short_columns(small: str) -> None:
    with sqlite3.connect(small) as connection:
        views = {name for (name,) in connection.execute("select name from sqlite_master where type = 'view'")}
    tables = list_tables(Path(small))
    wide = {name for name, columns in tables.items() if len(columns) > 15 and name in views | SHOWN_TABLES}
    assert wide == set(SHORT_COLUMNS)


def test_rows_that_take_long_to_count_are_shown_without_their_number(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = site.app.hf_catalog_pool.run

    async def run_unless_counting(request: QueryRequest) -> Any:
        if request.sql.startswith("select count(*) from"):
            assert (request.seconds or 9) < 1
            raise QueryTimeout(request.sql, 0.3)
        return await run(request)

    monkeypatch.setattr(site.app.hf_catalog_pool, "run", run_unless_counting)
    assert "google/gemma-3-4b-it" in site.get(f"/{DATABASE}/models")
    assert json.loads(site.get(f"/{DATABASE}/models.json"))["filtered_table_rows_count"] is None
    assert "crawl_runs" in site.get(f"/{DATABASE}")


def test_every_repair_of_a_template_of_datasette_finds_its_text() -> None:
    import datasette

    folder = Path(datasette.__file__).parent / "templates"
    for template, old, _ in REPAIRS:
        assert old in (folder / template).read_text("utf-8"), f"{template} has no {old!r}"


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/catalog/best-under", "catalog: Best copy of a model under a size"),
        ("/catalog/headers/1", "catalog: headers: 1"),
        ("/catalog?sql=select+1", "catalog: select 1"),
        (f"/catalog?sql=select+{'1%2C' * 100}1", f"catalog: {('select ' + '1,' * 100)[:77]}..."),
    ],
)
def test_titles_name_what_is_shown(path: str, title: str, site: Site) -> None:
    assert f"<title>{title}</title>" in site.get(path)
