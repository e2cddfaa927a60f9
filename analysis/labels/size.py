"""How large a model is, as its name claims, and what the other numbers with a K, M, B or T are."""

from __future__ import annotations

from analysis.labels.reading import Draft, Sheet
from analysis.labels.tokens import (
    ACTIVE, EFFECTIVE, EXPERTS, MIX, NUMBER, ROLE, SIZE, SIZE_WORD, TIMES, TUNING, Piece,
)  # fmt: skip

READS = ACTIVE | EFFECTIVE | EXPERTS | MIX | SIZE | SIZE_WORD | TIMES

# Context lengths that names state, in thousands.
CONTEXTS = {2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 100, 128, 131, 160, 192, 200, 256, 262, 320, 384, 450, 512, 1000, 1024, 2048, 4096}


def read(sheet: Sheet, draft: Draft) -> None:
    if not sheet.mask & READS:
        return
    counts: list[int] = []
    mix = active = effective = experts = word = None
    for index, piece in enumerate(sheet.pieces):
        kind = piece.kind
        if kind & READS:
            if kind & SIZE:
                counts.append(index)
            elif kind & MIX:
                mix = index if mix is None else mix
            elif kind & ACTIVE:
                active = index if active is None else active
            elif kind & EFFECTIVE:
                effective = index
            elif kind & EXPERTS:
                experts = index
            elif kind & SIZE_WORD and word is None:
                word = index
    pieces, claims = sheet.pieces, sheet.claims
    counts = own_counts(sheet, draft, counts, active, mix)
    total = counts[0] if counts else None
    if mix is not None:
        piece = pieces[mix]
        draft.size = f"{int(piece.unit)}x{canonical(piece.text.lower().split('x')[-1])}"
        draft.experts = int(piece.unit)
        draft.parameters = int(piece.number * (0.25 + 0.75 * draft.experts))
        draft.approximate = True
        claims[mix] = ("size", draft.size, "experts")
    elif total is not None:
        piece = pieces[total]
        draft.size = canonical(piece.text)
        draft.parameters = round(piece.number)
        claims[total] = ("size", draft.size, "size")
        if experts is not None and experts == total + 1:
            draft.active_parameters, draft.parameters = draft.parameters, None
            draft.experts = int(pieces[experts].number)
            draft.size = f"{draft.size}-{draft.experts}E"
            claims[experts] = ("experts", str(draft.experts), "experts")
    if active is not None:
        piece = pieces[active]
        draft.active_parameters = round(piece.number)
        text = canonical(piece.text)
        claims[active] = ("active_parameters", str(draft.active_parameters), "active")
        draft.size = text if draft.size is None else f"{draft.size}-{text}"
    if effective is not None:
        piece = pieces[effective]
        claims[effective] = ("size", canonical(piece.text), "effective")
        draft.active_parameters = round(piece.number)
        draft.size = canonical(piece.text)
    if draft.size is None and word is not None:
        entry = pieces[word].entry
        draft.size = entry.value if entry is not None else None
        claims[word] = ("size", draft.size or "", "words.toml")
    for index in sheet_left(sheet):
        claims[index] = ("noise", pieces[index].text, "number")


def sheet_left(sheet: Sheet) -> list[int]:
    return [
        index
        for index, piece in enumerate(sheet.pieces)
        if sheet.claims[index] is None and piece.kind & (SIZE | ACTIVE | EFFECTIVE | MIX | TIMES | EXPERTS)
    ]


def canonical(text: str) -> str:
    return text.upper().replace("_", ".")


def own_counts(sheet: Sheet, draft: Draft, counts: list[int], active: int | None, mix: int | None) -> list[int]:
    """Which of the counts is the model's own size; contexts, tokens and data sizes are told apart."""
    pieces, claims = sheet.pieces, sheet.claims
    kept: list[int] = []
    billions = any(pieces[index].unit == "b" for index in counts) or mix is not None
    for index in counts:
        piece = pieces[index]
        unit, number = piece.unit, piece.number
        if unit == "k":
            thousands = number / 1e3
            if thousands in CONTEXTS:
                draft.context = window(number, 1e3)
                claims[index] = ("context", str(draft.context), "context")
            elif thousands >= 100 and not billions:
                kept.append(index)
            else:
                claims[index] = ("noise", piece.text, "thousands")
        elif unit == "t":
            if active is not None or (len(counts) == 1 and mix is None and number <= 3e12):
                kept.append(index)
            else:
                claims[index] = ("noise", piece.text, "tokens of training")
        elif unit == "m" and (billions or sheet.mask & TUNING) and number / 1e6 in (1, 2, 4, 10) and piece.text[-1] == "M":
            draft.context = window(number, 1e6)
            claims[index] = ("context", str(draft.context), "context")
        elif unit == "m" and billions:
            claims[index] = ("noise", piece.text, "data")
        elif index + 1 < len(pieces) and pieces[index + 1].text.lower() in ("tokens", "token", "tok"):
            claims[index] = ("noise", piece.text, "tokens of training")
        else:
            kept.append(index)
    return kept


def window(number: float, unit: float) -> int:
    """128k is 131072, 1M is 1048576, 200k is 200 x 1024, as llama.cpp and model cards count."""
    binary = {1e3: 1024, 1e6: 1 << 20}[unit]
    return round(number / unit * binary)
