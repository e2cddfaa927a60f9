"""Versions and release dates: which number belongs to which family."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.tokens import (
    ACTIVE,
    DATE,
    EFFECTIVE,
    FORMAT,
    GGUF,
    LETTER,
    MIX,
    NUMBER,
    ROLE,
    SCHEME,
    SHORT,
    SIZE,
    SIZE_WORD,
    SPECIALTY,
    TUNING,
    VERSION,
    WORD,
    YEAR,
    Lexeme,
)

RECOGNIZED_KINDS = DATE | LETTER | NUMBER | SHORT | VERSION | YEAR


def recognize_version(tokens: TokenSequence, labels: NameLabels, own: Sequence[int], base: Sequence[int]) -> None:
    """Set versions and release. `own` and `base` are the positions of the model's family and of its foundation."""
    mask = tokens.mask
    if mask & (DATE | YEAR):
        claim_releases(tokens, labels)
    for at in base:
        labels.base_version = labels.base_version or find_version_after(tokens, at, "base_version")
    for at in own:
        labels.version = labels.version or find_version_after(tokens, at, "version")
    if base and own and labels.base_version is None and base[0] < own[0] and mask & VERSION:
        labels.base_version = find_lone_version(tokens, base, "base_version", own[0])
    if labels.version is None and mask & (NUMBER | VERSION):
        labels.version = find_lone_version(tokens, own)


def claim_releases(tokens: TokenSequence, labels: NameLabels) -> None:
    """Release dates: `2507`, `0528`, `20240806`, `2025-04-14` and `12-2024`."""
    lexemes = tokens.lexemes
    for index, lexeme in enumerate(lexemes):
        if lexeme.kind & DATE:
            labels.release = labels.release or lexeme.text
        elif lexeme.kind & YEAR and is_followed_by_day(tokens, index):
            date = "-".join(other.text for other in lexemes[index : index + 3])
            labels.release = labels.release or date
            tokens.claims[index : index + 3] = [("release", date, "date")] * 3
        elif lexeme.kind & YEAR and index and lexemes[index - 1].kind & NUMBER:
            month = lexemes[index - 1].text
            if month.isdigit() and 0 < int(month) <= 12 and not is_followed_by_day(tokens, index):
                date = f"{month}-{lexeme.text}"
                labels.release = labels.release or date
                tokens.claims[index - 1] = tokens.claims[index] = ("release", date, "month and year")


def is_followed_by_day(tokens: TokenSequence, index: int) -> bool:
    """Whether a month and a day follow a year, as in `2025-04-14`."""
    rest = [lexeme.text for lexeme in tokens.lexemes[index + 1 : index + 3]]
    return len(rest) == 2 and all(len(text) == 2 and text.isdigit() for text in rest) and 0 < int(rest[0]) <= 12


SKIPPED_KINDS = SIZE_WORD | SPECIALTY | TUNING


def find_version_after(tokens: TokenSequence, at: int, label: str) -> str | None:
    """The version that follows a family: `Qwen2.5`, `Llama-3.1`, `DeepSeek-R1`, `Mistral-Small-3.2`."""
    lexemes, claims = tokens.lexemes, tokens.claims
    lexeme = lexemes[at]
    if lexeme.kind & SHORT:
        return lexeme.unit or None
    entry = lexeme.entry
    facts = entry.facts if entry is not None else {}
    letters = facts.get("letters", "")
    for index in range(at + 1, min(at + 4, len(lexemes))):
        lexeme = lexemes[index]
        kind = lexeme.kind
        if kind & DATE or (claims[index] or ("",))[0] == "release":
            return None
        if kind & LETTER and lexeme.text[0].lower() in letters:
            claims[index] = (label, lexeme.text.upper(), "version")
            return lexeme.text.upper()
        if kind & (NUMBER | VERSION):
            if kind & NUMBER and not is_plausible_version(lexeme, index == at + 1):
                return None
            if kind & NUMBER and facts.get("base") and lexeme.unit not in facts.get("versions", ()):
                return None  # encoders count their runs so
            if lexeme.unit.startswith("0.") and "versions" in facts and lexeme.unit not in facts["versions"]:
                return None  # `Qwen_0.5` is 0.5B without its B
            value = lexeme.unit
            if kind & VERSION and lexeme.number and value.isdigit() and int(value) > 9:
                if f"{value[0]}.{value[1:]}" in facts.get("versions", ()):
                    value = f"{value[0]}.{value[1:]}"  # `qwen25` is Qwen 2.5
                elif int(value) > 15:
                    return None  # `resnet50`
            if kind & NUMBER and is_hyphenated_decimal(tokens, index, facts.get("versions", ())):
                value = f"{value}.{lexemes[index + 1].unit}"
                claims[index + 1] = (label, value, "version")
            claims[index] = (label, value, "version")
            return value
        if not kind & SKIPPED_KINDS:
            return None
    return None


