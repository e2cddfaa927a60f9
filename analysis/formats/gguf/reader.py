"""GGUF headers: the keys and tensors of a file, from as few of its bytes as can be.

    magic "GGUF" | version | tensors | keys | key-values | tensor infos | padding | tensor data

Versions 1 to 3, either endian (ggml's docs/gguf.md and src/gguf.cpp). What is small is read, arrays of numbers are
skipped by arithmetic, big arrays of strings are jumped by a learnt layout (layouts.py) or else walked, in growing
chunks and never twice. No byte is believed: counts and lengths are held against limits.py and the file's size, keys and
names must be text, nothing may come twice, tensors may not overlap; what is not so ends in a HeaderError.

This module knows the container alone; what keys and tensors say of the model is gguf_model.py's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, NamedTuple

from analysis.errors import HeaderBeyondLimits, HeaderError, HeaderMalformed, HeaderTruncated, NotThisFormat
from analysis.formats import limits
from analysis.formats.gguf.array_lengths import DIGEST_BYTES, MIN_ELEMENTS_TO_LEARN, LargeArray, Layouts, digest
from analysis.formats.source import ByteSource, BytesSource, Window
from analysis.schemes import tensor_types as ggml

MAGIC = b"GGUF"
STRING, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Value types of fixed size, as struct writes them."""

