"""The family of a model: its own brand or line, the foundation it is based on, and the versions of both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from analysis.names import version
from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.size import SEEN, claim_bare_context
from analysis.names.tokens import (
    FAMILY,
    LINE,
    MIX,
    PLACED,
    PUBLISHER,
    PURPOSED,
    ROLE,
    SHORT,
    SIZE,
    TUNING,
    VERSION,
    Lexeme,
)
from analysis.vocabulary.vocabulary import Entry, vocabulary

RECOGNIZED_KINDS = FAMILY | SHORT


def recognize_family(tokens: TokenSequence, labels: NameLabels) -> None:
    lexemes, mask = tokens.lexemes, tokens.mask
    places = []
    for index, lexeme in enumerate(lexemes):
        kind = lexeme.kind
        if kind & FAMILY and (not kind & PLACED or not index or is_named_here(tokens, index)):
            places.append(index)
    own: int | None
    base: int | None
    if len(places) == 1 and lexemes[places[0]].kind & LINE:
        own, base = places[0], None
    else:
        own, base = choose_family(tokens, places)
    if mask & SHORT:
        own, base = expand_abbreviation(tokens, own, base)
    if own is None:
        if mask & version.RECOGNIZED_KINDS:
            version.recognize_version(tokens, labels, (), ())
        return
    entry, kind = entry_of(tokens, own), lexemes[own].kind
    labels.family = entry.value
    if len(places) > 1:
        for at in places:  # a method beside a line: `LFM2-ColBERT`
            weak = entry_of(tokens, at).facts.get("weak")
            if weak and lexemes[at].text.lower() in weak:
                inherit_purposes(labels, entry_of(tokens, at))
    if kind & (PURPOSED | SHORT):
        inherit_purposes(labels, entry)
    if base is not None:
        foundation = entry_of(tokens, base)
        labels.base_family = foundation.value
        tokens.claims[base] = ("base_family", foundation.value, lexemes[base].unit or foundation.file)
        inherit_purposes(labels, foundation)
    elif kind & LINE or entry.facts["kind"] == "lines":
        labels.base_family = entry.value
    if mask & version.RECOGNIZED_KINDS:
        if len(places) < 2 and base is None:
            version.recognize_version(tokens, labels, (own,), ())
        else:
            version.recognize_version(
                tokens, labels, find_mentions(tokens, places, own), find_mentions(tokens, places, base)
            )
        if own > 0 and labels.version is not None and labels.version.startswith("0."):
            leave_out_edition(tokens, labels, entry)
        if entry.value == "deepseek" and labels.version is not None and labels.version[0] == "R":
            labels.tuning = ("reasoning",)
    if "long" in entry.facts:
        claim_bare_context(tokens, labels)


def leave_out_edition(tokens: TokenSequence, labels: NameLabels, entry: Entry) -> None:
    """`deepthought-8b-llama-v0.01`: a version below 1 that the line never had is that of the tune named before it."""
    known = entry.facts.get("versions", ())
    if entry.facts["kind"] != "lines" or not known or labels.version in known:
        return
    for at, claim in enumerate(tokens.claims):
        if claim is not None and claim[:2] == ("version", labels.version):
            tokens.claims[at] = ("noise", labels.version or "", "edition of a copy")
    labels.version = None


def inherit_purposes(labels: NameLabels, entry: Entry) -> None:
    """Add what all models of a family are for, or are trained to do."""
    for word in entry.facts.get("for", ()):
        if word in ("instruct", "reasoning"):
            labels.tuning = (word,)
        elif word not in labels.specialty:
            labels.specialty += (word,)


def expand_abbreviation(tokens: TokenSequence, own: int | None, base: int | None) -> tuple[int | None, int | None]:
    """`L3.1`, `MN` and similar are a family if none is named, else the foundation of a brand."""
    if own is None or "minor" in entry_of(tokens, own).facts:
        short = find_shorthand(tokens)
        if short is not None:
            own, entry = short, entry_of(tokens, short)
            tokens.claims[own] = ("family", entry.value, entry.file)
    elif base is None and entry_of(tokens, own).facts["kind"] == "brands":
        base = find_foundation(tokens)
    return own, base


def find_mentions(tokens: TokenSequence, places: list[int], at: int | None) -> Sequence[int]:
    """All positions of one family: `Qwen_Qwen3-4B` names it twice, its version once."""
    if at is None:
        return ()
    if len(places) < 2:
        return (at,)
    entry = tokens.lexemes[at].entry
    return [place for place in places if tokens.lexemes[place].entry is entry]


def entry_of(tokens: TokenSequence, at: int) -> Entry:
    entry = tokens.lexemes[at].entry
    assert entry is not None
    return entry


def is_named_here(tokens: TokenSequence, index: int) -> bool:
    """Whether a word names a family here.

    Common words do so only at the beginning of the name; short ones (`sd`) also where a version is glued to them.
    """
    facts, lexemes = entry_of(tokens, index).facts, tokens.lexemes
    short = lexemes[index].text.lower() in facts.get("short", ())
    if not (short or "first" in facts) or is_introduced(tokens, index):
        return True
    if short and index + 1 < len(lexemes) and lexemes[index + 1].kind & VERSION and not tokens.before(index + 1):
        return True
    tokens.claims[index] = ("noise", tokens.lexemes[index].text, "a common word here")
    return False


def is_introduced(tokens: TokenSequence, index: int) -> bool:
    """Whether only publishers and roles precede, or one unknown word and `_`: `mtp-Step-3`, `org_Holo-3`."""
    lexemes = tokens.lexemes
    if all(lexeme.kind & (PUBLISHER | ROLE) for lexeme in lexemes[:index]):
        return True
    if index == 1:
        return lexemes[0].unknown and tokens.before(1) == "_" and "-" in tokens.text
    return index == 2 and is_part_of_publisher(tokens, 0)


def find_shorthand(tokens: TokenSequence) -> int | None:
    """The position of an abbreviated family: `L3.1` is Llama 3.1, `MS3.2` Mistral Small 3.2."""
    for index, lexeme in enumerate(tokens.lexemes[:4]):
        if lexeme.kind & SHORT:
            plain = (
                index == 0
                or "." in lexeme.unit
                or tokens.lexemes[index - 1].kind & SIZE
                or is_introduced(tokens, index)
            )
            return index if plain else None
    return None


def find_foundation(tokens: TokenSequence) -> int | None:
    """The position of a brand's abbreviated foundation: the `L2` of `MythoMax-L2-13B`."""
    for index, lexeme in enumerate(tokens.lexemes):
        if lexeme.kind & SHORT and lexeme.unit in entry_of(tokens, index).facts.get("versions", ()):
            return index
    return None


