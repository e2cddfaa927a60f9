"""What search looks at of one repo: a line of its id's words and a line of all others, a space on both sides of each.

     google gemma 3 4b it qat q4 0 gguf\n image text to text transformers conversational ~d6

`~d6` is the number of digits of the downloads, by which the most downloaded of a common word are found first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache

from db.labels import SEARCHED_LABELS, Labels
from db.records import RepoRecord

MAX_SEARCHED_TAGS = 40  # of one document
LONGEST = 1000  # letters of a document: cards are untrusted text
DOWNLOAD_MAGNITUDES = 12  # of downloads

_DULL = ("base_model:", "region:", "dataset:", "license:", "arxiv:", "doi:", "deploy:", "model-index")
_DULL_TAGS = frozenset(("endpoints_compatible", "autotrain_compatible", "text-generation-inference", "custom_code"))
_SUMMARIES = ("model_name", "summary", "short_description", "description", "model_summary")
_BETWEEN = re.compile(r"(?:[^\w.]|_)+")


def words(text: str) -> str:
    """Text as search sees it: small letters, digits and dots, words parted by one space."""
    return _BETWEEN.sub(" ", text.casefold()).strip()


_often = lru_cache(maxsize=50_000)(words)  # tags and labels, of which there are few


def document(repo_id: str, labels: Iterable[str | None], tags: Iterable[str], facts: str, downloads: int | None) -> str:
    """What search looks at of one repo."""
    name = words(repo_id)
    known = set(name.split())
    rest: list[str] = []
    telling = [tag for tag in tags if tag not in _DULL_TAGS and not tag.startswith(_DULL)][:MAX_SEARCHED_TAGS]
    said_of_it = [_often(text) for text in (*labels, *telling) if text is not None]
    for said in (*said_of_it, *map(words, _summaries(facts))):
        if said and said not in known:
            known.add(said)
            rest.append(said)
    return f" {name} \n {' '.join(rest)[:LONGEST]} {_magnitude(downloads)}"


def _summaries(facts: str) -> list[str]:
    """What a card says of itself in a sentence."""
    if not any(f'"{name}"' in facts for name in _SUMMARIES):
        return []
    card = json.loads(facts).get("card", {})
    found = [card.get(name) for name in _SUMMARIES] if isinstance(card, dict) else []
    return [text for text in found if isinstance(text, str)]


def _magnitude(downloads: int | None) -> str:
    return f"~d{digits(downloads):x}"


def digits(downloads: int | None) -> int:
    return min(len(str(downloads)), DOWNLOAD_MAGNITUDES) if downloads else 0


def document_of(repo: RepoRecord, labels: Labels, facts: str) -> str:
    """The document of a repo as the listing shows it, the same that its rows make."""
    said = (*(getattr(labels, name) for name in SEARCHED_LABELS), repo.pipeline_tag, repo.library_name)
    return document(repo.repo_id, said, repo.tags, facts, repo.downloads)


# ---- questions ------------------------------------------------------------------------------------------------------


def trigram_query(piece: str) -> str:
    quoted = (f'"{trigram}"' for trigram in dict.fromkeys(_trigrams(piece)))
    return f"({' AND '.join(quoted)})"


def _trigrams(piece: str) -> list[str]:
    """At most four trigrams of a piece, from its start to its end: more would cost reads and select little."""
    last = len(piece) - 3
    starts = range(last + 1) if last < 4 else [place * last // 3 for place in range(4)]
    return [piece[start : start + 3] for start in starts]


def like_piece(piece: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", piece)
    return f"%{escaped}%"


MAX_NAMED = 2000
"""Documents that the index gives for one name, of which those that hold it are kept."""


def named_repos_sql(name: str, dialect: str) -> tuple[str, dict[str, str]] | None:
    """The select of numbers of repos in whose ids a name may be, and its values; None for one too short for the index.

    All that hold it if MAX_NAMED documents at most have its trigrams.
    """
    said = words(name)
    if len(said) < 3:
        return None
    if dialect == "sqlite":
        sql = f"select rowid from search_index where search_index match :trigrams limit {MAX_NAMED}"
        return sql, {"trigrams": trigram_query(said)}
    sql = f"select repo from search_documents where text like :said limit {MAX_NAMED}"
    return sql, {"said": like_piece(said)}
