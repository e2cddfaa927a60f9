"""Versions and release dates: which number belongs to which family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.tokens import (
    ACTIVE,
    DATE,
    EFFECTIVE,
    FAMILY,
    FLAG,
    FORMAT,
    GGUF,
    LETTER,
    MIX,
    NOISE,
    NUMBER,
    PUBLISHER,
    ROLE,
    SCHEME,
    SHORT,
    SIZE,
    SIZE_WORD,
    SPECIALTY,
    TUNING,
    VERSION,
    YEAR,
    Lexeme,
)
from analysis.vocabulary.vocabulary import PRODUCTS

RECOGNIZED_KINDS = DATE | FLAG | LETTER | NUMBER | SHORT | VERSION | YEAR


def recognize_version(tokens: TokenSequence, labels: NameLabels, own: Sequence[int], base: Sequence[int]) -> None:
    """Set versions and release. `own` and `base` are the positions of the model's family and of its foundation."""
    mask, lexemes = tokens.mask, tokens.lexemes
    if mask & (DATE | YEAR):
        claim_releases(tokens, labels)
    for at in own:
        if (found := find_version_after(tokens, at, "version")) is not None:
            labels.version = found
            if is_size_letter(tokens, at + 1, at):
                labels.size = SIZE_LETTERS[lexemes[at + 1].text]
                tokens.claims[at + 1] = ("size", labels.size, "letter of a size")
            break
    for at in base:
        if (found := find_version_after(tokens, at, "base_version")) is not None:
            labels.base_version = found
            break
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


SIZE_LETTERS = {"S": "small", "M": "medium", "L": "large"}
SKIPPED_KINDS = SIZE_WORD | SPECIALTY | TUNING


def find_version_after(tokens: TokenSequence, at: int, label: str) -> str | None:
    """The version that follows a family: `Qwen2.5`, `Llama-3.1`, `DeepSeek-R1`, `Devstral-Small-2`."""
    lexemes, claims = tokens.lexemes, tokens.claims
    lexeme = lexemes[at]
    if lexeme.kind & SHORT:
        return lexeme.unit or None
    facts: Mapping[str, Any] = lexeme.entry.facts if lexeme.entry is not None else {}
    dated = tokens.mask & YEAR
    for index, lexeme in enumerate(lexemes[at + 1 : at + 4], at + 1):
        kind = lexeme.kind
        if kind & DATE or (dated and (claims[index] or ("",))[0] == "release"):
            return None
        if kind & (NUMBER | VERSION):
            if kind & NUMBER and not is_version_number(tokens, index, at, facts):
                return None
            versions = facts.get("versions", ())
            value = glued_version(lexeme, versions)
            return None if value is None else claim_version(tokens, index, value, versions, label)
        if lexeme.text[-1].isdigit() and is_lettered_version(lexeme, facts.get("letters", "")):
            claims[index] = (label, lexeme.text.upper(), "version")
            return lexeme.text.upper()
        if not (
            kind & SKIPPED_KINDS
            or (kind & NOISE and names_product(lexeme))
            or (kind & NOISE and is_size_letter(tokens, index, at))
        ):
            return None
    return None


def is_lettered_version(lexeme: Lexeme, letters: str) -> bool:
    """`R1`, `K2`, `I1` of a line whose versions begin with such a letter."""
    text = lexeme.text
    return text[0].lower() in letters and text[1:].replace(".", "", 1).isdigit()


def names_product(lexeme: Lexeme) -> bool:
    """Whether a word names a model within a line: the `Cascade` of `Nemotron-Cascade-2`."""
    return lexeme.entry is not None and lexeme.entry.value == PRODUCTS


def is_size_letter(tokens: TokenSequence, index: int, at: int) -> bool:
    """The `S` of `Laguna-S-2.1`: a letter between a family and a decimal."""
    lexemes = tokens.lexemes
    return (
        index == at + 1
        and index + 1 < len(lexemes)
        and lexemes[index].text in SIZE_LETTERS
        and "." in lexemes[index + 1].unit
    )


def is_version_number(tokens: TokenSequence, index: int, at: int, facts: Mapping[str, Any]) -> bool:
    """Whether a bare number near its family is a version.

    After a word of size or purpose a whole number is one if it is known, if a size or date follows it, or after a dot:
    `Mistral-Small-4-119B`, `DeepSeek-OCR-2`, `Laguna-XS.2`. Encoders count their runs so.
    """
    lexeme, versions = tokens.lexemes[index], facts.get("versions", ())
    if facts.get("base") and lexeme.unit not in versions:
        return False
    if lexeme.unit.startswith("0.") and versions and lexeme.unit not in versions:
        return False  # `Qwen_0.5` is 0.5B without its B
    after = tokens.lexemes[index + 1] if index + 1 < len(tokens.lexemes) else None
    followed = after is not None and (bool(after.kind & (SIZED | DATE)) or after.unit == "0")
    near = index == at + 1 or lexeme.unit in versions or followed or tokens.before(index) == "."
    return is_plausible_version(lexeme, near)


def glued_version(lexeme: Lexeme, versions: Sequence[str]) -> str | None:
    """A version glued to its family: `qwen25` is 2.5, `acestep15` as written, `resnet50` none."""
    value = lexeme.unit
    if lexeme.kind & VERSION and lexeme.number and value.isdigit() and int(value) > 9:
        if f"{value[0]}.{value[1:]}" in versions:
            return f"{value[0]}.{value[1:]}"
        if int(value) > 15:
            return None
    return value


