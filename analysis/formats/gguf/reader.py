"""GGUF headers: the keys and tensors of a file, from as few of its bytes as can be.

    magic "GGUF" | version | tensors | keys | key-values | tensor infos | padding | tensor data

Versions 1 to 3, either endian (ggml's docs/gguf.md and src/gguf.cpp). Small values are read, arrays of numbers are
skipped by arithmetic, large arrays of strings are skipped by a known length (array_lengths.py) or else scanned, in
growing chunks and never twice. Nothing is trusted: counts and lengths are checked against limits.py and the file's
size, keys and names must be text, nothing may come twice, tensors may not overlap. Violations raise HeaderError.

This module reads the container alone; model.py reads what keys and tensors say of the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, NoReturn

from analysis.errors import HeaderBeyondLimits, HeaderError, HeaderMalformed, HeaderTruncated, NotThisFormat
from analysis.formats import limits
from analysis.formats.array_lengths import DIGEST_BYTES, MIN_ELEMENTS_TO_LEARN, ArrayLengths, LargeArray, digest
from analysis.formats.gguf import MAGIC
from analysis.formats.gguf.file import GgufFile, SkippedArray
from analysis.formats.gguf.tensor_sizes import Tensor, tensor_sizes
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource, BytesSource, Window
from analysis.schemes import tensor_types as ggml
from analysis.units import KIB

STRING, ARRAY = 8, 9
"""Value types of variable size."""
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Value types of fixed size, as struct writes them."""

OFFSET_STRUCTS = {"<": Struct("<Q"), ">": Struct(">Q")}
"""Offsets of tensors by byte order."""

BYTES_AFTER_TOKENIZER = 8 * KIB
"""Usual bytes between the tokenizer and the tensor infos: token ids, a chat template, the file type."""

TENSOR_INFO_BYTES = 64
"""Average bytes of one tensor's info."""

MAX_TENSOR_INFOS_READ_AHEAD = 4096
"""Tensors whose infos one read may fetch ahead."""

NEXT_KEY_BYTES = 4 * KIB
"""Bytes that hold the key after an array."""

READ_AHEAD_BYTES = KIB
"""Bytes that a scan fetches beyond what the rest of an array seems to take."""


def read_file(source: ByteSource, known: ArrayLengths | None = None, size: int | None = None) -> GgufFile:
    """The header of a file, whose size in bytes is `size` if that is known better than by its source.

    A known array length that is wrong for this file costs a second reading without any: if no header continues after
    the skipped array, or the tensors do not end where the file does. Raises HeaderError and SourceError.
    """
    whole = source.size if size is None else size
    parser = GgufParser(Window(source), known or ArrayLengths())
    try:
        file = parser.read(whole)
        if not parser.skipped_by_length or whole is None or whole in file.file_sizes():
            return file
    except HeaderError:
        if not parser.skipped_by_length:
            raise
    return GgufParser(Window(source), ArrayLengths()).read(whole)


