"""NeMo archives: a tar file with a model's YAML and its PyTorch archive (NVIDIA NeMo, save_restore_connector.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.cursor import Cursor, PieceOfSource
from analysis.formats.facts import clean_text
from analysis.formats.pytorch_zip import read_pytorch
from analysis.formats.reader import container_reader
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

BLOCK = 512
MAGIC_AT, MAGIC = 257, b"ustar"
WHAT = "a NeMo archive"


def read_nemo(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The header of the weights in an archive that is not compressed. Raises HeaderError and SourceError."""
    path = artifact.paths[0]
    source = open_source(path)
    weights = find_weights(Cursor(source, WHAT, sizes.get(path)))
    header = read_pytorch(replace(artifact, paths=(path,)), {path: weights.size}, lambda _: weights, config)
    return replace(header, format="nemo", size=sizes.get(path))


def find_weights(cursor: Cursor) -> PieceOfSource:
    """The PyTorch archive in a tar file, as a file of its own. Raises HeaderMalformed where there is none."""
    position, size = 0, cursor.size or 0
    for _ in range(limits.MAX_TAR_MEMBERS):
        if position + BLOCK > size:
            break
        head = cursor.read(position, BLOCK)
        if not any(head):
            break
        if head[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
            raise cursor.malformed(position, "a file of a tar archive that is not compressed", head[:4].hex(" "))
        name, length = head[:100].rstrip(b"\0").decode(errors="replace"), read_octal(head[124:136])
        if name.endswith(".ckpt"):
            return PieceOfSource(
                cursor.source, position + BLOCK, length, f"{cursor.source.name}: {clean_text(name, 80)}"
            )
        position += BLOCK + -(-length // BLOCK) * BLOCK
    else:
        raise HeaderBeyondLimits(cursor.source.name, position, f"at most {limits.MAX_TAR_MEMBERS:,} files", "more")
    raise cursor.malformed(position, "a file of weights (.ckpt)", "none")


def read_octal(field: bytes) -> int:
    """A number of a tar header; 0 for what is none. Large ones are in base 256."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[4:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and set(digits) <= set(b"01234567") else 0


READER = container_reader(read_nemo, lambda first: False)  # a tar archive may hold anything
