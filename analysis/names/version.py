"""Versions and release dates: which number belongs to which family."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.names.name_labels import Draft, TokenSequence
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

READS = DATE | LETTER | NUMBER | SHORT | VERSION | YEAR


def recognize_version(sheet: TokenSequence, draft: Draft, own: Sequence[int], base: Sequence[int]) -> None:
    """`own` and `base` are the places of the model's family and of its foundation."""
    mask = sheet.mask
    if mask & (DATE | YEAR):
        releases(sheet, draft)
    for at in base:
        draft.base_version = draft.base_version or after(sheet, at, "base_version")
    for at in own:
        draft.version = draft.version or after(sheet, at, "version")
    if base and own and draft.base_version is None and base[0] < own[0] and mask & VERSION:
        draft.base_version = by_itself(sheet, base, "base_version", own[0])
    if draft.version is None and mask & (NUMBER | VERSION):
        draft.version = by_itself(sheet, own)


def releases(sheet: TokenSequence, draft: Draft) -> None:
    """`2507`, `0528`, `20240806`, and `12-2024`."""
    pieces = sheet.pieces
    for index, piece in enumerate(pieces):
        if piece.kind & DATE:
            draft.release = draft.release or piece.text
        elif piece.kind & YEAR and day_follows(sheet, index):
            said = "-".join(other.text for other in pieces[index : index + 3])
            draft.release = draft.release or said
            sheet.claims[index : index + 3] = [("release", said, "date")] * 3
        elif piece.kind & YEAR and index and pieces[index - 1].kind & NUMBER:
            month = pieces[index - 1].text
            if month.isdigit() and 0 < int(month) <= 12 and not day_follows(sheet, index):
                said = f"{month}-{piece.text}"
                draft.release = draft.release or said
                sheet.claims[index - 1] = sheet.claims[index] = ("release", said, "month and year")


def day_follows(sheet: TokenSequence, index: int) -> bool:
    """`2025-04-14`."""
    rest = [piece.text for piece in sheet.pieces[index + 1 : index + 3]]
    return len(rest) == 2 and all(len(text) == 2 and text.isdigit() for text in rest) and 0 < int(rest[0]) <= 12


PASSED = SIZE_WORD | SPECIALTY | TUNING


def after(sheet: TokenSequence, at: int, label: str) -> str | None:
    """The version that follows a family: `Qwen2.5`, `Llama-3.1`, `DeepSeek-R1`, `Mistral-Small-3.2`."""
    pieces, claims = sheet.pieces, sheet.claims
    piece = pieces[at]
    if piece.kind & SHORT:
        return piece.unit or None
    entry = piece.entry
    facts = entry.facts if entry is not None else {}
    letters = facts.get("letters", "")
    for index in range(at + 1, min(at + 4, len(pieces))):
        piece = pieces[index]
        kind = piece.kind
        if kind & DATE or (claims[index] or ("",))[0] == "release":
            return None
        if kind & LETTER and piece.text[0].lower() in letters:
            claims[index] = (label, piece.text.upper(), "version")
            return piece.text.upper()
        if kind & (NUMBER | VERSION):
            if kind & NUMBER and not plausible(piece, index == at + 1):
                return None
            if kind & NUMBER and facts.get("base") and piece.unit not in facts.get("versions", ()):
                return None  # encoders count their runs so
            if piece.unit.startswith("0.") and "versions" in facts and piece.unit not in facts["versions"]:
                return None  # `Qwen_0.5` is half a billion that forgot its B
            value = piece.unit
            if kind & VERSION and piece.number and value.isdigit() and int(value) > 9:
                if f"{value[0]}.{value[1:]}" in facts.get("versions", ()):
                    value = f"{value[0]}.{value[1:]}"  # `qwen25` is Qwen 2.5
                elif int(value) > 15:
                    return None  # `resnet50`
            if kind & NUMBER and hyphenated(sheet, index, facts.get("versions", ())):
                value = f"{value}.{pieces[index + 1].unit}"
                claims[index + 1] = (label, value, "version")
            claims[index] = (label, value, "version")
            return value
        if not kind & PASSED:
            return None
    return None


