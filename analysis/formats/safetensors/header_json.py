"""The JSON of a safetensors header: its tensors and metadata, each of them checked.

Nearly all files have it as the reference implementation writes it, and a regular expression takes it apart; another one
allows spaces and any order; what neither matches is parsed entry by entry, with errors that name the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum
from math import prod
from operator import itemgetter, sub
from typing import Any, NamedTuple, NoReturn

from analysis.errors import HeaderBeyondLimits, HeaderMalformed
from analysis.formats import limits
from analysis.formats.safetensors import LENGTH_BYTES
from analysis.formats.safetensors.tensors import BITS, Tensor, TensorKinds
from analysis.untrusted import JsonTooLarge, check_json_memory

METADATA = "__metadata__"

_KEYS = {"dtype", "shape", "data_offsets"}
_DTYPES = {dtype: dtype for dtype in BITS}  # one string object per dtype
_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{1,23}")


class Spelling(Enum):
    """How the JSON of a file is written; each takes longer to read than the one before."""

    COMPACT = "as safetensors writes it"
    SPACED = "with the same keys in another order, or with spaces"
    OTHER = "with escapes in names or fields of their own"


class HeaderJson(NamedTuple):
    """What the JSON of one file says."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    data_bytes: int
    """Where the data of the last tensor ends."""
    spelling: Spelling


def parse(name: str, raw: bytes, kinds: TensorKinds | None = None) -> HeaderJson:
    """Tensors and metadata of a header's JSON. `kinds`: the tensors of earlier shards.

    Spans of data must follow each other without hole or overlap. Raises HeaderError.
    """
    _check_counts(name, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise HeaderMalformed(name, LENGTH_BYTES + error.start, "UTF-8", f"{raw[error.start]:#x}") from None
    kinds = TensorKinds() if kinds is None else kinds
    return _parse_usual(name, text, kinds) or _parse_any(name, text, kinds)


def _check_counts(name: str, raw: bytes) -> None:
    """Refuses JSON that would fill the memory: more texts than its tensors can have, or more values than are allowed.

    Texts are counted by their quotes. LoRA trainers keep whole JSON documents in the metadata; those hold escaped ones.
    """
    tensors = raw.count(b'"data_offsets"')
    if tensors > limits.MAX_SAFETENSORS_TENSORS:
        raise HeaderBeyondLimits(
            name, LENGTH_BYTES, f"at most {limits.MAX_SAFETENSORS_TENSORS:,} tensors", f"{tensors:,}"
        )
    quotes = raw.count(b'"') - (raw.count(b'\\"') if b"\\" in raw else 0)
    if quotes > 14 * tensors + 4 * limits.MAX_METADATA_KEYS:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, f"texts of {tensors:,} tensors", f"{quotes // 2:,} of them")
    try:
        check_json_memory(raw, limits.MAX_SAFETENSORS_MEMORY_BYTES)
    except JsonTooLarge:
        most = f"values of at most {limits.MAX_SAFETENSORS_MEMORY_BYTES:,} bytes in memory"
        raise HeaderBeyondLimits(name, LENGTH_BYTES, most, "more") from None


# ---- As nearly all files have it -------------------------------------------------------------------------------------

_W = r"[ \t\n\r]*+"
_NUMBER = r"(?:0|[1-9][0-9]{0,15}+)"
_USUAL_ENTRY = re.compile(
    r'"([^"\\\x00-\x1f]++)"W:W{W(?:(?:'
    r'"dtype"W:W"([A-Z][A-Z0-9_]{1,23}+)"|'
    r'"shape"W:W\[W((?:N(?:W,WN){0,7}+)?+)W\]|'
    r'"data_offsets"W:W\[W(N)W,W(N)W\])'
    r'W(?:,W(?=")|(?=}))){3}+}'.replace("W", _W).replace("N", _NUMBER)
)
"""An entry with its three keys in any order: safetensors and MLX write them in different ones."""
_COMPACT_ENTRY = re.compile(
    r'"([^"\\\x00-\x1f]++)":{"dtype":"([A-Z0-9_]++)","shape":\[([0-9,]*+)\],"data_offsets":\[(N),(N)\]}'.replace(
        "N", _NUMBER
    )
)
"""An entry as safetensors writes it, in half the time. Types and shapes are checked where they are first met."""
_SHAPE = re.compile("(?:WN(?:W,WN){0,7}+)?W".replace("W", _W).replace("N", _NUMBER))
_USUAL_START = re.compile(rf'{_W}{{{_W}(?:"{METADATA}"{_W}:{_W}(?={{))?+')
_BETWEEN = re.compile(rf"{_W},{_W}")
_END = re.compile(rf"{_W}}}{_W}")


