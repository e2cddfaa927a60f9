"""Malformed, truncated and other files: each ends in a HeaderError that names the byte, at little cost."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import (
    HeaderBeyondLimits,
    HeaderError,
    HeaderMalformed,
    HeaderTruncated,
    NotThisFormat,
)
from analysis.formats import limits
from analysis.formats.array_lengths import ArrayLengths, learn_lengths
from analysis.formats.gguf.file import GgufFile
from analysis.formats.gguf.reader import read_file
from analysis.formats.source import BytesSource, FileSource
from tests.analysis.formats.gguf_file import FORM, LAYERS, Form, Tensor, Typed, f32, gguf, model, q4

MIB = 2**20
KEY = FORM.text("general.architecture") + FORM.value("llama")


def array(kind: int, count: int) -> bytes:
    return FORM.start(0, 1) + FORM.text("a") + struct.pack("<IIQ", 9, kind, count)


def tensor(name: str = "t", dims: tuple[int, ...] = (256, 4), kind: int = 0, offset: int = 0) -> bytes:
    return FORM.start(1, 0) + FORM.tensor(name, dims, kind, offset)


CASES: dict[str, tuple[bytes, type[HeaderError], int]] = {
    # something else
    "nothing": (b"", NotThisFormat, 0),
    "two bytes": (b"GG", NotThisFormat, 0),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", NotThisFormat, 0),
    "a web page": (b"<!DOCTYPE html><html>", NotThisFormat, 0),
    "the older format": (b"lmgg" + bytes(60), NotThisFormat, 0),
    "a pickle": (b"PK\x03\x04" + bytes(60), NotThisFormat, 0),
    "noise": (bytes(range(64)), NotThisFormat, 0),
    "version 0": (b"GGUF" + bytes(60), NotThisFormat, 4),
    "version 4": (b"GGUF\x04\0\0\0" + bytes(60), NotThisFormat, 4),
    "version 4, big endian": (b"GGUF\0\0\0\x04" + bytes(60), NotThisFormat, 4),
    # truncated
    "magic alone": (b"GGUF", HeaderTruncated, 4),
    "no counts": (FORM.start(1, 1)[:12], HeaderTruncated, 8),
    "no keys": (FORM.start(0, 1), HeaderTruncated, 24),
    "half a key": (FORM.start(0, 1) + FORM.text("general.architecture")[:20], HeaderTruncated, 32),
    "half a value": (FORM.start(0, 1) + KEY[:-2], HeaderTruncated, 64),
    "no tensors": (FORM.start(1, 0) + bytes(4), HeaderTruncated, 24),
    "half a tensor": (tensor()[:-4], HeaderTruncated, 57),
    "strings that end early": (array(8, 3) + FORM.text("abcdef") * 2 + bytes(3), HeaderTruncated, 77),
    # counts and lengths
    "2^60 keys": (FORM.start(0, 2**60) + KEY, HeaderBeyondLimits, 24),
    "2^60 tensors": (FORM.start(2**60, 0) + KEY, HeaderBeyondLimits, 24),
    "more keys than bytes": (FORM.start(0, 60_000) + KEY, HeaderTruncated, 24),
    "more tensors than bytes": (FORM.start(60_000, 0) + KEY, HeaderTruncated, 24),
    "a key of 2^63 bytes": (FORM.start(0, 1) + struct.pack("<Q", 2**63) + bytes(90), HeaderBeyondLimits, 24),
    "a key of no bytes": (FORM.start(0, 1) + bytes(90), HeaderMalformed, 24),
    "a text of 2^63 bytes": (
        FORM.start(0, 1) + FORM.text("a") + struct.pack("<IQ", 8, 2**63) + bytes(90), HeaderBeyondLimits, 37,
    ),
    "a text beyond the end": (
        FORM.start(0, 1) + FORM.text("a") + struct.pack("<IQ", 8, 5000) + bytes(90), HeaderTruncated, 45,
    ),
    "2^40 bytes in an array": (array(0, 2**40) + bytes(100), HeaderBeyondLimits, 49),
    "2^62 numbers in an array": (array(4, 2**62 + 1) + bytes(100), HeaderBeyondLimits, 49),
    "10^9 empty strings": (array(8, 10**9) + bytes(8 * MIB), HeaderBeyondLimits, 49),
    "more strings than bytes": (array(8, 3_000_000) + bytes(8 * MIB), HeaderTruncated, 49),
    "a string of 2^63 bytes": (array(8, 10) + struct.pack("<Q", 2**63) + bytes(200), HeaderBeyondLimits, 49),
    "the last of many strings is endless": (
        array(8, 2000) + bytes(8 * 1999) + struct.pack("<Q", 2**40), HeaderBeyondLimits, 49 + 8 * 1999,
    ),
    "arrays 20,000 deep": (array(9, 1) + struct.pack("<IQ", 9, 1) * 20_000, HeaderBeyondLimits, 61),
    "10^9 arrays in an array": (array(9, 10**9) + bytes(MIB), HeaderBeyondLimits, 49),
    "arrays that together are endless": (
        array(9, 3) + (struct.pack("<IQ", 0, 1_500_000) + bytes(1_500_000)) * 3, HeaderBeyondLimits, 3_000_085,
    ),
    # what can't be
    "a key twice": (FORM.start(0, 2) + KEY + KEY, HeaderMalformed, 69),
    "a key of control characters": (FORM.start(0, 1) + FORM.key(b"a\x1b[2J", 1), HeaderMalformed, 32),
    "a key that is no text": (FORM.start(0, 1) + FORM.key(b"\xff\xfe", 1), HeaderMalformed, 32),
    "a text that is no UTF-8": (FORM.start(0, 1) + FORM.key("a", "\x00").replace(b"\0" * 0 + b"\x01\0\0\0\0\0\0\0\0",
                                b"\x01\0\0\0\0\0\0\0\xff"), HeaderMalformed, 45),
    "a value of type 13": (FORM.start(0, 1) + FORM.text("a") + struct.pack("<IQ", 13, 0), HeaderMalformed, 33),
    "an array of type 13": (array(13, 4) + bytes(64), HeaderMalformed, 37),
    "a tensor twice": (gguf({}, [f32("a", 8), f32("a", 8)]), HeaderMalformed, 57),
    "a nameless tensor": (tensor(name=""), HeaderMalformed, 24),
    "a name of line breaks": (tensor(name="a\nb"), HeaderMalformed, 32),
    "100 dimensions": (tensor(dims=(1,) * 100), HeaderBeyondLimits, 33),
    "2^252 elements": (tensor(dims=(2**63,) * 4), HeaderBeyondLimits, 37),
    "an offset of 2^63": (tensor(offset=2**63), HeaderBeyondLimits, 37),
    "half a block": (tensor(dims=(100, 4), kind=12), HeaderMalformed, 37),
    "an offset between": (tensor(offset=7), HeaderMalformed, 57),
    "tensors on each other": (gguf({}, [q4("a", 4), f32("b", 8)._replace(offset=64)]), HeaderMalformed, 128),
    "an alignment of 0": (gguf({"general.alignment": 0}, LAYERS), HeaderMalformed, 57),
    "an alignment of 3": (gguf({"general.alignment": 3}, LAYERS), HeaderMalformed, 57),
    "an alignment of text": (gguf({"general.alignment": "32"}, LAYERS), HeaderMalformed, 63),
    "an alignment of 2^31": (gguf({"general.alignment": 2**31}, LAYERS), HeaderBeyondLimits, 57),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_error_names_the_byte_and_what_was_expected(name: str) -> None:
    data, kind, offset = CASES[name]
    source = BytesSource(data, "bad.gguf")
    with pytest.raises(HeaderError) as caught:
        read_file(source)
    error = caught.value
    assert (type(error), error.offset, error.name) == (kind, offset, "bad.gguf")
    assert error.expected and error.got
    assert len(str(error)) < 300
    assert str(error).isprintable()
    assert source.bytes_read <= max(len(data), 64)
    assert source.bytes_read < 100_000 or "together" in name


def test_the_error_can_be_pickled() -> None:
    error = HeaderMalformed("a.gguf", 7, "a key", "nothing")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), again.name, again.offset, again.expected, again.got) == (
        HeaderMalformed,
        "a.gguf",
        7,
        "a key",
        "nothing",
    )
    assert str(again) == "a.gguf: byte 7: expected a key, got nothing"


@pytest.mark.parametrize("name", ["10^9 empty strings", "more strings than bytes", "arrays 20,000 deep", "2^60 keys"])
def test_a_false_count_takes_no_memory(name: str) -> None:
    data = CASES[name][0]
    tracemalloc.start()
    with pytest.raises(HeaderError):
        read_file(BytesSource(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MIB


def test_a_large_header_within_the_limits_takes_limited_memory() -> None:
    """A quarter of the allowed keys and tensors, all of them kept."""
    count = limits.MAX_KEYS // 4
    keys = {f"a.{number}": number for number in range(count)}
    data = gguf(keys, [Tensor(f"blk.{number}.w", (1,), 0, 4) for number in range(count)])
    tracemalloc.start()
    file = read_file(BytesSource(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(file.tensors) == count
    assert peak < 10 * MIB


@pytest.mark.parametrize("value", [Typed("u8", [1] * 1024), [""] * 1024], ids=["numbers", "texts"])
def test_many_short_arrays_take_no_more_memory_than_one(value: Any) -> None:
    """Each is short enough to be kept, all together are not."""
    data = gguf({f"a.{number}": value for number in range(100)})
    tracemalloc.start()
    file = read_file(BytesSource(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(isinstance(kept, list) for kept in file.keys.values()) == limits.MAX_KEPT_ELEMENTS // 1024
    assert peak < 4 * MIB


def test_a_file_cut_short_at_any_byte_is_reported_as_truncated() -> None:
    whole = gguf(model(1100, merges=1100), LAYERS)
    start = read_file(BytesSource(whole)).data_start
    cuts = [*range(0, 900, 7), *range(900, start - 32, 997)]
    for cut in cuts:
        with pytest.raises((HeaderTruncated, NotThisFormat)):
            read_file(BytesSource(whole[:cut]))
    assert isinstance(read_file(BytesSource(whole[:start])), GgufFile)


SEEDS = [
    gguf(
        model(40, merges=30, more={"general.alignment": 64, "a.list": [1, 2], "a.words": ["x"]}),
        LAYERS,
        form,
        alignment=64,
    )[:4000]
    for form in (Form(1, "<"), Form(3, "<"), Form(3, ">"))
] + [gguf(model(1200, merges=1100), LAYERS)[:60_000]]
KNOWN = ArrayLengths(learn_lengths(read_file(BytesSource(SEEDS[-1])).runs))


PIECES = st.binary(min_size=1, max_size=9) | st.sampled_from([b"\xff" * 8, bytes(8), bytes(7) + b"\x80"])
CHANGES = st.tuples(
    st.sampled_from(["write", "insert", "remove", "cut"]),
    st.sampled_from([40, 600, 4000, 60_000]),  # most places are in the tokenizer, most decisions at the beginning
    st.integers(0, 60_000),
    PIECES,
)


def changed(raw: bytearray, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    for how, most, place, piece in changes:
        at = place % max(1, min(most, len(raw)))
        match how:
            case "write":
                raw[at : at + len(piece)] = piece
            case "insert":
                raw[at:at] = piece
            case "remove":
                del raw[at : at + len(piece)]
            case "cut":
                del raw[at + 1 :]
    return bytes(raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(range(len(SEEDS))), st.lists(CHANGES, min_size=1, max_size=6))
def test_any_bytes_give_a_header_or_a_header_error(seed: int, changes: list[tuple[str, int, int, bytes]]) -> None:
    raw = changed(bytearray(SEEDS[seed]), changes)
    for lengths in (ArrayLengths(), KNOWN):
        source = BytesSource(raw)
        try:
            file = read_file(source, lengths)
        except HeaderError as error:
            assert error.offset >= 0
            assert str(error).isprintable()
        else:
            assert len(file.sizes) == len(file.tensors)
        assert source.bytes_read <= 2 * len(raw) + 64_000


def test_recorded_hostile_files(shared: Path, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(shared / "headers" / "gguf.tar.xz") as archive:
        members = [member for member in archive.getmembers() if "/evil/" in member.name and member.isfile()]
        archive.extractall(tmp_path, members, filter="data")
    honest = {"be_v3.gguf", "v1.gguf", "type_42_q2_0.gguf", "type_139_iq4k.gguf"}
    seen = set()
    for path in sorted((tmp_path / "gguf" / "evil").iterdir()):
        source = FileSource(path)
        if path.name in honest:
            assert read_file(source).text("general.architecture") == "llama"
        else:
            with pytest.raises(HeaderError):
                read_file(source)
        assert source.bytes_read < 20_000
        seen.add(path.name)
    assert honest < seen
