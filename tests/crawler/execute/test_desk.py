"""The crawl's pacer for workers elsewhere: the same rules, whoever asks, and whoever dies."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from crawler.errors import CrawlStopped, QuotaSpent
from crawler.execute.desk import Answer, Desk, FarPacer, heard
from crawler.sources.pacer import Pacer, RateLimit


class Wire:
    """A desk and workers beside it, without a cluster between them."""

    def __init__(self, pacer: Pacer) -> None:
        self.places: defaultdict[str, queue.Queue[Answer]] = defaultdict(queue.Queue)
        self.desk = Desk(pacer, lambda place, answer: self.places[place].put(answer))
        self.numbers = count()

    def worker(self, name: str) -> FarPacer:
        def ask(what: str, *arguments: Any) -> Any:
            place, number = f"{name} {threading.get_ident()}", next(self.numbers)
            self.desk.take((place, number, name, what, arguments))
            while True:
                answered, kind, value = self.places[place].get(timeout=10)
                if answered == number and kind != "wait":
                    return heard(kind, value)

        def tell(what: str, *arguments: Any) -> None:
            self.desk.take(("", 0, name, what, arguments))

        return FarPacer(ask, tell)


def asking(pacer: FarPacer) -> tuple[threading.Thread, list[str]]:
    """Somebody who asks for a request, and a list that says so when it was granted."""
    granted: list[str] = []

    def ask() -> None:
        with suppress(CrawlStopped):
            pacer.acquire("api")
            granted.append("granted")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread, granted


def test_what_one_worker_is_told_holds_for_all() -> None:
    pacer = Pacer()
    wire = Wire(pacer)
    one, other = wire.worker("one"), wire.worker("other")
    one.acquire("api")
    thread, granted = asking(other)
    thread.join(0.2)
    assert granted == [], "the first request of all goes alone"
    one.done("api", 200, RateLimit("api", 1, 300.0, 500, 300.0))
    thread.join(5)
    assert granted == ["granted"]
    assert pacer.quota("api") == (1, 500)
    thread, granted = asking(one)
    thread.join(0.2)
    assert granted == [], "the one that is left is under way"
    pacer.stop("asked to")
    thread.join(5)


def test_refusals_and_their_pauses_are_everybodys() -> None:
    pacer = Pacer()
    wire = Wire(pacer)
    one, other = wire.worker("one"), wire.worker("other")
    one.acquire("api")
    one.done("api", 429, None, 60.0)
    assert other.refusals("api") == 1
    assert other.closed_for("api") == pytest.approx(60, abs=2)


def test_a_budget_and_a_stop_reach_every_worker() -> None:
    wire = Wire(Pacer(budget=2))
    one, other = wire.worker("one"), wire.worker("other")
    one.acquire("api")
    one.done("api", 200)
    other.acquire("api")
    for worker in (one, other):
        with pytest.raises(CrawlStopped, match="budget of 2"):
            worker.acquire("api")
    pacer = Pacer()
    worker = Wire(pacer).worker("one")
    threading.Timer(0.1, pacer.stop, ("asked to",)).start()
    begun = time.monotonic()
    with pytest.raises(CrawlStopped, match="asked to"):
        worker.pause(30)
    assert time.monotonic() - begun < 5


def test_a_quota_that_leaves_no_time_is_told_as_such() -> None:
    pacer = Pacer(max_time=1)
    worker = Wire(pacer).worker("one")
    worker.acquire("api")
    worker.done("api", 429, RateLimit("api", 0, 200.0, 500, 300.0))
    with pytest.raises(QuotaSpent) as spent:
        worker.acquire("api")
    assert spent.value.bucket == "api"
    assert spent.value.seconds > 100


def test_requests_of_a_dead_worker_are_settled_once() -> None:
    pacer = Pacer()
    wire = Wire(pacer)
    wire.worker("dead").acquire("api")
    thread, granted = asking(wire.worker("alive"))
    wire.desk.settle({"dead", "alive"})
    thread.join(0.2)
    assert granted == [], "it may still come back"
    wire.desk.settle({"alive"})
    thread.join(5)
    assert granted == ["granted"]
    wire.desk.take(("", 0, "dead", "done", ("api", 200, None, None)))  # its last word, late
    thread, granted = asking(wire.worker("alive"))
    thread.join(0.2)
    assert granted == [], "the late word frees no second request"
    pacer.stop("the end")
    thread.join(5)


def test_who_waits_long_is_told_that_somebody_is_there() -> None:
    pacer = Pacer()
    wire = Wire(pacer)
    wire.worker("one").acquire("api")
    wire.desk.take(("place", 7, "other", "acquire", ("api",)))
    time.sleep(0.1)
    wire.desk.reassure()
    assert wire.places["place"].get(timeout=5) == (7, "wait", None)
    wire.desk.take(("place", 8, "other", "stop", ("mischief",)))
    assert not pacer.asked_to_stop, "workers ask for requests, and for nothing else"
    pacer.stop("the end")
