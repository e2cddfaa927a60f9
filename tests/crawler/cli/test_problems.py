"""`status` and `doctor` name what is wrong, each with what to do about it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from crawler.cli.options import db_argument, default_catalog
from crawler.cli.problems import JOB_TIMES, SKIP_REMEDIES, find_problems
from crawler.service.state import JobState, State, utc_now_iso, write_state
from db.record_base import SkipReason
from db.records import RunRecord
from db.write.store import Store
from tests.crawler.cli.conftest import Ask

NOW = datetime.now(UTC)


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "catalog.db"


def end_run(db: Path, **changes: Any) -> None:
    with Store.open(db, create=True) as store:
        run: RunRecord = store.start_run("full", "", "http://127.0.0.1:1")
        store.finish_run(replace(run, **({"finished_at": NOW} | changes)))


def read_problems(hf_catalog: Ask, db: Path) -> dict[str, str]:
    """Remedies by problem. Each is also in the text, and doctor finds the same."""
    rows = hf_catalog("status", "--db", str(db), "--json").json["problems"]
    text = hf_catalog("status", "--db", str(db)).out
    doctor = hf_catalog("doctor", "--db", str(db), "--offline", "--json").json
    found = {row["problem"]: row["remedy"] for row in rows}
    for problem, remedy in found.items():
        assert problem in text
        assert f"to do: {remedy}" in text
        assert (problem, remedy) in {(row["found"], row["mend"]) for row in doctor if row["verdict"] == "note"}
    return found


def test_a_sound_catalog_has_no_problem(db: Path, hf_catalog: Ask) -> None:
    end_run(db, outcome="complete")
    assert read_problems(hf_catalog, db) == {}


@pytest.mark.parametrize(
    ("detail", "remedy"),
    [
        ("the Hub at http://h shows /api/models only with a token", "hf auth login"),
        ("the Hub at http://h refuses the token", "still works"),
        ("the quota of api requests is spent; the next are allowed in 9 s", "later"),
        ("the Hub at http://h can't be reached: refused", "hf-catalog doctor"),
        ("internal error: KeyError: 'x'", "report"),
        ("something else", "resumes"),
    ],
)
def test_a_failed_crawl_leads_to_what_makes_it_work(db: Path, hf_catalog: Ask, detail: str, remedy: str) -> None:
    end_run(db, outcome="failed", detail=detail)
    ((problem, found),) = read_problems(hf_catalog, db).items()
    assert problem == f"the last crawl failed: {detail}"
    assert remedy in found


def test_an_incomplete_crawl_is_run_again(db: Path, hf_catalog: Ask) -> None:
    end_run(db, outcome="incomplete", detail="a page can't be read", wrong_fields={"likes": 3})
    found = read_problems(hf_catalog, db)
    assert "run the crawl again" in found["the last crawl is incomplete: a page can't be read"]
    assert "crawl --full" in found["3 repos with a likes of a wrong type, stored as unknown"]


def test_an_interrupted_crawl_is_continued(db: Path, hf_catalog: Ask) -> None:
    end_run(db, outcome=None, finished_at=None)
    assert read_problems(hf_catalog, db) == {"1 were interrupted": "the next crawl continues them"}


def test_a_crawl_that_waits_says_for_what_and_until_when(db: Path, hf_catalog: Ask) -> None:
    until = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with Store.open(db, create=True) as store, store.crawling():
        run = store.start_run("full", "", "http://127.0.0.1:1")
        store.update_run(replace(run, waiting_for="the quota of api requests", waiting_until=until))
        ((problem, remedy),) = read_problems(hf_catalog, db).items()
    assert problem == "the crawl waits for the quota of api requests until 2026-01-02 03:04:05 UTC"
    assert "HF_TOKEN" in remedy


def test_every_reason_of_a_skip_has_a_remedy(db: Path, hf_catalog: Ask) -> None:
    assert SKIP_REMEDIES.keys() == set(get_args(SkipReason))
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "http://127.0.0.1:1")
        store.finish_run(replace(run, outcome="complete", finished_at=NOW))
    with sqlite3.connect(db) as connection:
        values = [("a/b", "failed", "1"), ("a/b", "failed", "2"), ("a/c", "gated", "1")]
        connection.executemany("insert into skips (repo_id, reason, detail, seen_at) values (?, ?, ?, '2026')", values)
    connection.close()
    found = read_problems(hf_catalog, db)
    command = f"hf-catalog query skipped --db {db}"
    assert "crawl --repo" in found[f"2 skipped as failed ({command})"]
    assert "accept the terms" in found[f"1 skipped as gated ({command})"]


def test_commands_that_are_shown_name_a_catalog_that_is_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_CATALOG_CONFIG", raising=False)
    assert db_argument("my models.db") == " --db 'my models.db'"
    assert db_argument(default_catalog()) == ""


@pytest.mark.parametrize(("ahead", "is_found"), [(timedelta(minutes=4), False), (timedelta(minutes=60), True)])
def test_a_clock_that_was_ahead_is_reported(db: Path, hf_catalog: Ask, ahead: timedelta, is_found: bool) -> None:
    now = datetime.now(UTC)
    with Store.open(db, create=True, clock=lambda: now + ahead) as store:
        run = store.start_run("full", "", "http://127.0.0.1:1")
        store.finish_run(replace(run, outcome="complete", finished_at=now))
    found = read_problems(hf_catalog, db)
    assert any("a crawl began" in problem and "clock" in remedy for problem, remedy in found.items()) == is_found


@pytest.mark.parametrize("key", JOB_TIMES)
@pytest.mark.parametrize("has_catalog", [False, True])
def test_times_in_the_future_that_only_the_health_file_has_are_reported(
    db: Path, hf_catalog: Ask, key: str, has_catalog: bool
) -> None:
    if has_catalog:
        end_run(db, outcome="complete")
    db.with_name("catalog.toml").write_text('[jobs.a]\nevery = "1h"\nrun = ["crawl"]\n', encoding="utf-8")
    times: dict[str, Any] = {"next_run": "2999-01-01T00:00:00Z", key: "2998-01-01T00:00:00Z"}
    write_state(db.with_name("catalog.state.json"), State(1, alive_at=utc_now_iso(), jobs={"a": JobState(**times)}))
    rows = hf_catalog("doctor", "--db", str(db), "--offline", "--json").json
    (found,) = [row["found"] for row in rows if row["check"] == "clock"]
    assert found.startswith("the job a ran at 2998-01-01 00:00 UTC, in the future")


def test_the_service_and_its_jobs_are_reported(db: Path, hf_catalog: Ask) -> None:
    end_run(db, outcome="complete")
    db.with_name("catalog.toml").write_text('[jobs.a]\nevery = "1h"\nrun = ["crawl"]\n', encoding="utf-8")
    job = JobState(errors=3, detail="no network", last_end=utc_now_iso(), quota={"api": {"left": 0, "of": 500}})
    write_state(db.with_name("catalog.state.json"), State(1, alive_at=utc_now_iso(), jobs={"a": job}))
    found = read_problems(hf_catalog, db)
    assert "by hand" in found["the job a failed 3 times in a row: no network"]
    assert "renewed" in found["the quota of api requests was spent when the last crawl ended"]
    write_state(db.with_name("catalog.state.json"), State(1, alive_at="2020-01-01T00:00:00.000Z"))
    assert "schedule" in read_problems(hf_catalog, db)["the service is not running"]
    db.with_name("catalog.state.json").write_text("nonsense", encoding="utf-8")
    ((problem, remedy),) = [each for each in read_problems(hf_catalog, db).items() if "health file" in each[0]]
    assert str(db.with_name("catalog.state.json")) in problem and remedy.startswith("move it away")


def test_missing_and_partial_repos_are_reported() -> None:
    facts: dict[str, Any] = {"last_crawl": None, "interrupted": 0, "held_by": None, "skips": {}, "latest_start": None}
    subjects = [problem.subject for problem in find_problems(facts | {"absent": 2, "partial": 3}, NOW)]
    assert subjects == ["missing", "partial"]
    assert find_problems(facts | {"absent": 0, "partial": 0}, NOW) == []
