"""safetensors headers: what the tensors of a model are, from the JSON that its files begin with.

    u64 length of the JSON | JSON: {name: {"dtype", "shape", "data_offsets"}, "__metadata__": {text: text}} | data

One read of 100 kB has the whole header of nearly all files; of the others only what lacks is fetched. Or the Hub hands
out the headers of all shards in one answer (`read_safetensors_metadata`). Nothing is believed: the JSON's size, depth
and counts, each tensor's shape against its span, spans against each other (no hole, no overlap), their end against the
file's size. What is not so ends in a HeaderError. A file that ends before its last tensor is told of, not refused
(`size_verified` False): its upload broke off, its header is still true.

What tensors say of the model is safetensors_model.py's, and of parameters through packing packing.py's.
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
from analysis.formats.safetensors.model import header_of
from analysis.formats.safetensors.tensors import BITS, Tensor
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

METADATA = "__metadata__"

_KEYS = {"dtype", "shape", "data_offsets"}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_DTYPES = {dtype: dtype for dtype in BITS}  # one object a dtype, however many tensors name it
_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{1,23}")


@dataclass(frozen=True, slots=True)
class Shard:
    """The header of one file. `data_start` is None where the Hub told the header and not its length."""

    name: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int | None
    data_bytes: int

    @property
    def size(self) -> int | None:
        """What the file's size must be."""
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

    `sizes` are the files' sizes as the Hub tells them; `config` is what config.config_of made of the repo's JSON files;
    `base_parameters` is the count of its base model, for the formats whose tensors do not tell theirs. Raises
    HeaderError and SourceError.
    """
    if len(artifact.paths) > limits.SHARDS:
        raise HeaderBeyondLimits(artifact.artifact, 0, f"at most {limits.SHARDS:,} shards", f"{len(artifact.paths):,}")
    shards, requests, fetched = [], 0, 0
    for path in artifact.paths:
        source = open_source(path)
        shards.append(read_shard(source, sizes.get(path)))
        requests += source.requests
        fetched += source.bytes_read
    verified = _verified(shards, [sizes.get(path) for path in artifact.paths])
    return header_of(
        artifact, *_merged(artifact.artifact, shards), size=_size(shards), size_verified=verified, config=config,
        base_parameters=base_parameters, requests=requests, bytes_read=fetched,
    )  # fmt: skip


def read_shard(source: ByteSource, size: int | None = None) -> Shard:
    """The header of one file, whose whole size is `size` where that is known better than by its source."""
    whole = source.size if size is None else size
    text, end = _text(source, whole)
    tensors, metadata = parse(source.name, text)
    shard = Shard(source.name, tensors, metadata, end, _data_bytes(source.name, tensors))
    implied = end + shard.data_bytes
    if whole is not None and whole > implied:
        raise HeaderMalformed(
            source.name, implied, "the end of the file after its last tensor", f"{whole - implied:,} bytes more"
        )
    return shard


def _text(source: ByteSource, whole: int | None) -> tuple[str, int]:
    """The JSON, and where it ends."""
    head = source.read(0, limits.SAFETENSORS_HEAD if whole is None else min(limits.SAFETENSORS_HEAD, whole))
    length = _length(source.name, head, whole)
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
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise HeaderMalformed(source.name, LENGTH_BYTES + error.start, "UTF-8", f"{raw[error.start]:#x}") from None


def _length(name: str, head: bytes, whole: int | None) -> int:
    """Bytes of the JSON, as the file's first eight say."""
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    if not recognize(head):  # checked before the length, for other files begin with absurd ones
        raise NotThisFormat(name, 0, "a safetensors file", detect_other_format(head))
    if length > limits.SAFETENSORS_HEADER_BYTES:
        raise HeaderBeyondLimits(
            name, 0, f"a header of at most {limits.SAFETENSORS_HEADER_BYTES:,} bytes", f"{length:,}"
        )
    if length < 2:
        raise HeaderMalformed(name, 0, "a header of two bytes or more", f"{length}")
    if whole is not None and LENGTH_BYTES + length > whole:
        raise HeaderTruncated(name, 0, f"a header of {length:,} bytes", f"a file of {whole:,} bytes")
    return length


# ---- The JSON -------------------------------------------------------------------------------------------------------


