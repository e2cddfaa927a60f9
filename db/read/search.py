"""Full-text search over the documents of `db.derive.search_document`: FTS5 trigram, or pg_trgm.

Any piece of a word of three letters or more is found, `4b` is found where a word starts with it, and `3` where it is a
word. `gemma3` also finds `gemma 3`, and `gemma 3` finds `gemma3`. If no word of what was found begins with a word that
was asked for, it counts as a misspelling of the most similar words in names. A word that half the Hub holds is looked
for among the most downloaded first. A new repo's document is made with its page; those of repos in `search_pending` are
rebuilt later, one batch per transaction.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.derive.search_document import DOWNLOAD_MAGNITUDES, document, like_piece, trigram_query, words
from db.engine import catalog_name, open_engine
from db.labels import SEARCHED_LABELS
from db.packed_text import unpack
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

KNOWN_NAMES = 5000
"""The most downloaded repos, in whose names a misspelled word is looked for."""

MAX_CORRECTIONS = 2
"""Words that one misspelled word may stand for."""

MIN_SIMILARITY = 0.75
"""Of a misspelled word and a known one (difflib): one letter of 4 to 7 differs, two of more."""

CORRECTED = 0.8
"""A corrected word's match counts by so much of a match of the word as it was written."""

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
        yield repo, document(repo_id, labels, tags.get(repo, ()), unpack(facts) if facts else "", downloads)


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
    """What a search found, best first; `unknown` are words that no model holds, `pending` models not yet indexed.

    `corrected`: a word that was taken for a misspelling -> the words that were looked for as well.
    """

    hits: tuple[Hit, ...]
    unknown: tuple[str, ...] = ()
    pending: int = 0
    corrected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a search: the pieces of documents of which one suffices, and the ones of corrected spellings."""

    pieces: tuple[str, ...]
    corrected: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The word as it was written."""
        return self.pieces[0].strip()

    @property
    def alternatives(self) -> tuple[str, ...]:
        return self.pieces + self.corrected

    def is_in(self, document: str) -> bool:
        return any(piece in document for piece in self.alternatives)

    def begins_a_word_of(self, document: str) -> bool:
        return any(f" {piece.strip()}" in document for piece in self.pieces)


def search_terms(text: str) -> list[str]:
    """The search text as it is written in documents: `q4_0` is "q4 0", `4b` begins a word, `3` is one."""
    return [_piece(said) for said in _written_words(text)]


def _written_words(text: str) -> list[str]:
    return list(dict.fromkeys(said for said in (words(word) for word in text.split()) if said))


def _piece(said: str) -> str:
    return said if len(said) > 2 else f" {said}" if len(said) == 2 else f" {said} "


def spell_terms(text: str) -> list[Term]:
    """The search text with the other ways to write its words: `gemma3` and `gemma 3`, `q4km` and `q4 k m`."""
    written = _written_words(text)
    before = ["", *written]
    return [
        Term(tuple(dict.fromkeys((_piece(said), *_other_spellings(said, before[at])))))
        for at, said in enumerate(written)
    ]


_LETTERS_AND_NUMBER = re.compile(r"([^\W\d]{2,})(\d[\d.]*)")
_NUMBER_AND_LETTERS = re.compile(r"(.*\d)([^\W\d]{2,4})")


def _other_spellings(said: str, before: str) -> Iterator[str]:
    """Pieces for a word that is written in one in some names and apart in others; `before`: the word that precedes."""
    if found := _LETTERS_AND_NUMBER.fullmatch(said):
        yield f" {found[1]} {found[2]} "
    elif found := _NUMBER_AND_LETTERS.fullmatch(said):
        yield f" {found[1]} {found[2]} "
        yield f" {found[1]} {found[2][0]} {found[2][1:]} "
    elif said[0].isdigit() and not said.strip("0123456789.") and before.isalpha():
        yield f" {before}{said} "


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
    """As `find`, in the caller's transaction."""
    wanted = spell_terms(text)
    pending = int(rows.select("select count(*) from search_pending")[0][0])
    if not wanted:
        return Found((), (), pending)
    matches = list(_matches(rows, wanted, type_))
    corrected = _corrected(rows, wanted, [row[2] for row in matches], type_)
    if corrected != wanted:
        matches = list({row[0]: row for row in (*matches, *_matches(rows, corrected, type_))}.values())
    hits = [
        Hit(repo_id, _score(corrected, text, repo_id, held, downloads), downloads)
        for repo_id, downloads, held in matches
    ]
    hits.sort(key=lambda hit: (-hit.score, -(hit.downloads or 0), hit.repo_id))
    unknown = (
        () if hits else tuple(term.text for term in wanted if not any(True for _ in _matches(rows, [term], type_)))
    )
    readings = {term.text: tuple(piece.strip() for piece in term.corrected) for term in corrected if term.corrected}
    return Found(tuple(hits[:limit]), unknown, pending, readings if hits else {})


def _corrected(rows: Rows, wanted: Sequence[Term], found: Sequence[str], type_: RepoType) -> list[Term]:
    """The terms, those with which no word of the documents found begins with the most similar words of names."""
    doubtful = [term for term in wanted if not any(map(term.begins_a_word_of, found))]
    stems = {term: stem for term in doubtful if len(stem := term.text.rstrip("0123456789.")) >= 4 and stem.isalpha()}
    if not stems:
        return list(wanted)
    known = _words_of_names(rows, type_)
    similar = {term: _similar_words(stem, known) for term, stem in stems.items()}
    return [
        replace(term, corrected=tuple(_respelled(term, stems[term], similar[term]))) if similar.get(term) else term
        for term in wanted
    ]


