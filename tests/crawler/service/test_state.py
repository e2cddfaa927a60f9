"""What is known of the jobs survives a restart, and a damaged health file is refused."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.errors import StateDamaged
from crawler.service import state as state_file
from crawler.service.state import JobState, State, read_state, write_state


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "catalog.state.json"
    state = State(7, alive_at="2026-01-01T00:00:00.000Z", jobs={"a": JobState(runs=3, last_outcome="failed", errors=2)})
    write_state(path, state)
    assert read_state(path) == state
    assert not list(tmp_path.glob(".*")), "no temporary file remains"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("null", "no table of jobs"),
        ("[]", "no table of jobs"),
        ("{}", "no table of jobs"),
        ('{"jobs": 3}', "no table of jobs"),
        ('{"jobs": {"a": 3}}', "jobs.a is not a table"),
        ('{"jobs": {"a": {"colour": 1}}}', "jobs.a.colour"),
        ('{"jobs": {"a": {"runs": "3"}}}', "jobs.a.runs"),
        ('{"jobs": {"a": {"runs": -1}}}', "jobs.a.runs"),
        ('{"jobs": {"a": {"running": 1}}}', "jobs.a.running"),
        ('{"jobs": {"a": {"last_success": "yesterday"}}}', "jobs.a.last_success"),
        ('{"jobs": {"a": {"last_outcome": "won"}}}', "jobs.a.last_outcome"),
        ('{"jobs": {"a": {"quota": []}}}', "jobs.a.quota"),
        ('{"jobs": {}, "alive_at": "x"}', "alive_at"),
        ('{"jobs": {}, "alive_at": "2026-01-01T00:00:00"}', "alive_at"),
        ('{"jobs": {}, "pid": true}', "pid"),
        ("[" * 100_000, "recursion"),
        ("\xff", "Expecting value"),
    ],
)
def test_a_damaged_health_file_is_refused_with_its_name_and_the_way_out(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StateDamaged, match=why) as caught:
        read_state(path)
    assert str(path) in str(caught.value) and "move it away" in caught.value.hint


def test_what_is_no_file_or_too_large_is_no_health_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(StateDamaged, match="no file"):
            read_state(path)
    path = tmp_path / "state.json"
    write_state(path, State())
    monkeypatch.setattr(state_file, "MAX_STATE_BYTES", path.stat().st_size)
    assert read_state(path) == State()
    monkeypatch.setattr(state_file, "MAX_STATE_BYTES", path.stat().st_size - 1)
    with pytest.raises(StateDamaged, match="more than"):
        read_state(path)


def test_every_key_of_a_state_has_a_check() -> None:
    assert set(state_file.STATE_CHECKS) | {"jobs"} == {each.name for each in fields(State)}
    assert set(state_file.JOB_CHECKS) == {each.name for each in fields(JobState)}


def test_a_state_is_for_its_owner_and_replaces_a_link_instead_of_its_target(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "state.json"
    victim.write_text("precious", encoding="utf-8")
    path.symlink_to(victim)
    write_state(path, State())
    assert victim.read_text(encoding="utf-8") == "precious"
    assert not path.is_symlink() and path.stat().st_mode & 0o777 == 0o600


def test_a_service_is_alive_for_two_minutes_after_a_sign_of_life() -> None:
    state = State(1, alive_at="2026-01-01T00:00:00.000Z")
    assert state.is_alive(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    assert not state.is_alive(datetime(2026, 1, 1, 0, 3, tzinfo=UTC))


def test_a_sign_of_life_of_the_future_counts_as_none() -> None:
    state = State(1, alive_at="2027-01-01T00:00:00.000Z")
    assert not state.is_alive(datetime(2026, 1, 1, tzinfo=UTC))