def parse(name: str, text: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a header's JSON, each checked by itself."""
    _counted(name, text)

    def pairs(items: list[tuple[str, Any]]) -> Any:
        found = dict(items)
        if len(found) != len(items):
            twice = _twice(items)
            raise HeaderMalformed(name, _where(text, twice), "a new name", f"{_shown(twice)} a second time")
        return _tensor(found) if found.keys() == _KEYS else found

    try:
        entries = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse)
    except RecursionError:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, "JSON of three levels", "a great many") from None
    except json.JSONDecodeError as error:
        raise HeaderMalformed(name, LENGTH_BYTES + len(text[: error.pos].encode()), "JSON", error.msg) from None
    except ValueError as error:  # numbers of thousands of digits, NaN
        raise HeaderMalformed(name, LENGTH_BYTES, "JSON numbers", str(error)[:80]) from None
    if not isinstance(entries, dict):
        raise HeaderMalformed(name, LENGTH_BYTES, "a JSON object of tensors", _kind(entries))
    metadata = _metadata(name, text, entries.pop(METADATA, {}))
    for key, tensor in entries.items():
        _check(name, text, key, tensor)
    return entries, metadata


def _tensor(found: dict[str, Any]) -> Any:
    """A tensor in a fifth of the memory; as it is where it is none."""
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        return found
    return Tensor(_DTYPES.get(dtype, dtype), tuple(shape), offsets[0], offsets[1])


def _counted(name: str, text: str) -> None:
    """Refuses JSON that would fill the memory: more brackets, commas or texts than its tensors can have.

    Counting is quick; only where there seem to be too many are those within texts left out (LoRA trainers keep whole
    JSON documents in the metadata).
    """
    tensors = text.count('"data_offsets"')
    if tensors > limits.SAFETENSORS_TENSORS:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, f"at most {limits.SAFETENSORS_TENSORS:,} tensors", f"{tensors:,}")
    entries = tensors + limits.METADATA_KEYS
    quotes = text.count('"') - text.count('\\"')
    if quotes > 10 * tensors + 4 * entries:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, f"texts of {tensors:,} tensors", f"{quotes // 2:,} of them")
    opened, commas = text.count("[") + text.count("{"), text.count(",")
    if opened > 4 * entries or commas > (limits.DIMENSIONS + 6) * entries:
        for inside in _STRING.finditer(text):
            piece = inside[0]
            opened -= piece.count("[") + piece.count("{")
            commas -= piece.count(",")
    if opened > 4 * entries or commas > (limits.DIMENSIONS + 6) * entries:
        raise HeaderBeyondLimits(
            name, LENGTH_BYTES, f"the brackets of {tensors:,} tensors", f"{opened:,}, {commas:,} commas"
        )


