"""Known lengths of a GGUF header's large arrays: with them a reader skips a tokenizer instead of fetching it.

99 % of a GGUF header is its tokenizer: megabytes of strings whose bytes can only be counted by scanning them, the same
in every quant of a model and in most models of a family. So an array that was scanned once is remembered: how many
elements it has, a digest of its first bytes, how long it is. In the next header with the same count and digest it is
skipped, and the reader checks that a well-formed header continues after it.

Two kinds of length are kept, with different keys:

    tokenizer.ggml.tokens      this array alone; another array follows
    tokenizer.ggml.tokens+2    this array and the two keys after it: the whole tokenizer, up to the end of its last
                               large array; small keys between them (token ids) are skipped with it

A length learned from a dishonest file costs one read: it only says where to try.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from db.records import ArrayLength

DIGEST_BYTES = 2048
"""Bytes from the start of an array that its digest covers."""

MIN_ELEMENTS_TO_LEARN = 1024
"""Elements of the smallest array of strings whose length is learned: it holds 8 KiB or more, which a skip saves."""


KEYS_AFTER_SIGN = "+"
"""What separates the key of an array from the number of keys that a length skips too. No key of the specification holds
it; lengths of arrays whose keys do are not learned."""

KEYS_AFTER = re.compile(r"[0-9]{1,5}")


class SkipLength(NamedTuple):
    """Bytes from an array's first element to the end of it and of `keys_after` further keys.

    `to_run_end`: it leads past the last large array of a run, so that no array is expected after it.
    """

    length: int
    keys_after: int
    to_run_end: bool

    @classmethod
    def of(cls, learned: ArrayLength) -> SkipLength | None:
        """The skip that a learned length allows; None if its key is malformed."""
        key, plus, keys_after = learned.key.partition(KEYS_AFTER_SIGN)
        if not key or (plus and not KEYS_AFTER.fullmatch(keys_after)):
            return None
        return cls(learned.length, int(keys_after or 0), bool(plus))


@dataclass(frozen=True, slots=True)
class LargeArray:
    """A large array in a header: key, element count, digest (of strings alone), start and end of its elements.

    `number` is its place among the header's keys, `last` the place of the last key before `end`, if a run was skipped.
    """

    key: str
    count: int
    digest: str | None
    start: int
    end: int
    number: int
    last: int


def digest(first: bytes) -> str:
    """The digest that identifies an array, of its first bytes."""
    return sha256(first[:DIGEST_BYTES]).hexdigest()[:32]


class ArrayLengths:
    """The known lengths, by what a reader sees of an array: key, count, digest."""

    def __init__(self, learned: Iterable[ArrayLength] = ()) -> None:
        self._skips: dict[tuple[str, int, str], list[SkipLength]] = {}
        for each in learned:
            skip = SkipLength.of(each)
            if skip is not None:
                key = each.key.partition(KEYS_AFTER_SIGN)[0]
                self._skips.setdefault((key, each.count, each.digest), []).append(skip)

    @classmethod
    def of(cls, learned: Sequence[ArrayLength] | ArrayLengths) -> ArrayLengths:
        """The lengths as an index, if they are not one yet."""
        return learned if isinstance(learned, ArrayLengths) else cls(learned)

    def is_known(self, length: ArrayLength) -> bool:
        """Whether a length is known and, if it leads to a run's end, tried first: then there is nothing to learn."""
        skip = SkipLength.of(length)
        tried = list(self.find(length.key.partition(KEYS_AFTER_SIGN)[0], length.count, length.digest))
        return skip is not None and skip in tried and (not skip.to_run_end or tried[0] == skip)

    def find(self, key: str, count: int, first: str) -> Iterator[SkipLength]:
        """Where such an array may end: whole runs before single arrays, later learned before earlier learned."""
        latest = self._skips.get((key, count, first), ())[::-1]
        return iter([skip for skip in latest if skip.to_run_end] + [skip for skip in latest if not skip.to_run_end])


def learn_lengths(runs: Iterable[Sequence[LargeArray]]) -> tuple[ArrayLength, ...]:
    """The lengths of large arrays in runs: of each array of strings alone, and from its start to the run's end."""
    found = []
    for run in runs:
        for at, array in enumerate(run):
            if array.digest is None or KEYS_AFTER_SIGN in array.key:
                continue
            if array.number == array.last and at < len(run) - 1:
                found.append(ArrayLength(array.key, array.count, array.digest, array.end - array.start))
            to_run_end = f"{array.key}{KEYS_AFTER_SIGN}{run[-1].last - array.number}"
            found.append(ArrayLength(to_run_end, array.count, array.digest, run[-1].end - array.start))
    return tuple(found)
