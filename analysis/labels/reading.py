"""What a reading of a name is: the labels that come out, and the sheet that recognisers work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.labels.tokens import Claim, Piece, Token


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
    tokens: tuple[Token, ...] = ()
    unclaimed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NameLabels:
    """What a name claims: keys, types and canonical values as docs/labels.md has them; None: the name is silent."""

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
    tokens: tuple[Token, ...] = ()
    unclaimed: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values in the contract's order: lists for tuples, whole bits as integers."""
        found = {field: getattr(self, field) for field in self.__slots__}
        for field in ("tuning", "specialty", "languages", "unclaimed"):
            found[field] = list(found[field])
        bits = found["bits"]
        if bits is not None and bits == int(bits):
            found["bits"] = int(bits)
        found["tokens"] = [
            {"text": text, "start": start, "end": end, "label": label, "value": value, "rule": rule}
            for text, start, end, label, value, rule in self.tokens
        ]
        return found


class Sheet:
    """One name in pieces, with what each of them claims so far. Recognisers read the pieces and write the claims.

    `mask` is the union of the pieces' kinds. `start` and `claims` run parallel to `pieces`; `owner_entry` is what the
    vocabulary knows of the owner.
    """

    __slots__ = ("claims", "mask", "pieces", "starts", "text")

    def __init__(self, text: str, pieces: list[Piece], starts: list[int], mask: int) -> None:
        self.text, self.pieces, self.starts, self.mask = text, pieces, starts, mask
        self.claims: list[Claim | None] = [piece.claim for piece in pieces]

    def before(self, index: int) -> str:
        """The separator before a piece; empty at the start and where pieces are glued."""
        start = self.starts[index]
        if index == 0 or start == 0:
            return ""
        previous = self.starts[index - 1] + len(self.pieces[index - 1].text)
        return self.text[previous:start]

    def tokens(self, offset: int = 0, *before: Token) -> tuple[tuple[Token, ...], tuple[str, ...]]:
        """All pieces with their claims, after those given, their places moved by `offset`; and what none claimed."""
        found = list(before)
        left: list[str] = []
        add, new = found.append, tuple.__new__
        for piece, start, claim in zip(self.pieces, self.starts, self.claims, strict=True):
            text = piece.text
            start += offset
            if claim is None:
                add(new(Token, (text, start, start + len(text), None, None, None)))
                left.append(text)
            else:
                add(new(Token, (text, start, start + len(text), claim[0], claim[1], claim[2])))
        return tuple(found), tuple(left)