def choose_family(tokens: TokenSequence, places: list[int]) -> tuple[int | None, int | None]:
    """The positions of the model's own family and of its foundation, among all families in the name."""
    if len(places) > 1:
        places = leave_out_weak(tokens, places)
    lines: list[int] = []
    brands: list[int] = []
    minor: list[int] = []
    for at in places:
        facts = entry_of(tokens, at).facts
        if facts["kind"] == "lines":
            lines.append(at)
        elif facts["kind"] == "brands":
            (minor if "minor" in facts else brands).append(at)
    if brands:
        if lines and lines[0] < brands[0] and sees(tokens, lines[0]) and not sees(tokens, brands[0]):
            return lines[0], None  # `llava-v1.6-vicuna-7b`: the brand is its language model
        return brands[0], lines[0] if lines else None
    if not lines:
        return minor[0] if minor else None, None
    first = lines[0]
    value = entry_of(tokens, first).value
    other = next((at for at in lines[1:] if entry_of(tokens, at).value != value), None)
    if other is None:
        return first, None
    if entry_of(tokens, other).facts.get("tunes"):
        return other, first
    if (tokens.mask & TUNING and is_distilled_after(tokens, other)) or is_sized_before(tokens, first, other):
        return first, None
    return first, other


def sees(tokens: TokenSequence, at: int) -> bool:
    """Whether a family is for images; EAGLE drafts for the brand that follows (`size.drafts_for`)."""
    entry = entry_of(tokens, at)
    return "vision" in entry.facts.get("for", ()) and entry.value != "eagle"


