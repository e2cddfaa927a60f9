"""What is known of the jobs survives a restart, and a damaged health file is as none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.service.state import JobState, State, read_state, write_state


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "catalog.state.json"
    state = State(7, alive_at="2026-01-01T00:00:00.000Z", jobs={"a": JobState(runs=3, last_outcome="failed", errors=2)})
    write_state(path, state)
    assert read_state(path) == state
    assert not list(tmp_path.glob(".*")), "no temporary file remains"


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '{"jobs": 3}', '{"jobs": {"a": {"colour": 1}}}', '{"jobs": {}, "alive_at": "x"}']
)
def test_a_damaged_health_file_is_an_empty_state(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    assert read_state(path) == State()


def test_a_service_is_alive_for_two_minutes_after_a_sign_of_life() -> None:
    state = State(1, alive_at="2026-01-01T00:00:00.000Z")
    assert state.is_alive(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    assert not state.is_alive(datetime(2026, 1, 1, 0, 3, tzinfo=UTC))


def test_a_sign_of_life_of_the_future_counts_as_none() -> None:
    state = State(1, alive_at="2027-01-01T00:00:00.000Z")
    assert not state.is_alive(datetime(2026, 1, 1, tzinfo=UTC))
