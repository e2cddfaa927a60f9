"""Why a repo, or a part of it, is not in the catalog: how an error becomes a Skipped row."""

from __future__ import annotations

from datetime import UTC, datetime

from crawler.errors import RepoError
from db.record_base import SkipReason
from db.records import LeasedRepo, Skipped

TRANSIENT_REASONS: frozenset[SkipReason] = frozenset(("failed",))
"""Reasons that the next try may not meet again."""

PERMANENT_REASONS: frozenset[SkipReason] = frozenset(("too large",))
"""Reasons that hold as long as the repo's commit does."""

MAX_DETAIL_LENGTH = 500
"""Characters of a skip's detail."""


def make_skip(leased: LeasedRepo, error: RepoError) -> Skipped:
    """The row that says why this repo was skipped."""
    return make_skip_by_id(leased.repo_id, leased.hub_id or None, error.reason, error.detail)


def make_skip_by_id(repo_id: str, hub_id: str | None, reason: SkipReason, detail: str) -> Skipped:
    """The same for a repo that was not leased, or for one of its files."""
    return Skipped(repo_id, reason, detail[:MAX_DETAIL_LENGTH], datetime.now(UTC), hub_id)


def unexpected_error(error: BaseException) -> RepoError:
    """Any exception as an error of one repo: one repo must not end a crawl of millions."""
    if isinstance(error, RepoError):
        return error
    return RepoError("failed", f"internal error: {type(error).__name__}: {str(error)[:200]}")
