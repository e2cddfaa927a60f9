"""Answers that many visitors ask for and that take long: kept until a crawl begins or ends."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from analysis.query.reader import CatalogReader

MAX_ANSWERS = 256

CRAWL_SECONDS = 600
"""How long answers are kept while a crawl writes."""

Answer = TypeVar("Answer")


class AnswerCache:
    """At most MAX_ANSWERS answers by key; the one that was used longest ago is dropped."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, tuple[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, reader: CatalogReader, key: Hashable, build: Callable[[], Answer]) -> Answer:
        """The answer that `build` gave for this state of the catalog."""
        stamp = read_stamp(reader)
        with self._lock:
            found = self._answers.get(key)
            if found is not None and found[0] == stamp:
                self._answers.move_to_end(key)
                answer: Answer = found[1]
                return answer
        built = build()
        with self._lock:
            self._answers[key] = (stamp, built)
            self._answers.move_to_end(key)
            while len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
        return built


def read_stamp(reader: CatalogReader) -> tuple[Any, ...]:
    """A value that changes when a crawl begins or ends, and every CRAWL_SECONDS while one runs."""
    (row,) = reader.all("select max(id) as last, count(finished_at) as finished, count(*) as runs from crawl_runs")
    is_running = row["finished"] < row["runs"]
    return row["last"], row["finished"], int(time.time() // CRAWL_SECONDS) if is_running else 0
