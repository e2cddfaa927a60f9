"""Which model cards and accounts are asked for next, and what was found of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select

from db.derive.digest import to_json
from db.read.scope_sql import filter_sql
from db.records import CARD_SECTIONS, CardRecord, CardRequest, RepoFilter
from db.rows import Rows
from db.schema.card_tables import account_kinds, card_texts, model_cards
from db.schema.tables import enrichments, repo_files, repos

_CARD = ("repo", "sha", "blob_id", "bytes", "fields", "fields_filled", "placeholders", *CARD_SECTIONS, "read_at")

README = "README.md"


def due_cards(rows: Rows, scope: RepoFilter, limit: int) -> list[CardRequest]:
    """At most `limit` cards of a scope that were not read as they are now, of the most downloaded models first."""
    files = and_(repo_files.c.repo == repos.c.id, repo_files.c.path == README)
    listed = and_(enrichments.c.repo == repos.c.id, enrichments.c.sha == repos.c.sha)
    is_listed = enrichments.c.depth.in_(("files", "headers"))
    has_changed = or_(
        model_cards.c.repo.is_(None),
        and_(
            model_cards.c.sha.is_distinct_from(repos.c.sha),
            or_(repo_files.c.blob_id.is_(None), model_cards.c.blob_id.is_distinct_from(repo_files.c.blob_id)),
        ),
    )
    statuses = ("available", "gated", *(("private",) if scope.private else ()))
    query = (
        select(
            repos.c.hub_id, repos.c.repo_id, repos.c.sha, repo_files.c.size, repo_files.c.blob_id,
            repo_files.c.path.is_not(None).label("has_card"), is_listed.label("is_listed"),
        )
        .select_from(
            repos.outerjoin(repo_files, files)
            .outerjoin(enrichments, listed)
            .outerjoin(model_cards, model_cards.c.repo == repos.c.id)
        )
        .where(*filter_sql(scope), repos.c.type == "model", repos.c.status.in_(statuses), has_changed)
        .order_by(func.coalesce(repos.c.downloads, -1).desc(), repos.c.id)
        .limit(limit)
    )  # fmt: skip
    return [
        CardRequest(
            row.hub_id, row.repo_id, row.sha, row.size if row.is_listed else None,
            bool(row.has_card) if row.is_listed else None, row.blob_id if row.is_listed else None,
        )
        for row in rows.connection.execute(query)
    ]  # fmt: skip


def save_cards(rows: Rows, found: Sequence[CardRecord], at: datetime, *, keep_text: bool) -> None:
    """Stores what cards say; their text only where it is asked for, else an earlier text goes."""
    wanted = {card.request.hub_id: card for card in found}
    numbers = dict(rows.select_in("select hub_id, id from repos where hub_id in ({})", wanted))
    cards, texts = [], []
    for hub_id, number in numbers.items():
        request, facts = wanted[hub_id].request, wanted[hub_id].facts
        place = (number, request.sha, request.blob_id)
        fields = None if facts.fields is None else to_json(list(facts.fields))
        filled = None if facts.fields is None else len(facts.fields)
        flags = [getattr(facts, name) for name in CARD_SECTIONS]
        cards.append((*place, facts.bytes, fields, filled, facts.placeholders, *flags, at))
        texts += [(number, facts.text)] if keep_text and facts.text is not None else []
    rows.upsert(model_cards, ("repo",), _CARD, cards)
    rows.delete(card_texts, ("repo",), [(number,) for number in numbers.values()])
    rows.insert(card_texts, ("repo", "text"), texts)


def due_accounts(rows: Rows, scope: RepoFilter, limit: int) -> list[str]:
    """At most `limit` owners in a scope whose kind of account was not asked for, the most downloaded first."""
    query = (
        select(repos.c.author)
        .select_from(repos.outerjoin(account_kinds, account_kinds.c.author == repos.c.author))
        .where(*filter_sql(scope), repos.c.status != "gone", repos.c.author.is_not(None))
        .where(account_kinds.c.author.is_(None))
        .group_by(repos.c.author)
        .order_by(func.coalesce(func.sum(repos.c.downloads), -1).desc(), repos.c.author)
        .limit(limit)
    )
    return [row.author for row in rows.connection.execute(query)]


def save_account_kinds(rows: Rows, kinds: Mapping[str, str | None], at: datetime) -> None:
    values = [(author, kind, at) for author, kind in kinds.items()]
    rows.upsert(account_kinds, ("author",), ("author", "kind", "seen_at"), values)
