"""How large a model is, as its name claims, and what the other numbers with a K, M, B or T are."""

from __future__ import annotations

import re

from analysis.names.name_labels import Draft, TokenSequence
from analysis.names.tokens import (
    ACTIVE,
    EFFECTIVE,
    EXPERTS,
    FAMILY,
    FLAG,
    LETTER,
    MIX,
    NUMBER,
    ROLE,
    SIZE,
    SIZE_WORD,
    TIMES,
    TUNING,
    VERSION,
    WORD,
    canonical,
)  # fmt: skip

READS = ACTIVE | EFFECTIVE | EXPERTS | MIX | SIZE | SIZE_WORD | TIMES

# Context lengths that names state, in thousands.
CONTEXTS = {4, 8, 16, 32, 64, 120, 128, 131, 160, 192, 200, 256, 262, 320, 384, 450, 512, 1000, 1024, 1048, 2048, 4096}
MILLIONS = {1, 2, 4, 10}
# Experts from which on a size before them counts one token's parameters, as Llama 4's `17B-16E` does.
ACTIVE_FROM = 16


def recognize_size(sheet: TokenSequence, draft: Draft) -> None:
    found: dict[int, int] = {}
    counts: list[int] = []
    for index, piece in enumerate(sheet.pieces):
        kind = piece.kind & READS
        if kind:
            if kind & SIZE:
                counts.append(index)
            else:
                found.setdefault(kind, index)
    if not found and len(counts) == 1 and plain(sheet, draft, counts[0]):
        return
    if counts:
        counts = [index for index in counts if is_count(sheet, draft, index, counts, found)]
    if MIX in found:
        mixture(sheet, draft, found[MIX], counts)
    elif counts:
        total(sheet, draft, counts, found)
    if ACTIVE in found:
        active(sheet, draft, found[ACTIVE])
    if EFFECTIVE in found:
        piece = sheet.pieces[found[EFFECTIVE]]
        draft.size, draft.active_parameters = piece.text.upper(), round(piece.number)
        sheet.claims[found[EFFECTIVE]] = ("size", draft.size, "effective parameters")
    if draft.size is None and SIZE_WORD in found:
        entry = sheet.pieces[found[SIZE_WORD]].entry
        assert entry is not None
        draft.size = entry.value
        sheet.claims[found[SIZE_WORD]] = ("size", entry.value, entry.file)
    if of_another(sheet):
        draft.parameters = draft.active_parameters = draft.experts = None
        draft.approximate = False


def plain(sheet: TokenSequence, draft: Draft, index: int) -> bool:
    """The usual case, first: one count, in billions, and nothing around it that makes it another's or another thing."""
    piece = sheet.pieces[index]
    if piece.unit != "b" or sheet.mask & ROLE or not piece.number or "for" in sheet.text or "ok" in sheet.text:
        return False
    assert piece.claim is not None
    draft.parameters, draft.size = int(piece.number), piece.claim[1]
    return True


def is_count(sheet: TokenSequence, draft: Draft, index: int, counts: list[int], found: dict[int, int]) -> bool:
    """Whether a number with a letter counts parameters; contexts, tokens and data are claimed as what they are."""
    piece = sheet.pieces[index]
    unit, number = piece.unit, piece.number
    billions = MIX in found or any(sheet.pieces[other].unit == "b" for other in counts)
    if index and sheet.pieces[index - 1].kind & FLAG and unit == "m":
        rule = "profile of a quantizer"
    elif unit == "k":
        if beside_context(sheet, index) or (number / 1e3 in CONTEXTS and not trained(sheet, index)):
            return claim_context(sheet, draft, index, tokens(number))
        if number >= 1e5 and not billions and piece.text[-1] == "K" and index == len(sheet.pieces) - 1:
            return True
        rule = "thousands"
    elif unit == "m":
        if number / 1e6 in MILLIONS and is_window(sheet, draft, index, counts, billions):
            return claim_context(sheet, draft, index, round(number / 1e6 * (1 << 20)))
        if index and not sheet.before(index) and sheet.pieces[index - 1].kind == WORD and looks(sheet):
            rule = "data"  # the `lvd142m` of a vision model
        elif not billions or (number >= 5e7 and not family_between(sheet, index, counts)):
            return True
        else:
            rule = "data"
    elif counts_tokens(sheet, index):
        rule = "tokens of training"
    elif unit == "t":
        if ACTIVE in found or (len(counts) == 1 and MIX not in found and trillions(sheet, index)):
            return True
        rule = "tokens of training"
    elif number == 0:
        rule = "number"
    else:
        return True
    sheet.claims[index] = ("noise", piece.text, rule)
    return False


