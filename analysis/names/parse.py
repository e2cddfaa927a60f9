"""parse_name: split a name into lexemes, run one recognizer per label, and collect their labels.

The order of the recognizers resolves conflicts: each sees what earlier ones claimed and claims only what is left.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate

from analysis.errors import InvalidName
from analysis.names import family, files, size, tuning, version
from analysis.names import quantization as quant
from analysis.names.lexicon import Lexicon
from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.references import Reference, find_reference, may_refer
from analysis.names.tokens import (
    EMPTY,
    FOLLOWS,
    GLUED,
    NUMBER,
    OPENS,
    SIZE,
    VERSION,
    Lexeme,
    Token,
    make_size_lexeme,
    split_words,
)  # fmt: skip
from analysis.vocabulary.vocabulary import vocabulary

MAX_NAME_BYTES = 512


@cache
def load_lexicon() -> Lexicon:
    return Lexicon(vocabulary())


def parse_name(text: str) -> NameLabels:
    """The labels that a repo id, a file's path, `owner/name::path` or a pasted reference to a repo or file claims.

    Raises InvalidName for a text that is empty, longer than MAX_NAME_BYTES, or contains control characters.
    """
    labels = NameLabels(text)
    if _PLAIN(text) is None or "--" in text:
        validate_name(text)
        found = find_reference(text) if may_refer(text) else None
    else:
        found = None
    if found is not None:
        parse_reference(labels, found)
    elif "." in text and files.is_file(text):
        labels.kind = "file"
        labels.name = text
        parse_path(labels, text, 0)
    else:
        owner, slash, name = text.partition("/")
        if not slash:
            owner, name = "", text
        labels.name = name
        parse_repo_name(labels, owner, name, len(text) - len(name))
    return labels


_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,255}(?:/[A-Za-z0-9_.-]{1,255})?\Z").match
"""Names that are neither invalid nor references, but for `--`."""


def validate_name(text: str) -> None:
    """Raises InvalidName."""
    if not text.strip():
        raise InvalidName(text, "it is empty")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise InvalidName(text, f"it is longer than {MAX_NAME_BYTES} bytes")
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise InvalidName(text, "it contains control characters")


def parse_repo_name(labels: NameLabels, owner: str, name: str, offset: int) -> None:
    tokens = token_sequence_of(name)
    apply_recognizers(labels, tokens)
    labels.parts = ((offset, tokens),)
    if owner:
        labels.owner = owner
        if labels.format is None and (known := load_lexicon().owners.get(owner.lower())) is not None:
            quant.apply_owner(labels, known)


def parse_path(labels: NameLabels, path: str, offset: int) -> None:
    """Labels of a file's name, completed by those of its folders."""
    folder, _, base = path.rpartition("/")
    tokens = token_sequence_of(base)
    files.recognize_file(tokens, labels)
    apply_recognizers(labels, tokens)
    files.recognize_role(tokens, labels)
    labels.parts = ((offset + len(path) - len(base), tokens),)
    if folder:
        above = NameLabels(folder)
        tokens = token_sequence_of(folder)
        apply_recognizers(above, tokens)
        files.fill_from(labels, above)
        labels.parts = ((offset, tokens), *labels.parts)


def parse_file_of_repo(labels: NameLabels, owner: str, name: tuple[int, str], path: tuple[int, str]) -> None:
    """Labels of a file, completed by those of its repo's name; `name` and `path` with their positions in the text."""
    parse_path(labels, path[1], path[0])
    above = NameLabels(name[1])
    parse_repo_name(above, owner, name[1], name[0])
    files.fill_from(labels, above)
    labels.kind, labels.owner, labels.name = "file", owner or None, name[1]
    labels.parts = above.parts + labels.parts


def parse_reference(labels: NameLabels, found: Reference) -> None:
    """Labels of the repo or file that a reference names, and its revision and file."""
    name, file_at, tag_at = readable(found, found.name_at), found.file_at, found.tag_at
    if file_at is not None:
        parse_file_of_repo(labels, found.owner or "", (found.name_at[0], name), (file_at[0], readable(found, file_at)))
    else:
        parse_repo_name(labels, found.owner or "", name, found.name_at[0])
        if tag_at is not None:
            apply_tag(labels, readable(found, tag_at), tag_at[0])
    labels.name, labels.revision, labels.file = found.name, found.revision, found.file
    labels.frame = frame_of(found, labels.parts)


