"""The labels of a parsed name, and the token sequence that recognizers work on."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import accumulate
from json.encoder import encode_basestring_ascii as quote
from operator import attrgetter
from typing import Any

from analysis.names.tokens import (
    ACTIVE,
    EFFECTIVE,
    EXPERTS,
    LETTER,
    MIX,
    NUMBER,
    SIZE,
    SIZE_WORD,
    TIMES,
    VERSION,
    Claim,
    Lexeme,
    Token,
)  # fmt: skip
from db.labels import LABELS

NUMERIC_KINDS = ACTIVE | EFFECTIVE | EXPERTS | LETTER | MIX | NUMBER | SIZE | SIZE_WORD | TIMES | VERSION
"""Token kinds that are numbers: noise where no recognizer claims them."""


@dataclass(init=False)
class NameLabels:
    """What a name claims: keys, types and canonical values as docs/labels.md has them; None: the name is silent.

    Recognizers fill it in one after the other, so it is not frozen: a frozen copy costs 8 % of a parse. It stays within
    labelling; evidence and `Labels` are what other stages get. `tokens` and `unclaimed` are computed on first access
    from `parts`, the token sequences of the name and where they begin, and `frame`, the tokens of a reference around
    them.
    """

    input: str
    kind: str = "repo"  # repo, file
    owner: str | None = None
    name: str = ""
    family: str | None = None
    base_family: str | None = None
    base_version: str | None = None
    version: str | None = None
    release: str | None = None
    size: str | None = None
    parameters: int | None = None
    approximate: bool = False
    active_parameters: int | None = None
    experts: int | None = None
    tuning: tuple[str, ...] = ()
    specialty: tuple[str, ...] = ()
    format: str | None = None
    quantized: bool | None = None
    quant: str | None = None
    quant_method: str | None = None
    bits: float | None = None
    group_size: int | None = None
    qat: bool = False
    imatrix: bool = False
    dynamic: bool = False
    context: int | None = None
    languages: tuple[str, ...] = ()
    revision: str | None = None
    file: str | None = None
    role: str | None = None
    shard: str | None = None
    frame: tuple[Token, ...] = field(default=(), repr=False, compare=False)
    parts: tuple[tuple[int, TokenSequence], ...] = field(default=(), repr=False, compare=False)
    _tokens: tuple[tuple[Token, ...], tuple[str, ...]] | None = field(default=None, repr=False, compare=False)

    def __init__(self, text: str) -> None:
        self.input = text

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Every token of the name with its span and what it claims."""
        return self._collect_tokens()[0]

    @property
    def unclaimed(self) -> tuple[str, ...]:
        """The words of the name that no recognizer claimed."""
        return self._collect_tokens()[1]

    def _collect_tokens(self) -> tuple[tuple[Token, ...], tuple[str, ...]]:
        """`tokens` and `unclaimed`, computed once. Not `__getattr__`, which would slow down every attribute."""
        if self._tokens is not None:
            return self._tokens
        tokens: list[Token] = []
        unclaimed: list[str] = []
        if self.owner and not self.frame:
            tokens.append(Token(self.owner, 0, len(self.owner), "owner", self.owner, "owner"))
        for offset, sequence in self.parts:
            sequence.append_to(tokens, unclaimed, offset)
        if self.frame:
            tokens = sorted((*self.frame, *tokens), key=lambda token: token.start)
        self._tokens = tuple(tokens), tuple(unclaimed)
        return self._tokens

    def as_dict(self) -> dict[str, Any]:
        """Plain values in the contract's order: lists for tuples, whole bits as integers."""
        found = {key: getattr(self, key) for key in NAME_LABEL_KEYS}
        for key in _LIST_KEYS:
            found[key] = list(found[key])
        bits = found["bits"]
        if bits is not None and bits == int(bits):
            found["bits"] = int(bits)
        found["tokens"] = [
            {"text": text, "start": start, "end": end, "label": label, "value": value, "rule": rule}
            for text, start, end, label, value, rule in self.tokens
        ]
        return found

    def as_json(self) -> str:
        """What `as_dict` gives as JSON on one line, three times as fast as by a general encoder."""
        texts = [
            "null" if value is None
            else quote(value) if value.__class__ is str
            else "false" if value is False
            else "[]" if value == ()
            else encode_value(value)
            for value in _get_plain_values(self)
        ]  # fmt: skip
        tokens = [
            f'{{"text": {quote(text)}, "start": {start}, "end": {end}{encode_claim(label, value, rule)}'
            for text, start, end, label, value, rule in self.tokens
        ]
        return _JSON % (*texts, ", ".join(tokens), ", ".join(map(quote, self.unclaimed)))


