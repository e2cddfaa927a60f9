"""Lengths of tokenizers that `header` learnt, kept in the user's cache folder for the next header with one of them.

The folder is that of `identify`'s hashes. The file is a cache: one that can't be read or written changes no result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from analysis.local.hash_cache import cache_folder
from analysis.units import MIB
from db.new_file import new_file
from db.records import ArrayLength

FILE_NAME = "tokenizers.tsv"
MAX_LENGTHS = 2000
"""Lengths that are kept, the latest: a tokenizer has three to six."""

MAX_FILE_BYTES = 1 * MIB
LINE = re.compile(r"([\x21-\x7e]{1,200})\t([0-9]{1,10})\t([0-9a-f]{32})\t([0-9]{1,12})")
"""Key, elements, digest of the array's first bytes, bytes of the array."""


def load_lengths(folder: Path | None = None) -> tuple[ArrayLength, ...]:
    """The lengths that are kept, the latest last."""
    path = (folder or cache_folder()) / FILE_NAME
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return ()
        return tuple(parse_lines(path.read_text("ascii").splitlines()))
    except (OSError, ValueError):
        return ()


def parse_lines(lines: Iterable[str]) -> Iterator[ArrayLength]:
    """The lengths in a file's lines; a line that is none is skipped."""
    for line in lines:
        if found := LINE.fullmatch(line):
            yield ArrayLength(found[1], int(found[2]), found[3], int(found[4]))


def keep_lengths(learned: Iterable[ArrayLength], folder: Path | None = None) -> None:
    """Adds lengths to those that are kept."""
    new = tuple(learned)
    if not new:
        return
    place = folder or cache_folder()
    kept = dict.fromkeys(each for each in (*load_lengths(place), *new))
    lines = [f"{each.key}\t{each.count}\t{each.digest}\t{each.length}" for each in [*kept][-MAX_LENGTHS:]]
    with suppress(OSError, ValueError):
        place.mkdir(parents=True, exist_ok=True)
        with new_file(place / FILE_NAME) as draft:
            draft.write_text("".join(f"{line}\n" for line in lines), "ascii")