def readable(found: Reference, span: tuple[int, int]) -> str:
    """The text of a part at its length: escapes like `%20` are separators, folders are separated by `/`."""
    return _ESCAPE.sub("   ", found.text[slice(*span)]).replace("\\", "/")


_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


def apply_tag(labels: NameLabels, tag: str, offset: int) -> None:
    """The scheme that a tag states, with what stands beside it: `:Q4_K_M`, `:UD-Q4_K_XL`, `:360M-Q4_K_M`."""
    stated = NameLabels(tag)
    tokens = token_sequence_of(tag)
    apply_recognizers(stated, tokens)
    if stated.quant is None and stated.bits is None:
        return  # a provider of inference, `latest`
    files.fill_from(stated, labels)
    for field in (*files.SCHEME, *files.SIZING, "dynamic", "imatrix"):
        setattr(labels, field, getattr(stated, field))
    labels.parts = (*labels.parts, (offset, tokens))


def frame_of(found: Reference, parts: tuple[tuple[int, TokenSequence], ...]) -> tuple[Token, ...]:
    """The tokens of a reference that are no part of the name: owner, revision, and the words around them."""
    spans = [(offset, offset + len(sequence.text)) for offset, sequence in parts]
    frame: list[Token] = []
    for label, span in (("owner", found.owner_at), ("revision", found.revision_at)):
        if span is not None:
            frame.append(Token(found.text[slice(*span)], *span, label, found.part(span), label))
            spans.append(span)
    for word in _ALPHANUMERIC.finditer(found.text):
        if not any(start <= word.start() < end for start, end in spans):
            frame.append(Token(word[0], *word.span(), "noise", word[0], "part of the reference"))
    return tuple(frame)


_ALPHANUMERIC = re.compile(r"[^\W_]+")


def apply_recognizers(labels: NameLabels, tokens: TokenSequence) -> None:
    """Run one recognizer per label, in the order that resolves conflicts; skip those whose kinds are absent."""
    mask = tokens.mask
    if mask & _QUANTIZATION:
        quant.recognize_quantization(tokens, labels)
    if mask & _FAMILY:
        family.recognize_family(tokens, labels)
    elif mask & _VERSION:
        version.recognize_version(tokens, labels, (), ())
    if mask & _SIZE:
        size.recognize_size(tokens, labels)
    if mask & _TUNING:
        tuning.recognize_tuning(tokens, labels)
    if labels.context is not None and labels.parameters is None and not size.SEEN.isdisjoint(labels.specialty):
        size.leave_out_context(tokens, labels)


_QUANTIZATION, _FAMILY, _VERSION, _SIZE, _TUNING = (
    module.RECOGNIZED_KINDS for module in (quant, family, version, size, tuning)
)


def token_sequence_of(text: str) -> TokenSequence:
    """The lexemes of a text; phrases and decimals split by `_` are joined."""
    if "___" in text and (dotted := _MODELSCOPE_DOT.sub(".", text)) != text:
        return restore_dots(text, token_sequence_of(dotted))
    words = split_words(text)
    known = load_lexicon()
    lexemes = list(map(known.__getitem__, words))
    mask = 0
    for lexeme in lexemes:
        mask |= lexeme.kind
    if mask & (EMPTY | GLUED) or (mask & OPENS and mask & FOLLOWS and may_hold_phrase(lexemes)):
        lexemes, starts, mask = tokenize(text, words, lexemes, known)
    elif mask & NUMBER and "_" in text and _DIGITS_JOINED(text):
        starts = list(accumulate((len(word) + 1 for word in words[:-1]), initial=0))
    else:
        return TokenSequence(text, lexemes, None, mask)
    if mask & NUMBER and "_" in text and _DIGITS_JOINED(text):
        mask = join_decimals(text, lexemes, starts)
    return TokenSequence(text, lexemes, starts, mask)


_DIGITS_JOINED = re.compile("[0-9]_[0-9]").search


def may_hold_phrase(lexemes: list[Lexeme]) -> bool:
    """Whether two neighbouring words may begin a phrase."""
    opens = None
    for lexeme in lexemes:
        if opens is not None and lexeme.follows in opens:
            return True
        opens = lexeme.opens
    return False


