"""A name, read: cut into pieces, one recogniser a label, and what they found put together.

The order is the conflict resolution: a recogniser sees what earlier ones claimed and takes only what is left to it.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate

from analysis.errors import NotAName
from analysis.labels import family, files, quant, size, tuning, version
from analysis.labels.reading import Draft, NameLabels, Sheet
from analysis.labels.tokens import EMPTY, NUMBER, OPENS, SIZE, VERSION, Lexicon, Piece, Token, cut, size_piece
from analysis.labels.vocabulary import vocabulary

MOST_BYTES = 512


@cache
def lexicon() -> Lexicon:
    return Lexicon(vocabulary())


def read_name(text: str) -> NameLabels:
    """What a repo id, a file's path or `owner/name::path` claims.

    Raises NotAName for a text that is empty, longer than 512 bytes, or holds control characters.
    """
    if not text.isprintable() or not 0 < len(text) <= MOST_BYTES or not text.isascii() or text[0] == " ":
        check(text)
    draft = Draft(text)
    if "::" in text and "/" in text.partition("::")[0]:
        repo, _, path = text.partition("::")
        read_file_of_repo(draft, repo, path)
    elif "." in text and files.is_file(text):
        draft.kind = "file"
        draft.name = text
        read_path(draft, text, 0)
    else:
        owner, slash, name = text.partition("/")
        if not slash:
            owner, name = "", text
        draft.name = name
        read_repo(draft, owner, name, len(text) - len(name))
    draft.__class__ = NameLabels  # type: ignore[assignment]  # frozen from here on
    return draft  # type: ignore[return-value]


def check(text: str) -> None:
    if not text.strip():
        raise NotAName(text, "it is empty")
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise NotAName(text, f"it is longer than {MOST_BYTES} bytes")
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise NotAName(text, "it holds control characters")


def read_repo(draft: Draft, owner: str, name: str, offset: int) -> None:
    sheet = sheet_of(name)
    recognise(draft, sheet)
    if owner:
        draft.owner = owner
        known = lexicon().vocabulary.owners.get(owner.lower())
        if known is not None:
            quant.owner(draft, known)
        token = tuple.__new__(Token, (owner, 0, len(owner), "owner", owner, "owner"))
        draft.tokens, draft.unclaimed = sheet.tokens(offset, token)
    else:
        draft.tokens, draft.unclaimed = sheet.tokens(offset)


def read_path(draft: Draft, path: str, offset: int) -> None:
    """A file's own name says most; its folders say what that leaves open."""
    folder, _, base = path.rpartition("/")
    sheet = sheet_of(base)
    files.read(sheet, draft)
    recognise(draft, sheet)
    files.role(sheet, draft)
    draft.tokens, draft.unclaimed = sheet.tokens(offset + len(path) - len(base))
    if folder:
        above = Draft(folder)
        sheet = sheet_of(folder)
        recognise(above, sheet)
        files.fill(draft, above)
        tokens, unclaimed = sheet.tokens(offset)
        draft.tokens, draft.unclaimed = tokens + draft.tokens, unclaimed + draft.unclaimed


def read_file_of_repo(draft: Draft, repo: str, path: str) -> None:
    """`owner/name::path`: the file first, then what its repo's name says of what it leaves open."""
    read_path(draft, path, len(repo) + 2)
    owner, _, name = repo.partition("/")
    above = Draft(repo)
    read_repo(above, owner, name, len(owner) + 1)
    files.fill(draft, above)
    draft.kind, draft.owner, draft.name = "file", owner or None, name
    draft.tokens = above.tokens + draft.tokens
    draft.unclaimed = above.unclaimed + draft.unclaimed


def recognise(draft: Draft, sheet: Sheet) -> None:
    """One recogniser a label, in the order that settles their conflicts."""
    mask = sheet.mask
    if mask & quant.READS:
        quant.read(sheet, draft)
    if mask & family.READS:
        family.read(sheet, draft)
    elif mask & version.READS:
        version.read(sheet, draft, (), ())
    if mask & size.READS:
        size.read(sheet, draft)
    if mask & tuning.READS:
        tuning.read(sheet, draft)


