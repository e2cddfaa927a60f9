"""What `plan` predicts against what crawls of the sample Hub then took, in requests and in windows of a quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.query.reader import CatalogReader
from crawler.estimate import MARGIN_SECONDS, WINDOW_SECONDS, CostEstimate, PlannedWork, estimate_cost, estimate_seconds
from crawler.sources.rate_limit import WINDOW_MARGIN_SECONDS

WITHIN = 0.30
QUOTA = 10
"""Requests of a window, so that the crawls of the demo take many."""

WITH_WEIGHTS = """
select count(*) as n from models m join repos r on r.repo_id = m.repo_id and r.type = 'model'
where m.format in ('gguf', 'safetensors', 'mlx') and m.repo_id like :name
"""


@pytest.mark.parametrize(
    ("scope", "name", "depth"), [("", "%", "files"), ("search=gemma-", "%gemma-%", "headers")], ids=str
)
def test_a_plan_is_near_what_the_crawl_took(demo: Path, scope: str, name: str, depth: str) -> None:
    """The demo lists its whole Hub with files, then reads the headers of one family."""
    with CatalogReader(demo) as reader:
        (run,) = reader.all("select * from crawl_runs where scope = :scope", {"scope": scope})
        (weights,) = reader.all(WITH_WEIGHTS, {"name": name})
        (cards,) = reader.all("select count(*) as n from model_cards")
    costs = estimate_cost(PlannedWork(run["repos_seen"], run["repos_seen"], weights["n"]))
    cost = next(each for each in costs if each.depth == depth)
    assert run["outcome"] == "complete" and run["repos_seen"] > 50
    of_cards = (
        cards["n"] if depth == "files" else 0
    )  # read at the end of the first crawl, which `plan` is not asked for
    for planned, took in requests_of(cost, run["api_requests"], run["resolver_requests"] - of_cards):
        assert planned == pytest.approx(took, rel=WITHIN)
        in_windows = [estimate_seconds(requests, QUOTA, WINDOW_SECONDS, 0.0) for requests in (planned, took)]
        assert in_windows[0] == pytest.approx(in_windows[1], rel=WITHIN)


def requests_of(cost: CostEstimate, api: int, resolver: int) -> list[tuple[int, int]]:
    """(planned, taken) requests of each quota."""
    return [(cost.api_requests, api), (cost.resolver_requests, resolver)]


def test_windows_but_the_last_are_waited_for() -> None:
    assert MARGIN_SECONDS == WINDOW_MARGIN_SECONDS
    assert [estimate_seconds(requests, 10, 300, 0.0) for requests in (0, 1, 10, 11, 30, 50)] == [
        0, 0, 0, 301, 602, 4.5 * 301,
    ]  # fmt: skip


def test_the_work_of_a_window_is_done_while_it_is_waited_for_unless_it_takes_longer() -> None:
    assert estimate_seconds(10, 10, 300, work=5) == 5, "no wait"
    assert estimate_seconds(25, 10, 20, work=25) == 2 * 21 + 5, "10 s of each window are work, 5 s of the last"
    assert estimate_seconds(25, 10, 20, work=100) == 100, "40 s in each window: the quota is no limit"
