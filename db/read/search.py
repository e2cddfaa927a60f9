"""Full-text search over the documents of `db.derive.search_document`: FTS5 trigram, or pg_trgm.

Any piece of a word of three letters or more is found, `4b` is found where a word starts with it, and `3` where it is a
word. A word that half the Hub holds is looked for among the most downloaded first. A new repo's document is made with
its page; those of repos in `search_pending` are rebuilt later, one batch per transaction.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.derive.search_document import DOWNLOAD_MAGNITUDES, document, words
from db.engine import catalog_name, open_engine
from db.labels import SEARCHED_LABELS
from db.record_base import RepoType
from db.rows import Rows
from db.schema.tables import search_documents, search_pending
from db.sqlite_file import to_catalog_error

INDEX_BATCH = 2000
"""Documents that one transaction makes."""

RANK_ALL_BELOW = 4000
"""So many matches are all looked at; of more, the most downloaded."""

RANKED_MATCHES = 400
"""Of the matches of a common word, this number of the most downloaded ones is ranked."""

# ---- the index ------------------------------------------------------------------------------------------------------


def refresh(rows: Rows, most: int = INDEX_BATCH) -> int:
    """Rebuilds at most `most` pending documents and returns how many. In the caller's transaction."""
    pending = [row[0] for row in rows.select("select repo from search_pending order by repo limit ?", (most,))]
    if not pending:
        return 0
    old = dict(rows.select_in("select repo, text from search_documents where repo in ({})", pending))
    new = [(repo, text) for repo, text in _documents(rows, pending) if old.get(repo) != text]
    if rows.dialect.name == "sqlite":
        over = [(repo, old[repo]) for repo, _ in new if repo in old]
        rows.many("insert into search_index (search_index, rowid, text) values ('delete', ?, ?)", over)
    add(rows, new)
    rows.delete(search_pending, ("repo",), [(repo,) for repo in pending])
    return len(pending)


def add(rows: Rows, documents: Sequence[tuple[int, str]]) -> None:
    """Documents of repos that the index does not hold."""
    if rows.dialect.name == "sqlite":
        rows.many("insert into search_index (rowid, text) values (?, ?)", documents)
    rows.upsert(search_documents, ("repo",), ("repo", "text"), documents)


