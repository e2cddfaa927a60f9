"""The timetable is checked before anything runs, and what is known of the jobs survives a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crawler.errors import ConfigError
from crawler.service.config import JobState, State, cron_text, read_config, read_state, write_state

EXAMPLE = Path(__file__).resolve().parents[3] / "catalog.example.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_a_whole_timetable() -> None:
    found = read_config(EXAMPLE)
    assert set(found.jobs) == {"incremental", "full_crawl", "enrich", "export", "prune", "optimize"}
    assert found.jobs["incremental"].every == timedelta(hours=1)
    assert found.jobs["export"].after == ("full_crawl",)
    assert found.db == str(EXAMPLE.parent / "catalog.db")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "jobs", "at least one"),
        ("jobs = 3", "jobs", "at least one"),
        ("colour = 1", "", "'colour' is not known"),
        ("[jobs.a]\nrun = ['crawl']", "jobs.a", "one of every, cron and after"),
        ("[jobs.a]\nevery = '1h'\ncron = '1 1 * * *'\nrun = ['crawl']", "jobs.a", "one of every, cron and after"),
        ("[jobs.a]\nevery = 'soon'\nrun = ['crawl']", "jobs.a.every", "'soon' is no span"),
        ("[jobs.a]\nevery = '0s'\nrun = ['crawl']", "jobs.a.every", "a second at least"),
        ("[jobs.a]\nevery = '1h'", "jobs.a.run", "a list of words"),
        ("[jobs.a]\nevery = '1h'\nrun = []", "jobs.a.run", "a list of words"),
        ("[jobs.a]\ncron = 'daily'\nrun = ['crawl']", "jobs.a.cron", "five fields"),
        ("[jobs.a]\nafter = ['b']\nrun = ['crawl']", "jobs.a.after", "no job is named 'b'"),
        ("[jobs.a]\nafter = ['a']\nrun = ['crawl']", "jobs.a.after", "follow itself"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[[hooks]]\nafter = ['a']", "hooks[0]", "one of command and webhook"),
        (
            "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[[hooks]]\nafter = ['a']\nwebhook = 'file:///etc/passwd'",
            "hooks[0].webhook",
            "no http address",
        ),
        ("[jobs.a\n", "", "line 1"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, place: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason.replace("[", r"\[")) as caught:
        read_config(written(tmp_path, text))
    assert caught.value.place == place


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("written_as", "means"),
    [
        ("0 3 * * 0", "0 3 * * sun"),
        ("0 3 * * 7", "0 3 * * sun"),
        ("0 3 * * 1-5", "0 3 * * mon-fri"),
        ("0 3 * * SUN", "0 3 * * sun"),
        ("*/15 * * * *", "*/15 * * * *"),
        ("0 0 1 * */2", "0 0 1 * */2"),
        ("every day", None),
    ],
)
def test_weekdays_are_counted_as_cron_does(written_as: str, means: str | None) -> None:
    assert cron_text(written_as) == means


def test_the_state_survives(tmp_path: Path) -> None:
    path = tmp_path / "catalog.state.json"
    state = State(7, alive_at="2026-01-01T00:00:00.000Z", jobs={"a": JobState(runs=3, last_outcome="failed", errors=2)})
    write_state(path, state)
    assert read_state(path) == state
    assert not list(tmp_path.glob(".*")), "no half-written file stays behind"


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '{"jobs": 3}', '{"jobs": {"a": {"colour": 1}}}', '{"jobs": {}, "alive_at": "x"}']
)
def test_a_broken_state_is_no_state(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    assert read_state(path) == State()


def test_alive_means_a_sign_of_life_in_two_minutes() -> None:
    state = State(1, alive_at="2026-01-01T00:00:00.000Z")
    assert state.alive(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    assert not state.alive(datetime(2026, 1, 1, 0, 3, tzinfo=UTC))
