"""safetensors headers: what the tensors of a model are, from the JSON that its files begin with.

    u64 length of the JSON | JSON: {name: {"dtype", "shape", "data_offsets"}, "__metadata__": {text: text}} | data

One read of 100 kB holds the whole header of nearly all files; of the others the rest is fetched. Or the Hub gives the
headers of all shards in one answer (`read_safetensors_metadata`). Nothing is trusted: the JSON's size, depth and
counts, each tensor's shape against its span, spans against each other (no hole, no overlap), their end against the
file's size. Violations raise HeaderError. A file that ends before its last tensor is reported, not refused
(`size_verified` False): its upload is incomplete, its header is still valid.

model.py reads what tensors say of the model, and packing/ counts parameters through packed tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analysis.errors import HeaderBeyondLimits, HeaderMalformed, HeaderTruncated, NotThisFormat
from analysis.formats import limits
from analysis.formats.safetensors import LENGTH_BYTES, recognize
from analysis.formats.safetensors.header_json import Spelling, describe_type, parse, shorten_value
from analysis.formats.safetensors.model import build_safetensors_header
from analysis.formats.safetensors.tensors import Tensor, TensorKinds
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header


@dataclass(frozen=True, slots=True)
class Shard:
    """The header of one file. `data_start` is None if it comes from the Hub, which omits the header's length."""

    name: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_bytes: int
    spelling: Spelling
    data_start: int | None

    @property
    def size(self) -> int | None:
        """Bytes of the file, as the header implies them."""
        return None if self.data_start is None else self.data_start + self.data_bytes


# ---- From files -----------------------------------------------------------------------------------------------------


def read_safetensors(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    *,
    config: Json = {},  # noqa: B006  # read only
    base_parameters: int | None = None,
) -> Header:
    """The header of an artifact, its shards merged.

    `sizes` are the files' sizes in bytes, as the Hub gives them; `config` is what `model_config.merge_configs` made of
    the repo's JSON files; `base_parameters` is the count of its base model, for packings whose tensors do not determine
    it. Raises HeaderError and SourceError.
    """
    if len(artifact.paths) > limits.MAX_SHARDS:
        raise HeaderBeyondLimits(
            artifact.artifact, 0, f"at most {limits.MAX_SHARDS:,} shards", f"{len(artifact.paths):,}"
        )
    shards, requests, fetched, header_bytes = [], 0, 0, 0
    kinds = TensorKinds()
    for path in artifact.paths:
        source = open_source(path)
        shard = read_shard(source, sizes.get(path), kinds)
        shards.append(shard)
        header_bytes += shard.data_start or 0
        if header_bytes > limits.MAX_SAFETENSORS_HEADER_BYTES_OF_ALL_SHARDS:
            most = f"at most {limits.MAX_SAFETENSORS_HEADER_BYTES_OF_ALL_SHARDS:,} bytes of headers in all shards"
            raise HeaderBeyondLimits(path, 0, most, f"{header_bytes:,}")
        _check_tensors_of_shards(artifact.artifact, shards, kinds)
        requests += source.requests
        fetched += source.bytes_read
    tensors, metadata = _merge_shards(shards)
    return build_safetensors_header(
        artifact,
        tensors,
        metadata,
        size=_sum_sizes(shards),
        size_verified=_verify_sizes(shards, [sizes.get(path) for path in artifact.paths]),
        config=config,
        base_parameters=base_parameters,
        requests=requests,
        bytes_read=fetched,
    )


def read_shard(source: ByteSource, size: int | None = None, kinds: TensorKinds | None = None) -> Shard:
    """The header of one file, whose whole size is `size` where that is known better than by its source.

    `kinds`: the tensors of earlier shards.
    """
    whole = source.size if size is None else size
    raw, end = _read_json(source, whole)
    shard = Shard(source.name, *parse(source.name, raw, kinds), end)
    implied = end + shard.data_bytes
    if whole is not None and whole > implied:
        raise HeaderMalformed(
            source.name, implied, "the end of the file after its last tensor", f"{whole - implied:,} bytes more"
        )
    return shard


def _read_json(source: ByteSource, whole: int | None) -> tuple[bytes, int]:
    """The JSON, and the position after it."""
    head = source.read(
        0, limits.SAFETENSORS_FIRST_READ_BYTES if whole is None else min(limits.SAFETENSORS_FIRST_READ_BYTES, whole)
    )
    length = _read_length(source.name, head, whole)
    end = LENGTH_BYTES + length
    raw = head[LENGTH_BYTES:end]
    if end > len(head):
        raw += source.read(len(head), end - len(head))
        if len(raw) < length:
            raise HeaderTruncated(
                source.name,
                LENGTH_BYTES,
                f"a header of {length:,} bytes",
                f"the end of the file after {len(raw):,} bytes",
            )
    return raw, end


