"""Model cards and kinds of accounts, as many as the settings allow: one request for each, two for some accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from crawler.errors import CrawlError, CrawlStopped, RepoError
from crawler.run_recorder import RunRecorder, Stage
from db.record_base import AccountKind
from db.records import CardRecord, Skipped

BATCH = 100
"""Requests between two transactions."""

Due = TypeVar("Due")
Found = TypeVar("Found")


def read_cards(recorder: RunRecorder, executor: Executor) -> None:
    """Reads the cards of `settings.cards` models of the scope, the most downloaded first. One that fails is skipped."""
    settings = recorder.settings
    if settings.cards == 0 or settings.scope.type != "model":
        return

    def save(found: Sequence[CardRecord | Skipped]) -> None:
        cards = [each for each in found if isinstance(each, CardRecord)]
        recorder.store.save_cards(cards, keep_text=settings.keep_card_text)
        skips = [each for each in found if isinstance(each, Skipped)]
        recorder.store.save_skips(recorder.run, skips)
        recorder.add_skips(skips)

    due = recorder.store.due_cards(settings.scope, settings.cards)
    request_all(recorder, executor, "cards", due, recorder.source.fetch_card, save)


def read_account_kinds(recorder: RunRecorder, executor: Executor) -> None:
    """Asks of `settings.account_kinds` owners of models of the scope whether they are users or organizations."""
    settings = recorder.settings
    if settings.account_kinds == 0:
        return

    def ask(name: str) -> tuple[str, AccountKind | None] | None:
        try:
            return name, recorder.source.fetch_account_kind(name)
        except RepoError:
            return None  # asked again by the next crawl

    def save(found: Sequence[tuple[str, AccountKind | None] | None]) -> None:
        recorder.store.save_account_kinds(dict(each for each in found if each is not None))

    due = recorder.store.due_accounts(settings.scope, settings.account_kinds)
    request_all(recorder, executor, "accounts", due, ask, save)


def request_all(
    recorder: RunRecorder,
    executor: Executor,
    stage: Stage,
    due: Sequence[Due],
    request: Callable[[Due], Found],
    save: Callable[[Sequence[Found]], None],
) -> None:
    """Requests each of `due` by the executor and saves the results in batches.

    Raises CrawlStopped, and CrawlError where the run can't continue, after what was found is saved.
    """
    for start in range(0, len(due), BATCH):
        futures = [executor.submit(request, each) for each in due[start : start + BATCH]]
        found, end = [], None
        for future in futures:
            try:
                found.append(future.result())
            except (CrawlError, CrawlStopped) as error:
                end = error
        save(found)
        recorder.save()
        recorder.report_progress(stage, min(start + BATCH, len(due)), len(due))
        if end is not None:
            raise end
