"""crawl, plan, status, doctor and demo as users and scripts run them: text, JSON, exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.query.reader import CatalogReader
from crawler.cli.status import find_staleness
from crawler.service.state import JobState, State, write_state
from samplehub import SampleHub
from tests.crawler.cli.conftest import Ask
from tests.crawler.hubs import small_catalog
from tests.forked_program import forked_program


@pytest.fixture(scope="module")
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(12)) as hub:
        yield hub


def ran(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return ran_by(forked_program(), *words, **env)


def ran_by(program: Path, /, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    clean |= {"HF_HOME": "/nonexistent", "NO_COLOR": "1"} | env
    line = [str(program), *map(str, words)]
    return subprocess.run(line, env=clean, capture_output=True, text=True, timeout=300)


def json_of(*words: str | Path, **env: str) -> Any:
    done = ran(*words, "--json", **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def db(sample: SampleHub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli") / "catalog.db"
    result = json_of("crawl", "--db", made, "--endpoint", sample.endpoint)
    assert (result["outcome"], result["kind"], result["repos_new"]) == ("complete", "full", len(sample.catalog))
    assert result["quota"]["api"]["of"] == 1_000_000
    return made


def test_a_crawl_prints_a_summary(sample: SampleHub, db: Path) -> None:
    done = ran("crawl", "--db", db, HF_ENDPOINT=sample.endpoint)
    assert done.returncode == 0
    assert "changes, complete" in done.stdout
    assert "0 new, 0 changed" in done.stdout
    assert done.stderr == "", "no progress bar without a terminal"


def test_quiet_is_silent(sample: SampleHub, db: Path) -> None:
    done = ran("crawl", "--db", db, "--endpoint", sample.endpoint, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dry_run_asks_and_writes_nothing(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    before = len(sample.requests), db.stat().st_mtime_ns
    result = json_of("crawl", "--db", db, "--endpoint", sample.endpoint, "--dry-run", "--full", "--depth", "headers")
    assert (result["kind"], result["resumes"], result["repos_to_visit"]) == ("full", False, result["repos_to_visit"])
    assert result["api_requests"] >= 1
    assert json_of("crawl", "--dry-run", "--limit", "2000", "--db", tmp_path / "none.db")["api_requests"] == 2857
    assert (len(sample.requests), db.stat().st_mtime_ns) == before
    assert not (tmp_path / "none.db").exists()


def test_a_catalog_is_of_one_hub(db: Path) -> None:
    done = ran("crawl", "--db", db, "--endpoint", "http://other.invalid", "--max-time", "5s")
    assert done.returncode == 2
    assert "is a catalog of http://127.0.0.1" in done.stderr
    assert "--mirror" in done.stderr


@pytest.mark.parametrize(
    ("words", "env", "status", "said"),
    [
        (("--endpoint", "http://127.0.0.1:9"), {}, 4, "can't be reached"),
        ((), {"HF_ENDPOINT": "http://127.0.0.1:9"}, 4, "can't be reached"),
        ((), {"HF_HUB_OFFLINE": "1"}, 4, "offline"),
        (("--endpoint", "ftp://x"), {}, 4, "an endpoint is a URL"),
        (("--repo", "a b"), {}, 2, "no repo id"),
        (("--repo", "a/b", "--author", "c"), {}, 2, "be combined with other filters"),
        (("--repo", "@no/such.txt"), {}, 2, "no/such.txt can't be read: No such file"),
        (("--repo", "@/dev/null"), {}, 2, "/dev/null names no repos"),
        (("--max-time", "soon"), {}, 2, "write it as"),
    ],
)
def test_what_can_not_be_done_is_two_lines(
    tmp_path: Path, words: tuple[str, ...], env: dict[str, str], status: int, said: str
) -> None:
    done = ran("crawl", "--db", tmp_path / "new.db", *words, **env)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
    assert not (tmp_path / "new.db").exists(), "no empty catalog is left behind"


def test_the_error_of_a_refused_token_does_not_contain_it(sample: SampleHub, tmp_path: Path) -> None:
    words = ("crawl", "--db", tmp_path / "new.db", "--endpoint", sample.endpoint, "-v")
    done = ran(*words, HF_TOKEN="hf_secret_of_nobody")
    assert done.returncode == 4
    assert "refuses the token" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_named_repos_that_are_not_there_are_a_no(sample: SampleHub, tmp_path: Path) -> None:
    words = ("crawl", "--db", tmp_path / "new.db", "--endpoint", sample.endpoint, "--repo", "nobody/nothing")
    done = ran(*words, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["repos_skipped"] == 1


def test_named_repos_are_ids_or_pasted_references_also_of_a_file(sample: SampleHub, tmp_path: Path) -> None:
    first, second, third = sorted(
        repo.id for repo in sample.catalog if not (repo.gated or repo.private or repo.disabled)
    )[:3]
    names = tmp_path / "ids.txt"
    lines = ("# what we run", f"https://huggingface.co/{first}/tree/main", "", f"pkg:huggingface/{second}@main # new")
    names.write_text("\n".join(lines), encoding="utf-8")
    words = ("crawl", "--db", tmp_path / "new.db", "--endpoint", sample.endpoint, "--depth", "listing")
    done = ran(*words, "--repo", f"@{names}", "--repo", f"hf.co/{third}:Q4_K_M")
    assert done.returncode == 0, done.stderr
    with CatalogReader(tmp_path / "new.db") as reader:
        assert {row["repo_id"] for row in reader.all("select repo_id from repos")} == {first, second, third}


# ---- plan -----------------------------------------------------------------------------------------------------------


def test_a_plan_without_a_catalog_is_of_the_hub_as_it_is_documented(tmp_path: Path) -> None:
    listing, files, headers = json_of("plan", "--db", tmp_path / "none.db")
    assert (listing["depth"], listing["api_requests"]) == ("listing", 3000)
    assert files["api_requests"] == 3_003_000
    assert files["free_seconds"] == pytest.approx(10.4 * 86_400, rel=0.01), "documented: 10.4 days"
    assert headers["resolver_requests"] > 3_000_000
    assert listing["anonymous_seconds"] >= 1500


def test_a_plan_with_a_catalog_counts_only_what_is_missing(db: Path) -> None:
    listing, files, headers = json_of("plan", "--db", db)
    assert listing["repos"] == 0, "only what changed is listed again"
    assert files["repos"] == 0
    assert headers["repos"] > 0
    assert "16 repos" in ran("plan", "--db", db).stderr


# ---- status, doctor -------------------------------------------------------------------------------------------------


def test_status_shows_the_catalog_and_the_backlog(sample: SampleHub, db: Path) -> None:
    result = json_of("status", "--db", db, "--max-age", "10d")
    assert result["fresh"] is True
    assert (result["repos"], result["backlog"]["files"]) == (len(sample.catalog), 0)
    assert result["backlog"]["headers"] == len(sample.catalog)
    assert result["last_success"]["outcome"] == "complete"
    assert result["last_sweep"] is not None
    assert result["service"] is None
    words = ran("status", "--db", db).stdout
    assert "waits      0 repos for their files" in words
    assert "fully listed" in words


def test_status_shows_the_service_and_the_quota_of_the_health_file_beside_the_catalog(db: Path, tmp_path: Path) -> None:
    here = tmp_path / "catalog.db"
    here.write_bytes(db.read_bytes())
    (tmp_path / "catalog.toml").write_text('[jobs.look]\nevery = "1h"\nrun = ["crawl", "--json"]\n')
    quota = {"api": {"left": 487, "of": 500}}
    at = "2026-11-24T07:00:00.000Z"
    look = JobState(last_end=at, last_success=at, next_run=at, errors=3, detail="no network", quota=quota)
    write_state(tmp_path / "catalog.state.json", State(7, alive_at=at, jobs={"look": look}))
    result = json_of("status", "--db", here)["service"]
    assert result["quota"] == {"at": at, **quota}
    shown = {"last_success": at, "last_end": at, "next_run": at, "errors": 3, "detail": "no network"}
    assert result["jobs"]["look"] == {**shown, "last_start": None, "last_failure": None}
    said = ran("status", "--db", here).stdout
    assert "api: 487 of 500 requests left" in said
    assert "failed 3 times: no network" in said


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "service", "reason"),
    [
        ("2026-11-24T10:00:00.000Z", None, None),
        ("2026-11-24T09:59:59.000Z", None, "2.0 hours ago"),
        (None, None, "no crawl has completed"),
        ("2026-11-24T12:06:00.000Z", None, "in the future"),
        ("2026-11-24T11:00:00.000Z", {"jobs": {"look": {"errors": 1}, "full": {"errors": 0}}}, "jobs fail: look"),
        ("2026-11-24T11:00:00.000Z", {"jobs": {}, "problem": "no file"}, "no file"),
    ],
)
def test_monitoring_learns_what_is_stale(last: str | None, service: dict[str, Any] | None, reason: str | None) -> None:
    found = find_staleness({"last_listing": last, "service": service}, timedelta(hours=2), NOON)
    assert found is None if reason is None else reason in (found or "")


def test_a_stale_catalog_is_exit_status_1(small: str, hf_catalog: Ask) -> None:
    done = hf_catalog("status", "--db", small, "--max-age", "2h", "--quiet")
    assert (done.status, done.out) == (1, "") and "the last complete crawl ended 2026-11-02" in done.err


def test_status_of_nothing_is_3(tmp_path: Path) -> None:
    done = ran("status", "--db", tmp_path / "none.db")
    assert done.returncode == 3
    assert "no catalog" in done.stderr


def test_the_doctor_finds_what_is_bad(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    found = json_of("doctor", "--db", db, "--endpoint", sample.endpoint)
    verdicts = {finding["check"]: finding["verdict"] for finding in found}
    assert (verdicts["catalog"], verdicts["hub"], verdicts["disk"]) == ("good", "good", "good")
    (tmp_path / "text.db").write_text("no database\n" * 99)
    done = ran("doctor", "--db", tmp_path / "text.db", "--endpoint", "http://127.0.0.1:9", "--json")
    assert done.returncode == 1
    bad = {finding["check"] for finding in json.loads(done.stdout) if finding["verdict"] == "bad"}
    assert bad == {"catalog", "hub"}


def test_the_doctor_checks_the_hub_of_the_catalog_without_the_token(sample: SampleHub, db: Path) -> None:
    found = {each["check"]: each for each in json_of("doctor", "--db", db, HF_TOKEN="hf_sample_reader", HF_ENDPOINT="")}
    assert found["hub"]["verdict"] == "good" and sample.endpoint in found["hub"]["found"]
    assert found["token"]["found"] == f"not sent to {sample.endpoint}, which only the catalog names"
    assert found["token"]["mend"] == f"hf-catalog doctor --endpoint {sample.endpoint}"


def test_the_doctor_tries_the_token(sample: SampleHub, db: Path) -> None:
    found = json_of("doctor", "--db", db, "--endpoint", sample.endpoint, HF_TOKEN="hf_sample_reader")
    assert {"check": "token", "verdict": "good", "found": "the Hub accepts it (reader)", "mend": ""} in found
    done = ran("doctor", "--db", db, "--endpoint", "http://hub.invalid", HF_TOKEN="hf_secret")
    assert "unencrypted" in done.stdout
    assert "hf_secret" not in done.stdout + done.stderr
