"""A crawl of its own, for tests that watch one or kill one: `python -m tests.db.writer DB pages|visits ARGUMENT`."""

from __future__ import annotations

import sys
import time

from db.write.store import Store
from tests.db.made import enrichment, page

REPOS = 50  # of a page


def pages(db: str) -> None:
    """Stores pages without end; says each that is stored."""
    with Store.open(db) as store, store.crawling():
        run = store.start_run("full", "", "https://hub.example")
        number = 0
        while True:
            first = number * REPOS + 1
            store.save_page(run, "", page(range(first, first + REPOS), f"page {number + 1}"))
            number += 1
            print(number, flush=True)


def visits(db: str, most: int, hold: bool) -> None:
    """Claims repos a few at a time and stores what it found; with `hold` it claims, says which, and visits none."""
    with Store.open(db) as store, store.crawling():
        run = store.start_run("repos", "", "https://hub.example")
        while wanted := store.claim(most, "headers"):
            for each in wanted:
                print(each.hub_id, each.lease, flush=True)
            if hold:
                time.sleep(600)
            found = [(enrichment(int(each.hub_id, 16)), each.lease) for each in wanted]
            store.save_enrichments(run, found)


if __name__ == "__main__":
    db, what = sys.argv[1:3]
    if what == "pages":
        pages(db)
    else:
        visits(db, int(sys.argv[3]), hold=what == "hold")
