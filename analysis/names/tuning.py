"""How it was trained, what it is for, and which languages it speaks."""

from __future__ import annotations

from analysis.names.name_labels import Draft, TokenSequence
from analysis.names.tokens import (
    ACTIVE,
    CODE,
    EFFECTIVE,
    FAMILY,
    LANGUAGE,
    MIX,
    SEES,
    SIZE,
    SPECIALTY,
    TUNING,
)  # fmt: skip

READS = CODE | LANGUAGE | SEES | SPECIALTY | TUNING
AMBIGUOUS = {"assistant", "base", "it"}


def recognize_tuning(sheet: TokenSequence, draft: Draft) -> None:
    traits: Traits | None = None
    for index, piece in enumerate(sheet.pieces):
        kind = piece.kind & READS
        if not kind or piece.entry is None:
            continue
        value = piece.entry.value
        if kind & TUNING:
            if piece.text.lower() in AMBIGUOUS:
                traits = traits or Traits(sheet)
                read_tuning(sheet, draft, index, traits)
            elif value not in draft.tuning:
                draft.tuning += (value,)
        elif kind & SPECIALTY:
            if value not in draft.specialty:
                draft.specialty += (value,)
        elif kind & LANGUAGE:
            if value not in draft.languages:
                draft.languages += (value,)
        else:
            traits = traits or Traits(sheet)
            read_code(sheet, draft, index, traits)
    if sheet.mask & SEES and "vision" not in draft.specialty:
        draft.specialty += ("vision",)  # `GLM-4.5V` is the version that sees


class Traits:
    """What the families of a name say of its words: are `it` and `pt` tunings, `base` a size, codes languages?"""

    __slots__ = ("base_is_size", "codes", "it_is_tuning", "speaks", "translates")

    def __init__(self, sheet: TokenSequence) -> None:
        self.base_is_size = self.it_is_tuning = self.speaks = self.translates = False
        self.codes = 0
        for piece in sheet.pieces:
            if piece.kind & FAMILY and piece.entry is not None:
                facts = piece.entry.facts
                self.base_is_size = self.base_is_size or bool(facts.get("base"))
                self.it_is_tuning = self.it_is_tuning or bool(facts.get("it"))
                self.translates = self.translates or "translation" in facts.get("for", ())
                self.speaks = self.speaks or not SPEAKS.isdisjoint(facts.get("for", ()))
            elif piece.kind & CODE:
                self.codes += 1
        self.speaks = self.speaks or self.base_is_size


SPEAKS = {"audio", "asr", "tts", "translation"}  # lines whose names end in the language they speak


def read_tuning(sheet: TokenSequence, draft: Draft, index: int, traits: Traits) -> None:
    """Most words mean one thing; `base`, `it` and `assistant` do not."""
    piece, claims = sheet.pieces[index], sheet.claims
    assert piece.entry is not None
    word = piece.text.lower()
    if word == "base" and traits.base_is_size:
        draft.size = draft.size or "base"
        claims[index] = ("size", "base", "size word")
    elif word == "it" and not (traits.it_is_tuning or sheet.mask & (SIZE | ACTIVE | EFFECTIVE | MIX)):
        if traits.codes or traits.speaks:
            draft.languages = added(draft.languages, "it")
            claims[index] = ("languages", "it", "language code")
        elif index and index == len(claims) - 1:
            draft.tuning = added(draft.tuning, "instruct")
        else:
            claims[index] = None
    elif word == "assistant" and "instruct" in draft.tuning:
        draft.parameters = draft.active_parameters = None  # Gemma's `-it-assistant` guesses ahead for `-it`
        claims[index] = ("role", "draft", "an assistant of the tuned model")
    else:
        draft.tuning = added(draft.tuning, piece.entry.value)


def read_code(sheet: TokenSequence, draft: Draft, index: int, traits: Traits) -> None:
    """Two letters are a language where they can hardly be anything else: beside another code, in a line that speaks."""
    piece = sheet.pieces[index]
    assert piece.entry is not None
    if traits.it_is_tuning and piece.text.lower() == "pt":
        draft.tuning = added(draft.tuning, "base")
        sheet.claims[index] = ("tuning", "base", "pretrained")
    elif (
        piece.entry.facts.get("bare")
        or traits.translates
        or beside_code(sheet, index)
        or (traits.speaks and index == len(sheet.pieces) - 1)
    ):
        draft.languages = added(draft.languages, piece.entry.value)
        sheet.claims[index] = ("languages", piece.entry.value, "language code")


def beside_code(sheet: TokenSequence, index: int) -> bool:
    """`en-it`, `en-to-it`."""
    pieces = sheet.pieces
    for step in (-1, 1):
        at = index + step
        if 0 <= at < len(pieces) and pieces[at].text.lower() in ("to", "2", "and"):
            at += step
        if 0 <= at < len(pieces):
            other = pieces[at]
            if other.kind & CODE or other.text.lower() == "it" or (other.kind & LANGUAGE and len(other.text) <= 3):
                return True
    return False


def added(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return values if value in values else (*values, value)