_MODELSCOPE_DOT = re.compile("(?<=[0-9])___(?=[0-9])")


def restore_dots(text: str, tokens: TokenSequence) -> TokenSequence:
    """The sequence of a name whose dots ModelScope wrote as `___`, with its places in the text as given."""
    origin: list[int] = []  # position in the dotted text -> position in the text as given
    at = 0
    for dot in _MODELSCOPE_DOT.finditer(text):
        origin.extend(range(at, dot.start() + 1))
        at = dot.end()
    origin.extend(range(at, len(text) + 1))
    lexemes, places = [], []
    for lexeme, start in zip(tokens.lexemes, tokens.offsets, strict=True):
        said = lexeme.copy(lexeme.kind)
        said.text = text[origin[start] : origin[start + len(lexeme.text)]]
        lexemes.append(said)
        places.append(origin[start])
    return TokenSequence(text, lexemes, places, tokens.mask)


def tokenize(text: str, words: list[str], firsts: list[Lexeme], known: Lexicon) -> tuple[list[Lexeme], list[int], int]:
    """All lexemes of all words, their positions, and the union of their kinds.

    Words that make a phrase (`gpt-oss`, `Q4_K_M`) become one lexeme, the longest phrase first.
    """
    lexemes: list[Lexeme] = []
    starts: list[int] = []
    mask = start = skipped = 0
    for at, (word, lexeme) in enumerate(zip(words, firsts, strict=True)):
        end = start + len(word)
        if skipped:
            skipped -= 1
        elif (
            (opens := lexeme.opens) is not None
            and at + 1 < len(words)
            and (lengths := opens.get(firsts[at + 1].follows)) is not None
            and (found := known.find_phrase(text, words, at, start, lengths))
        ):
            head, joined, skip, length = found
            more = ((skip + offset, other) for offset, other in joined.more)
            for offset, other in (*head, (skip, joined), *more):
                lexemes.append(other)
                starts.append(start + offset)
                mask |= other.kind
            skipped = length - 1
        elif word:
            lexemes.append(lexeme)
            starts.append(start)
            mask |= lexeme.kind
            if lexeme.kind & GLUED:
                for offset, other in lexeme.more:
                    lexemes.append(other)
                    starts.append(start + offset)
                    mask |= other.kind
        start = end + 1
    return lexemes, starts, mask


def join_decimals(text: str, lexemes: list[Lexeme], starts: list[int]) -> int:
    """`1_6b` is 1.6 billion, `2_5` after Qwen version 2.5, `v0_1` version 0.1. Returns the new mask."""
    at = 0
    while at < len(lexemes) - 1:
        left, right = lexemes[at], lexemes[at + 1]
        end = starts[at] + len(left.text)
        if text[end : end + 1] == "_" and starts[at + 1] == end + 1:
            joined = join_decimal(text, lexemes, starts, at, left, right)
            if joined is not None:
                lexemes[at : at + 2] = [joined]
                del starts[at + 1]
        at += 1
    mask = 0
    for lexeme in lexemes:
        mask |= lexeme.kind
    return mask


def join_decimal(
    text: str, lexemes: list[Lexeme], starts: list[int], at: int, left: Lexeme, right: Lexeme
) -> Lexeme | None:
    """The lexeme of two numbers joined by `_`; None if they are separate numbers."""
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
    joined = text[start : starts[at + 1] + len(right.text)]
    before = lexemes[at - 1] if at else None
    versions = before.entry.facts.get("versions", ()) if before is not None and before.entry is not None else ()
    set_apart = at == 0 or text[start - 1] != "_"
    if next_kind & SIZE:
        alone = whole == "0" or (set_apart and whole not in versions and left.number != 1)
        if not alone or kind & VERSION or right.unit not in "bm":
            return None
        number = float(f"{whole}.{part}") * (1e9 if right.unit == "b" else 1e6)
        return make_size_lexeme(joined, number, right.unit)
    if (
        f"{whole}.{part}" in versions
        or (set_apart and len(part) == 1)
        or (kind & VERSION and left.text[0] in "vV" and (len(part) == 1 or whole == "0"))
    ):
        return Lexeme(joined, kind, None, unit=f"{whole}.{part}", number=left.number)
    return None
