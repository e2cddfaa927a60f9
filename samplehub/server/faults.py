"""What may go wrong between the Hub and its caller, as data: which fault, on which requests, how often.

    Fault(Kind.TOO_MANY, on="listing", times=2, seconds=1)       the first two pages of the listing answer 429
    Fault(Kind.RESET, on="cdn", every=3, times=None)             each third read of a file's bytes is cut off
    Fault(Kind.GATEWAY_TIMEOUT, match="limit=1000", times=None)  as long as 1,000 rows are requested

A fault strikes while the Hub runs: `hub.faults.add(...)`, `hub.faults.clear()`, and `hub.faults.struck` tells how
often each one did.
"""

from __future__ import annotations

import builtins
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Place = Literal["listing", "info", "tree", "paths-info", "metadata", "api", "resolve", "cdn", "any"]
"""Which requests: `api` is the five before it together, `resolve` the first hop to a file, `cdn` its bytes."""

API_REQUEST_KINDS = ("listing", "info", "tree", "paths-info", "metadata", "other")


class Kind(Enum):
    """What goes wrong; the value says it in words."""

    TOO_MANY = "429 with RateLimit: nothing left, `seconds` to wait"
    TOO_MANY_BARE = "429 of another limiter: no RateLimit, no Retry-After, and HTML"
    TOO_MANY_RETRY_AFTER = "429 with Retry-After: `seconds`, but no RateLimit"
    SERVER_ERROR = "500 with a JSON error"
    BAD_GATEWAY = "502 with HTML"
    UNAVAILABLE = "503 with HTML"
    GATEWAY_TIMEOUT = "504 with the CDN's HTML"
    HTML = "200, but the body is a web page"
    ERROR_OBJECT = "200, but the body is an object with an error where a list or a repo is due"
    RESET = "the connection is reset before the answer, or after `bytes` of its body"
    SHORT_BODY = "the body ends after `bytes`, though more was announced"
    DRIP = "the body comes `bytes` at a time, `seconds` apart"
    STALL = "nothing comes for `seconds`, then the answer"
    TRUNCATED_JSON = "a whole answer, whose JSON ends in the middle"
    WRONG_TYPES = "rows and fields of the wrong type among the good ones"
    REPEATED_PAGE = "the link to the next page leads back to the page itself"
    SHIFTED_PAGE = "the listing moved: `count` rows of the page before come again"
    SKIPPED_ROWS = "the listing moved: the first `count` rows of the page are missing"
    CUT_LISTING = "the listing ends with the first `count` rows of the page, though there are more"
    IGNORED_RANGE = "200 with the whole body, though a range was asked for"
    LYING_RANGE = "206, but Content-Range names other bytes than those asked for"
    EXPIRED_LINK = "the signed link has expired: 403 with XML"
    FOREIGN_HOST = "a redirect, or a link to the next page, that leads to a foreign host"
    RESPONSE = "another response: `status`, `headers`, `body`"
    IGNORED_PARAMETER = "the parameter `name` of the query is ignored"
    POISONED_ROW = "each page of the listing that holds the repo `name` answers `status` instead"
    ALTERED_FIELD = "the first row, or the repo, has the JSON text `body` as its field `name`"
    NO_LINK = "pages of the listing have no link to the next one"
    SHORT_PAGE = "the last `count` rows of a page are missing, though its link continues after them"
    CHANGING_CURSOR = "the first page comes again and again, with another cursor each time"
    INFORMATIONAL = "informational responses (1xx) without end, `seconds` apart"
    SLOW_HEAD = "the lines of the response's head come byte by byte, `seconds` apart"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it strikes.

    Args:
        kind: what goes wrong.
        on: which requests.
        match: only requests whose path with query (decoded) holds this.
        after: how many such requests go well first.
        every: of those that follow, each n-th.
        times: how often in all; None for always.
        seconds: for 429 how long to wait, for DRIP and STALL the pause.
        bytes: for RESET and SHORT_BODY where the body ends, for DRIP the size of a step.
        count: for SHIFTED_PAGE, SKIPPED_ROWS, CUT_LISTING and SHORT_PAGE how many rows.
        status, headers, body: of the response that comes instead.
        name: of a parameter, a field or a repo.
    """

    kind: Kind
    on: Place = "any"
    match: str = ""
    after: int = 0
    every: int = 1
    times: int | None = 1
    seconds: float = 1.0
    bytes: int | None = None
    count: int = 1
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: builtins.bytes = b""
    name: str = ""

    def matches(self, place: str, target: str) -> bool:
        here = place in API_REQUEST_KINDS if self.on == "api" else self.on in ("any", place)
        return here and self.match in target


class Faults:
    """The faults that are in force, and how often each has struck."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults = list(faults)
        self._met: Counter[int] = Counter()
        self._struck: Counter[int] = Counter()

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._faults))

    def __len__(self) -> int:
        return len(self._faults)

    @property
    def hits(self) -> dict[Fault, int]:
        with self._lock:
            return {fault: self._struck[at] for at, fault in enumerate(self._faults)}

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        with self._lock:
            self._faults, self._met, self._struck = [], Counter(), Counter()

    def take(self, place: str, target: str) -> Fault | None:
        """The first fault that strikes this request; one request meets one fault."""
        if not self._faults:
            return None
        with self._lock:
            for at, fault in enumerate(self._faults):
                if not fault.matches(place, target) or (fault.times is not None and self._struck[at] >= fault.times):
                    continue
                self._met[at] += 1
                if self._met[at] > fault.after and (self._met[at] - fault.after - 1) % fault.every == 0:
                    self._struck[at] += 1
                    return fault
        return None