def _documents(rows: Rows, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
    tags: dict[int, list[str]] = defaultdict(list)
    sql = (
        "select l.repo, t.tag from repo_tags l join tags t on t.id = l.tag where l.repo in ({})"
        " order by l.repo, l.position"
    )
    for repo, tag in rows.select_in(sql, numbers):
        tags[repo].append(tag)
    sql = "select distinct repo, quant from artifacts where repo in ({}) and quant is not null"
    for repo, quant in sorted(rows.select_in(sql, numbers)):
        tags[repo].insert(0, quant)  # every scheme that a repo of GGUF files holds
    sql = (
        f"select r.id, r.repo_id, r.downloads, f.facts, {', '.join(f'l.{name}' for name in SEARCHED_LABELS)},"
        " r.pipeline_tag, r.library_name"
        " from repos r left join repo_facts f on f.repo = r.id left join repo_labels l on l.repo = r.id"
        " where r.id in ({})"
    )
    for repo, repo_id, downloads, facts, *labels in rows.select_in(sql, numbers):
        yield repo, document(repo_id, labels, tags.get(repo, ()), facts or "", downloads)


def rebuild(connection: Connection) -> None:
    """Rebuilds the index from the documents."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("insert into search_index (search_index) values ('rebuild')")


# ---- questions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hit:
    """One model that matches. `score` grows with the match and with the downloads; it has no unit."""

    repo_id: str
    score: float
    downloads: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first; `unknown` are words that no model holds, `pending` models not yet indexed."""

    hits: tuple[Hit, ...]
    unknown: tuple[str, ...] = ()
    pending: int = 0


def search_terms(text: str) -> list[str]:
    """The search text as it is written in documents: `q4_0` is "q4 0", `4b` begins a word, `3` is one."""
    found = dict.fromkeys(said for said in (words(word) for word in text.split()) if said)
    return [said if len(said) > 2 else f" {said}" if len(said) == 2 else f" {said} " for said in found]


def find(db: str | Path, text: str, limit: int = 20, type_: RepoType = "model") -> Found:
    """The repos of a type that hold all the words, the best match first. Raises CatalogError."""
    engine = open_engine(db, read_only=True)
    try:
        with engine.connect() as connection:
            return search(Rows(connection), text, limit, type_)
    except DBAPIError as error:
        raise to_catalog_error(error, catalog_name(engine)) from error
    finally:
        engine.dispose()


def search(rows: Rows, text: str, limit: int, type_: RepoType = "model") -> Found:
    wanted = search_terms(text)
    pending = int(rows.select("select count(*) from search_pending")[0][0])
    if not wanted:
        return Found((), (), pending)
    matches = _matches(rows, wanted, type_)
    hits = [
        Hit(repo_id, _score(wanted, text, repo_id, held, downloads), downloads) for repo_id, downloads, held in matches
    ]
    hits.sort(key=lambda hit: (-hit.score, -(hit.downloads or 0), hit.repo_id))
    unknown = (
        ()
        if hits
        else tuple(piece.strip() for piece in wanted if not any(True for _ in _matches(rows, [piece], type_)))
    )
    return Found(tuple(hits[:limit]), unknown, pending)


def _score(wanted: Sequence[str], text: str, repo_id: str, held: str, downloads: int | None) -> float:
    """0 to 3 for how well the words match, on average; 6 more where they are the whole name; 0.3 for each tenfold more
    downloads."""
    name, _, rest = held.partition("\n")
    match = 0.0
    for piece in wanted:
        word = piece.strip()
        if f" {word} " in name:
            match += 3
        elif f" {word}" in name:
            match += 2
        elif word in name:
            match += 1.5
        else:
            match += 1 if f" {word} " in rest else 0.5
    exact = 6.0 if words(text) in (name.strip(), words(repo_id.partition("/")[2])) else 0.0
    return round(match / len(wanted) + exact + 0.3 * math.log10(1 + (downloads or 0)), 3)


def _matches(rows: Rows, wanted: Sequence[str], type_: RepoType) -> Iterator[Any]:
    """(repo_id, downloads, document) of repos that hold all the pieces: all of a few, the most downloaded of many."""
    if rows.dialect.name == "sqlite":
        yield from _matches_sqlite(rows, wanted, type_)
        return
    holds = " and ".join(["d.text like ?"] * len(wanted))
    sql = (
        f"select r.repo_id, r.downloads, d.text from search_documents d join repos r on r.id = d.repo"
        f" where {holds} and r.status <> 'gone' and r.type = ?"
        f" order by r.downloads desc nulls last, r.id limit {RANK_ALL_BELOW}"
    )
    yield from rows.select(sql, [*(_like(piece) for piece in wanted), type_])


def _matches_sqlite(rows: Rows, wanted: Sequence[str], type_: RepoType) -> Iterator[Any]:
    """The index knows which trigrams a document holds, not where: the pieces themselves are looked for in its text."""
    query = " AND ".join(f'"{trigram}"' for trigram in dict.fromkeys(t for piece in wanted for t in _trigrams(piece)))
    sql = (
        "select r.repo_id, r.downloads, d.text from search_index s join search_documents d on d.repo = s.rowid"
        " join repos r on r.id = s.rowid where search_index match ? and r.status <> 'gone' and r.type = ? limit ?"
    )
    if not _many(rows, query):
        yield from (
            row for row in rows.select(sql, (query, type_, RANK_ALL_BELOW)) if all(piece in row[2] for piece in wanted)
        )
        return
    count = 0
    for magnitude in range(DOWNLOAD_MAGNITUDES, -1, -1):
        these = f'"~d{magnitude:x}"'  # where they are few, their texts are read sooner than the words' long lists
        found = f"{query} AND {these}" if _many(rows, these) else these
        for row in rows.select(sql, (found, type_, RANK_ALL_BELOW)):
            if all(piece in row[2] for piece in wanted):
                count += 1
                yield row
        if count >= RANKED_MATCHES:
            return


def _many(rows: Rows, query: str) -> bool:
    sql = "select count(*) from (select 1 from search_index where search_index match ? limit ?)"
    return int(rows.select(sql, (query, RANK_ALL_BELOW + 1))[0][0]) > RANK_ALL_BELOW


def _trigrams(piece: str) -> list[str]:
    """At most four trigrams of a piece, from its start to its end: more would cost reads and select little."""
    last = len(piece) - 3
    starts = range(last + 1) if last < 4 else [place * last // 3 for place in range(4)]
    return [piece[start : start + 3] for start in starts]


def _like(piece: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", piece)
    return f"%{escaped}%"
