"""Learnt lengths of a GGUF header's big arrays: what lets a reader jump a tokenizer instead of fetching it.

99 % of a GGUF header is its tokenizer: arrays of strings whose bytes can only be counted by walking them, megabytes of
them, and the same in every quant of a model and in most models of a family. So an array that was walked once is
remembered: how many elements, a digest of its first bytes, how long it is. The next header that shows the same count
and digest is jumped, and read on behind it, where the caller checks that a well-formed header goes on.

Two kinds of layout are kept, told apart by their key:

    tokenizer.ggml.tokens      this array alone; another array follows
    tokenizer.ggml.tokens+2    this array and the two keys that follow it: the whole tokenizer in one jump, up to the
                               end of its last big array; small keys between them (token ids) are jumped with it

A layout learnt from a dishonest file costs a read: nothing is taken from it but a place to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from db.records import ArrayLength

DIGEST_BYTES = 2048
"""Bytes of an array that its digest is over."""

MIN_ELEMENTS_TO_LEARN = 1024
"""Elements from which on an array of strings is worth a jump: it holds 8 KiB at least, more than its digest covers."""


class SkipLength(NamedTuple):
    """A place to look at: `length` bytes behind an array's first element, past `more` further keys."""

    length: int
    more: int
    last: bool  # no array is expected behind it


@dataclass(frozen=True, slots=True)
class LargeArray:
    """A big array that a reader came by: its key, elements, digest (of strings alone), and where its elements lie.

    `number` is its place among the header's keys, `last` that of the last key before `end` where a run was jumped.
    """

    key: str
    count: int
    digest: str | None
    start: int
    end: int
    number: int
    last: int


def digest(first: bytes) -> str:
    """What an array is known by, from its first bytes."""
    return sha256(first[:DIGEST_BYTES]).hexdigest()[:32]


class Layouts:
    """The known layouts, looked up by what a reader sees of an array."""

    def __init__(self, layouts: Iterable[ArrayLength] = ()) -> None:
        self._jumps: dict[tuple[str, int, str], list[SkipLength]] = {}
        for layout in layouts:
            name, plus, more = layout.key.partition("+")
            if plus and not more.isdigit():
                continue
            jump = SkipLength(layout.length, int(more or 0), bool(plus))
            self._jumps.setdefault((name, layout.count, layout.digest), []).append(jump)

    @classmethod
    def of(cls, layouts: Sequence[ArrayLength] | Layouts) -> Layouts:
        """Layouts as given, or made ready for looking up."""
        return layouts if isinstance(layouts, Layouts) else cls(layouts)

    def is_known(self, layout: ArrayLength) -> bool:
        """Whether it is known and, if it is a run, the first that is tried: then there is nothing to learn."""
        name, plus, more = layout.key.partition("+")
        jump = SkipLength(layout.length, int(more or 0), bool(plus))
        tried = list(self.find(name, layout.count, layout.digest))
        return jump in tried and (not jump.last or tried[0] == jump)

    def find(self, key: str, count: int, first: str) -> Iterator[SkipLength]:
        """Where such an array may end: whole runs before single arrays, the latest learnt before older ones."""
        found = self._jumps.get((key, count, first), ())
        latest = found[::-1]
        return iter([jump for jump in latest if jump.last] + [jump for jump in latest if not jump.last])


def learn_lengths(runs: Iterable[Sequence[LargeArray]]) -> tuple[ArrayLength, ...]:
    """The layouts of big arrays that follow each other: of each array of strings alone, and on to the run's end."""
    found = []
    for run in runs:
        for at, big in enumerate(run):
            if big.digest is None:
                continue
            if big.number == big.last and at < len(run) - 1:
                found.append(ArrayLength(big.key, big.count, big.digest, big.end - big.start))
            found.append(
                ArrayLength(f"{big.key}+{run[-1].last - big.number}", big.count, big.digest, run[-1].end - big.start)
            )
    return tuple(found)
