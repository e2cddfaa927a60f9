"""How it was trained, what it is for, and which languages it speaks."""

from __future__ import annotations

from analysis.labels.reading import Draft, Sheet
from analysis.labels.tokens import CODE, FAMILY, LANGUAGE, SIZE, SPECIALTY, TUNING

READS = CODE | LANGUAGE | SPECIALTY | TUNING | FAMILY


def read(sheet: Sheet, draft: Draft) -> None:
    if not sheet.mask & READS:
        return
    tunings: list[str] = []
    specialties: list[str] = []
    languages: list[str] = []
    pieces, claims = sheet.pieces, sheet.claims
    codes = sum(1 for piece in pieces if piece.kind & CODE) if sheet.mask & CODE else 0
    sized_by_base = False
    instructs = False
    for piece in pieces:
        if piece.kind & FAMILY and piece.entry is not None:
            facts = piece.entry.facts
            sized_by_base = sized_by_base or bool(facts.get("base"))
            instructs = instructs or bool(facts.get("it"))
    for index, piece in enumerate(pieces):
        kind = piece.kind
        entry = piece.entry
        if entry is None or not kind & READS:
            continue
        if kind & TUNING:
            if entry.value == "base" and piece.text.lower() == "base" and sized_by_base and draft.parameters is None:
                if draft.size is None:
                    draft.size = "base"
                claims[index] = ("size", "base", "size word")
            elif piece.text.lower() == "it" and not (instructs or (index and pieces[index - 1].kind & SIZE)):
                claims[index] = None
                if codes:
                    add(languages, "it")
                    claims[index] = ("languages", "it", "language code")
            else:
                add(tunings, entry.value)
        elif kind & SPECIALTY:
            add(specialties, entry.value)
        elif kind & LANGUAGE:
            add(languages, entry.value)
        elif kind & CODE:
            if instructs and piece.text.lower() == "pt":
                add(tunings, "base")
                claims[index] = ("tuning", "base", "pretrained")
            elif entry.facts.get("bare") or codes > 1:
                add(languages, entry.value)
                claims[index] = ("languages", entry.value, "language code")
        elif entry.value == draft.family or entry.value == draft.base_family:
            for word in entry.facts.get("for", ()):
                add(tunings if word == "reasoning" else specialties, word)
    draft.tuning, draft.specialty, draft.languages = tuple(tunings), tuple(specialties), tuple(languages)


def add(values: list[str], value: str) -> None:
    if value not in values:
        values.append(value)