def sheet_of(text: str) -> Sheet:
    """The pieces of a text, phrases and split decimals joined."""
    words = cut(text)
    known = lexicon()
    pieces: list[Piece] = []
    starts: list[int] = []
    mask = at = 0
    for word in words:
        piece = known[word]
        pieces.append(piece)
        starts.append(at)
        mask |= piece.kind
        if piece.more:
            for offset, other in piece.more:
                pieces.append(other)
                starts.append(at + offset)
                mask |= other.kind
        at += len(word) + 1
    if not mask & JOINS:
        return Sheet(text, pieces, starts, mask)
    if mask & EMPTY:
        kept = [index for index, piece in enumerate(pieces) if piece.text]
        pieces, starts = [pieces[index] for index in kept], [starts[index] for index in kept]
    if mask & OPENS and holds_phrase(words, known):
        pieces, starts, mask = join_phrases(text, words, known)
    if mask & NUMBER and "_" in text:
        mask = join_decimals(text, pieces, starts)
    return Sheet(text, pieces, starts, mask)


JOINS = EMPTY | NUMBER | OPENS  # kinds of pieces that may belong together with their neighbours, or be none


def holds_phrase(words: list[str], known: Lexicon) -> bool:
    """Whether some word opens a phrase that the next word goes on with."""
    openers = known.openers
    last = None
    for word in words:
        if last is not None and word.lower() in last[0]:
            return True
        last = openers.get(word)
    return False


def join_phrases(text: str, words: list[str], known: Lexicon) -> tuple[list[Piece], list[int], int]:
    """The pieces of a text where several words may be one thing: `gpt-oss`, `Q4_K_M`. The longest phrase wins."""
    ends = list(accumulate((len(word) + 1 for word in words), initial=0))  # word n is text[ends[n] : ends[n + 1] - 1]
    pieces: list[Piece] = []
    starts: list[int] = []
    mask = at = 0
    while at < len(words):
        start = ends[at]
        found = known.pieces(words[at])
        length = 1
        if words[at] in known.openers:
            skip = known.openers[words[at]][1]
            lower = words[at][skip:].lower()
            for more in known.opens.get(lower) or known.opens.get(lower[2:], ()):
                if at + more <= len(words) and (joined := known.phrase(text[start + skip : ends[at + more] - 1])):
                    head = known.pieces(words[at][:skip]) if skip else ()
                    found, length = (*head, (skip, joined)), more
                    break
        for offset, piece in found:
            if piece.text:
                pieces.append(piece)
                starts.append(start + offset)
                mask |= piece.kind
        at += length
    return pieces, starts, mask


USUAL_SIZES = {10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 24, 26, 27, 28, 30, 32, 33, 34, 35, 36, 40, 65, 70, 72, 80, 90}


def join_decimals(text: str, pieces: list[Piece], starts: list[int]) -> int:
    """`1_6b` is 1.6 billion, `2_5` after Qwen version 2.5, `v0_1` version 0.1. Returns the new mask."""
    at = 0
    while at < len(pieces) - 1:
        left, right = pieces[at], pieces[at + 1]
        end = starts[at] + len(left.text)
        if text[end : end + 1] == "_" and starts[at + 1] == end + 1:
            joined = decimal(text, pieces, starts, at, left, right)
            if joined is not None:
                pieces[at : at + 2] = [joined]
                del starts[at + 1]
        at += 1
    mask = 0
    for piece in pieces:
        mask |= piece.kind
    return mask


def decimal(text: str, pieces: list[Piece], starts: list[int], at: int, left: Piece, right: Piece) -> Piece | None:
    """The piece that two numbers with `_` between make, None if they stand apart."""
    kind, next_kind = left.kind, right.kind
    if not (kind & (NUMBER | VERSION) and next_kind & (NUMBER | SIZE)) or "." in left.unit or "." in right.unit:
        return None
    whole, part = left.unit, right.text if next_kind & NUMBER else right.text[:-1]
    if (
        len(whole) > 2
        or len(part) > 2
        or not part.isdigit()
        or not whole.isdigit()
        or (whole[0] == "0" and whole != "0")
    ):
        return None
    start = starts[at]
    said = text[start : starts[at + 1] + len(right.text)]
    before = pieces[at - 1] if at else None
    versions = before.entry.facts.get("versions", ()) if before is not None and before.entry is not None else ()
    set_apart = at == 0 or text[start - 1] != "_"
    if next_kind & SIZE:
        alone = whole == "0" or (set_apart and whole not in versions and left.number != 1)
        if not alone or kind & VERSION or right.unit not in "bm":
            return None
        number = float(f"{whole}.{part}") * (1e9 if right.unit == "b" else 1e6)
        return size_piece(said, number, right.unit)
    if (
        f"{whole}.{part}" in versions
        or (set_apart and len(part) == 1)
        or (kind & VERSION and left.text[0] in "vV" and (len(part) == 1 or whole == "0"))
    ):
        return Piece(said, kind, None, unit=f"{whole}.{part}", number=left.number)
    return None
