"""Messages in Slack's shape: of jobs whose answer is an object or a list, of watches; no text of others acts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crawler.errors import TargetInvalid
from crawler.service.chat import MAX_LINES, chat_message, chat_url, is_chat
from crawler.service.hooks import JobResult, result_lines
from crawler.service.notify import check_target, find_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", True),
        ("slack+https://chat.example/hooks/x", True),
        ("https://example.org/hooks.slack.com", False),
    ],
)
def test_an_address_says_whether_it_takes_chat_messages(url: str, expected: bool) -> None:
    assert is_chat(url) is expected


def test_the_prefix_is_no_part_of_the_address() -> None:
    assert chat_url("slack+https://chat.example/x") == "https://chat.example/x"


def test_names_that_others_chose_notify_nobody_and_long_lists_are_counted() -> None:
    lines = ["<!channel> & you\nnew line", *["row"] * MAX_LINES]
    text = json.loads(chat_message("watch <x>", lines))["text"].splitlines()
    assert text[:2] == ["*watch &lt;x&gt;*", "\u2022 &lt;!channel&gt; &amp; you new line"]
    assert text[-1] == "and 1 more" and len(text) == MAX_LINES + 2


def test_mentions_and_links_of_chats_that_take_markdown_are_broken() -> None:
    line = "licence @everyone [a](http://h) ![a](http://h/x.png) [a][b] a@b.c !? @ 9"
    (_, shown) = json.loads(chat_message("w", [line]))["text"].splitlines()
    for active in ("@everyone", "](", "][", "@b"):
        assert active in line and active not in shown
    assert shown.replace("\u200b", "") == f"\u2022 {line}" and shown.endswith("!? @ 9")


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (
            [{"repo_id": "a/b", "kind": "new", "before": None}, {"repo_id": "c/d"}],
            ["repo_id a/b, kind new", "repo_id c/d"],
        ),
        (
            {"rows": [{"repo_id": "a/b", "tuning": ["chat", "code"]}], "coverage": {}},
            ["repo_id a/b, tuning chat, code"],
        ),
        ({"repos_new": 3, "quota": {"api": 1}}, ["repos_new 3"]),
        ({}, []),
    ],
)
def test_a_jobs_answer_is_listed(answer: Any, lines: list[str]) -> None:
    result = JobResult("changes", "done", 0, "", "", answer)
    assert result_lines(result) == ("changes: done", lines)


def test_a_job_that_failed_says_why() -> None:
    assert result_lines(JobResult("crawl", "failed", 4, "", "", {}, "no network")) == ("crawl: failed", ["no network"])


def test_a_watch_keeps_the_address_of_a_chat_out_of_the_catalog() -> None:
    with pytest.raises(TargetInvalid, match="env: or file:"):
        check_target("https://hooks.slack.com/services/T0/B0/x")
    address = find_address("env:CHAT", {"CHAT": "slack+https://chat.example/hooks/x"})
    assert (address.kind, address.url) == ("chat", "https://chat.example/hooks/x")
