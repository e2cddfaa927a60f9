"""The words of a name and their kinds: what recognizers work on.

A name is split at its separators (`2.5` stays whole). The lexicon turns each word into one or more lexemes; a token
is a lexeme with the label that a recognizer claimed for it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from analysis.vocabulary.vocabulary import Entry


class Token(NamedTuple):
    """One token of a name. `label` None: no rule claimed it. `start` and `end` are positions in the text as given."""

    text: str
    start: int
    end: int
    label: str | None
    value: str | None
    rule: str | None


Claim = tuple[str, str, str]  # label, value, rule

# Kinds of lexemes, one bit each: the union of a name's kinds says which recognizers it needs. CPython computes faster
# with up to 30 bits than with more, so the last seven are those that few names have.
(
    FAMILY, SHORT, NUMBER, VERSION, LETTER, SIZE, ACTIVE, MIX, TUNING, SPECIALTY, FORMAT, SCHEME, GGUF, FLOAT, BITS,
    FLAG, ROLE, SIZE_WORD, PUBLISHER, DATE, YEAR, OPENS, NOISE, EMPTY, CONTEXT, FOLLOWS, GLUED, PLACED, LINE, PURPOSED,
    EFFECTIVE, EXPERTS, TIMES, GROUP, CODE, LANGUAGE, SEES,
) = (1 << bit for bit in range(37))  # fmt: skip
WORD = 0
JOINTS = OPENS | FOLLOWS | GLUED | PLACED  # kinds that say how a word joins its neighbours, not what it means


class Lexeme:
    """A word, or a part of one, and what it means by itself. Shared by all names that contain it: never changed.

    `claim` is what it claims if no recognizer decides otherwise. `number` and `unit` are its measure: parameters and
    their letter, bits, a group size, or a version as `unit`. `more` are the lexemes that follow in the same word.
    `opens` are the phrases that may begin in the word: second word -> numbers of words, the largest first. `follows` is
    the word as the second of a phrase, without a version glued to it; empty if no phrase has such a second word.
    """

    __slots__ = ("claim", "entry", "follows", "kind", "more", "number", "opens", "text", "unit")

    def __init__(
        self,
        text: str,
        kind: int = WORD,
        claim: Claim | None = None,
        *,
        entry: Entry | None = None,
        number: float = 0,
        unit: str = "",
    ) -> None:
        self.text, self.kind, self.claim, self.entry, self.number, self.unit = text, kind, claim, entry, number, unit
        self.more: Lexemes = ()
        self.opens: dict[str, tuple[int, ...]] | None = None
        self.follows = ""

    @property
    def unknown(self) -> bool:
        """Whether it means nothing by itself."""
        return not self.kind & ~JOINTS

    def copy(self, kind: int) -> Lexeme:
        """The same lexeme with this kind and without `more`."""
        return Lexeme(self.text, kind, self.claim, entry=self.entry, number=self.number, unit=self.unit)


Lexemes = tuple[tuple[int, Lexeme], ...]  # (offset in the word, lexeme)

# A dot between digits is not a separator.
_SEPARATORS = "-_/ +,;:()[]{}@=~|&!'\"#%*<>?\\^`$"
_DASHES = bytes(ord("-") if chr(byte) in _SEPARATORS else byte for byte in range(256))
_split = re.compile(rf"[\s{re.escape(_SEPARATORS)}]|(?<![0-9])\.|\.(?![0-9])").split


def split_words(text: str) -> list[str]:
    """The words of a name, empty ones between neighbouring separators included."""
    if "." in text:
        head, _, tail = text.rpartition(".")
        if "." in head or not tail.isalpha():
            return _split(text)
        text = f"{head}-{tail}"
    if not text.isascii():
        return _split(text)
    return text.encode().translate(_DASHES).decode().split("-")


def make_size_lexeme(text: str, number: float, unit: str) -> Lexeme:
    """A number of parameters; `unit` is its letter in lower case."""
    return Lexeme(text, SIZE, ("size", canonical_size(text), "size"), number=round(number), unit=unit)


def parse_count(text: str) -> float:
    """A number as names write it: `1.5`, `1_5`, `1p5` and `1d5` are 1.5, `05` is 0.5."""
    if text[0] == "0" and text.isdigit():
        return float(f"0.{text[1:] or 0}")
    return float(text.replace("_", ".").replace("p", ".").replace("d", "."))


_COUNTED = re.compile(r"([AE]?)([0-9]+(?:[._PD][0-9]+)?)([KMBT])([0-9]?)")


def canonical_size(text: str) -> str:
    """`1_8b`, `0p6b`, `05b` and `1b5` as 1.8B, 0.6B, 0.5B and 1.5B; letters around them are dropped."""
    found = _COUNTED.search(text.upper().replace("___", "."))
    if found is None:
        return text.upper()
    mark, number, unit, after = found.groups()
    number = number.replace("_", ".").replace("P", ".").replace("D", ".")
    if number[0] == "0" and number.isdigit() and len(number) > 1:
        number = f"0.{number[1:]}"
    return f"{mark}{number}{'.' + after if after else ''}{unit}"