KEY = re.compile(rb"[\x21-\x7e]+")
BEHIND = 8 * limits.KIB  # what stands behind the tokenizer, tensors apart: token ids, a chat template, the file type
TENSOR_INFO = 64  # bytes of one tensor's info, on average
NEXT_KEY = 4 * limits.KIB  # enough to see the key that follows an array
READ_AHEAD_BYTES = limits.KIB  # what a walk fetches beyond what the rest of an array seems to need
OTHER_FORMAT_SIGNATURES = (
    (b"version https://git-lfs", "a Git LFS pointer"), (b"<", "a web page"), (b"lmgg", "the older format GGML"),
    (b"tjgg", "the older format GGJT"), (b"fmgg", "the older format GGMF"), (b"algg", "the older format GGLA"),
    (b"PK\x03\x04", "a zip archive or a PyTorch pickle"), (b"\x80\x02", "a pickle"), (b"{", "JSON"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SkippedArray:
    """A value that was passed over: what it was, its bytes, and its elements where it was an array."""

    kind: int
    size: int | None
    count: int | None = None


class Tensor(NamedTuple):
    """A tensor as its header tells of it. `shape[0]` is the length of a row."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int  # from where tensor data begins
    elements: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The header of one file. `sizes` are the bytes of each tensor's data, None where nothing tells."""

    name: str
    version: int
    big_endian: bool
    keys: Mapping[str, Any]  # text, numbers, lists of them; Passed for what was not kept
    key_count: int  # as the header tells it: a jump passes keys unseen
    tensors: tuple[Tensor, ...]
    sizes: tuple[int | None, ...]
    alignment: int
    data_start: int
    data_end: int | None  # from the file's start, without padding behind the last tensor
    end_inferred: bool = False  # the last tensor's bytes were taken from the file's size, which so proves nothing
    runs: tuple[tuple[LargeArray, ...], ...] = ()  # big arrays that followed each other

    def text(self, key: str) -> str | None:
        value = self.keys.get(key)
        return value if isinstance(value, str) else None

    def whole(self, key: str) -> int | None:
        value = self.keys.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def file_sizes(self) -> tuple[int, ...]:
        """What the file's size may be, if this header tells the truth: with or without padding at its end."""
        if self.data_end is None:
            return ()
        return self.data_end, -(-self.data_end // self.alignment) * self.alignment


def read_file(source: ByteSource, layouts: Layouts | None = None, size: int | None = None) -> GgufFile:
    """The header of a file, whose whole size is `size` where that is known better than by its source.

    A learnt layout that leads astray costs a second reading without any: where the header behind the jump turns out to
    be none, or its tensors do not end where the file does. Raises HeaderError and SourceError.
    """
    whole = source.size if size is None else size
    reader = Reader(Window(source), layouts or Layouts())
    try:
        file = reader.read(whole)
        if not reader.jumped or whole is None or whole in file.file_sizes():
            return file
    except HeaderError:
        if not reader.jumped:
            raise
    return Reader(Window(source), Layouts()).read(whole)


@dataclass(slots=True)
class Reader:
    """Reads one header from front to back. `window` is where it stands."""

    window: Window
    layouts: Layouts
    order: str = "<"
    version: int = 0
    tensor_count: int = 0
    wide: Struct = field(default_factory=lambda: Struct("<Q"))  # counts and lengths
    short: Struct = field(default_factory=lambda: Struct("<I"))
    keys: dict[str, Any] = field(default_factory=dict)
    kept: int = 0  # bytes of text kept
    kept_elements: int = 0  # of arrays
    stride: int = 16 * limits.HEAD_BYTES  # what the next read of a walk may fetch
    key_number: int = 0
    runs: list[list[LargeArray]] = field(default_factory=list)
    in_run: bool = False
    jumped: bool = False

    # ---- the file, from front to back ----

    def read(self, whole: int | None) -> GgufFile:
        key_count = keys_left = self.read_preamble()
        while keys_left:
            jumped = self.key_value(keys_left - 1)
            keys_left -= 1 + jumped
            self.key_number += 1 + jumped
        alignment = self.alignment()
        tensors = self.tensors(alignment)
        window = self.window
        data_start = -(-window.position // alignment) * alignment if tensors else window.position
        sizes, end_inferred = tensor_sizes(window.name, tensors, data_start, alignment, whole)
        ends = [tensor.offset + size for tensor, size in zip(tensors, sizes, strict=True) if size is not None]
        return GgufFile(
            name=window.name,
            version=self.version,
            big_endian=self.order == ">",
            keys=self.keys,
            key_count=key_count,
            tensors=tensors,
            sizes=sizes,
            alignment=alignment,
            data_start=data_start,
            data_end=data_start + max(ends, default=0) if len(ends) == len(tensors) else None,
            end_inferred=end_inferred,
            runs=tuple(tuple(run) for run in self.runs),
        )

    def read_preamble(self) -> int:
        """Magic, version, counts; returns the number of keys."""
        window = self.window
        window.fetch(len(MAGIC))
        if not window.data.startswith(MAGIC):
            raise NotThisFormat(window.name, 0, "a GGUF file", detect_other_format(window.data))
        window.position = len(MAGIC)
        raw = window.take(4, "the version")
        version = int.from_bytes(raw, "little")
        if version & 0xFFFF == 0:  # gguf.cpp: the other endian
            self.order, version = ">", int.from_bytes(raw, "big")
        if not 1 <= version <= 3:
            raise NotThisFormat(window.name, 4, "GGUF version 1, 2 or 3", f"version {version}")
        self.version = version
        self.wide = Struct(self.order + ("I" if version == 1 else "Q"))
        self.short = Struct(self.order + "I")
        tensors: int = self.number(self.wide, "the count of tensors")
        keys: int = self.number(self.wide, "the count of keys")
        least = self.wide.size
        self.bounded("tensors", tensors, limits.TENSORS, 2 * least + 16)
        self.bounded("keys", keys, limits.KEYS, least + 6)
        self.tensor_count = tensors
        return keys

    def alignment(self) -> int:
        value = self.keys.get("general.alignment", 32)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value & (value - 1):
            raise self.raise_malformed(self.window.position, "an alignment that is a power of two", shown(value))
        if value > limits.ALIGNMENT:
            raise self.raise_beyond_limits(
                self.window.position, f"an alignment of at most {limits.ALIGNMENT:,}", f"{value:,}"
            )
        return value

    # ---- key-values ----

    def key_value(self, keys_left: int) -> int:
        """Read one key and its value; returns how many further keys were jumped with it."""
        window = self.window
        at = window.position
        key = self.name("a key", limits.KEY_BYTES)
        if key in self.keys:
            raise self.raise_malformed(at, "a new key", f"{key!r} a second time")
        kind = self.number(self.short, f"the type of {key!r}")
        if kind == ARRAY:
            self.keys[key], more = self.array(key, keys_left)
            return more
        self.in_run = self.in_run and key.startswith("tokenizer.ggml.")
        if kind == STRING:
            self.keys[key] = self.string(key)
        elif kind in NUMBERS:
            self.keys[key] = self.scalar(kind, f"the value of {key!r}")
        else:
            raise self.raise_malformed(window.position - 4, f"a value type of 0 to 12 for {key!r}", str(kind))
        return 0

    def scalar(self, kind: int, what: str) -> Any:
        value = self.number(Struct(self.order + NUMBERS[kind]), what)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def string(self, key: str) -> str | SkippedArray:
        """A text, or Passed where it is too long to keep."""
        window = self.window
        at = window.position
        length = self.number(self.wide, f"the length of {key!r}")
        if length > limits.STRING_BYTES:
            raise self.raise_beyond_limits(at, f"at most {limits.STRING_BYTES:,} bytes of {key!r}", f"{length:,}")
        if length > limits.KEPT_STRING_BYTES or self.kept + length > limits.KEPT_BYTES:
            window.skip(length, f"the text of {key!r}")
            return SkippedArray(STRING, length)
        raw = window.take(length, f"the text of {key!r}")
        self.kept += length
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.raise_malformed(
                at + self.wide.size + error.start, f"{key!r} in UTF-8", f"{raw[error.start]:#x}"
            ) from None

    def array(self, key: str, keys_left: int) -> tuple[Any, int]:
        """An array: its elements if they are few, else Passed; and how many further keys were jumped with it."""
        window = self.window
        kind = self.number(self.short, f"the element type of {key!r}")
        count = self.number(self.wide, f"the count of {key!r}")
        start = window.position
        if kind in NUMBERS:
            width = Struct("<" + NUMBERS[kind]).size
            self.bounded(f"elements of {key!r}", count, limits.ARRAY_ELEMENTS, width)
            if self.keeps(key, count):
                self.in_run = False
                raw = window.take(count * width, f"the elements of {key!r}")
                return finite(Struct(f"{self.order}{count}{NUMBERS[kind]}").unpack(raw)), 0
            window.skip(count * width, f"the elements of {key!r}")
            if count >= MIN_ELEMENTS_TO_LEARN:
                self.add_to_run(key, count, None, start)
                if window.position > window.end:
                    window.ahead = NEXT_KEY if key.endswith(".scores") else self.tail
            return SkippedArray(ARRAY, count * width, count), 0
        if kind == STRING:
            return self.strings(key, count, keys_left)
        if kind == ARRAY:
            self.in_run = False
            self.nested(key, count, 1, limits.ARRAY_ELEMENTS)
            return SkippedArray(ARRAY, window.position - start, count), 0
        raise self.raise_malformed(start - self.wide.size - 4, f"an element type of 0 to 12 for {key!r}", str(kind))

    def keeps(self, key: str, count: int) -> bool:
        """Whether an array's elements are kept: few, not of the tokenizer, and not one array too many."""
        if key.startswith("tokenizer.") or self.kept_elements + count > limits.KEPT_ELEMENTS:
            return False
        self.kept_elements += count
        return count <= limits.KEPT_ARRAY

    def nested(self, key: str, count: int, depth: int, budget: int) -> int:
        """Walk arrays within an array; returns what is left of the budget of elements."""
        window = self.window
        if depth >= limits.NESTING:
            raise self.raise_beyond_limits(
                window.position, f"at most {limits.NESTING} arrays within each other", f"more in {key!r}"
            )
        self.bounded(f"arrays of {key!r}", count, limits.NESTED_ARRAYS, self.wide.size + 4)
        for _ in range(count):
            kind = self.number(self.short, f"the element type of {key!r}")
            inner = self.number(self.wide, f"the count of {key!r}")
            if kind == ARRAY:
                budget = self.nested(key, inner, depth + 1, budget)
                continue
            width = self.wide.size if kind == STRING else Struct("<" + NUMBERS.get(kind, "B")).size
            self.bounded(f"elements of {key!r}", inner, budget, width)
            budget -= inner
            if kind == STRING:
                self.scan_array(key, inner)
            elif kind in NUMBERS:
                window.skip(inner * width, f"the elements of {key!r}")
            else:
                raise self.raise_malformed(window.position, f"an element type of 0 to 12 for {key!r}", str(kind))
        return budget

    # ---- arrays of strings ----

    def strings(self, key: str, count: int, keys_left: int) -> tuple[Any, int]:
        window = self.window
        self.bounded(f"strings of {key!r}", count, limits.ARRAY_ELEMENTS, self.wide.size)
        start = window.position
        if self.keeps(key, count):
            self.in_run = False
            return [self.string(key) for _ in range(count)], 0
        if count < MIN_ELEMENTS_TO_LEARN:
            self.scan_array(key, count)
            return SkippedArray(ARRAY, self.window.position - start, count), 0
        at = window.need(min(DIGEST_BYTES, window.left()), f"the strings of {key!r}")
        first = digest(window.data[at : at + DIGEST_BYTES])
        more = self.skip_array(key, count, first, keys_left)
        if more is None:
            self.scan_array(key, count)
            self.window.ahead = READ_AHEAD_BYTES + self.read_tensor_infos
        self.add_to_run(key, count, first, start, more or 0)
        return SkippedArray(ARRAY, None if more else self.window.position - start, count), more or 0

    def skip_array(self, key: str, count: int, first: str, keys_left: int) -> int | None:
        """Jump an array by a learnt layout, if a well-formed header goes on behind it.

        Returns how many further keys were jumped with it, None where the array must be walked. What was fetched so far
        stays, so that a miss costs one small read.
        """
        window = self.window
        for tried, jump in enumerate(self.layouts.find(key, count, first)):
            if tried == limits.LAYOUT_TRIES:
                break
            landing = window.position + jump.length
            if jump.more > keys_left or not count * self.wide.size <= jump.length <= window.left():
                continue
            ahead = window.at(landing, self.tail if jump.last else NEXT_KEY)
            if self.continues_after(ahead, keys_left - jump.more):
                self.window, self.jumped = ahead, True
                return jump.more
        return None

    def continues_after(self, ahead: Window, keys_left: int) -> bool:
        """Whether a well-formed header goes on where a jump landed: four keys, then a tensor, as far as fetched."""
        if ahead.left() == 0:
            return keys_left == 0 and self.tensor_count == 0
        ahead.fetch(min(ahead.left(), 64))
        seen = Window(BytesSource(ahead.data))
        probe = Reader(seen, Layouts(), self.order, self.version, wide=self.wide, short=self.short)
        try:
            for _ in range(min(keys_left, 4)):
                probe.key_value(0)
            if keys_left <= 4 and self.tensor_count:
                probe.tensor()
        except HeaderTruncated:  # well-formed as far as it was fetched
            return probe.window.position > self.wide.size and (ahead.size is None or ahead.end < ahead.size)
        except HeaderError:
            return False
        return True

    def scan_array(self, key: str, count: int) -> None:
        """Pass over strings one by one, fetching what they seem to need and no more."""
        window = self.window
        unpack, step = self.wide.unpack_from, self.wide.size
        left, average = count, 0.0
        while left:
            data, at, length, done = window.data, window.index, 0, 0
            try:
                for done in range(left):  # noqa: B007
                    (length,) = unpack(data, at)
                    at += step + length
                done = left
            except (StructError, OverflowError):  # beyond what was fetched, or beyond any file
                pass
            left -= done
            passed, window.position = at - window.index, window.start + at
            if done and at > len(data):
                self.check_reach(key, window.start + at - step - length, length)
            if left:
                before, average = average, passed / done if done else 2 * step
                rise = min(1.15, max(1.02, average / before)) if before else 1.02  # rare tokens are longer
                window.ahead = min(
                    self.stride, round(rise * left * average) + READ_AHEAD_BYTES + self.read_tensor_infos
                )
                self.stride = min(4 * self.stride, limits.CHUNK_BYTES)
                window.need(step, f"a string of {key!r}")

    def check_reach(self, key: str, at: int, length: int) -> None:
        """A string that ends beyond what was fetched: within the limits and the file?"""
        if length > limits.STRING_BYTES:
            raise self.raise_beyond_limits(
                at, f"strings of at most {limits.STRING_BYTES:,} bytes in {key!r}", f"{length:,}"
            )
        window = self.window
        window.position, reached = at, window.position
        window.skip(reached - at, f"a string of {key!r}")

    def add_to_run(self, key: str, count: int, first: str | None, start: int, jumped: int = 0) -> None:
        """Note a big array. Those that follow each other, with nothing but a tokenizer's keys between, are a run."""
        number = self.key_number
        big = LargeArray(key, count, first, start, self.window.position, number, number + jumped)
        if self.in_run:
            self.runs[-1].append(big)
        else:
            self.runs.append([big])
            self.in_run = True

    @property
    def tail(self) -> int:
        """What probably stands behind the tokenizer: a few keys, and the tensors."""
        return BEHIND + self.read_tensor_infos

    @property
    def read_tensor_infos(self) -> int:
        """What the infos of all tensors probably take."""
        return min(self.tensor_count, 4096) * TENSOR_INFO

    # ---- tensors ----

    def tensors(self, alignment: int) -> tuple[Tensor, ...]:
        self.window.ahead = READ_AHEAD_BYTES + self.read_tensor_infos
        found = []
        names = set()
        for _ in range(self.tensor_count):
            at = self.window.position
            tensor = self.tensor()
            if tensor.name in names:
                raise self.raise_malformed(at, "a new tensor", f"{tensor.name!r} a second time")
            if tensor.offset % alignment:
                raise self.raise_malformed(
                    self.window.position - 8, f"an offset that is a multiple of {alignment}", f"{tensor.offset:,}"
                )
            names.add(tensor.name)
            found.append(tensor)
        return tuple(found)

    def tensor(self) -> Tensor:
        window = self.window
        name = self.name("a tensor's name", limits.TENSOR_NAME_BYTES)
        dimensions = self.number(self.short, f"the dimensions of {name!r}")
        if dimensions > limits.DIMENSIONS:
            raise self.raise_beyond_limits(
                window.position - 4, f"at most {limits.DIMENSIONS} dimensions", f"{dimensions:,}"
            )
        at = window.position
        shape = Struct(f"{self.order}{dimensions}{self.wide.format[-1]}").unpack(
            window.take(dimensions * self.wide.size, f"the shape of {name!r}")
        )
        kind, offset = self.number(self.short, f"the type of {name!r}"), self.number(OFFSETS[self.order], "an offset")
        elements = math.prod(shape)
        known = ggml.tensor_type(kind)
        if elements > limits.ELEMENTS or offset > limits.ELEMENTS:
            raise self.raise_beyond_limits(
                at, f"at most {limits.ELEMENTS:,} elements of {name!r}", f"shape {shape}, offset {offset}"
            )
        if known and shape and shape[0] % known.block and ggml.is_unambiguous(kind):
            raise self.raise_malformed(at, f"rows of {name!r} in blocks of {known.block}", f"rows of {shape[0]:,}")
        return Tensor(name, shape, kind, offset, elements)

    # ---- pieces ----

    def number(self, form: Struct, what: str) -> Any:
        window = self.window
        at = window.need(form.size, what)
        window.position += form.size
        return form.unpack_from(window.data, at)[0]

    def name(self, what: str, longest: int) -> str:
        """A key or a tensor's name: printable ASCII, not too long."""
        window = self.window
        at = window.position
        length = self.number(self.wide, f"the length of {what}")
        if not length:
            raise self.raise_malformed(at, what, "an empty one")
        if length > longest:
            raise self.raise_beyond_limits(at, f"{what} of at most {longest:,} bytes", f"{length:,}")
        raw = window.take(length, what)
        if not KEY.fullmatch(raw):
            raise self.raise_malformed(at + self.wide.size, f"{what} in printable ASCII", repr(raw[:40]))
        return raw.decode("ascii")

    def bounded(self, what: str, count: int, most: int, width: int) -> None:
        """Hold a count of things that take `width` bytes each at least against a limit and what is left of the file."""
        window = self.window
        if count > most:
            raise self.raise_beyond_limits(window.position, f"at most {most:,} {what}", f"{count:,}")
        if window.size is not None and count * width > window.size - window.position:
            raise window.truncated(count * width, f"{count:,} {what}")

    def raise_malformed(self, offset: int, expected: str, got: str) -> HeaderMalformed:
        return HeaderMalformed(self.window.name, offset, expected, got)

    def raise_beyond_limits(self, offset: int, expected: str, got: str) -> HeaderBeyondLimits:
        return HeaderBeyondLimits(self.window.name, offset, expected, got)


OFFSETS = {"<": Struct("<Q"), ">": Struct(">Q")}


def tensor_sizes(
    name: str, tensors: Sequence[Tensor], data_start: int, alignment: int, whole: int | None
) -> tuple[tuple[int | None, ...], bool]:
    """Bytes of each tensor's data, and whether the last one's were taken from the file's size (`whole`).

    The table of types says it, and the next tensor must not begin before. Of a type that is not in the table, or that
    others number differently, the offsets say it: a tensor ends where the next begins, up to padding.
    """
    sizes: list[int | None] = [None] * len(tensors)
    weights: dict[int, float] = {}  # bytes an element, of the types that the offsets told of
    order = sorted(range(len(tensors)), key=lambda at: tensors[at].offset)
    for place, at in enumerate(order):
        tensor = tensors[at]
        last = place == len(order) - 1
        end = (whole - data_start if whole is not None else None) if last else tensors[order[place + 1]].offset
        room = None if end is None or end < tensor.offset else end - tensor.offset
        known = ggml.tensor_type(tensor.type)
        size = -(-tensor.elements // known.block) * known.size if known else None
        if size is not None and ggml.is_unambiguous(tensor.type):
            if not last and room is not None and size > room:
                raise HeaderMalformed(
                    name, data_start + tensor.offset, f"{size:,} bytes of {tensor.name!r}",
                    f"the next tensor after {room:,}",
                )  # fmt: skip
        elif tensor.type in weights:  # the table was wrong before
            size = round(tensor.elements * weights[tensor.type]) if last else room
        elif size is None or (room is not None and not last and room not in (size, -(-size // alignment) * alignment)):
            if room is None or room > 8 * tensor.elements:  # no type takes more than 64 bits
                continue
            size, weights[tensor.type] = room, room / max(1, tensor.elements)
            if last:
                sizes[at] = size
                return tuple(sizes), True
        sizes[at] = size
    return tuple(sizes), False


def detect_other_format(data: bytes) -> str:
    """What a file is that is no GGUF, from its first bytes."""
    if not data:
        return "an empty file"
    lowered = data[:32].lstrip().lower()
    for start, what in OTHER_FORMAT_SIGNATURES:
        if lowered.startswith(start.lower()):
            return what
    return f"bytes {data[:4].hex(' ')}"


def shown(value: Any) -> str:
    return repr(value)[:60]


def finite(values: Iterable[Any]) -> list[Any]:
    """Numbers, those that are none (infinite, not a number) as None."""
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
