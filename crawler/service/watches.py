"""One run of the watches: what they find becomes messages, and messages that are due are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analysis.catalog.watches import WatchDefinition, find_events
from analysis.errors import AnalysisError
from crawler.errors import DeliveryFailed, UnknownWatch, WatchError
from crawler.service.notify import deliver
from db.errors import QueryError
from db.watches import FEED_ENTRIES, Watch, WatchStore, watch_file


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event of a message, and whether the message was delivered to its target."""

    watch: str
    event: str
    repo_id: str | None
    text: str
    target: str
    delivered: bool


def add_watch(db: str, watch: Watch) -> None:
    """Stores a watch; what it finds now is known and not sent. Raises WatchError, and what find_events raises."""
    found = find_events(db, WatchDefinition.from_data(watch.definition), watch.created_at)
    with WatchStore(watch_file(db)) as store:
        if not store.add(watch, found):
            raise WatchError(f"there is a watch {watch.name!r} already", f"hf-catalog watch rm {watch.name}")


def find_watch(store: WatchStore, name: str) -> Watch:
    """Raises UnknownWatch, with the names that there are."""
    watches = {watch.name: watch for watch in store.watches()}
    if name not in watches:
        raise UnknownWatch(name, tuple(watches))
    return watches[name]


def has_watches(db: str) -> bool:
    """Whether there is anything to run."""
    path = watch_file(db)
    if not path.is_file():
        return False
    with WatchStore(path) as store:
        return bool(store.watches())


def run_watches(
    db: str,
    names: Sequence[str] = (),
    *,
    write: Callable[[str], object] = print,
    warn: Callable[[str], object] = lambda text: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Delivery]:
    """Looks for events of all watches, or of those named, then sends every message that is due.

    `write` prints messages of the target `print`; `warn` hears of what failed and is tried again. Raises UnknownWatch,
    CatalogError.
    """
    with WatchStore(watch_file(db)) as store:
        watches = [find_watch(store, name) for name in names] or store.watches()
        for watch in watches:
            try:
                definition = WatchDefinition.from_data(watch.definition)
                found = list(find_events(db, definition, watch.checked_at or watch.created_at))
            except (AnalysisError, QueryError) as error:
                warn(f"{watch.name}: {error}")
                continue
            store.record(watch, found, clock())
        while (message := store.claim_next(clock())) is not None:
            delivered = True
            try:
                deliver(message, store.recent_events(message.watch, FEED_ENTRIES), write, clock())
            except (DeliveryFailed, WatchError, AnalysisError) as error:
                delivered = False
                warn(f"{message.watch}: {error}")
                store.mark_failed(message, str(error), clock())
            else:
                store.mark_delivered(message, clock())
            for event in message.events:
                yield Delivery(message.watch, event.key, event.repo_id, event.text, message.target, delivered)
