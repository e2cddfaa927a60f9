"""Writing continues after the server of a catalog was away: what failed for that reason is done again once it is back.

Each method of the store is one transaction, so that one that failed has changed nothing, and doing it again is right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from db.errors import CatalogUnreachable

RETRY_DELAYS_SECONDS = (3.0, 5.0, 10.0, 20.0, 30.0)
"""Pauses before the first, second ... attempt to reach the server; the last one before all further."""

WaitForServer = Callable[[float], bool]
"""Waits that many seconds; False if the server is not to be waited for any longer."""


class Waiting(Protocol):
    """What waits for its server."""

    wait_for_server: WaitForServer


Self = TypeVar("Self", bound=Waiting)
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def give_up(seconds: float) -> bool:
    """Does not wait: the first error is final."""
    return False


def resumed(
    method: Callable[Concatenate[Self, Arguments], Answer],
) -> Callable[Concatenate[Self, Arguments], Answer]:
    """Repeats a method that is one transaction while the server does not answer, as long as the store waits for it."""

    @wraps(method)
    def attempt(store: Self, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        failures = 0
        while True:
            try:
                return method(store, *arguments, **named)
            except CatalogUnreachable:
                if not store.wait_for_server(RETRY_DELAYS_SECONDS[min(failures, len(RETRY_DELAYS_SECONDS) - 1)]):
                    raise
                failures += 1

    return attempt
