"""What the Hub states of its quotas: `RateLimit: "api";r=487;t=71`, `RateLimit-Policy: ...;q=500;w=300`."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_MARGIN_SECONDS = 1.0
"""Added to the stated end of a window, which is in whole seconds."""

DEFAULT_WINDOW_SECONDS = 300.0
"""The length of a window, until a response states it."""

MAX_RESET_SECONDS = 3600.0
"""The longest window that a response may state; a longer one is taken for this."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a response states: `left` requests until the window ends in `reset` seconds, of `quota` per `window`."""

    bucket: str
    left: int
    reset: float
    quota: int | None = None
    window: float | None = None