@lru_cache(maxsize=1 << 14)
def encode_claim(*claim: str | None) -> str:
    """The end of a token's JSON: names repeat their claims."""
    texts = ("null" if text is None else quote(text) for text in claim)
    return ', "label": {}, "value": {}, "rule": {}}}'.format(*texts)


def encode_value(value: object) -> str:
    """A number, `true` or a list of texts as JSON; whole bits as integers."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(quote, value))}]"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return "true" if value is True else str(value)


NAME_LABEL_KEYS = (*(each.name for each in fields(NameLabels) if each.compare), "tokens", "unclaimed")
"""The keys of `NameLabels.as_dict`, in the contract's order."""

_PLAIN_KEYS = NAME_LABEL_KEYS[:-2]
_get_plain_values = attrgetter(*_PLAIN_KEYS)
_JSON = "{" + ", ".join([*(f'"{key}": %s' for key in _PLAIN_KEYS), '"tokens": [%s]', '"unclaimed": [%s]']) + "}"

_LIST_KEYS = (*(each.name for each in LABELS if each.kind == "list" and each.is_claimed_by_names), "unclaimed")


_get_claim = attrgetter("claim")


class TokenSequence:
    """The lexemes of one name with their claims so far. Recognizers read the lexemes and set the claims.

    `claims[i]` belongs to `lexemes[i]`; `mask` is the union of the lexemes' kinds. `places` are the lexemes'
    positions in the text, None where every lexeme is a whole word and words are one separator apart.
    """

    __slots__ = ("claims", "lexemes", "mask", "places", "text")

    def __init__(self, text: str, lexemes: list[Lexeme], places: list[int] | None, mask: int) -> None:
        self.text, self.lexemes, self.places, self.mask = text, lexemes, places, mask
        self.claims: list[Claim | None] = list(map(_get_claim, lexemes))

    @property
    def offsets(self) -> list[int]:
        """The position of each lexeme in the text."""
        if self.places is None:
            ends = accumulate((len(lexeme.text) + 1 for lexeme in self.lexemes), initial=0)
            self.places = list(ends)[:-1]
        return self.places

    def before(self, index: int) -> str:
        """The separator before a lexeme; empty at the start and inside a word."""
        start = self.offsets[index]
        if index == 0 or start == 0:
            return ""
        previous = self.offsets[index - 1] + len(self.lexemes[index - 1].text)
        return self.text[previous:start]

    def append_to(self, found: list[Token], unclaimed: list[str], offset: int) -> None:
        """Append a token for each lexeme, its position moved by `offset`, and the text of unclaimed lexemes.

        Numbers that no recognizer claimed are noise.
        """
        add, new, end, places, claims = found.append, tuple.__new__, offset - 1, self.places, self.claims
        for index, lexeme in enumerate(self.lexemes):
            text = lexeme.text
            start = end + 1 if places is None else places[index] + offset
            end = start + len(text)
            claim = claims[index]
            if claim is None and lexeme.kind & NUMERIC_KINDS:
                claim = "noise", *((lexeme.unit, "edition of a copy") if lexeme.kind & VERSION else (text, "number"))
            if claim is None:
                add(new(Token, (text, start, end, None, None, None)))
                unclaimed.append(text)
            else:
                add(new(Token, (text, start, end, claim[0], claim[1], claim[2])))