def hyphenated(sheet: TokenSequence, index: int, versions: Sequence[str]) -> bool:
    """`Llama-3-1-8B`: a known version with a hyphen for its point, and a size after it."""
    pieces = sheet.pieces
    return (
        index + 2 < len(pieces)
        and bool(pieces[index + 1].kind & NUMBER)
        and bool(pieces[index + 2].kind & SIZED)
        and f"{pieces[index].unit}.{pieces[index + 1].unit}" in versions
    )


def plausible(piece: Lexeme, adjacent: bool) -> bool:
    """A bare number is a version right after its family, or with a decimal."""
    text = piece.unit
    return (adjacent and len(text) <= 2 and int(float(text.rstrip("n"))) <= 30) or ("." in text and len(text) <= 5)


def by_itself(sheet: TokenSequence, own: Sequence[int], label: str = "version", end: int | None = None) -> str | None:
    """A version that stands apart from its family: `v0.2` anywhere before the scheme, else a decimal, and for a name
    whose family nothing knows the number right after its first word."""
    pieces, claims, known = sheet.pieces, sheet.claims, bool(own)
    decimal = None
    for index, piece in enumerate(pieces[:end]):
        kind = piece.kind
        if kind & COPIES or (kind & TUNING and piece.entry is not None and piece.entry.value in UNCHAINED):
            break  # what follows is the copy's edition
        if (
            kind & VERSION
            and claims[index] is None
            and (piece.text[0] in "vVrR" or (not known and index == 1 and (sheet.mask & SIZED or "." in piece.unit)))
        ):
            value = piece.unit
            if own and not claims_it(sheet, index, own):
                continue
            if own and index + 1 < len(pieces) and pieces[index + 1].kind & NUMBER:
                entry = pieces[own[0]].entry
                joined = f"{value}.{pieces[index + 1].unit}"
                if entry is not None and joined in entry.facts.get("versions", ()):
                    value, claims[index + 1] = joined, (label, joined, "version")  # `V1-5`
            claims[index] = (label, value, "version")
            return value
        if kind & NUMBER and decimal is None and claims[index] is None and is_decimal(sheet, index, own):
            decimal = index
    if not known and len(pieces) > 1 and pieces[1].kind & NUMBER and claims[1] is None:
        if pieces[0].kind == WORD and plausible(pieces[1], True) and (sheet.mask & SIZED or "." in pieces[1].unit):
            decimal = 1
    elif not known or decimal is None or pieces[decimal].unit[0] == "0":
        return None
    if decimal is None:
        return None
    claims[decimal] = (label, pieces[decimal].unit, "number by itself")
    return pieces[decimal].unit


def claims_it(sheet: TokenSequence, index: int, own: Sequence[int]) -> bool:
    """Whether a version that stands apart can be the family's: not before it, and behind a person's own words only one
    that the line is known to have. The `v1.1` of `Mistral-Small-22B-Somebodys-v1.1` is somebody's."""
    if index < own[0]:
        return False
    entry = sheet.pieces[own[0]].entry
    versions = entry.facts.get("versions") if entry is not None else None
    if not versions or sheet.pieces[index].unit in versions:
        return True
    return all(piece.kind for piece in sheet.pieces[own[0] : index])


def is_decimal(sheet: TokenSequence, index: int, own: Sequence[int]) -> bool:
    """A number like 1.4 after the family that no word of training stands before."""
    if own and index < own[0]:
        return False
    unit = sheet.pieces[index].unit
    whole = unit.partition(".")[0]
    before = sheet.claims[index - 1] if index else None
    trained = before is not None and before[0] == "noise"
    return "." in unit and len(unit) <= 5 and whole.isdigit() and int(whole) < 20 and not trained


SIZED = ACTIVE | EFFECTIVE | MIX | SIZE
COPIES = FORMAT | GGUF | ROLE | SCHEME
UNCHAINED = {"abliterated", "uncensored"}