def counts_tokens(sheet: TokenSequence, index: int) -> bool:
    """`100B-tokens`, and the second of `22B-token-500B`."""
    words = ("tokens", "token", "tok")
    pieces = sheet.pieces
    if beside(sheet, index, words):
        return not (index + 2 < len(pieces) and pieces[index + 2].kind & SIZE)
    return bool(index) and pieces[index - 1].text.lower() in words


def trillions(sheet: TokenSequence, index: int) -> bool:
    """`Ling-1T` and `Kimi-K3-2T`: trillions right after the family are its size, elsewhere they count tokens."""
    pieces = sheet.pieces
    named = any(piece.kind & FAMILY for piece in pieces[:index])
    close = index and all(piece.kind & (FAMILY | LETTER | NUMBER | VERSION) for piece in pieces[:index])
    return named and bool(close) and pieces[index].number <= 3e12 and not _SMALL.search(sheet.text.lower())


_SMALL = re.compile("tiny|small|mini|lite|nano|smol")  # nothing of a trillion parameters is called so


def looks(sheet: TokenSequence) -> bool:
    """Whether the name is of a line of vision models."""
    return any(
        piece.kind & FAMILY and piece.entry is not None and "vision" in piece.entry.facts.get("for", ())
        for piece in sheet.pieces
    )


