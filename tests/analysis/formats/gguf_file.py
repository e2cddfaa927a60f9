"""GGUF files for tests, written byte by byte by the specification: any version, either endian, and malformed if asked.

`gguf(keys, tensors)` is a whole file: header, padding, tensor data of zeros. It shares nothing with the reader.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

TYPES = {"u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"),
         "f32": (6, "f"), "bool": (7, "B"), "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d")}  # fmt: skip


class Typed(NamedTuple):
    """A value with its type: `Typed("u8", 3)`, `Typed("u8", [1, 2])`."""

    kind: str
    value: Any


class Tensor(NamedTuple):
    """A tensor: its type's number and the bytes that its data takes."""

    name: str
    shape: tuple[int, ...]
    type: int
    size: int
    offset: int | None = None  # None: behind the one before, padded


class Form(NamedTuple):
    version: int = 3
    order: str = "<"

    def number(self, letter: str, value: Any) -> bytes:
        return struct.pack(self.order + letter, value)

    def length(self, value: int) -> bytes:
        return self.number("I" if self.version == 1 else "Q", value)

    def text(self, value: str | bytes) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        return self.length(len(raw)) + raw

    def value(self, value: Any) -> bytes:
        """A value with its type before it: text, whole numbers as u32, floats as f32, lists of them, or Typed."""
        if isinstance(value, Typed):
            number, letter = TYPES[value.kind]
            if isinstance(value.value, list):
                items = b"".join(self.number(letter, item) for item in value.value)
                return self.number("I", 9) + self.number("I", number) + self.length(len(value.value)) + items
            return self.number("I", number) + self.number(letter, value.value)
        if isinstance(value, list):
            kind = self.value(value[0])[:4] if value else self.number("I", 8)
            items = b"".join(self.value(item)[4:] for item in value)
            return self.number("I", 9) + kind + self.length(len(value)) + items
        if isinstance(value, bool):
            return self.value(Typed("bool", value))
        if isinstance(value, int):
            return self.value(Typed("u32", value))
        if isinstance(value, float):
            return self.value(Typed("f32", value))
        return self.number("I", 8) + self.text(value)

    def key(self, name: str | bytes, value: Any) -> bytes:
        return self.text(name) + self.value(value)

    def tensor(self, name: str, shape: Sequence[int], kind: int, offset: int) -> bytes:
        dims = b"".join(self.length(size) for size in shape)
        return self.text(name) + self.number("I", len(shape)) + dims + self.number("I", kind) + self.number("Q", offset)

    def start(self, tensors: int, keys: int) -> bytes:
        return b"GGUF" + self.number("I", self.version) + self.length(tensors) + self.length(keys)


FORM = Form()


def padded(size: int, alignment: int = 32) -> int:
    return -(-size // alignment) * alignment


def header(
    keys: Mapping[str, Any] | Sequence[tuple[str | bytes, Any]] = (),
    tensors: Sequence[Tensor] = (),
    form: Form = FORM,
    alignment: int = 32,
) -> tuple[bytes, int]:
    """The header, padded to where data begins, and the bytes of data after it."""
    pairs = list(keys.items()) if isinstance(keys, Mapping) else list(keys)
    raw = form.start(len(tensors), len(pairs)) + b"".join(form.key(name, value) for name, value in pairs)
    at = 0
    for tensor in tensors:
        offset = at if tensor.offset is None else tensor.offset
        raw += form.tensor(tensor.name, tensor.shape, tensor.type, offset)
        at = max(at, offset + padded(tensor.size, alignment))
    return (raw.ljust(padded(len(raw), alignment), b"\0") if tensors else raw), at


def gguf(
    keys: Mapping[str, Any] | Sequence[tuple[str | bytes, Any]] = (),
    tensors: Sequence[Tensor] = (),
    form: Form = FORM,
    alignment: int = 32,
) -> bytes:
    raw, data = header(keys, tensors, form, alignment)
    return raw + bytes(data)


def tokens(count: int, prefix: str = "token") -> list[str]:
    """A vocabulary: strings of differing lengths."""
    return [f"{prefix}{'x' * (number % 7)}{number}" for number in range(count)]


def model(
    count: int = 3000,
    *,
    scores: bool = True,
    merges: int = 0,
    prefix: str = "token",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The keys of a small llama, its tokenizer among them, in the order that converters write them."""
    keys: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "Small",
        "llama.context_length": 4096,
        "llama.embedding_length": 256,
        "llama.block_count": 2,
        "llama.attention.head_count": 8,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens(count, prefix),
    }
    if scores:
        keys["tokenizer.ggml.scores"] = Typed("f32", [0.0] * count)
    keys["tokenizer.ggml.token_type"] = Typed("i32", [1] * count)
    if merges:
        keys["tokenizer.ggml.merges"] = tokens(merges, "a b ")
    return keys | {"tokenizer.ggml.bos_token_id": 1, "tokenizer.chat_template": "{{ messages }}"} | dict(more or {})


def q4(name: str, rows: int, length: int = 256) -> Tensor:
    """A matrix in Q4_K."""
    return Tensor(name, (length, rows), 12, rows * length // 256 * 144)


def f32(name: str, *shape: int) -> Tensor:
    size = 4
    for length in shape:
        size *= length
    return Tensor(name, shape, 0, size)


LAYERS = (
    q4("token_embd.weight", 3000),
    f32("blk.0.attn_norm.weight", 256),
    q4("blk.0.attn_q.weight", 256),
    q4("blk.0.ffn_up.weight", 512),
)
