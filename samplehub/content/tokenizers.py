"""Tokenizers of GGUF headers: arrays as long as the real ones, of synthetic words.

What a header reader meets is the length and the shape of these arrays (megabytes of strings), not what they say. The
words are made from the tokenizer's name, so that all quants of a model, and all models of a family, share them byte
for byte, as they do on the Hub.
"""

from __future__ import annotations

import random
import struct
from array import array
from dataclasses import dataclass
from functools import lru_cache
from math import log

MARK = b"\x01\x02"
CHUNK = 2048
MAX_TOKEN_LENGTH = 20
SPACE = "Ġ".encode()
AS_LETTERS = bytes(ord("a") + number % 26 for number in range(256))
LENGTHS = [
    min(MAX_TOKEN_LENGTH, 1 + int(-5.0 * log(1 - (number + 0.5) / 256))) for number in range(256)
]  # short ones prevail
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How a GGUF header describes a tokenizer.

    Args:
        name: what the words are made from.
        model: tokenizer.ggml.model, gpt2 (byte pairs, with merges) or llama (sentence pieces, with scores) or bert.
        pre: tokenizer.ggml.pre.
        vocab, merges: lengths of the arrays.
        bos, eos, pad: numbers of the special tokens, None where there is none.
        scores: whether there is an array of scores.
    """

    name: str
    model: str
    vocab: int
    pre: str = ""
    merges: int = 0
    scores: bool = False
    bos: int | None = None
    eos: int | None = None
    pad: int | None = None
    specials: tuple[str, ...] = ()


@lru_cache(maxsize=4)
def arrays(tokenizer: Tokenizer) -> tuple[bytes, int]:
    """The tokenizer's key-values as GGUF bytes, without special tokens' numbers, and how many they are.

    A few of them are kept: they are megabytes each, and siblings are read one after the other.
    """
    parts = [encode_key("tokenizer.ggml.model", 8) + encode_text(tokenizer.model.encode())]
    if tokenizer.pre:
        parts.append(encode_key("tokenizer.ggml.pre", 8) + encode_text(tokenizer.pre.encode()))
    words = token_strings(tokenizer.name, tokenizer.vocab, tokenizer.specials, b"")
    parts.append(array_of("tokenizer.ggml.tokens", 8, tokenizer.vocab) + words)
    if tokenizer.scores:
        scores = array("f", range(0, -tokenizer.vocab, -1))
        parts.append(array_of("tokenizer.ggml.scores", 6, tokenizer.vocab) + scores.tobytes())
    kinds = b"\x03\0\0\0" * len(tokenizer.specials) + b"\x01\0\0\0" * (tokenizer.vocab - len(tokenizer.specials))
    parts.append(array_of("tokenizer.ggml.token_type", 5, tokenizer.vocab) + kinds)
    if tokenizer.merges:
        pairs = token_strings(tokenizer.name + " merges", tokenizer.merges, (), b" ")
        parts.append(array_of("tokenizer.ggml.merges", 8, tokenizer.merges) + pairs)
    return b"".join(parts), len(parts)


@lru_cache(maxsize=256)
def arrays_length(tokenizer: Tokenizer) -> int:
    """Bytes of the arrays, which the size of every file with this tokenizer depends on; they are not made for it."""
    fixed = [("tokenizer.ggml.token_type", 4 * tokenizer.vocab)]
    if tokenizer.scores:
        fixed.append(("tokenizer.ggml.scores", 4 * tokenizer.vocab))
    fixed.append(
        ("tokenizer.ggml.tokens", token_strings_length(tokenizer.name, tokenizer.vocab, tokenizer.specials, b""))
    )
    if tokenizer.merges:
        merges = token_strings_length(tokenizer.name + " merges", tokenizer.merges, (), b" ")
        fixed.append(("tokenizer.ggml.merges", merges))
    named = [("tokenizer.ggml.model", tokenizer.model)]
    if tokenizer.pre:
        named.append(("tokenizer.ggml.pre", tokenizer.pre))
    return sum(24 + len(name) + size for name, size in fixed) + sum(20 + len(name) + len(text) for name, text in named)


def token_strings(seed: str, count: int, first: tuple[str, ...], joint: bytes) -> bytes:
    """`count` GGUF strings, all different: `first`, then words that are made by the thousand from one pattern."""
    head = b"".join(encode_text(word.encode()) for word in first[:count])
    rounds, rest = divmod(count - min(count, len(first)), CHUNK)
    pattern = make_words(seed, joint)
    whole = b"".join(pattern)
    body = b"".join(whole.replace(MARK, encode_number(number)) for number in range(rounds))
    tail = b"".join(pattern[:rest]).replace(MARK, encode_number(rounds))
    return head + body + tail


def token_strings_length(seed: str, count: int, first: tuple[str, ...], joint: bytes) -> int:
    """Bytes of what `strings` makes: a round is as long as its pattern."""
    rounds, rest = divmod(count - min(count, len(first)), CHUNK)
    lengths = list(map(len, make_words(seed, joint)))
    return sum(8 + len(word.encode()) for word in first[:count]) + rounds * sum(lengths) + sum(lengths[:rest])


def make_words(seed: str, joint: bytes) -> list[bytes]:
    """A round of words with a gap for two letters that tell it; some begin with the space of byte-pair encoders.

    Two letters of its own tell each word of a round from the others.
    """
    dice = random.Random(seed)
    letters = dice.randbytes(MAX_TOKEN_LENGTH * CHUNK).translate(AS_LETTERS)
    lengths, spaces = dice.randbytes(CHUNK), dice.randbytes(CHUNK)
    found = []
    for number in range(CHUNK):
        start = MAX_TOKEN_LENGTH * number
        word = letters[start : start + LENGTHS[lengths[number]]]
        half = len(word) // 2
        space = SPACE if spaces[number] < 100 else b""
        middle = MARK + joint + space if joint else MARK
        found.append(encode_text(space + word[:half] + middle + word[half:] + encode_number(number)))
    return found


def encode_number(number: int) -> bytes:
    return bytes((LETTERS[number // 64 % 64], LETTERS[number % 64]))


def encode_text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def encode_key(name: str, kind: int) -> bytes:
    return encode_text(name.encode()) + struct.pack("<I", kind)


def array_of(name: str, kind: int, count: int) -> bytes:
    return encode_key(name, 9) + struct.pack("<IQ", kind, count)