def _read_length(name: str, head: bytes, whole: int | None) -> int:
    """Bytes of the JSON, from the first eight bytes of the file."""
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    if not recognize(head):  # checked before the length, for other files begin with absurd ones
        raise NotThisFormat(name, 0, "a safetensors file", detect_other_format(head))
    if length > limits.MAX_SAFETENSORS_HEADER_BYTES:
        raise HeaderBeyondLimits(
            name, 0, f"a header of at most {limits.MAX_SAFETENSORS_HEADER_BYTES:,} bytes", f"{length:,}"
        )
    if length < 2:
        raise HeaderMalformed(name, 0, "a header of two bytes or more", f"{length}")
    if whole is not None and LENGTH_BYTES + length > whole:
        raise HeaderTruncated(name, 0, f"a header of {length:,} bytes", f"a file of {whole:,} bytes")
    return length


# ---- From the Hub's answer ------------------------------------------------------------------------------------------


def read_safetensors_metadata(
    payload: Json,
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    config: Json = {},  # noqa: B006  # read only
    *,
    base_parameters: int | None = None,
    requests: int = 1,
    bytes_read: int = 0,
) -> Header:
    """The header of an artifact from `GET /api/models/{id}/safetensors-metadata/{index}`: all shards in one answer.

    `payload` is {"index": {"metadata": ...}, "headers": {shard: header}}. The answer omits the length of
    each header's JSON, so a file's size is verified only as far as what the data leaves can be a header.
    """
    name = artifact.artifact
    headers = payload.get("headers")
    if not isinstance(headers, Mapping):
        raise HeaderMalformed(name, 0, "headers of the shards", describe_type(headers))
    shards, kinds = [], TensorKinds()
    folder = artifact.paths[0].rpartition("/")[0] if artifact.paths else ""
    for path in artifact.paths:
        header = headers.get(path, headers.get(path.removeprefix(f"{folder}/")))
        if not isinstance(header, Mapping):
            raise HeaderTruncated(name, 0, f"the header of {shorten_value(path)}", "none")
        try:
            raw = json.dumps(header, separators=(",", ":")).encode()
        except (RecursionError, TypeError, ValueError):
            raise HeaderMalformed(path, 0, "a header of three levels", "one that is no JSON") from None
        shards.append(Shard(path, *parse(path, raw, kinds), None))
        _check_tensors_of_shards(name, shards, kinds)
    there = [sizes.get(path) for path in artifact.paths]
    verified = _verify_sizes(shards, there)
    return build_safetensors_header(
        artifact, *_merge_shards(shards), size=sum(size or 0 for size in there) if verified else None,
        size_verified=verified, config=config, base_parameters=base_parameters, requests=requests,
        bytes_read=bytes_read,
    )  # fmt: skip


# ---- Shards together ------------------------------------------------------------------------------------------------


def _merge_shards(shards: list[Shard]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors and all metadata. Raises HeaderMalformed if two shards hold the same tensor."""
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for shard in shards:
        before = len(tensors)
        tensors.update(shard.tensors)
        metadata.update(shard.metadata)
        if len(tensors) != before + len(shard.tensors):
            raise HeaderMalformed(shard.name, 0, "tensors of its own", "one that another shard holds too")
    return tensors, metadata


def _check_tensors_of_shards(name: str, shards: list[Shard], kinds: TensorKinds) -> None:
    """Raises HeaderBeyondLimits if the shards that were read so far hold too many tensors."""
    tensors = sum(len(shard.tensors) for shard in shards)
    other = sum(len(shard.tensors) for shard in shards if shard.spelling is Spelling.OTHER)
    spaced = sum(len(shard.tensors) for shard in shards if shard.spelling is Spelling.SPACED)
    for found, most, what in (
        (tensors, limits.MAX_SAFETENSORS_TENSORS_OF_ALL_SHARDS, "tensors"),
        (spaced, limits.MAX_SPACED_SAFETENSORS_TENSORS, "tensors in JSON that safetensors does not write so"),
        (other, limits.MAX_UNUSUAL_SAFETENSORS_TENSORS, "tensors with escapes in their names or fields of their own"),
        (len(kinds), limits.find_most_kinds(tensors), f"different shapes of {tensors:,} tensors"),
    ):
        if found > most:
            raise HeaderBeyondLimits(name, 0, f"at most {most:,} {what}", f"{found:,}")


def _sum_sizes(shards: list[Shard]) -> int | None:
    return sum(shard.size or 0 for shard in shards) if all(shard.size is not None for shard in shards) else None


def _verify_sizes(shards: list[Shard], sizes: list[int | None]) -> bool | None:
    """Whether the files are as long as their headers imply; None if a size is unknown."""
    if None in sizes:
        return None
    for shard, size in zip(shards, sizes, strict=True):
        if shard.size is not None:
            if size != shard.size:
                return False
        elif not 2 <= (size or 0) - shard.data_bytes - LENGTH_BYTES <= limits.MAX_SAFETENSORS_HEADER_BYTES:
            return False
    return True
