"""Shards: which part of which split file a path is, by its name."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple


class Part(NamedTuple):
    """A part of a split file: `whole` is the name without the number, `total` None if the name does not say it."""

    whole: str
    number: int
    total: int | None


# model-00001-of-00002.safetensors, model--00001-of-00002.bin, model.fp16-1-of-62.safetensors, X.gguf-00001-of-00002
_OF = re.compile(r"(?P<stem>.+?)[-_.]{1,2}(?P<number>\d{1,6})[-_]of[-_](?P<count>\d{1,6})(?P<rest>(?:\.\w+)*)", re.I)
# X.gguf.part1of2, X.part-1-of-2.gguf
_PART_OF = re.compile(
    r"(?P<stem>.+?)[-_.]part[-_.]?(?P<number>\d{1,4})[-_]?of[-_]?(?P<count>\d{1,4})(?P<rest>(?:\.\w+)*)", re.I
)
# X.gguf-split-a, X.gguf.part-aa, X.gguf.a, X.gguf.001
_LETTER = re.compile(
    r"(?P<stem>.+\.(?:gguf|ggml|bin|safetensors))[-_.](?:(?:split|part)[-_.]?)?(?P<letter>[a-z]|[ab][a-z]|\d{1,3})",
    re.I,
)
# consolidated.00.pth of Meta's own releases, params_shard_0.bin of MLC, model0-mp8.safetensors, rank0.engine
_NUMBERED = re.compile(r"(?P<stem>consolidated)\.(?P<number>\d{2})(?P<rest>\.\w+)|(params_shard)_(\d{1,5})(\.bin)")
_RANK = re.compile(
    r"(?P<stem>model|rank)(?P<number>\d{1,4})(?:-mp(?P<count>\d{1,4}))?(?P<rest>\.(?:safetensors|engine))"
)


@lru_cache(4096)
def part_of(path: str) -> Part | None:
    """Which part of what the file is; None if its name is that of a whole file."""
    folder, slash, name = path.rpartition("/")
    lead = folder + slash
    if found := _PART_OF.fullmatch(name) or _OF.fullmatch(name):
        rest = (
            "" if found["stem"].lower().endswith(found["rest"].lower()) else found["rest"]
        )  # X.gguf-00001-of-00002.gguf
        return Part(lead + found["stem"] + rest, int(found["number"]), int(found["count"]))
    if found := _LETTER.fullmatch(name):
        return Part(lead + found["stem"], _place(found["letter"]), None)
    if found := _NUMBERED.fullmatch(name):
        stem, number, rest = found.group("stem", "number", "rest") if found["stem"] else found.group(4, 5, 6)
        return Part(lead + stem + rest, int(number), None)
    if (found := _RANK.fullmatch(name)) and (found["count"] or found["stem"] == "rank"):
        return Part(lead + found["stem"] + found["rest"], int(found["number"]), int(found["count"] or 0) or None)
    return None


def _place(letters: str) -> int:
    """The number that letters stand for: a, b, c and aa, ab, ac are 1, 2, 3; digits are themselves."""
    if letters.isdigit():
        return int(letters)
    place = 0
    for letter in letters.lower():
        place = place * 26 + ord(letter) - 96
    return place if len(letters) == 1 else place - 26


def missing(numbers: Collection[int], count: int | None) -> int:
    """How many parts are missing. They are numbered from 0 or 1, up to `count` or, if that is unknown, the last one."""
    if not numbers:
        return count or 0
    first = 0 if 0 in numbers else 1
    expected = count if count is not None else max(numbers) - first + 1
    there = sum(1 for number in set(numbers) if first <= number < first + expected)
    return expected - there


def missing_of(paths: Sequence[str]) -> int:
    """How many parts of one split file these paths lack; 0 for files that belong together for another reason."""
    parts = [part for path in paths if (part := part_of(path))]
    if len(parts) < len(paths) or len({part.whole for part in parts}) != 1:
        return 0
    return missing({part.number for part in parts}, parts[0].total)