def _parse_usual(name: str, text: str, kinds: TensorKinds) -> HeaderJson | None:
    """What a header says whose entries have three keys and whose names no escapes; None for any other.

    What stands between entries must be commas: then the text is JSON and has no other entries.
    """
    start = _USUAL_START.match(text)
    if start is None:
        return None
    metadata: dict[str, str] = {}
    at = start.end()
    if start[0].rstrip().endswith(":"):
        try:
            said, at = _METADATA_DECODER.raw_decode(text, at)
        except (RecursionError, ValueError):
            return None
        if said.keys() >= _KEYS:
            return None
        metadata = _parse_metadata(name, text, said)
        comma = _BETWEEN.match(text, at)
        if comma is None:
            return None
        at = comma.end()
    rest = text[at:]
    spelling = Spelling.COMPACT
    pieces = _COMPACT_ENTRY.split(rest)
    if len(pieces) < 7 or _END.fullmatch(pieces[-1]) is None:
        spelling = Spelling.SPACED
        pieces = _USUAL_ENTRY.split(rest)
    names, dtypes, shapes = pieces[1::6], pieces[2::6], pieces[3::6]
    if pieces[0] or not names or _END.fullmatch(pieces[-1]) is None:
        return None
    if not all(map(_BETWEEN.fullmatch, set(pieces[6:-1:6]))):
        return None
    if None in dtypes or None in shapes or None in pieces[4::6]:  # a key twice, another missing
        return None
    ends = list(map(int, pieces[5::6]))
    follow = pieces[4] == "0" and pieces[10::6] == pieces[5:-6:6]  # each begins where the one before it ends
    begins = [0, *ends[:-1]] if follow else list(map(int, pieces[4::6]))
    del pieces
    sizes = list(map(sub, ends, begins))
    most_bytes = 8 * limits.MAX_TENSOR_ELEMENTS
    if min(sizes) < 0 or max(ends) > most_bytes or max(map(len, names)) > limits.MAX_TENSOR_NAME_BYTES:
        return None
    found = _FoundKinds(kinds)
    tensors = dict(zip(names, map(found.__getitem__, zip(dtypes, shapes, sizes, strict=True)), strict=True))
    if None in found.values() or len(tensors) != len(names) or METADATA in tensors or "" in tensors:
        return None
    data_bytes = ends[-1] if follow else _check_spans(name, zip(begins, ends, names, strict=True))
    return HeaderJson(tensors, metadata, data_bytes, spelling)  # type: ignore[arg-type]  # none of them is None


class _FoundKinds(dict[tuple[str, str, int], Tensor | None]):
    """The tensor of each dtype, shape and size, found when it is first asked for."""

    def __init__(self, kinds: TensorKinds) -> None:
        self.kinds = kinds

    def __missing__(self, described: tuple[str, str, int]) -> Tensor | None:
        found = self[described] = _find_kind(*described, self.kinds)
        return found


