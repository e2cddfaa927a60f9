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
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from analysis.errors import HeaderBeyondLimits, HeaderMalformed, HeaderTruncated, NotThisFormat
from analysis.formats import limits
from analysis.formats.safetensors import LENGTH_BYTES, recognize
from analysis.formats.safetensors.model import build_safetensors_header
from analysis.formats.safetensors.tensors import BITS, Tensor
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource
from analysis.untrusted import JsonTooLarge, check_json_memory
from db.record_base import Json
from db.records import ArtifactRecord, Header

METADATA = "__metadata__"

_KEYS = {"dtype", "shape", "data_offsets"}
_DTYPES = {dtype: dtype for dtype in BITS}  # one string object per dtype
_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{1,23}")


@dataclass(frozen=True, slots=True)
class Shard:
    """The header of one file. `data_start` is None if it comes from the Hub, which omits the header's length."""

    name: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int | None
    data_bytes: int

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
    for path in artifact.paths:
        source = open_source(path)
        shard = read_shard(source, sizes.get(path))
        shards.append(shard)
        header_bytes += shard.data_start or 0
        if header_bytes > limits.MAX_SAFETENSORS_HEADER_BYTES_OF_ALL_SHARDS:
            most = f"at most {limits.MAX_SAFETENSORS_HEADER_BYTES_OF_ALL_SHARDS:,} bytes of headers in all shards"
            raise HeaderBeyondLimits(path, 0, most, f"{header_bytes:,}")
        _check_tensors_of_shards(artifact.artifact, shards)
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


def read_shard(source: ByteSource, size: int | None = None) -> Shard:
    """The header of one file, whose whole size is `size` where that is known better than by its source."""
    whole = source.size if size is None else size
    raw, end = _read_json(source, whole)
    tensors, metadata = parse(source.name, raw)
    shard = Shard(source.name, tensors, metadata, end, _data_bytes(source.name, tensors))
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


# ---- The JSON -------------------------------------------------------------------------------------------------------


def parse(name: str, raw: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a header's JSON, each of them checked."""
    _check_counts(name, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise HeaderMalformed(name, LENGTH_BYTES + error.start, "UTF-8", f"{raw[error.start]:#x}") from None

    def pairs(items: list[tuple[str, Any]]) -> Any:
        found = dict(items)
        if len(found) != len(items):
            twice = _find_duplicate(items)
            raise HeaderMalformed(name, _offset_of(text, twice), "a new name", f"{_shorten(twice)} a second time")
        return _make_tensor(found) if found.keys() >= _KEYS else found

    try:
        entries = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse_constant)
    except RecursionError:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, "JSON of three levels", "a great many") from None
    except json.JSONDecodeError as error:
        raise HeaderMalformed(name, LENGTH_BYTES + len(text[: error.pos].encode()), "JSON", error.msg) from None
    except ValueError as error:  # numbers of thousands of digits, NaN
        raise HeaderMalformed(name, LENGTH_BYTES, "JSON numbers", str(error)[:80]) from None
    if not isinstance(entries, dict):
        raise HeaderMalformed(name, LENGTH_BYTES, "a JSON object of tensors", _describe_type(entries))
    metadata = _parse_metadata(name, text, entries.pop(METADATA, {}))
    for key, tensor in entries.items():
        _check_tensor(name, text, key, tensor)
    return entries, metadata


def _make_tensor(found: dict[str, Any]) -> Any:
    """The entry as a Tensor, in a fifth of the memory; unchanged if it is none."""
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        return found
    return Tensor(_DTYPES.get(dtype, dtype), tuple(shape), offsets[0], offsets[1])


def _check_counts(name: str, raw: bytes) -> None:
    """Refuses JSON that would fill the memory: more texts than its tensors can have, or more values than are allowed.

    Texts are counted by their quotes. LoRA trainers keep whole JSON documents in the metadata; those hold escaped ones.
    """
    tensors = raw.count(b'"data_offsets"')
    if tensors > limits.MAX_SAFETENSORS_TENSORS:
        raise HeaderBeyondLimits(
            name, LENGTH_BYTES, f"at most {limits.MAX_SAFETENSORS_TENSORS:,} tensors", f"{tensors:,}"
        )
    quotes = raw.count(b'"') - raw.count(b'\\"')
    if quotes > 14 * tensors + 4 * limits.MAX_METADATA_KEYS:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, f"texts of {tensors:,} tensors", f"{quotes // 2:,} of them")
    try:
        check_json_memory(raw, limits.MAX_SAFETENSORS_MEMORY_BYTES)
    except JsonTooLarge:
        most = f"values of at most {limits.MAX_SAFETENSORS_MEMORY_BYTES:,} bytes in memory"
        raise HeaderBeyondLimits(name, LENGTH_BYTES, most, "more") from None