def is_hyphenated_decimal(tokens: TokenSequence, index: int, versions: Sequence[str]) -> bool:
    """`Llama-3-1-8B`: a known version with a hyphen for its point, and a size after it."""
    lexemes = tokens.lexemes
    return (
        index + 2 < len(lexemes)
        and bool(lexemes[index + 1].kind & NUMBER)
        and bool(lexemes[index + 2].kind & SIZED)
        and f"{lexemes[index].unit}.{lexemes[index + 1].unit}" in versions
    )


def is_plausible_version(lexeme: Lexeme, adjacent: bool) -> bool:
    """A bare number is a version right after its family, or with a decimal."""
    text = lexeme.unit
    return (adjacent and len(text) <= 2 and int(float(text.rstrip("n"))) <= 30) or ("." in text and len(text) <= 5)


def find_lone_version(
    tokens: TokenSequence, own: Sequence[int], label: str = "version", end: int | None = None
) -> str | None:
    """A version that does not directly follow its family: `v0.2` anywhere before the scheme, else a decimal number.

    In a name without a known family also the number right after the first word.
    """
    lexemes, claims, known = tokens.lexemes, tokens.claims, bool(own)
    decimal = None
    for index, lexeme in enumerate(lexemes[:end]):
        kind = lexeme.kind
        if kind & QUANTIZED_COPY_KINDS or (
            kind & TUNING and lexeme.entry is not None and lexeme.entry.value in UNCENSORED_TUNINGS
        ):
            break  # what follows is the version of the copy
        if (
            kind & VERSION
            and claims[index] is None
            and (lexeme.text[0] in "vVrR" or (not known and index == 1 and (tokens.mask & SIZED or "." in lexeme.unit)))
        ):
            value = lexeme.unit
            if own and not may_be_family_version(tokens, index, own):
                continue
            if own and index + 1 < len(lexemes) and lexemes[index + 1].kind & NUMBER:
                entry = lexemes[own[0]].entry
                joined = f"{value}.{lexemes[index + 1].unit}"
                if entry is not None and joined in entry.facts.get("versions", ()):
                    value, claims[index + 1] = joined, (label, joined, "version")  # `V1-5`
            claims[index] = (label, value, "version")
            return value
        if kind & NUMBER and decimal is None and claims[index] is None and is_version_decimal(tokens, index, own):
            decimal = index
    if not known and len(lexemes) > 1 and lexemes[1].kind & NUMBER and claims[1] is None:
        if (
            lexemes[0].kind == WORD
            and is_plausible_version(lexemes[1], True)
            and (tokens.mask & SIZED or "." in lexemes[1].unit)
        ):
            decimal = 1
    elif not known or decimal is None or lexemes[decimal].unit[0] == "0":
        return None
    if decimal is None:
        return None
    claims[decimal] = (label, lexemes[decimal].unit, "number by itself")
    return lexemes[decimal].unit


def may_be_family_version(tokens: TokenSequence, index: int, own: Sequence[int]) -> bool:
    """Whether a version that does not directly follow the family can be the family's.

    It must come after the family; after unknown words it must be a known version of the family: the `v1.1` of
    `Mistral-Small-22B-Custom-v1.1` is that of the fine-tune.
    """
    if index < own[0]:
        return False
    entry = tokens.lexemes[own[0]].entry
    versions = entry.facts.get("versions") if entry is not None else None
    if not versions or tokens.lexemes[index].unit in versions:
        return True
    return all(lexeme.kind for lexeme in tokens.lexemes[own[0] : index])


def is_version_decimal(tokens: TokenSequence, index: int, own: Sequence[int]) -> bool:
    """Whether a number like 1.4 after the family is a version: the word before it is not a training detail."""
    if own and index < own[0]:
        return False
    unit = tokens.lexemes[index].unit
    whole = unit.partition(".")[0]
    before = tokens.claims[index - 1] if index else None
    trained = before is not None and before[0] == "noise"
    return "." in unit and len(unit) <= 5 and whole.isdigit() and int(whole) < 20 and not trained


SIZED = ACTIVE | EFFECTIVE | MIX | SIZE
QUANTIZED_COPY_KINDS = FORMAT | GGUF | ROLE | SCHEME
UNCENSORED_TUNINGS = {"abliterated", "uncensored"}
