"""Languages, as cards and tags write them.

A language's code is that of ISO 639-1 where it has one, else that of ISO 639-3 (or of 639-5 for a group of languages);
`multilingual` where a card names no single ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files

from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.untrusted import MAX_TAGS, check_texts
from analysis.vocabulary.vocabulary import vocabulary
from db.records import RepoRecord

MULTILINGUAL = "multilingual"

_FORMER_CODES = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "hbs"}
"""Codes that ISO 639-1 has withdrawn."""

_NO_LANGUAGE = frozenset(("mis", "mul", "und", "zxx"))
"""Codes of ISO 639-2 for what is no single language: nothing of its own, but part of a list of languages."""

_MANY = frozenset((MULTILINGUAL, "mul", "multi", "multiple languages"))


@lru_cache(maxsize=1 << 13)
def language_code(written: str) -> str | None:
    """The code of a language as a card writes it: `en`, `en-US`, `eng_Latn`, `English`; None for anything else."""
    low = written.strip().lower().replace("_", "-")
    if low in _MANY:
        return MULTILINGUAL
    codes, words = iso_codes(), vocabulary().words
    for form in (low, low.partition("-")[0]):
        if form in codes:
            return codes[form]
        entry = words.get(form)
        if entry and entry.label == "language":
            return entry.value
    return iso_names().get(low)


@cache
def iso_codes() -> Mapping[str, str]:
    """Every code of ISO 639-1, 639-2, 639-3 and 639-5, and withdrawn ones -> the code that labels have."""
    codes = dict(_FORMER_CODES)
    for code, alpha_2, bibliographic, _ in _read_table():
        label = alpha_2 or code
        codes |= dict.fromkeys(filter(None, (code, alpha_2, bibliographic)), label)
    return codes


@cache
def iso_names() -> Mapping[str, str]:
    """The standard's English name of each language in small letters -> its code."""
    return {name.removesuffix(" (macrolanguage)").lower(): alpha_2 or code for code, alpha_2, _, name in _read_table()}


def _read_table() -> Iterator[tuple[str, str, str, str]]:
    """(code of three letters, that of ISO 639-1, the other code of ISO 639-2, name), of each row of iso639.tsv."""
    text = (files("analysis.vocabulary") / "iso639.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    next(rows)  # names of columns
    return ((code, alpha_2, bibliographic, name) for code, alpha_2, bibliographic, name in rows)


def language_evidence(repo: RepoRecord) -> Evidence:
    """The languages that the card names, else those of the tags: the Hub repeats the card's languages as tags."""
    written = repo.languages or check_texts(repo.card.get("language"), MAX_TAGS)
    codes = dict.fromkeys(code for each in written if (code := language_code(each)))
    if codes:
        return tuple([make_evidence("languages", code, "card", "language", WEIGHT["card"]) for code in codes])
    if iso_codes().keys().isdisjoint(repo.tags) and MULTILINGUAL not in repo.tags:
        return ()  # of most repos, and far quicker
    tags: dict[str, str] = {}
    for tag, code in _language_tags(repo.tags[:MAX_TAGS]):
        tags.setdefault(code, tag)
    return tuple([make_evidence("languages", code, "tag", tag, WEIGHT["tag"]) for code, tag in tags.items()])


def _language_tags(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(tag, code) of each tag that is a language.

    Most words of three letters are the code of some language (`mlx`, `moe`, `tts`), so that they count only within a
    row of languages, as the Hub writes them: after a code of two letters, `multilingual`, or two codes of three letters
    for languages that have one of two.
    """
    codes = iso_codes()
    sure = False
    mapped: list[tuple[str, str]] = []
    for tag in tags:
        if tag in _NO_LANGUAGE:
            continue
        code = MULTILINGUAL if tag == MULTILINGUAL else codes.get(tag)
        if code is None:
            sure, mapped = False, []
        elif sure or len(tag) == 2 or code == MULTILINGUAL:
            yield from mapped
            yield tag, code
            sure, mapped = True, []
        elif len(code) == 2:
            mapped.append((tag, code))
            if len(mapped) == 2:
                yield from mapped
                sure, mapped = True, []
        else:
            mapped = []