def claim_version(tokens: TokenSequence, index: int, value: str, versions: Sequence[str], label: str) -> str:
    """Claim a version with the numbers that a hyphen separates from it: `v1-5`, `2-1`, `v1-5-3`. Returns it whole."""
    lexemes, claims = tokens.lexemes, tokens.claims
    end = index + 1
    marked = bool(lexemes[index].kind & VERSION) and lexemes[index].text[0] in "vV"
    while end < len(lexemes) and lexemes[end].kind & NUMBER and claims[end] is None:
        part = lexemes[end].unit
        known = f"{value}.{part}" in versions
        if not (
            known or (len(part) == 1 and part.isdigit() and "." not in lexemes[index].unit and (marked or part == "0"))
        ):
            break
        value, end = f"{value}.{part}", end + 1
    claims[index:end] = [(label, value, "version")] * (end - index)
    return value


def find_first_word(tokens: TokenSequence) -> int:
    """The position of the first word after a publisher that the only `_` sets apart: `HelpingAI_Dhanishtha-2.0`."""
    publisher, separator, name = tokens.text.partition("_")
    if not separator or "_" in name or "-" not in name:
        return 0
    start = len(publisher) + 1
    first = tokens.offsets.index(start) if start in tokens.offsets else 0
    words = tokens.lexemes[: first + 1]
    return first if all(word.unknown or word.kind & PUBLISHER for word in words) else 0


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
    first = 0 if known else find_first_word(tokens)
    decimal = None
    start = own[0] if own else 0
    for index, lexeme in enumerate(lexemes[start:end], start):
        kind = lexeme.kind
        if not kind & LONE_KINDS:
            continue
        if kind & QUANTIZED_COPY_KINDS or (
            kind & TUNING and lexeme.entry is not None and lexeme.entry.value in UNCENSORED_TUNINGS
        ):
            break  # what follows is the version of the copy
        if (
            kind & VERSION
            and claims[index] is None
            and (
                lexeme.text[0] in "vVrR"
                or (not known and index == first + 1 and (tokens.mask & SIZED or "." in lexeme.unit))
            )
        ):
            if own and not may_be_family_version(tokens, index, own):
                continue
            entry = lexemes[own[0]].entry if own else None
            versions = entry.facts.get("versions", ()) if entry is not None else ()
            return claim_version(tokens, index, lexeme.unit, versions, label)
        if (
            kind & NUMBER
            and "." in lexeme.unit
            and decimal is None
            and claims[index] is None
            and is_version_decimal(tokens, index)
        ):
            decimal = index
    second = first + 1
    if not known and len(lexemes) > second and lexemes[second].kind & NUMBER and claims[second] is None:
        if (
            lexemes[first].unknown
            and is_plausible_version(lexemes[second], True)
            and (tokens.mask & SIZED or "." in lexemes[second].unit)
        ):
            decimal = second
    elif not known or decimal is None or (lexemes[decimal].unit[0] == "0" and not tokens.mask & SIZE):
        return None  # `0.5` may be a size where no other is stated
    if decimal is None:
        return None
    claims[decimal] = (label, lexemes[decimal].unit, "number by itself")
    return lexemes[decimal].unit


def may_be_family_version(tokens: TokenSequence, index: int, own: Sequence[int]) -> bool:
    """Whether a version that does not directly follow the family can be the family's.

    No publisher and no word of role play may stand between; after unknown words it must be a known version of the
    family: the `v1.1` of `Mistral-Small-22B-Custom-v1.1` is that of the fine-tune. Encoders are what others fine-tune:
    after `finetuned` the version counts runs.
    """
    entry, between = tokens.lexemes[own[0]].entry, tokens.lexemes[own[0] + 1 : index]
    if any(lexeme.kind & PUBLISHER or is_tuners_word(lexeme) for lexeme in between):
        return False
    if tokens.lexemes[own[0]].kind & SHORT and any(lexeme.unknown or lexeme.kind & FAMILY for lexeme in between):
        return False  # tunes are named so: `MN-12B-Lyra-v4` is version 4 of Lyra
    facts = entry.facts if entry is not None else {}
    if tokens.lexemes[index].unit in facts.get("versions", ()):
        return True
    if "base" in facts and any(is_finetuning(lexeme) for lexeme in between):
        return False
    return not ("versions" in facts or "base" in facts) or not any(lexeme.unknown for lexeme in between)


def is_finetuning(lexeme: Lexeme) -> bool:
    return bool(lexeme.kind & TUNING) and lexeme.entry is not None and lexeme.entry.value == "finetune"


def is_tuners_word(lexeme: Lexeme) -> bool:
    """Words of role play name tunes, never a foundation: the `RPMax` of `Mistral-Small-22B-ArliAI-RPMax-v1.1`."""
    return bool(lexeme.kind & SPECIALTY) and lexeme.entry is not None and lexeme.entry.value == "roleplay"


def is_version_decimal(tokens: TokenSequence, index: int) -> bool:
    """Whether a decimal like 1.4 after the family is a version: the word before it is not a training detail."""
    unit = tokens.lexemes[index].unit
    whole = unit.partition(".")[0]
    before = tokens.claims[index - 1] if index else None
    trained = before is not None and before[0] == "noise"
    return len(unit) <= 5 and whole.isdigit() and int(whole) < 20 and not trained


SIZED = ACTIVE | EFFECTIVE | MIX | SIZE
QUANTIZED_COPY_KINDS = FORMAT | GGUF | ROLE | SCHEME
LONE_KINDS = NUMBER | QUANTIZED_COPY_KINDS | TUNING | VERSION
UNCENSORED_TUNINGS = {"abliterated", "uncensored"}
