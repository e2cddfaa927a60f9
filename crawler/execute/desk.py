"""One pacer for workers in other processes: they ask at a desk that stands beside it, in the crawl's own process.

So a whole cluster keeps within one quota, one budget and one time by the rules that threads keep
(crawler.sources.pacer), and ends when the crawl is told to. How questions and answers travel is not known here
(crawler.execute.executor knows).

    Ask     where to answer, its number, who asks, what is asked of the pacer, with which arguments; `done` is told
            and gets no answer
    Answer  the number, and `go` with a value, `wait`: the question is not forgotten, or why nothing may go any more
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple
from typing import Any

from crawler.errors import CrawlStopped, QuotaSpent
from crawler.sources.pacer import Pacer, RateLimit

Ask = tuple[str, int, str, str, Sequence[Any]]
Answer = tuple[int, str, Any]

ASKED = frozenset(("acquire", "check", "pause", "refusals", "closed_for"))
"""What may be asked of the pacer."""

LATELY = 0.5
"""Seconds for which an answer that something may go is good for requests that no quota counts."""


class Desk:
    """Answers by the pacer, and settles for workers that died with requests under way.

    Args:
        pacer: the crawl's own.
        send: takes an answer to the place that the question named.
    """

    def __init__(self, pacer: Pacer, send: Callable[[str, Answer], None]) -> None:
        self._pacer, self._send = pacer, send
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], str] = {}  # questions without an answer yet: who asked
        self._in_flight: Counter[tuple[str, str]] = Counter()  # (who, bucket)

    def take(self, ask: Ask) -> None:
        """A question, from any thread; returns at once. The answer follows."""
        place, number, who, what, arguments = ask
        if what == "done":
            bucket, status, told, again = arguments
            if self._returned(who, bucket):
                self._pacer.done(bucket, status, None if told is None else RateLimit(*told), again)
        elif what in ASKED:
            with self._lock:
                self._open[place, number] = who
            # A thread of its own, for it may wait for minutes; nobody waits for it when the crawl has ended.
            threading.Thread(target=self._answer, args=ask, name="desk", daemon=True).start()

    def _answer(self, place: str, number: int, who: str, what: str, arguments: Sequence[Any]) -> None:
        answer: Answer
        try:
            answer = number, "go", getattr(self._pacer, what)(*arguments)
        except CrawlStopped as stopped:
            answer = number, "stopped", stopped.why
        except QuotaSpent as spent:
            answer = number, "spent", (spent.bucket, spent.seconds)
        with self._lock:
            self._open.pop((place, number), None)
            if what == "acquire" and answer[1] == "go":
                self._in_flight[who, arguments[0]] += 1
        self._send(place, answer)

    def _returned(self, who: str, bucket: str) -> bool:
        """One request less under way; False if it was settled before."""
        with self._lock:
            if self._in_flight[who, bucket] <= 0:
                return False
            self._in_flight[who, bucket] -= 1
            return True

    def settle(self, alive: Collection[str]) -> None:
        """Requests of workers that are no more will not come back: they count as asked and never answered."""
        with self._lock:
            lost = [key for key, count in self._in_flight.items() for _ in range(count) if key[0] not in alive]
        for who, bucket in lost:
            if self._returned(who, bucket):
                self._pacer.done(bucket, None)

    def reassure(self) -> None:
        """Tells those that wait for an answer that somebody is still there."""
        with self._lock:
            waiting = list(self._open)
        for place, number in waiting:
            self._send(place, (number, "wait", None))


def heard(kind: str, value: Any) -> Any:
    """What an answer means. Raises Stopped and QuotaSpent."""
    if kind == "stopped":
        raise CrawlStopped(value)
    if kind == "spent":
        raise QuotaSpent(*value)
    return value


class FarPacer(Pacer):
    """A crawl's pacer as its workers in other processes see it: every question goes to the desk.

    Args:
        ask: asks the pacer's method of a name and waits for what it returns.
        tell: tells it, and does not wait.
    """

    def __init__(self, ask: Callable[..., Any], tell: Callable[..., None]) -> None:
        super().__init__()
        self._ask, self._tell = ask, tell
        self._heard = -LATELY

    def acquire(self, bucket: str) -> None:
        self._ask("acquire", bucket)
        self._heard = self._clock()

    def done(
        self, bucket: str, status: int | None, told: RateLimit | None = None, retry_after: float | None = None
    ) -> None:
        self._tell("done", bucket, status, None if told is None else astuple(told), retry_after)

    def check(self) -> None:
        if self._clock() - self._heard > LATELY:
            self._ask("check")
            self._heard = self._clock()

    def pause(self, seconds: float) -> None:
        self._ask("pause", seconds)

    def refusals(self, bucket: str) -> int:
        return int(self._ask("refusals", bucket))

    def closed_for(self, bucket: str) -> float:
        return float(self._ask("closed_for", bucket))