def _check_tensor(name: str, text: str, key: str, tensor: Any) -> None:
    """Checks one tensor: its dtype is a word, its shape whole numbers, its span exactly its elements."""

    def bad(expected: str, got: str) -> NoReturn:
        raise HeaderMalformed(name, _offset_of(text, key), f"{expected} for {_shorten(key)}", got)

    if not isinstance(tensor, Tensor):
        bad("dtype, shape and data_offsets", _describe_type(tensor))
    dtype, shape, begin, end = tensor
    if len(key) > limits.MAX_TENSOR_NAME_BYTES:
        raise HeaderBeyondLimits(
            name,
            _offset_of(text, key),
            f"names of at most {limits.MAX_TENSOR_NAME_BYTES} characters",
            f"{len(key):,}",
        )
    if dtype not in BITS and not _DTYPE.fullmatch(dtype):
        bad("a dtype", _shorten(dtype))
    if len(shape) > limits.MAX_DIMENSIONS:
        raise HeaderBeyondLimits(
            name,
            _offset_of(text, key),
            f"at most {limits.MAX_DIMENSIONS} dimensions of {_shorten(key)}",
            f"{len(shape):,}",
        )
    elements = 1
    for length in shape:
        if type(length) is not int or length < 0:
            bad("a shape of whole numbers", _shorten(length))
        elements *= length
    if elements > limits.MAX_TENSOR_ELEMENTS:
        raise HeaderBeyondLimits(
            name,
            _offset_of(text, key),
            f"at most 2^50 elements of {_shorten(key)}",
            f"a shape of {' x '.join(map(_shorten, shape))}"[:200],
        )
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end <= 8 * limits.MAX_TENSOR_ELEMENTS:
        bad("a span of data", f"{_shorten(begin)} to {_shorten(end)}")
    bits = BITS.get(dtype)
    if bits is not None and end - begin != -(-elements * bits // 8):
        bad(f"{-(-elements * bits // 8):,} bytes ({dtype} {list(shape)})", f"{end - begin:,}")


def _parse_metadata(name: str, text: str, entries: Any) -> dict[str, str]:
    if entries is None:  # the reference takes it for none
        return {}
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        if isinstance(entries, dict):  # some writers keep numbers in it
            return {key: str(value)[:1000] for key, value in entries.items() if isinstance(value, str | int | float)}
        raise HeaderMalformed(name, _offset_of(text, METADATA), "metadata of text", _describe_type(entries))
    return entries


def _data_bytes(name: str, tensors: Mapping[str, Tensor]) -> int:
    """Bytes of the data. Spans must follow each other without hole or overlap."""
    reached, last = 0, "the beginning"
    for key, tensor in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if tensor.begin != reached:
            what = "a hole" if tensor.begin > reached else "an overlap"
            raise HeaderMalformed(
                name,
                0,
                f"data of {_shorten(key)} at {reached:,}, behind {_shorten(last)}",
                f"{what}: {tensor.begin:,}",
            )
        reached, last = tensor.end, key
    return reached


def _offset_of(text: str, key: str) -> int:
    """The byte of the file at which a name begins."""
    at = text.find(json.dumps(key, ensure_ascii=False))
    return LENGTH_BYTES + len(text[: max(0, at)].encode(errors="replace"))


def _find_duplicate(items: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in items:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _shorten(value: Any) -> str:
    """A value of the JSON in a message: a text or number in printable ASCII, else what it is."""
    if isinstance(value, str):
        value = value[:80]
    elif not isinstance(value, int | float):
        return _describe_type(value)
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _describe_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


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
        raise HeaderMalformed(name, 0, "headers of the shards", _describe_type(headers))
    shards = []
    folder = artifact.paths[0].rpartition("/")[0] if artifact.paths else ""
    for path in artifact.paths:
        header = headers.get(path, headers.get(path.removeprefix(f"{folder}/")))
        if not isinstance(header, Mapping):
            raise HeaderTruncated(name, 0, f"the header of {_shorten(path)}", "none")
        try:
            raw = json.dumps(header).encode()
        except (RecursionError, TypeError, ValueError):
            raise HeaderMalformed(path, 0, "a header of three levels", "one that is no JSON") from None
        tensors, metadata = parse(path, raw)
        shards.append(Shard(path, tensors, metadata, None, _data_bytes(path, tensors)))
        _check_tensors_of_shards(name, shards)
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


def _check_tensors_of_shards(name: str, shards: list[Shard]) -> None:
    """Raises HeaderBeyondLimits if the shards that were read so far hold too many tensors."""
    tensors = sum(len(shard.tensors) for shard in shards)
    if tensors > limits.MAX_SAFETENSORS_TENSORS_OF_ALL_SHARDS:
        raise HeaderBeyondLimits(
            name, 0, f"at most {limits.MAX_SAFETENSORS_TENSORS_OF_ALL_SHARDS:,} tensors", f"{tensors:,}"
        )


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
