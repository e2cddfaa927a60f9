"""What parsing a name gives: the labels that it claims, and the sequence of tokens that recognizers work on."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import accumulate
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


@dataclass(slots=True)
class NameLabels:
    """What a name claims: keys, types and canonical values as docs/labels.md has them; None: the name is silent.

    Recognizers fill it in one after the other, so it is not frozen: a frozen copy costs 8 % of a parse. It stays within
    labelling; evidence and `Labels` are what other stages get. `tokens` and `unclaimed` are computed from `parts`, the
    token sequences of the name and where they begin, on first access.
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
    role: str | None = None
    shard: str | None = None
    tokens: tuple[Token, ...] = field(init=False)
    unclaimed: tuple[str, ...] = field(init=False)
    parts: tuple[tuple[int, TokenSequence], ...] = field(init=False, repr=False, compare=False)

    def __getattr__(self, name: str) -> Any:
        """Computes `tokens` and `unclaimed`; called only for an attribute that is not set yet."""
        if name not in ("tokens", "unclaimed"):
            raise AttributeError(name)
        tokens: list[Token] = []
        unclaimed: list[str] = []
        if self.owner:
            tokens.append(Token(self.owner, 0, len(self.owner), "owner", self.owner, "owner"))
        for offset, sequence in self.parts:
            sequence.append_to(tokens, unclaimed, offset)
        self.tokens, self.unclaimed = tuple(tokens), tuple(unclaimed)
        return self.tokens if name == "tokens" else self.unclaimed

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


NAME_LABEL_KEYS = tuple(item.name for item in fields(NameLabels) if item.name != "parts")
"""The keys of `NameLabels.as_dict`, in the contract's order."""

_LIST_KEYS = (*(each.name for each in LABELS if each.kind == "list"), "unclaimed")

Draft = NameLabels


class TokenSequence:
    """One name cut into pieces, with what each of them claims so far. Recognizers read the pieces and set the claims.

    `claims` has one item for each of `pieces`; `mask` is the union of the pieces' kinds. `places` is where each piece
    starts in `text`; None where every piece is a whole word with one separator after it.
    """

    __slots__ = ("claims", "mask", "pieces", "places", "text")

    def __init__(self, text: str, pieces: list[Lexeme], places: list[int] | None, mask: int) -> None:
        self.text, self.pieces, self.places, self.mask = text, pieces, places, mask
        self.claims: list[Claim | None] = [piece.claim for piece in pieces]

    @property
    def starts(self) -> list[int]:
        """Where each piece starts."""
        if self.places is None:
            ends = accumulate((len(piece.text) + 1 for piece in self.pieces), initial=0)
            self.places = list(ends)[:-1]
        return self.places

    def before(self, index: int) -> str:
        """The separator before a piece; empty at the start and where pieces are glued."""
        start = self.starts[index]
        if index == 0 or start == 0:
            return ""
        previous = self.starts[index - 1] + len(self.pieces[index - 1].text)
        return self.text[previous:start]

    def append_to(self, tokens: list[Token], unclaimed: list[str], offset: int) -> None:
        """Appends all pieces as tokens, their spans moved by `offset`, and the words that no recognizer claimed.

        Numbers that no recognizer claimed are noise.
        """
        add, new, end, places, claims = tokens.append, tuple.__new__, offset - 1, self.places, self.claims
        for index, piece in enumerate(self.pieces):
            text = piece.text
            start = end + 1 if places is None else places[index] + offset
            end = start + len(text)
            claim = claims[index]
            if claim is None and piece.kind & NUMERIC_KINDS:
                claim = "noise", *((piece.unit, "edition of a copy") if piece.kind & VERSION else (text, "number"))
            if claim is None:
                add(new(Token, (text, start, end, None, None, None)))
                unclaimed.append(text)
            else:
                add(new(Token, (text, start, end, claim[0], claim[1], claim[2])))