def _check(name: str, text: str, key: str, tensor: Any) -> None:
    """One tensor by itself: its dtype is a word, its shape counts, its span holds just its elements."""

    def bad(expected: str, got: str) -> NoReturn:
        raise HeaderMalformed(name, _where(text, key), f"{expected} for {_shown(key)}", got)

    if not isinstance(tensor, Tensor):
        bad("dtype, shape and data_offsets", _kind(tensor))
    dtype, shape, begin, end = tensor
    if len(key) > limits.TENSOR_NAME_BYTES:
        raise HeaderBeyondLimits(
            name, _where(text, key), f"names of at most {limits.TENSOR_NAME_BYTES} characters", f"{len(key):,}"
        )
    if dtype not in BITS and not _DTYPE.fullmatch(dtype):
        bad("a dtype", _shown(dtype))
    if len(shape) > limits.DIMENSIONS:
        raise HeaderBeyondLimits(
            name, _where(text, key), f"at most {limits.DIMENSIONS} dimensions of {_shown(key)}", f"{len(shape):,}"
        )
    elements = 1
    for length in shape:
        if type(length) is not int or length < 0:
            bad("a shape of whole numbers", _shown(length))
        elements *= length
    if elements > limits.ELEMENTS:
        raise HeaderBeyondLimits(
            name, _where(text, key), f"at most 2^50 elements of {_shown(key)}", f"a shape of {_shown(list(shape))}"
        )
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end <= 8 * limits.ELEMENTS:
        bad("a span of data", f"{_shown(begin)} to {_shown(end)}")
    bits = BITS.get(dtype)
    if bits is not None and end - begin != -(-elements * bits // 8):
        bad(f"{-(-elements * bits // 8):,} bytes ({dtype} {list(shape)})", f"{end - begin:,}")


def _metadata(name: str, text: str, entries: Any) -> dict[str, str]:
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        if isinstance(entries, dict):  # some writers keep numbers here
            return {key: str(value)[:1000] for key, value in entries.items() if isinstance(value, str | int | float)}
        raise HeaderMalformed(name, _where(text, METADATA), "metadata of text", _kind(entries))
    return entries


def _data_bytes(name: str, tensors: Mapping[str, Tensor]) -> int:
    """Where the data ends, counted from its beginning. Spans must follow each other without hole or overlap."""
    reached, last = 0, "the beginning"
    for key, tensor in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if tensor.begin != reached:
            what = "a hole" if tensor.begin > reached else "an overlap"
            raise HeaderMalformed(
                name, 0, f"data of {_shown(key)} at {reached:,}, behind {_shown(last)}", f"{what}: {tensor.begin:,}"
            )
        reached, last = tensor.end, key
    return reached


def _where(text: str, key: str) -> int:
    """The byte of the file where a name stands."""
    at = text.find(json.dumps(key, ensure_ascii=False))
    return LENGTH_BYTES + len(text[: max(0, at)].encode(errors="replace"))


def _twice(items: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in items:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of a header")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _kind(value: Any) -> str:
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

    `payload` is {"index": {"metadata": ...}, "headers": {shard: header}}. The answer does not tell how long each
    header's JSON is, so that of a file's size only so much is verified: what the data leaves is what a header takes.
    """
    name = artifact.artifact
    headers = payload.get("headers")
    if not isinstance(headers, Mapping):
        raise HeaderMalformed(name, 0, "headers of the shards", _kind(headers))
    shards = []
    folder = artifact.paths[0].rpartition("/")[0] if artifact.paths else ""
    for path in artifact.paths:
        told = headers.get(path, headers.get(path.removeprefix(f"{folder}/")))
        if not isinstance(told, Mapping):
            raise HeaderTruncated(name, 0, f"the header of {_shown(path)}", "none")
        try:
            text = json.dumps(told)
        except (RecursionError, TypeError, ValueError):
            raise HeaderMalformed(path, 0, "a header of three levels", "one that is no JSON") from None
        tensors, metadata = parse(path, text)
        shards.append(Shard(path, tensors, metadata, None, _data_bytes(path, tensors)))
    there = [sizes.get(path) for path in artifact.paths]
    verified = _verified(shards, there)
    return header_of(
        artifact, *_merged(name, shards), size=sum(size or 0 for size in there) if verified else None,
        size_verified=verified, config=config, base_parameters=base_parameters, requests=requests,
        bytes_read=bytes_read,
    )  # fmt: skip


# ---- Shards together ------------------------------------------------------------------------------------------------


def _merged(name: str, shards: list[Shard]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors and all metadata. A tensor that two shards hold is one too many."""
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for shard in shards:
        before = len(tensors)
        tensors.update(shard.tensors)
        metadata.update(shard.metadata)
        if len(tensors) != before + len(shard.tensors):
            raise HeaderMalformed(shard.name, 0, "tensors of its own", "one that another shard holds too")
        if len(tensors) > limits.SAFETENSORS_ALL_TENSORS:
            raise HeaderBeyondLimits(
                name, 0, f"at most {limits.SAFETENSORS_ALL_TENSORS:,} tensors", f"{len(tensors):,}"
            )
    return tensors, metadata


def _size(shards: list[Shard]) -> int | None:
    return sum(shard.size or 0 for shard in shards) if all(shard.size is not None for shard in shards) else None


def _verified(shards: list[Shard], sizes: list[int | None]) -> bool | None:
    """Whether the files are as long as their headers imply; None where nobody knows how long they are."""
    if None in sizes:
        return None
    for shard, size in zip(shards, sizes, strict=True):
        if shard.size is not None:
            if size != shard.size:
                return False
        elif not 2 <= (size or 0) - shard.data_bytes - LENGTH_BYTES <= limits.SAFETENSORS_HEADER_BYTES:
            return False
    return True