@dataclass(slots=True)
class GgufParser:
    """Parses one header from front to back. The position of `window` is the next byte to parse."""

    window: Window
    known: ArrayLengths
    byte_order: str = "<"
    version: int = 0
    tensor_count: int = 0
    size_struct: Struct = field(default_factory=lambda: Struct("<Q"))  # of counts and lengths
    u32_struct: Struct = field(default_factory=lambda: Struct("<I"))
    keys: dict[str, Any] = field(default_factory=dict)
    kept_bytes: int = 0  # bytes of all text that is kept
    kept_elements: int = 0  # of all arrays
    max_scan_bytes: int = 16 * limits.FIRST_READ_BYTES  # the most that the next read of a scan may fetch
    key_number: int = 0
    runs: list[list[LargeArray]] = field(default_factory=list)
    in_run: bool = False
    skipped_by_length: bool = False

    # ---- the file, from front to back ----

    def read(self, whole: int | None) -> GgufFile:
        """The header of a file of `whole` bytes."""
        key_count = keys_left = self.read_preamble()
        while keys_left:
            skipped = self.read_key_value(keys_left - 1)
            keys_left -= 1 + skipped
            self.key_number += 1 + skipped
        alignment = self.read_alignment()
        tensors = self.read_tensors(alignment)
        window = self.window
        data_start = -(-window.position // alignment) * alignment if tensors else window.position
        sizes, end_inferred = tensor_sizes(window.name, tensors, data_start, alignment, whole)
        ends = [tensor.offset + size for tensor, size in zip(tensors, sizes, strict=True) if size is not None]
        return GgufFile(
            name=window.name,
            version=self.version,
            big_endian=self.byte_order == ">",
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
        """Reads magic, version and counts; returns the number of keys."""
        window = self.window
        window.fetch(len(MAGIC))
        if not window.data.startswith(MAGIC):
            raise NotThisFormat(window.name, 0, "a GGUF file", detect_other_format(window.data))
        window.position = len(MAGIC)
        raw = window.take(4, "the version")
        version = int.from_bytes(raw, "little")
        if version & 0xFFFF == 0:  # gguf.cpp: the other endian
            self.byte_order, version = ">", int.from_bytes(raw, "big")
        if not 1 <= version <= 3:
            raise NotThisFormat(window.name, 4, "GGUF version 1, 2 or 3", f"version {version}")
        self.version = version
        self.size_struct = Struct(self.byte_order + ("I" if version == 1 else "Q"))
        self.u32_struct = Struct(self.byte_order + "I")
        tensors: int = self.read_number(self.size_struct, "the count of tensors")
        keys: int = self.read_number(self.size_struct, "the count of keys")
        least = self.size_struct.size
        self.check_count("tensors", tensors, limits.MAX_TENSORS, 2 * least + 16)
        self.check_count("keys", keys, limits.MAX_KEYS, least + 6)
        self.tensor_count = tensors
        return keys

    def read_alignment(self) -> int:
        value = self.keys.get("general.alignment", 32)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value & (value - 1):
            self.raise_malformed(self.window.position, "an alignment that is a power of two", short_repr(value))
        if value > limits.MAX_ALIGNMENT_BYTES:
            self.raise_beyond_limits(
                self.window.position, f"an alignment of at most {limits.MAX_ALIGNMENT_BYTES:,}", f"{value:,}"
            )
        return value

    # ---- key-values ----

    def read_key_value(self, keys_left: int) -> int:
        """Reads one key and its value; returns how many further keys were skipped with it."""
        window = self.window
        at = window.position
        key = self.read_name("a key", limits.MAX_KEY_BYTES)
        if key in self.keys:
            self.raise_malformed(at, "a new key", f"{key!r} a second time")
        kind = self.read_number(self.u32_struct, f"the type of {key!r}")
        if kind == ARRAY:
            self.keys[key], more = self.read_array(key, keys_left)
            return more
        self.in_run = self.in_run and key.startswith("tokenizer.ggml.")
        if kind == STRING:
            self.keys[key] = self.read_string(key)
        elif kind in NUMBERS:
            self.keys[key] = self.read_scalar(kind, f"the value of {key!r}")
        else:
            self.raise_malformed(window.position - 4, f"a value type of 0 to 12 for {key!r}", str(kind))
        return 0

    def read_scalar(self, kind: int, what: str) -> Any:
        value = self.read_number(Struct(self.byte_order + NUMBERS[kind]), what)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def read_string(self, key: str) -> str | SkippedArray:
        """A text, or SkippedArray if it is too long to keep."""
        window = self.window
        at = window.position
        length = self.read_number(self.size_struct, f"the length of {key!r}")
        if length > limits.MAX_STRING_BYTES:
            self.raise_beyond_limits(at, f"at most {limits.MAX_STRING_BYTES:,} bytes of {key!r}", f"{length:,}")
        if length > limits.MAX_KEPT_STRING_BYTES or self.kept_bytes + length > limits.MAX_KEPT_TEXT_BYTES:
            window.skip(length, f"the text of {key!r}")
            return SkippedArray(STRING, length)
        raw = window.take(length, f"the text of {key!r}")
        self.kept_bytes += length
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            wrong = error.start
        self.raise_malformed(at + self.size_struct.size + wrong, f"{key!r} in UTF-8", f"{raw[wrong]:#x}")

    def read_array(self, key: str, keys_left: int) -> tuple[Any, int]:
        """An array: its elements if they are few, else SkippedArray; and how many further keys were skipped with it."""
        window = self.window
        kind = self.read_number(self.u32_struct, f"the element type of {key!r}")
        count = self.read_number(self.size_struct, f"the count of {key!r}")
        start = window.position
        if kind in NUMBERS:
            width = Struct("<" + NUMBERS[kind]).size
            self.check_count(f"elements of {key!r}", count, limits.MAX_ARRAY_ELEMENTS, width)
            if self.is_kept(key, count):
                self.in_run = False
                raw = window.take(count * width, f"the elements of {key!r}")
                return replace_non_finite(Struct(f"{self.byte_order}{count}{NUMBERS[kind]}").unpack(raw)), 0
            window.skip(count * width, f"the elements of {key!r}")
            if count >= MIN_ELEMENTS_TO_LEARN:
                self.add_to_run(key, count, None, start)
                if window.position > window.end:
                    window.ahead = NEXT_KEY_BYTES if key.endswith(".scores") else self.bytes_after_tokenizer
            return SkippedArray(ARRAY, count * width, count), 0
        if kind == STRING:
            return self.read_strings(key, count, keys_left)
        if kind == ARRAY:
            self.in_run = False
            self.skip_nested(key, count, 1, limits.MAX_ARRAY_ELEMENTS)
            return SkippedArray(ARRAY, window.position - start, count), 0
        self.raise_malformed(start - self.size_struct.size - 4, f"an element type of 0 to 12 for {key!r}", str(kind))

    def is_kept(self, key: str, count: int) -> bool:
        """Whether an array's elements are kept: few, not of the tokenizer, and within the limit of all arrays."""
        if key.startswith("tokenizer.") or self.kept_elements + count > limits.MAX_KEPT_ELEMENTS:
            return False
        self.kept_elements += count
        return count <= limits.MAX_KEPT_ARRAY_ELEMENTS

    def skip_nested(self, key: str, count: int, depth: int, budget: int) -> int:
        """Skips arrays within an array; returns how many of `budget` elements are left."""
        window = self.window
        if depth >= limits.MAX_ARRAY_DEPTH:
            self.raise_beyond_limits(
                window.position, f"at most {limits.MAX_ARRAY_DEPTH} arrays within each other", f"more in {key!r}"
            )
        self.check_count(f"arrays of {key!r}", count, limits.MAX_NESTED_ARRAYS, self.size_struct.size + 4)
        for _ in range(count):
            kind = self.read_number(self.u32_struct, f"the element type of {key!r}")
            inner = self.read_number(self.size_struct, f"the count of {key!r}")
            if kind == ARRAY:
                budget = self.skip_nested(key, inner, depth + 1, budget)
                continue
            width = self.size_struct.size if kind == STRING else Struct("<" + NUMBERS.get(kind, "B")).size
            self.check_count(f"elements of {key!r}", inner, budget, width)
            budget -= inner
            if kind == STRING:
                self.scan_array(key, inner)
            elif kind in NUMBERS:
                window.skip(inner * width, f"the elements of {key!r}")
            else:
                self.raise_malformed(window.position, f"an element type of 0 to 12 for {key!r}", str(kind))
        return budget

    # ---- arrays of strings ----

    def read_strings(self, key: str, count: int, keys_left: int) -> tuple[Any, int]:
        window = self.window
        self.check_count(f"strings of {key!r}", count, limits.MAX_ARRAY_ELEMENTS, self.size_struct.size)
        start = window.position
        if self.is_kept(key, count):
            self.in_run = False
            return [self.read_string(key) for _ in range(count)], 0
        if count < MIN_ELEMENTS_TO_LEARN:
            self.scan_array(key, count)
            return SkippedArray(ARRAY, self.window.position - start, count), 0
        at = window.need(min(DIGEST_BYTES, window.left()), f"the strings of {key!r}")
        first = digest(window.data[at : at + DIGEST_BYTES])
        more = self.skip_array(key, count, first, keys_left)
        if more is None:
            self.scan_array(key, count)
            self.window.ahead = READ_AHEAD_BYTES + self.tensor_infos_bytes
        self.add_to_run(key, count, first, start, more or 0)
        return SkippedArray(ARRAY, None if more else self.window.position - start, count), more or 0

    def skip_array(self, key: str, count: int, first: str, keys_left: int) -> int | None:
        """Skips an array by a known length, if a well-formed header continues after it.

        Returns how many further keys were skipped with it, None if the array must be scanned. The bytes fetched so far
        are kept, so that a wrong length costs one small read.
        """
        window = self.window
        for tried, skip in enumerate(self.known.find(key, count, first)):
            if tried == limits.MAX_LENGTHS_TRIED:
                break
            landing = window.position + skip.length
            if skip.keys_after > keys_left or not count * self.size_struct.size <= skip.length <= window.left():
                continue
            ahead = window.at(landing, self.bytes_after_tokenizer if skip.to_run_end else NEXT_KEY_BYTES)
            if self.continues_after(ahead, keys_left - skip.keys_after):
                self.window, self.skipped_by_length = ahead, True
                return skip.keys_after
        return None

    def continues_after(self, ahead: Window, keys_left: int) -> bool:
        """Whether a well-formed header continues at `ahead`: four keys, then a tensor, as far as they were fetched."""
        if ahead.left() == 0:
            return keys_left == 0 and self.tensor_count == 0
        ahead.fetch(min(ahead.left(), 64))
        seen = Window(BytesSource(ahead.data))
        probe = GgufParser(
            seen,
            ArrayLengths(),
            self.byte_order,
            self.version,
            size_struct=self.size_struct,
            u32_struct=self.u32_struct,
        )
        try:
            for _ in range(min(keys_left, 4)):
                probe.read_key_value(0)
            if keys_left <= 4 and self.tensor_count:
                probe.read_tensor()
        except HeaderTruncated:  # well-formed up to the end of the fetched bytes
            return probe.window.position > self.size_struct.size and (ahead.size is None or ahead.end < ahead.size)
        except HeaderError:
            return False
        return True

    def scan_array(self, key: str, count: int) -> None:
        """Skips strings one by one, fetching no more than the rest of them seem to take."""
        window = self.window
        unpack, step = self.size_struct.unpack_from, self.size_struct.size
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
                self.check_string_end(key, window.start + at - step - length, length)
            if left:
                before, average = average, passed / done if done else 2 * step
                rise = min(1.15, max(1.02, average / before)) if before else 1.02  # later tokens are rarer and longer
                window.ahead = min(
                    self.max_scan_bytes, round(rise * left * average) + READ_AHEAD_BYTES + self.tensor_infos_bytes
                )
                self.max_scan_bytes = min(4 * self.max_scan_bytes, limits.MAX_READ_BYTES)
                window.need(step, f"a string of {key!r}")

    def check_string_end(self, key: str, at: int, length: int) -> None:
        """Checks a string that ends after the fetched bytes against the limits and the file's size."""
        if length > limits.MAX_STRING_BYTES:
            self.raise_beyond_limits(
                at, f"strings of at most {limits.MAX_STRING_BYTES:,} bytes in {key!r}", f"{length:,}"
            )
        window = self.window
        window.position, reached = at, window.position
        window.skip(reached - at, f"a string of {key!r}")

    def add_to_run(self, key: str, count: int, first: str | None, start: int, keys_skipped: int = 0) -> None:
        """Remembers a large array. Those that follow each other, with only keys of the tokenizer between, are a run."""
        number = self.key_number
        array = LargeArray(key, count, first, start, self.window.position, number, number + keys_skipped)
        if self.in_run:
            self.runs[-1].append(array)
        else:
            self.runs.append([array])
            self.in_run = True

    @property
    def bytes_after_tokenizer(self) -> int:
        """Estimated bytes between the tokenizer and the tensor data: a few keys, and the tensor infos."""
        return BYTES_AFTER_TOKENIZER + self.tensor_infos_bytes

    @property
    def tensor_infos_bytes(self) -> int:
        """Estimated bytes of the infos of all tensors."""
        return min(self.tensor_count, MAX_TENSOR_INFOS_READ_AHEAD) * TENSOR_INFO_BYTES

    # ---- tensors ----

    def read_tensors(self, alignment: int) -> tuple[Tensor, ...]:
        self.window.ahead = READ_AHEAD_BYTES + self.tensor_infos_bytes
        found = []
        names = set()
        for _ in range(self.tensor_count):
            at = self.window.position
            tensor = self.read_tensor()
            if tensor.name in names:
                self.raise_malformed(at, "a new tensor", f"{tensor.name!r} a second time")
            if tensor.offset % alignment:
                self.raise_malformed(
                    self.window.position - 8, f"an offset that is a multiple of {alignment}", f"{tensor.offset:,}"
                )
            names.add(tensor.name)
            found.append(tensor)
        return tuple(found)

    def read_tensor(self) -> Tensor:
        window = self.window
        name = self.read_name("a tensor's name", limits.MAX_TENSOR_NAME_BYTES)
        dimensions = self.read_number(self.u32_struct, f"the dimensions of {name!r}")
        if dimensions > limits.MAX_DIMENSIONS:
            self.raise_beyond_limits(
                window.position - 4, f"at most {limits.MAX_DIMENSIONS} dimensions", f"{dimensions:,}"
            )
        at = window.position
        shape = Struct(f"{self.byte_order}{dimensions}{self.size_struct.format[-1]}").unpack(
            window.take(dimensions * self.size_struct.size, f"the shape of {name!r}")
        )
        kind, offset = (
            self.read_number(self.u32_struct, f"the type of {name!r}"),
            self.read_number(OFFSET_STRUCTS[self.byte_order], "an offset"),
        )
        elements = math.prod(shape)
        known = ggml.tensor_type(kind)
        if elements > limits.MAX_TENSOR_ELEMENTS or offset > limits.MAX_TENSOR_ELEMENTS:
            self.raise_beyond_limits(
                at, f"at most {limits.MAX_TENSOR_ELEMENTS:,} elements of {name!r}", f"shape {shape}, offset {offset}"
            )
        if known and shape and shape[0] % known.block and ggml.is_unambiguous(kind):
            self.raise_malformed(at, f"rows of {name!r} in blocks of {known.block}", f"rows of {shape[0]:,}")
        return Tensor(name, shape, kind, offset, elements)

    # ---- numbers, names, checks ----

    def read_number(self, form: Struct, what: str) -> Any:
        window = self.window
        at = window.need(form.size, what)
        window.position += form.size
        return form.unpack_from(window.data, at)[0]

    def read_name(self, what: str, longest: int) -> str:
        """A key or a tensor's name: printable UTF-8, at most `longest` bytes.

        The specification wants ASCII; llama.cpp takes whatever is not empty and not there twice.
        """
        window = self.window
        at = window.position
        length = self.read_number(self.size_struct, f"the length of {what}")
        if not length:
            self.raise_malformed(at, what, "an empty one")
        if length > longest:
            self.raise_beyond_limits(at, f"{what} of at most {longest:,} bytes", f"{length:,}")
        raw = window.take(length, what)
        text = raw.decode(errors="replace")
        if not text.isprintable() or "\ufffd" in text:
            self.raise_malformed(at + self.size_struct.size, f"{what} in printable text", repr(raw[:40]))
        return text

    def check_count(self, what: str, count: int, most: int, width: int) -> None:
        """Checks a count of things, each of `width` bytes or more, against a limit and the rest of the file."""
        window = self.window
        if count > most:
            self.raise_beyond_limits(window.position, f"at most {most:,} {what}", f"{count:,}")
        if window.size is not None and count * width > window.size - window.position:
            raise window.truncated(count * width, f"{count:,} {what}")

    def raise_malformed(self, offset: int, expected: str, got: str) -> NoReturn:
        raise HeaderMalformed(self.window.name, offset, expected, got)

    def raise_beyond_limits(self, offset: int, expected: str, got: str) -> NoReturn:
        raise HeaderBeyondLimits(self.window.name, offset, expected, got)


def short_repr(value: Any) -> str:
    return repr(value)[:60]


def replace_non_finite(values: Iterable[Any]) -> list[Any]:
    """The numbers, with None for infinities and NaN."""
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