def _respelled(term: Term, stem: str, similar: Sequence[str]) -> Iterator[str]:
    """The pieces of a term with other letters in place of its stem."""
    for word in similar:
        for piece in term.pieces:
            yield piece.replace(stem, word, 1)


def _words_of_names(rows: Rows, type_: RepoType) -> Counter[str]:
    """The words of letters in the names of the most downloaded repos, without numbers at their ends."""
    sql = (
        "select d.text from repos r join search_documents d on d.repo = r.id where r.type = ? and r.status <> 'gone'"
        f" order by r.downloads desc nulls last limit {KNOWN_NAMES}"
    )
    names = (row[0].partition("\n")[0] for row in rows.select(sql, (type_,)))
    return Counter(word for name in names for said in name.split() if (word := said.rstrip("0123456789.")).isalpha())


def _similar_words(stem: str, known: Counter[str]) -> list[str]:
    """The known words that share most letters in order with a stem, the most similar first; none if it is known."""
    if stem in known:
        return []
    as_long = [word for word in known if abs(len(word) - len(stem)) <= len(stem) // 4]
    return get_close_matches(stem, sorted(as_long, key=lambda word: -known[word]), MAX_CORRECTIONS, MIN_SIMILARITY)


def _score(wanted: Sequence[Term], text: str, repo_id: str, held: str, downloads: int | None) -> float:
    """0 to 3 for how well the words match, on average; 6 more where they are the whole name; 0.3 for each tenfold more
    downloads."""
    name, _, rest = held.partition("\n")
    match = 0.0
    for term in wanted:
        written = max(_match(piece, name, rest) for piece in term.pieces)
        match += max((written, *(CORRECTED * _match(piece, name, rest) for piece in term.corrected)))
    exact = 6.0 if words(text) in (name.strip(), words(repo_id.partition("/")[2])) else 0.0
    return round(match / len(wanted) + exact + 0.3 * math.log10(1 + (downloads or 0)), 3)


def _match(piece: str, name: str, rest: str) -> float:
    """How well a piece matches a document: a word of the name, the begin of one, in one; a word or piece elsewhere."""
    word = piece.strip()
    if f" {word} " in name:
        return 3
    if f" {word}" in name:
        return 2
    if piece in name:
        return 1.5
    if f" {word} " in rest:
        return 1
    return 0.5 if piece in rest else 0


def _matches(rows: Rows, wanted: Sequence[Term], type_: RepoType) -> Iterator[Any]:
    """(repo_id, downloads, document) of repos that hold all the terms: all of a few, the most downloaded of many."""
    if rows.dialect.name == "sqlite":
        yield from _matches_sqlite(rows, wanted, type_)
        return
    holds = " and ".join(f"({' or '.join(['d.text like ?'] * len(term.alternatives))})" for term in wanted)
    pieces = [like_piece(piece) for term in wanted for piece in term.alternatives]
    counted = f"select 1 from search_documents d where {holds} limit {RANK_ALL_BELOW + 1}"
    are_many = rows.select(f"select count(*) from ({counted}) x", pieces)[0][0] > RANK_ALL_BELOW
    sql = (
        f"select r.repo_id, r.downloads, d.text from search_documents d join repos r on r.id = d.repo"
        f" where {holds} and r.status <> 'gone' and r.type = ?"
        f" order by r.downloads desc nulls last, r.id limit {RANKED_MATCHES if are_many else RANK_ALL_BELOW}"
    )
    yield from rows.select(sql, [*pieces, type_])


def _matches_sqlite(rows: Rows, wanted: Sequence[Term], type_: RepoType) -> Iterator[Any]:
    """The index knows which trigrams a document holds, not where: the pieces themselves are looked for in its text."""
    query = index_query(wanted)
    sql = (
        "select r.repo_id, r.downloads, d.text from search_index s join search_documents d on d.repo = s.rowid"
        " join repos r on r.id = s.rowid where search_index match ? and r.status <> 'gone' and r.type = ? limit ?"
    )
    if not _many(rows, query):
        found = rows.select(sql, (query, type_, RANK_ALL_BELOW))
        yield from (row for row in found if all(term.is_in(row[2]) for term in wanted))
        return
    count = 0
    for magnitude in range(DOWNLOAD_MAGNITUDES, -1, -1):
        these = f'"~d{magnitude:x}"'  # where they are few, their texts are read sooner than the words' long lists
        both = f"{query} AND {these}" if _many(rows, these) else these
        for row in rows.select(sql, (both, type_, RANK_ALL_BELOW)):
            if all(term.is_in(row[2]) for term in wanted):
                count += 1
                yield row
        if count >= RANKED_MATCHES:
            return


def _many(rows: Rows, query: str) -> bool:
    sql = "select count(*) from (select 1 from search_index where search_index match ? limit ?)"
    return int(rows.select(sql, (query, RANK_ALL_BELOW + 1))[0][0]) > RANK_ALL_BELOW


def index_query(wanted: Sequence[Term]) -> str:
    """What SQLite's index is asked for: documents with the trigrams of each term, though perhaps apart."""
    return " AND ".join(f"({' OR '.join(map(trigram_query, term.alternatives))})" for term in wanted)
