"""Whose model it is: the brand that the name states, the foundation under it, and the versions of both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from analysis.names import version
from analysis.names.name_labels import Draft, TokenSequence
from analysis.names.tokens import FAMILY, MIX, PUBLISHER, ROLE, SHORT, SIZE, TUNING
from analysis.vocabulary.vocabulary import Entry, vocabulary

READS = FAMILY | SHORT


def recognize_family(sheet: TokenSequence, draft: Draft) -> None:
    pieces, mask = sheet.pieces, sheet.mask
    places = [
        index for index, piece in enumerate(pieces) if piece.kind & FAMILY and (not index or counts(sheet, index))
    ]
    own, base = choose(sheet, places)
    if mask & SHORT:
        own, base = is_abbreviation(sheet, own, base)
    if own is None:
        if mask & version.READS:
            version.recognize_version(sheet, draft, (), ())
        return
    entry = entry_of(sheet, own)
    draft.family = entry.value
    if "for" in entry.facts:
        inherit_versions(draft, entry)
    if base is not None:
        foundation = entry_of(sheet, base)
        draft.base_family = foundation.value
        sheet.claims[base] = ("base_family", foundation.value, pieces[base].unit or foundation.file)
        inherit_versions(draft, foundation)
    elif entry.facts["kind"] == "lines":
        draft.base_family = entry.value
    if mask & version.READS:
        version.recognize_version(sheet, draft, is_same_family(sheet, places, own), is_same_family(sheet, places, base))
        if entry.value == "deepseek" and draft.version is not None and draft.version[0] == "R":
            draft.tuning = ("reasoning",)


def inherit_versions(draft: Draft, entry: Entry) -> None:
    """What all models of a family are for, or are trained to do."""
    for word in entry.facts.get("for", ()):
        if word == "reasoning":
            draft.tuning = (word,)
        elif word not in draft.specialty:
            draft.specialty = (*draft.specialty, word)


def is_abbreviation(sheet: TokenSequence, own: int | None, base: int | None) -> tuple[int | None, int | None]:
    """`L3.1`, `MN` and their like stand for a family where none is named, and for the foundation of a brand."""
    if own is None or "minor" in entry_of(sheet, own).facts:
        short = shorthand(sheet)
        if short is not None:
            own, entry = short, entry_of(sheet, short)
            sheet.claims[own] = ("family", entry.value, entry.file)
    elif base is None and entry_of(sheet, own).facts["kind"] == "brands":
        base = foundation(sheet)
    return own, base


def is_same_family(sheet: TokenSequence, places: list[int], at: int | None) -> list[int]:
    """All places of one family: `Qwen_Qwen3-4B` says it twice, its version once."""
    if at is None:
        return []
    entry = sheet.pieces[at].entry
    return [place for place in places if sheet.pieces[place].entry is entry] if len(places) > 1 else [at]


def entry_of(sheet: TokenSequence, at: int) -> Entry:
    entry = sheet.pieces[at].entry
    assert entry is not None
    return entry


def counts(sheet: TokenSequence, index: int) -> bool:
    """Whether a family's word names one here: words of common speech do so only where the name begins."""
    if "first" not in entry_of(sheet, index).facts or introduced(sheet, index):
        return True
    sheet.claims[index] = ("noise", sheet.pieces[index].text, "a word of common speech here")
    return False


def introduced(sheet: TokenSequence, index: int) -> bool:
    """Whether only publishers and roles stand before, or one unknown word and `_`: `mtp-Step-3`, `org_Holo-3`."""
    pieces = sheet.pieces
    if all(piece.kind & (PUBLISHER | ROLE) for piece in pieces[:index]):
        return True
    return index == 1 and not pieces[0].kind and sheet.before(1) == "_" and "-" in sheet.text


def shorthand(sheet: TokenSequence) -> int | None:
    """`L3.1` is Llama 3.1 and `MS3.2` Mistral Small 3.2 where no family is named."""
    for index, piece in enumerate(sheet.pieces[:4]):
        if piece.kind & SHORT:
            plain = index == 0 or "." in piece.unit or sheet.pieces[index - 1].kind & SIZE or introduced(sheet, index)
            return index if plain else None
    return None


def foundation(sheet: TokenSequence) -> int | None:
    """The `L2` of `MythoMax-L2-13B`: a brand's foundation in short."""
    for index, piece in enumerate(sheet.pieces):
        if piece.kind & SHORT and piece.unit in entry_of(sheet, index).facts.get("versions", ()):
            return index
    return None


def choose(sheet: TokenSequence, places: list[int]) -> tuple[int | None, int | None]:
    """Of all families in the name: the model's own, and the foundation it stands on."""
    if len(places) == 1:
        return (places[0] if entry_of(sheet, places[0]).facts["kind"] != "teachers" else None), None
    lines: list[int] = []
    brands: list[int] = []
    minor: list[int] = []
    for at in places:
        facts = entry_of(sheet, at).facts
        if facts["kind"] == "lines":
            lines.append(at)
        elif facts["kind"] == "brands":
            (minor if "minor" in facts else brands).append(at)
    if brands:
        return brands[0], lines[0] if lines else None
    if not lines:
        return minor[0] if minor else None, None
    first = lines[0]
    value = entry_of(sheet, first).value
    other = next((at for at in lines[1:] if entry_of(sheet, at).value != value), None)
    if other is None:
        return first, None
    if entry_of(sheet, other).facts.get("tunes"):
        return other, first
    if (sheet.mask & TUNING and distilled_after(sheet, other)) or sized_before(sheet, first, other):
        return first, None
    return first, other


def sized_before(sheet: TokenSequence, first: int, other: int) -> bool:
    """`Qwen3.5-9B-DeepSeek-V4-Flash`: the size is the first one's, so the second is its teacher, not its foundation."""
    sizes = [index for index, piece in enumerate(sheet.pieces) if piece.kind & (MIX | SIZE)]
    return bool(sizes) and all(first < index < other for index in sizes)


def distilled_after(sheet: TokenSequence, at: int) -> bool:
    """`A-B-Distill`: B taught A."""
    return any(
        piece.kind & TUNING and piece.entry is not None and piece.entry.value == "distill"
        for piece in sheet.pieces[at + 1 : at + 4]
    )


class Likeness(NamedTuple):
    """A word that no rule claimed and the family whose spelling is close to it; `score` is 0 to 100."""

    word: str
    family: str
    spelling: str
    score: float


SHORTEST = 5  # letters: shorter words are close to too much
CUTOFF = 88.0


def alike(unclaimed: Sequence[str], cutoff: float = CUTOFF) -> Likeness | None:
    """The family that the unclaimed words of a name most nearly spell: `Mistrall`, `Deepsek`. None under the cutoff.

    Evidence of last resort (source `fuzzy`), for names whose family no rule could read; never over an exact claim.
    """
    words = [word for word in unclaimed if len(word) >= SHORTEST and word.isalpha()]
    if not words:
        return None
    from rapidfuzz import fuzz, process

    known = spellings()
    best: Likeness | None = None
    for word in words:
        found = process.extractOne(word.lower(), known.keys(), scorer=fuzz.ratio, score_cutoff=cutoff)
        if found is not None and (best is None or found[1] > best.score):
            best = Likeness(word, known[found[0]], found[0], found[1])
    return best


@cache
def spellings() -> dict[str, str]:
    """Every spelling of a family that is long enough to be told from others -> its slug."""
    return {
        word: entry.value
        for word, entry in vocabulary().words.items()
        if entry.label == "family" and entry.facts["kind"] != "teachers" and len(word) >= SHORTEST and word.isalpha()
    }
