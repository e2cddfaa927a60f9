"""Answers of a hostile Hub about an account: only a text that is the name counts."""

from __future__ import annotations

from typing import Any, cast

import pytest

from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.fetch_owner import has_account


class Answers:
    """A client that gets this object for an account."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def get_object(self, *_: object) -> dict[str, Any]:
        return self.answer


def nested(depth: int) -> Any:
    value: Any = "a"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("Google", {"name": "google"}, True),
        ("me", {"user": "Me"}, True),
        ("none", {}, False),
        ("none", {"name": None}, False),
        ("true", {"name": True}, False),
        ("7", {"user": 7}, False),
        ("a", {"name": nested(5000)}, False),
        ("a", {"name": "b", "user": {"a": "a"}}, False),
    ],
)
def test_only_the_name_as_text_is_the_account(name: str, answer: dict[str, Any], expected: bool) -> None:
    assert has_account(cast("HubClient", Answers(answer)), "users", name) is expected