def _find_kind(dtype: str, lengths: str, size: int, kinds: TensorKinds) -> Tensor | None:
    """The tensor of a dtype and shape; None if they are none, if it has not this size, or if it is too large."""
    if _DTYPE.fullmatch(dtype) is None or _SHAPE.fullmatch(lengths) is None:
        return None
    shape = tuple(map(int, lengths.split(","))) if lengths else ()
    dtype = _DTYPES.get(dtype, dtype)
    elements, bits = prod(shape), BITS.get(dtype)
    if elements > limits.MAX_TENSOR_ELEMENTS or (bits is not None and size != -(-elements * bits // 8)):
        return None
    return kinds[dtype, shape, size]


# ---- As JSON allows it -----------------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """One entry of the JSON, in a fifth of the memory; nothing of it is checked but that dtype is a text."""

    dtype: str
    shape: tuple[Any, ...]
    begin: Any
    end: Any


def _parse_any(name: str, text: str, kinds: TensorKinds) -> HeaderJson:
    """What a header says, whatever the order of its keys. Raises HeaderMalformed with the place of what is wrong."""

    def pairs(items: list[tuple[str, Any]]) -> Any:
        found = dict(items)
        if len(found) != len(items):
            twice = _find_duplicate(items)
            raise HeaderMalformed(name, _offset_of(text, twice), "a new name", f"{shorten_value(twice)} a second time")
        return _make_entry(found) if found.keys() >= _KEYS else found

    try:
        entries = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse_constant)
    except RecursionError:
        raise HeaderBeyondLimits(name, LENGTH_BYTES, "JSON of three levels", "a great many") from None
    except json.JSONDecodeError as error:
        raise HeaderMalformed(name, LENGTH_BYTES + len(text[: error.pos].encode()), "JSON", error.msg) from None
    except ValueError as error:  # numbers of thousands of digits, NaN
        raise HeaderMalformed(name, LENGTH_BYTES, "JSON numbers", str(error)[:80]) from None
    if not isinstance(entries, dict):
        raise HeaderMalformed(name, LENGTH_BYTES, "a JSON object of tensors", describe_type(entries))
    metadata = _parse_metadata(name, text, entries.pop(METADATA, {}))
    tensors = {key: _check_entry(name, text, key, entry, kinds) for key, entry in entries.items()}
    data_bytes = _check_spans(name, ((entry.begin, entry.end, key) for key, entry in entries.items()))
    return HeaderJson(tensors, metadata, data_bytes, Spelling.OTHER)


def _make_entry(found: dict[str, Any]) -> Any:
    """The object as an entry; unchanged if it is none."""
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        return found
    return _Entry(_DTYPES.get(dtype, dtype), tuple(shape), offsets[0], offsets[1])


def _check_entry(name: str, text: str, key: str, entry: Any, kinds: TensorKinds) -> Tensor:
    """The tensor of an entry: its dtype is a word, its shape whole numbers, its span exactly its elements."""

    def bad(expected: str, got: str) -> NoReturn:
        raise HeaderMalformed(name, _offset_of(text, key), f"{expected} for {shorten_value(key)}", got)

    def beyond(most: str, got: str) -> NoReturn:
        raise HeaderBeyondLimits(name, _offset_of(text, key), most, got)

    if not isinstance(entry, _Entry):
        bad("dtype, shape and data_offsets", describe_type(entry))
    dtype, shape, begin, end = entry
    if len(key) > limits.MAX_TENSOR_NAME_BYTES:
        beyond(f"names of at most {limits.MAX_TENSOR_NAME_BYTES} characters", f"{len(key):,}")
    if dtype not in BITS and not _DTYPE.fullmatch(dtype):
        bad("a dtype", shorten_value(dtype))
    if len(shape) > limits.MAX_DIMENSIONS:
        beyond(f"at most {limits.MAX_DIMENSIONS} dimensions of {shorten_value(key)}", f"{len(shape):,}")
    elements = 1
    for length in shape:
        if type(length) is not int or length < 0:
            bad("a shape of whole numbers", shorten_value(length))
        elements *= length
    if elements > limits.MAX_TENSOR_ELEMENTS:
        shown = f"a shape of {' x '.join(map(shorten_value, shape))}"
        beyond(f"at most 2^50 elements of {shorten_value(key)}", shown[:200])
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end <= 8 * limits.MAX_TENSOR_ELEMENTS:
        bad("a span of data", f"{shorten_value(begin)} to {shorten_value(end)}")
    bits = BITS.get(dtype)
    if bits is not None and end - begin != -(-elements * bits // 8):
        bad(f"{-(-elements * bits // 8):,} bytes ({dtype} {list(shape)})", f"{end - begin:,}")
    return kinds[dtype, shape, end - begin]


def _parse_metadata(name: str, text: str, entries: Any) -> dict[str, str]:
    if entries is None:  # the reference takes it for none
        return {}
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        if isinstance(entries, dict):  # some writers keep numbers in it
            return {key: str(value)[:1000] for key, value in entries.items() if isinstance(value, str | int | float)}
        raise HeaderMalformed(name, _offset_of(text, METADATA), "metadata of text", describe_type(entries))
    return entries


def _check_spans(name: str, spans: Iterable[tuple[int, int, str]]) -> int:
    """Bytes of the data. `spans`: begin and end of each tensor, and its name."""
    reached, last = 0, "the beginning"
    for begin, end, key in sorted(spans, key=itemgetter(0, 1)):
        if begin != reached:
            what = "a hole" if begin > reached else "an overlap"
            expected = f"data of {shorten_value(key)} at {reached:,}, behind {shorten_value(last)}"
            raise HeaderMalformed(name, 0, expected, f"{what}: {begin:,}")
        reached, last = end, key
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


def _refuse_duplicates(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        raise ValueError("a key stands there twice")
    return found


_METADATA_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)


# ---- Values in messages ----------------------------------------------------------------------------------------------


def shorten_value(value: Any) -> str:
    """A value of the JSON in a message: a text or number in printable ASCII, else what it is."""
    if isinstance(value, str):
        value = value[:80]
    elif not isinstance(value, int | float):
        return describe_type(value)
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def describe_type(value: Any) -> str:
    """What a value of the JSON is, in a message."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
