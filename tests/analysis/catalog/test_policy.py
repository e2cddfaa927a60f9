"""Policies: what they demand, what they make of results, and which files are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.catalog.audit import Check
from analysis.catalog.policy import apply_policy, read_policy
from analysis.errors import InvalidPolicy

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MODEL: dict[str, Any] = {
    "repo_id": "acme/x", "author": "acme", "license": "mit", "license_spdx": "MIT", "license_kind": "permissive",
    "downloads": 100, "likes": None, "created_at": "2026-05-22T00:00:00.000Z",
    "last_modified": "2026-05-30T00:00:00.000Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name", "result"),
    [
        ("[licences]\nallow = ['mit']", "allowed licence", "pass"),
        ("[licences]\nallow = ['permissive']", "allowed licence", "pass"),
        ("[licences]\nallow = ['Apache-2.0']", "allowed licence", "fail"),
        ("[licences]\ndeny = ['permissive']", "allowed licence", "fail"),
        ("[formats]\nallow = ['gguf']", "allowed format", "pass"),
        ("[formats]\nallow = ['safetensors']", "allowed format", "fail"),
        ("[publishers]\nallow = ['ACME']", "allowed publisher", "pass"),
        ("[publishers]\ndeny = ['acme']", "allowed publisher", "fail"),
        ("[signals]\nmin_downloads = 100", "enough downloads", "pass"),
        ("[signals]\nmin_downloads = 101", "enough downloads", "fail"),
        ("[signals]\nmin_likes = 1", "enough likes", "fail"),
        ("[age]\nmin_days = 10", "old enough", "pass"),
        ("[age]\nmin_days = 11", "old enough", "fail"),
        ("[age]\nmax_days = 2", "recent enough", "pass"),
        ("[age]\nmax_days = 1", "recent enough", "fail"),
    ],
)
def test_a_demand_is_one_check(text: str, name: str, result: str) -> None:
    (found,) = apply_policy(read_policy(text.encode(), "p.toml"), (), MODEL, ["gguf"], NOW)
    assert (found.check, found.result, found.source) == (name, result, "policy")


def test_a_policy_says_what_warnings_and_unknown_results_count_as() -> None:
    policy = read_policy(b"[checks]\nscan = 'fail'\nage = 'pass'", "p.toml")
    checks = [Check("acme/x", "scan", "unknown", "", ""), Check("acme/x", "age", "warn", "", ""),
              Check("acme/x", "licence", "warn", "", ""), Check("acme/x", "scan", "pass", "", ""),
              Check("acme/x", "age", "fail", "", "")]  # fmt: skip
    found = apply_policy(policy, checks, MODEL, [], NOW)
    assert [each.result for each in found] == ["fail", "pass", "warn", "pass", "fail"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[licences]\nallow = 'mit'", "licences.allow"),
        ("[licences]\nalow = ['mit']", "licences.alow"),
        ("[signals]\nmin_downloads = 'many'", "signals.min_downloads"),
        ("[age]\nmin_days = -1", "age.min_days"),
        ("[checks]\nsmell = 'fail'", "checks.smell"),
        ("[checks]\nscan = 'maybe'", "checks.scan"),
        ("[colours]\nred = 1", "colours"),
        ("licences = 1", "licences"),
        ("[x", ""),
    ],
)
def test_a_wrong_policy_is_refused_by_the_name_of_its_key(text: str, key: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_policy(text.encode(), "p.toml")
    assert (caught.value.file, caught.value.key) == ("p.toml", key)