def leave_out_weak(tokens: TokenSequence, places: list[int]) -> list[int]:
    """Without words that name a family only where no other line is named, and without the subjects of an adapter.

    `nemo` beside `parakeet` is NVIDIA's format, not Mistral Nemo. What follows `LoRA` in the name of an image or video
    model is what the adapter shows: a camera's `dolly`.
    """
    lexemes = tokens.lexemes
    if is_part_of_publisher(tokens, places[0]):
        places = places[1:]
    strong = [at for at in places if lexemes[at].text.lower() not in entry_of(tokens, at).facts.get("weak", ())]
    if any(entry_of(tokens, at).facts["kind"] == "lines" for at in strong):
        places = strong
    if not tokens.mask & TUNING or SEEN.isdisjoint(entry_of(tokens, places[0]).facts.get("for", ())):
        return places
    adapter = next((index for index, lexeme in enumerate(lexemes) if lexeme.kind & TUNING and is_adapter(lexeme)), None)
    return places if adapter is None else [at for at in places if at < adapter] or places


def is_part_of_publisher(tokens: TokenSequence, at: int) -> bool:
    """Whether a name begins with a longer word that `_` sets apart: the `OrionLLM` of `OrionLLM_LRM-3.2`."""
    lexemes = tokens.lexemes
    return (
        at == 0
        and len(lexemes) > 2
        and "-" in tokens.text
        and not tokens.before(1)
        and lexemes[1].text.isalpha()
        and tokens.before(2) == "_"
    )


def is_adapter(lexeme: Lexeme) -> bool:
    return lexeme.entry is not None and lexeme.entry.value == "lora"


def is_sized_before(tokens: TokenSequence, first: int, other: int) -> bool:
    """`Qwen3.5-9B-DeepSeek-V4-Flash`: the size is the first one's, so the second is its teacher."""
    sizes = [index for index, lexeme in enumerate(tokens.lexemes) if lexeme.kind & (MIX | SIZE)]
    return bool(sizes) and all(first < index < other for index in sizes)


def is_distilled_after(tokens: TokenSequence, at: int) -> bool:
    """`A-B-Distill`: A was distilled from B."""
    return any(
        lexeme.kind & TUNING and lexeme.entry is not None and lexeme.entry.value == "distill"
        for lexeme in tokens.lexemes[at + 1 : at + 4]
    )


class Likeness(NamedTuple):
    """A word that no rule claimed and the family with a similar spelling; `score` is 0 to 100."""

    word: str
    family: str
    spelling: str
    score: float


MIN_WORD_LETTERS = 5  # shorter words resemble too many spellings
MIN_SIMILARITY = 88.0


def find_closest_family(unclaimed: Sequence[str], cutoff: float = MIN_SIMILARITY) -> Likeness | None:
    """The family whose spelling is most similar to an unclaimed word (`Mistrall`, `Deepsek`); None below the cutoff.

    Evidence of last resort (source `fuzzy`), for names in which no rule found a family.
    """
    words = [word for word in unclaimed if len(word) >= MIN_WORD_LETTERS and word.isalpha()]
    if not words:
        return None
    from rapidfuzz import fuzz, process

    known = family_spellings()
    best: Likeness | None = None
    for word in words:
        found = process.extractOne(word.lower(), known.keys(), scorer=fuzz.ratio, score_cutoff=cutoff)
        if found is not None and (best is None or found[1] > best.score):
            best = Likeness(word, known[found[0]], found[0], found[1])
    return best


@cache
def family_spellings() -> dict[str, str]:
    """Every spelling of a family with enough letters for a comparison -> its slug."""
    return {
        word: entry.value
        for word, entry in vocabulary().words.items()
        if entry.label == "family"
        and entry.facts["kind"] != "teachers"
        and len(word) >= MIN_WORD_LETTERS
        and word.isalpha()
    }
