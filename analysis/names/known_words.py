"""Lexemes of words whose meaning the vocabulary knows."""

from __future__ import annotations

from analysis.names.tokens import (
    FAMILY,
    FLAG,
    FLOAT,
    FORMAT,
    GGUF,
    LANGUAGE,
    LINE,
    NOISE,
    PLACED,
    PUBLISHER,
    PURPOSED,
    ROLE,
    SCHEME,
    SIZE_WORD,
    SPECIALTY,
    TUNING,
    Lexeme,
)  # fmt: skip
from analysis.vocabulary.vocabulary import Entry, Vocabulary

_KINDS = {
    "family": FAMILY,
    "tuning": TUNING,
    "specialty": SPECIALTY,
    "format": FORMAT,
    "language": LANGUAGE,
    "float": FLOAT,
    "scheme": SCHEME,
    "size word": SIZE_WORD,
    "role": ROLE,
    "flag": FLAG,
    "publisher": PUBLISHER,
    "noise": NOISE,
}
# The label that a word of this kind claims if no recognizer decides otherwise.
_CLAIMS = {
    "family": "family",
    "tuning": "tuning",
    "specialty": "specialty",
    "format": "format",
    "language": "languages",
    "scheme": "quant",
    "float": "quant",
    "size word": "noise",
    "flag": "how",
    "role": "role",
    "publisher": "publisher",
    "noise": "noise",
}


def make_lexeme(text: str, entry: Entry, rule: str = "") -> Lexeme:
    """The lexeme of a word of the vocabulary."""
    label = _CLAIMS.get(entry.label)
    claim = None if label is None else (label, entry.value, rule or entry.file)
    scheme = entry.scheme
    number = (scheme.nominal_bits or 0) if scheme is not None else 0
    if scheme is not None and scheme.bits_in_alias:
        number = float(next((letter for letter in text if letter.isdigit()), 0))
    kind = family_kind(entry) if entry.label == "family" else _KINDS[entry.label]
    return Lexeme(text, kind, claim, entry=entry, number=number, unit=rule)


def family_kind(entry: Entry) -> int:
    """FAMILY, with what recognizers ask of every family."""
    kind = FAMILY
    for bit, present in (
        (LINE, entry.facts["kind"] == "lines"),
        (PLACED, "first" in entry.facts or "short" in entry.facts),
        (PURPOSED, "for" in entry.facts),
    ):
        kind |= bit * present
    return kind


def make_gguf_lexeme(text: str, scheme: str) -> Lexeme:
    return Lexeme(text, GGUF, ("quant", scheme, "schemes.toml"), unit=scheme)


def gguf_spellings(vocabulary: Vocabulary) -> dict[str, str]:
    """Spelling in capitals -> GGUF scheme: with suffixes, and without underscores where letters make it plain."""
    table = vocabulary.schemes
    schemes = {scheme.name: scheme.name for scheme in table.schemes.values() if scheme.kind == "gguf"}
    for scheme in tuple(schemes):
        for suffix in table.suffixes:
            schemes.setdefault(f"{scheme}_{suffix}", f"{scheme}_{suffix}")
    for scheme in tuple(schemes):
        head, *tail = scheme.split("_")
        if tail and not tail[0][0].isdigit():
            schemes.setdefault(head + "".join(tail), scheme)
            schemes.setdefault("_".join([head + tail[0], *tail[1:]]), scheme)
    return schemes