def tokens(number: float) -> int:
    """128k is 131072 and 200k 200 times 1024; 131k and 1048k round powers of two in thousands."""
    power = 1 << round(number).bit_length()
    if abs(number / power - 1) < 0.006 or abs(number / (power // 2) - 1) < 0.006:
        return power if abs(number / power - 1) < 0.006 else power // 2
    return round(number / 1e3 * 1024)


COUNTED = {"step", "steps", "iter", "iters", "iteration", "ckpt", "checkpoint", "epoch", "epochs", "tokenizer", "vocab"}


def trained(sheet: TokenSequence, index: int) -> bool:
    """Whether thousands count steps of training: after a word of training, or in the name of an encoder."""
    if index and sheet.pieces[index - 1].text.lower() in COUNTED:
        return True
    return any(
        piece.kind & FAMILY and piece.entry is not None and "base" in piece.entry.facts for piece in sheet.pieces
    )


def claim_context(sheet: TokenSequence, draft: Draft, index: int, context: int) -> bool:
    """Always False: a context is no count."""
    draft.context = context
    sheet.claims[index] = ("context", str(context), "context")
    return False


def beside(sheet: TokenSequence, index: int, words: tuple[str, ...]) -> bool:
    return index + 1 < len(sheet.pieces) and sheet.pieces[index + 1].text.lower() in words


def beside_context(sheet: TokenSequence, index: int) -> bool:
    words = ("context", "ctx", "contextwindow")
    return beside(sheet, index, words) or bool(index and sheet.pieces[index - 1].text.lower() in words)


def is_window(sheet: TokenSequence, draft: Draft, index: int, counts: list[int], billions: bool) -> bool:
    """`1M` is a context after a size in billions, and alone in a known line's name; before `100K` it counts data."""
    after = index + 1
    if after in counts and sheet.pieces[after].unit == "k":
        return False
    if billions:
        return any(other < index and sheet.pieces[other].unit == "b" for other in counts)
    return draft.family is not None and draft.version is not None and sheet.pieces[index].text[-1] == "M"


def family_between(sheet: TokenSequence, index: int, counts: list[int]) -> bool:
    """`Instruct-3M-Llama3-70B`: the count that follows the family is its size, the one before it is none."""
    later = next((other for other in counts if other > index and sheet.pieces[other].unit == "b"), None)
    return later is None or any(piece.kind & FAMILY for piece in sheet.pieces[index:later])


def mixture(sheet: TokenSequence, draft: Draft, index: int, counts: list[int]) -> None:
    """`8x7B`: experts share their attention, so the total is less than the product; a total beside it is believed."""
    piece = sheet.pieces[index]
    draft.experts = int(piece.unit)
    each = max(piece.text.lower().replace("×", "x").split("x"), key=lambda part: part[-1] in "bm")  # 8x7b, and 7bx8
    draft.size = f"{draft.experts}x{canonical(each)}"
    draft.parameters, draft.approximate = mixed(piece.number, draft.experts), True
    sheet.claims[index] = ("size", draft.size, "experts")
    for other in counts:
        sheet.claims[other] = ("noise", sheet.pieces[other].text, "another size")
    for other in counts:
        if piece.number < sheet.pieces[other].number < piece.number * draft.experts * 1.1:
            draft.parameters, draft.approximate = round(sheet.pieces[other].number), False
            sheet.claims[other] = ("size", canonical(sheet.pieces[other].text), "total of a mixture")
            return


def mixed(each: float, experts: float) -> int:
    return int(each * (0.25 + 0.75 * experts))


def total(sheet: TokenSequence, draft: Draft, counts: list[int], found: dict[int, int]) -> None:
    pieces, claims = sheet.pieces, sheet.claims
    own = counts[0]
    if len(counts) > 1:
        second = counts[1]
        ratio = pieces[second].number / pieces[own].number
        if second == own + 1 and 1 < ratio < 40 and pieces[own].unit == "b" and "moe" in sheet.text.lower():
            draft.active_parameters = round(pieces[own].number)
            claims[own] = ("active_parameters", str(draft.active_parameters), "the smaller of a mixture's two sizes")
            own = second
        else:
            own = shrunk(sheet, counts)
    piece = pieces[own]
    draft.parameters, draft.size = round(piece.number), canonical(piece.text)
    for other in counts:
        if other != own and claims[other] == pieces[other].claim:
            claims[other] = ("noise", pieces[other].text, "another size")
    experts = found.get(EXPERTS)
    if experts is not None and experts == own + 1:
        draft.experts = int(pieces[experts].number)
        draft.size = f"{draft.size}-{draft.experts}E"
        claims[experts] = ("experts", str(draft.experts), "experts")
        if draft.experts >= ACTIVE_FROM:
            draft.active_parameters, draft.parameters = draft.parameters, None
    times = found.get(TIMES)
    if times is not None and "moe" in sheet.text.lower() and draft.parameters is not None:
        draft.experts = int(pieces[times].number)
        draft.parameters, draft.approximate = mixed(draft.parameters, draft.experts), True
        claims[times] = ("experts", str(draft.experts), "times a mixture")


SHRINKS = {"distill", "pruned"}


def shrunk(sheet: TokenSequence, counts: list[int]) -> int:
    """Of two totals the model's own: after `distill`, `pruned` or `dense` the smaller one, else the first."""
    own = counts[0]
    for later in counts[1:]:
        if sheet.pieces[later].number < sheet.pieces[own].number and any(
            (piece.kind & TUNING and piece.entry is not None and piece.entry.value in SHRINKS)
            or piece.text.lower() == "dense"
            for piece in sheet.pieces[own:later]
        ):
            own = later
    return own


def active(sheet: TokenSequence, draft: Draft, index: int) -> None:
    piece = sheet.pieces[index]
    draft.active_parameters = round(piece.number)
    text = canonical(piece.text)
    draft.size = text if draft.size is None else f"{draft.size}-{text}"
    sheet.claims[index] = ("active_parameters", str(draft.active_parameters), "active parameters")


def of_another(sheet: TokenSequence) -> bool:
    """Drafts and adapters are named after the model they serve: its size is not theirs."""
    if sheet.mask & ROLE and any(
        piece.kind & ROLE and piece.entry is not None and piece.entry.value == "draft" for piece in sheet.pieces
    ):
        return True
    if sheet.mask & FAMILY and "for" in sheet.text:
        pieces = sheet.pieces
        return any(
            piece.kind & FAMILY and index and pieces[index - 1].text.lower() == "for"
            for index, piece in enumerate(pieces)
        )
    return False
