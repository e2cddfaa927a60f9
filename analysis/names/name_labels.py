"""What a reading of a name is: the labels that come out, and the sheet that recognisers work on."""

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

# Kinds that are numbers: noise where no recogniser wants them.
NUMERIC_KINDS = ACTIVE | EFFECTIVE | EXPERTS | LETTER | MIX | NUMBER | SIZE | SIZE_WORD | TIMES | VERSION


@dataclass(slots=True)
class Draft:
    """A reading while it is made: `NameLabels` before it is frozen. Both hold the same slots in the same order."""

    input: str
    kind: str = "repo"
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


@dataclass(frozen=True, slots=True)
class NameLabels:
    """What a name claims: keys, types and canonical values as docs/labels.md has them; None: the name is silent.

    `tokens` and `unclaimed` are made from `parts`, the name's sheets and where they begin, when somebody asks for them.
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
        """Called for what is not there yet."""
        if name not in ("tokens", "unclaimed"):
            raise AttributeError(name)
        tokens: list[Token] = []
        unclaimed: list[str] = []
        if self.owner:
            tokens.append(Token(self.owner, 0, len(self.owner), "owner", self.owner, "owner"))
        for offset, sheet in self.parts:
            sheet.tell(offset, tokens, unclaimed)
        object.__setattr__(self, "tokens", tuple(tokens))
        object.__setattr__(self, "unclaimed", tuple(unclaimed))
        return object.__getattribute__(self, name)

    def as_dict(self) -> dict[str, Any]:
        """Plain values in the contract's order: lists for tuples, whole bits as integers."""
        found = {key: getattr(self, key) for key in NAME_LABEL_KEYS}
        for key in ("tuning", "specialty", "languages", "unclaimed"):
            found[key] = list(found[key])
        bits = found["bits"]
        if bits is not None and bits == int(bits):
            found["bits"] = int(bits)
        found["tokens"] = [
            {"text": text, "start": start, "end": end, "label": label, "value": value, "rule": rule}
            for text, start, end, label, value, rule in self.tokens
        ]
        return found


NAME_LABEL_KEYS = tuple(
    item.name for item in fields(NameLabels) if item.name != "parts"
)  # what a reading gives, in this order


class TokenSequence:
    """One name in pieces, with what each of them claims so far. Recognisers read the pieces and write the claims.

    `claims` run parallel to `pieces`; `mask` is the union of the pieces' kinds. `places` is None where every piece is a
    word of its own, one separator after the other.
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

    def tell(self, offset: int, tokens: list[Token], unclaimed: list[str]) -> None:
        """Adds all pieces with their claims, their places moved by `offset`, and the words that none claimed.

        Numbers that no recogniser wanted are noise.
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
