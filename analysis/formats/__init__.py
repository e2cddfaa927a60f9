"""Headers: what a model really is, from the few kilobytes that its file begins with.

Bytes in, facts out: no network, no store, the standard library alone. `read_artifact` reads whatever format an artifact
has, through a ByteSource (source.py) that may be a file or a server far away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.formats.source import ByteSource
    from db.record_base import Json
    from db.records import ArrayLength, ArtifactRecord, Header


def read_artifact(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    *,
    layouts: Sequence[ArrayLength] = (),
    config: Json = {},  # noqa: B006  # read only
    base_parameters: int | None = None,
) -> tuple[Header, tuple[ArrayLength, ...]]:
    """The header of an artifact, its shards merged, and what was learnt for reading the next one.

    `sizes` are the files' sizes as the Hub tells them, by path: the parse is held against them. `open_source` opens a
    path. `layouts` are what earlier headers taught (GGUF). `config` is the repo's config.json and `base_parameters` the
    count of its base model (safetensors). Raises HeaderError where a header can't be believed, SourceError where its
    bytes can't be had.
    """
    if artifact.format == "gguf":
        from analysis.formats.gguf.model import read_gguf

        return read_gguf(artifact, sizes, open_source, layouts)
    from analysis.formats.safetensors.reader import read_safetensors  # type: ignore[import-not-found,unused-ignore]

    header = read_safetensors(artifact, sizes, open_source, config=config, base_parameters=base_parameters)
    return header, ()
