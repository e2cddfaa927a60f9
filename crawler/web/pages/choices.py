"""What the lists of forms hold."""

from __future__ import annotations

from functools import cache

from analysis.catalog.overview import Overview, load_overview
from analysis.fit.machines import presets
from crawler.web.page import THIS_MACHINE, Visit, title_of

CONTEXTS = (2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072)


@cache
def machine_choices() -> tuple[tuple[str, str], ...]:
    """(value, title) of each machine that a form offers."""
    listed = [(name, title_of(machine)) for name, machine in presets().items()]
    return (*listed, (THIS_MACHINE, "the computer that serves this page"))


def load_choices(visit: Visit) -> Overview:
    """The most frequent values of each filter, and what the home page shows, as of the last crawl."""
    return visit.answers.get(visit.reader, "overview", lambda: load_overview(visit.reader))
