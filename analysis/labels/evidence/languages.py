"""Languages, as cards and tags write them."""

from __future__ import annotations

from functools import cache, lru_cache

from analysis.vocabulary.vocabulary import vocabulary


@lru_cache(maxsize=1 << 10)
def language_code(written: str) -> str | None:
    """ISO 639-1 code of a language as a card writes it: `en`, `en-US`, `english`."""
    low = written.lower().replace("_", "-")
    for form in (low, low.partition("-")[0]):
        entry = vocabulary().words.get(form)
        if entry and entry.label == "language":
            return entry.value
        if form in language_codes():
            return form
    return None


@cache
def language_codes() -> frozenset[str]:
    """ISO 639-1 codes that the vocabulary knows."""
    return frozenset(entry.value for entry in vocabulary().entries if entry.label == "language")
