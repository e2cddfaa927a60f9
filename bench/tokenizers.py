"""Writes analysis/formats/gguf/tokenizers.tsv: how long the tokenizers of real GGUF headers are.

    python -m bench.tokenizers HEADERS.tar.xz > analysis/formats/gguf/tokenizers.tsv

The archive holds first bytes of GGUF files, at least up to their tensors. Tokenizers of less than MIN_TOKENS tokens are
those of programs' own tests, and left out.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from analysis.errors import HeaderError
from analysis.formats.array_lengths import learn_lengths
from analysis.formats.gguf.reader import read_file
from analysis.formats.source import BytesSource
from db.records import ArrayLength

MIN_TOKENS = 16_000


def read_lengths(archive: Path) -> Iterator[ArrayLength]:
    """The lengths that each header of an archive teaches."""
    with tarfile.open(archive) as members:
        for member in members:
            file = members.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            source = BytesSource(file.read(), member.name)
            source.size = None
            try:
                found = learn_lengths(read_file(source).runs)
            except HeaderError:
                continue  # one that is malformed on purpose
            yield from (each for each in found if each.count >= MIN_TOKENS)


def main(archive: Path) -> None:
    print("key\tcount\tdigest\tlength")
    for each in sorted(set(read_lengths(archive)), key=lambda each: (each.count, each.digest, each.key)):
        print(f"{each.key}\t{each.count}\t{each.digest}\t{each.length}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
