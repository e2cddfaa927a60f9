"""A name, read: cut into pieces, one recogniser a label, and what they found put together.

The order is the conflict resolution: a recogniser sees what earlier ones claimed and takes only what is left to it.
"""

from __future__ import annotations

import re
from functools import cache

from analysis.errors import InvalidName
from analysis.names import family, files, size, tuning, version
from analysis.names import quantization as quant
from analysis.names.name_labels import Draft, NameLabels, TokenSequence
from analysis.names.tokens import EMPTY, NUMBER, OPENS, SIZE, VERSION, Lexeme, Lexicon, cut, size_piece
from analysis.vocabulary.vocabulary import vocabulary

MAX_NAME_BYTES = 512


@cache
def lexicon() -> Lexicon:
    return Lexicon(vocabulary())


def parse_name(text: str) -> NameLabels:
    """What a repo id, a file's path or `owner/name::path` claims.

    Raises NotAName for a text that is empty, longer than 512 bytes, or holds control characters.
    """
    if not text.isprintable() or not 0 < len(text) <= MAX_NAME_BYTES or not text.isascii() or text[0] == " ":
        validate_name(text)
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
    return draft


def validate_name(text: str) -> None:
    if not text.strip():
        raise InvalidName(text, "it is empty")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise InvalidName(text, f"it is longer than {MAX_NAME_BYTES} bytes")
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise InvalidName(text, "it holds control characters")


def read_repo(draft: Draft, owner: str, name: str, offset: int) -> None:
    sheet = token_sequence_of(name)
    apply_recognizers(draft, sheet)
    draft.parts = ((offset, sheet),)
    if owner:
        draft.owner = owner
        if draft.format is None and (known := lexicon().vocabulary.owners.get(owner.lower())) is not None:
            quant.owner(draft, known)


def read_path(draft: Draft, path: str, offset: int) -> None:
    """A file's own name says most; its folders say what that leaves open."""
    folder, _, base = path.rpartition("/")
    sheet = token_sequence_of(base)
    files.recognize_file(sheet, draft)
    apply_recognizers(draft, sheet)
    files.role(sheet, draft)
    draft.parts = ((offset + len(path) - len(base), sheet),)
    if folder:
        above = Draft(folder)
        sheet = token_sequence_of(folder)
        apply_recognizers(above, sheet)
        files.fill(draft, above)
        draft.parts = ((offset, sheet), *draft.parts)


def read_file_of_repo(draft: Draft, repo: str, path: str) -> None:
    """`owner/name::path`: the file first, then what its repo's name says of what it leaves open."""
    read_path(draft, path, len(repo) + 2)
    owner, _, name = repo.partition("/")
    above = Draft(repo)
    read_repo(above, owner, name, len(owner) + 1)
    files.fill(draft, above)
    draft.kind, draft.owner, draft.name = "file", owner or None, name
    draft.parts = above.parts + draft.parts


def apply_recognizers(draft: Draft, sheet: TokenSequence) -> None:
    """One recogniser a label, in the order that settles their conflicts."""
    mask = sheet.mask
    if mask & quant.READS:
        quant.recognize_quantization(sheet, draft)
    if mask & family.READS:
        family.recognize_family(sheet, draft)
    elif mask & version.READS:
        version.recognize_version(sheet, draft, (), ())
    if mask & size.READS:
        size.recognize_size(sheet, draft)
    if mask & tuning.READS:
        tuning.recognize_tuning(sheet, draft)


def token_sequence_of(text: str) -> TokenSequence:
    """The pieces of a text, phrases and split decimals joined."""
    words = cut(text)
    known = lexicon()
    pieces = list(map(known.__getitem__, words))
    mask = 0
    glued = False
    for piece in pieces:
        mask |= piece.kind
        if piece.more:
            glued = True
    if not glued and not mask & JOINS:
        return TokenSequence(text, pieces, None, mask)
    pieces, starts, mask = tokenize(text, words, pieces, known)
    if mask & NUMBER and "_" in text:
        mask = join_decimals(text, pieces, starts)
    return TokenSequence(text, pieces, starts, mask)


JOINS = EMPTY | NUMBER | OPENS  # kinds of pieces that may belong together with their neighbours, or be none


def tokenize(text: str, words: list[str], firsts: list[Lexeme], known: Lexicon) -> tuple[list[Lexeme], list[int], int]:
    """All pieces of all words, where they start, and the union of their kinds; words that say one thing together
    (`gpt-oss`, `Q4_K_M`) are one piece, the longest such phrase first."""
    pieces: list[Lexeme] = []
    starts: list[int] = []
    mask = start = skipped = 0
    for at, piece in enumerate(firsts):
        word = words[at]
        end = start + len(word)
        if skipped:
            skipped -= 1
        elif piece.kind & OPENS and at + 1 < len(words) and (found := known.phrase_at(text, words, at, start)):
            head, joined, skip, length = found
            for offset, other in (*head, (skip, joined)):
                pieces.append(other)
                starts.append(start + offset)
                mask |= other.kind
            skipped = length - 1
        elif word:
            pieces.append(piece)
            starts.append(start)
            mask |= piece.kind
            for offset, other in piece.more:
                pieces.append(other)
                starts.append(start + offset)
                mask |= other.kind
        start = end + 1
    return pieces, starts, mask


def join_decimals(text: str, pieces: list[Lexeme], starts: list[int]) -> int:
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


def decimal(text: str, pieces: list[Lexeme], starts: list[int], at: int, left: Lexeme, right: Lexeme) -> Lexeme | None:
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
        return Lexeme(said, kind, None, unit=f"{whole}.{part}", number=left.number)
    return None
