"""The processes that run the statements of web pages (analysis/query/guarded.py), and the queue before them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from analysis.query.guarded import QueryProcess
from analysis.query.process import QueryRequest
from crawler.child_process import without_token
from crawler.web.limits import WebLimits

MODULE = "crawler.web.query_process"


class ServerBusy(Exception):
    """More requests wait than the server takes on."""


class Page(NamedTuple):
    """The rows of one statement, as far as the request wants them."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool


class QueryPool:
    """At most `limits.processes` processes, started as they are needed. A thread of this process waits for each."""

    def __init__(self, path: Path, limits: WebLimits) -> None:
        self.path = path
        self.limits = limits
        self._threads = ThreadPoolExecutor(limits.processes, thread_name_prefix="query")
        self._lock = threading.Lock()
        self._idle: list[QueryProcess] = []
        self._running: set[QueryProcess] = set()
        self._unfinished = 0
        self._is_closed = False

    async def run(self, request: QueryRequest) -> Page:
        """The result of a statement. Raises ServerBusy, and what QueryProcess.run does."""
        with self._lock:
            if self._is_closed or self._unfinished >= self.limits.processes + self.limits.waiting_queries:
                raise ServerBusy
            self._unfinished += 1
        try:
            future = self._threads.submit(self._run, request)
        except RuntimeError:  # closed meanwhile
            self._finish()
            raise ServerBusy from None
        future.add_done_callback(self._finish)  # at once if it is cancelled in the queue, else when its thread is free
        return await asyncio.wrap_future(future)

    def _finish(self, _: object = None) -> None:
        with self._lock:
            self._unfinished -= 1

    def _run(self, request: QueryRequest) -> Page:
        process = self._take()
        try:
            with process.run(request) as result:
                rows = list(result)
                return Page(result.columns, rows, result.truncated)
        finally:
            self._give_back(process)

    def _take(self) -> QueryProcess:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = QueryProcess.spawn(self.path, self.limits.process, module=MODULE, environment=without_token())
        with self._lock:
            self._running.add(process)
        return process

    def _give_back(self, process: QueryProcess) -> None:
        with self._lock:
            self._running.discard(process)
            keep = not process.is_ended and not self._is_closed
            if keep:
                self._idle.append(process)
        if not keep:
            process.end()

    def close(self) -> None:
        """End the processes, whatever they do; statements that wait are not run."""
        with self._lock:
            self._is_closed = True
            processes = [*self._idle, *self._running]
            self._idle.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.process.kill()
