"""Versions and release dates: which number belongs to which family."""

from __future__ import annotations

import re

from analysis.labels.reading import Draft, Sheet
from analysis.labels.tokens import (
    FAMILY, LETTER, NUMBER, SHORT, SIZE_WORD, SPECIALTY, TUNING, VERSION, WORD, Piece,
)  # fmt: skip

_RELEASE = re.compile(
    r"(?:20)?2[0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])|2[0-9](?:0[1-9]|1[0-2])|20[12][0-9](?:0[1-9]|1[0-2])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
)
NOT_DATES = {"1024", "1212"}


READS = NUMBER | VERSION | LETTER | SHORT


def read(sheet: Sheet, draft: Draft, own: int | None, base: int | None) -> None:
    if not sheet.mask & READS:
        return
    if sheet.mask & NUMBER:
        releases(sheet, draft)
    if base is not None:
        draft.base_version = after(sheet, base, "base_version")
    if own is not None:
        draft.version = after(sheet, own, "version")
    if draft.version is None:
        draft.version = by_itself(sheet, own)
    rest(sheet)


def releases(sheet: Sheet, draft: Draft) -> None:
    """`2507`, `0528`, `20240806`, and `12-2024`."""
    pieces = sheet.pieces
    for index, piece in enumerate(pieces):
        if piece.kind & NUMBER:
            text = piece.text
            if len(text) in (4, 6, 8) and _RELEASE.fullmatch(text) and text not in NOT_DATES:
                draft.release = draft.release or text
                sheet.claims[index] = ("release", text, "date")
            elif len(text) == 4 and "2019" < text < "2030":
                previous = pieces[index - 1] if index else None
                if (
                    previous is not None
                    and previous.kind & NUMBER
                    and previous.text.isdigit()
                    and int(previous.text) <= 12
                ):
                    said = f"{previous.text}-{text}"
                    draft.release = draft.release or said
                    sheet.claims[index - 1] = sheet.claims[index] = ("release", said, "month and year")


PASSED = SIZE_WORD | SPECIALTY | TUNING


def after(sheet: Sheet, at: int, label: str) -> str | None:
    """The version that follows a family: `Qwen2.5`, `Llama-3.1`, `DeepSeek-R1`, `Mistral-Small-3.2`."""
    pieces, claims = sheet.pieces, sheet.claims
    piece = pieces[at]
    if piece.kind & SHORT:
        return piece.unit or None
    entry = piece.entry
    letters = entry.facts.get("letters", "") if entry is not None else ""
    for index in range(at + 1, min(at + 4, len(pieces))):
        piece = pieces[index]
        kind = piece.kind
        if claims[index] is not None and claims[index][0] == "release":  # type: ignore[index]
            return None
        if kind & LETTER and piece.text[0].lower() in letters:
            claims[index] = (label, piece.text.upper(), "version")
            return piece.text.upper()
        if kind & (NUMBER | VERSION):
            if kind & NUMBER and not plausible(piece, index == at + 1):
                return None
            value = piece.unit
            claims[index] = (label, value, "version")
            return value
        if not kind & PASSED:
            return None
    return None


def plausible(piece: Piece, adjacent: bool) -> bool:
    """A bare number is a version right after its family, or with a decimal."""
    text = piece.unit
    return (adjacent and len(text) <= 2) or ("." in text and len(text) <= 5)


def by_itself(sheet: Sheet, own: int | None) -> str | None:
    """`v0.2` anywhere; for a family that nothing knows, the number right after the first word."""
    for index, piece in enumerate(sheet.pieces):
        if piece.kind & VERSION and sheet.claims[index] is None and piece.text[0] in "vVrR":
            sheet.claims[index] = ("version", piece.unit, "version")
            return piece.unit
    if own is None and len(sheet.pieces) > 1:
        piece = sheet.pieces[1]
        if piece.kind & NUMBER and sheet.claims[1] is None and sheet.pieces[0].kind == WORD and plausible(piece, True):
            sheet.claims[1] = ("version", piece.unit, "number after an unknown brand")
            return piece.unit
    return None


def rest(sheet: Sheet) -> None:
    """Numbers that no family owns."""
    for index, piece in enumerate(sheet.pieces):
        if sheet.claims[index] is None:
            if piece.kind & VERSION:
                sheet.claims[index] = ("noise", piece.unit, "edition of a copy")
            elif piece.kind & (NUMBER | LETTER):
                sheet.claims[index] = ("noise", piece.text, "number")
