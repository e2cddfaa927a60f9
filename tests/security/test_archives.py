"""Archives and graphs that are made to harm: bombs, archives in archives, false counts and places, shared bytes.

Each reader must end in a header or in a HeaderError of a few printable words, at little cost.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

import pytest

from analysis.errors import HeaderBeyondLimits, HeaderError, HeaderMalformed
from analysis.formats import limits
from analysis.formats.readers import read_artifact
from analysis.formats.source import BytesSource
from db.records import ArtifactRecord, Header
from tests.analysis.formats.container_files import (
    attribute,
    dictionary,
    message,
    number,
    onnx_model,
    onnx_node,
    onnx_tensor,
    openvino,
    pickled,
    rebuilt,
    tar,
    text,
    tflite,
    torch_zip,
    varint,
)
from tests.security.costs import check_cost

GOOD = pickled({"w": rebuilt("FloatStorage", "0", (4, 8))})


def read(kind: str, data: bytes) -> Header:
    source = BytesSource(data, "evil")
    return read_artifact(ArtifactRecord("evil", "weights", kind, ("evil",), len(data)), {}, lambda _: source)[0]


def check_refused(kind: str, data: bytes, error: type[HeaderError] = HeaderError) -> None:
    with pytest.raises(error) as caught:
        read(kind, data)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


# ---- zip -------------------------------------------------------------------------------------------------------------


def archive(entries: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            file.writestr(info, data)
    return made.getvalue()


def patched(data: bytes, mark: bytes, at: int, layout: str, *values: int) -> bytes:
    """The data with other numbers behind the last place of a mark."""
    raw = bytearray(data)
    struct.pack_into(layout, raw, data.rindex(mark) + at, *values)
    return bytes(raw)


END, ENTRY = b"PK\x05\x06", b"PK\x01\x02"
WHOLE = archive([("a/data.pkl", GOOD)])
LOCATOR = b"PK\x06\x07"


def with_locator(place: int) -> bytes:
    at = WHOLE.rindex(END)
    return WHOLE[:at] + struct.pack("<4sIQI", LOCATOR, 0, place, 1) + WHOLE[at:]


def with_large_end(count: int, length: int, offset: int) -> bytes:
    """The archive with a ZIP64 end that states these numbers."""
    at = WHOLE.rindex(END)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, offset)
    return WHOLE[:at] + record + struct.pack("<4sIQI", LOCATOR, 0, at, 1) + WHOLE[at:]


def overlapping(count: int) -> bytes:
    """Entries of one archive that all lie in the same bytes."""
    at = WHOLE.index(ENTRY)
    entry = WHOLE[at : WHOLE.rindex(END)]
    end = struct.pack("<4sHHHHIIH", END, 0, 0, count & 0xFFFF, count & 0xFFFF, len(entry) * count, at, 0)
    return WHOLE[:at] + entry * count + end


ZIPS: dict[str, bytes] = {
    "a directory beyond the end": patched(WHOLE, END, 16, "<I", 2**32 - 1),
    "a directory of 4 GB": patched(WHOLE, END, 12, "<I", 2**32 - 2),
    "more entries than bytes": patched(WHOLE, END, 10, "<H", 60_000),
    "a directory that is the end itself": patched(WHOLE, END, 16, "<I", WHOLE.rindex(END)),
    "2^63 entries": with_large_end(2**63, 100, 0),
    "a directory of 2^63 bytes": with_large_end(1, 2**63, 0),
    "a directory at 2^64 - 1": with_large_end(1, 100, 2**64 - 1),
    "a locator that leads beyond the end": with_locator(2**64 - 1),
    "a locator that leads to itself": with_locator(WHOLE.rindex(END)),
    "an entry that begins beyond the end": patched(WHOLE, ENTRY, 42, "<I", 2**31),
    "an entry of 4 GB": patched(WHOLE, ENTRY, 20, "<II", 2**32 - 2, 2**32 - 2),
    "an entry that begins at its own end": patched(WHOLE, ENTRY, 42, "<I", len(WHOLE) - 4),
    "a name longer than the directory": patched(WHOLE, ENTRY, 28, "<H", 65_535),
    "a comment longer than the directory": patched(archive([("a", b""), ("b", b"")]), ENTRY, 32, "<H", 65_535),
    "bytes of an unknown compression": patched(WHOLE, ENTRY, 10, "<H", 99),
    "an archive in the archive": archive([("a/data.pkl", WHOLE)]),
    "an archive as another entry": archive([("a/inner.zip", WHOLE)]),
    "a name that climbs": archive([("../../etc/data", b"x"), ("a/data.pkl/", b"")]),
    "a name of control characters": archive([("a\x1b]0;x\x07\u202e/x", b"x")]),
    "a name of 60,000 letters": archive([("a" * 60_000, b"x")]),
    "an empty pickle": archive([("a/data.pkl", b"")]),
    "no entries": archive([]),
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_archive_that_lies_is_refused(name: str) -> None:
    check_cost(lambda: check_refused("pytorch", ZIPS[name]))


def test_a_bomb_is_unpacked_to_its_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred megabytes in a hundred kilobytes, of which no more than the limit are unpacked."""
    bomb = archive([("a/data.pkl", b"\x80\x02" + b"N0" * 50_000_000)], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 200_000
    monkeypatch.setattr(limits, "MAX_PICKLE_BYTES", 1_000_000)
    check_cost(lambda: check_refused("pytorch", bomb, HeaderBeyondLimits))


def test_a_size_that_is_stated_too_small_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = archive([("a/data.pkl", bytes(30_000_000))], zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(limits, "MAX_PICKLE_BYTES", 1_000_000)
    check_refused("pytorch", patched(bomb, ENTRY, 24, "<I", 10), HeaderBeyondLimits)


def test_entries_that_lie_in_the_same_bytes_are_read_once() -> None:
    data = overlapping(20_000)
    check_cost(lambda: read("pytorch", data))
    assert read("pytorch", data).tensor_count == 1


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ZIP_MEMBERS", 1000)
    check_refused("pytorch", overlapping(1001), HeaderBeyondLimits)


# ---- pickles ---------------------------------------------------------------------------------------------------------


class Call:
    """A value that is the result of a function, when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.arguments


def long_number(size: int) -> bytes:
    """A number of this many bytes as LONG4."""
    return b"\x8b" + struct.pack("<i", size) + b"\x7f" * size


def with_shape(*sizes: bytes) -> bytes:
    """A tensor of 32-bit floats with sizes that are pickled already."""
    place = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x01tQ"
    shape = b"(" + b"".join(sizes) + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + b"K\x00" + shape + shape + b"\x89NtR"


DOUBLED = b"\x80\x02]q\x00." + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(1000))
PICKLES: dict[str, bytes] = {
    "a system call": pickle.dumps(Call(pytest.fail, "it was called"), protocol=2),
    "eval": pickle.dumps({"w": Call(eval, "1/0")}, protocol=2),
    "a call by its qualified name": pickle.dumps(Call(pytest.fail, "it was called"), protocol=4),
    "a billion laughs": b"\x80\x02K\x01" + b"2\x86" * 300 + b".",
    "a value that is doubled a thousand times": DOUBLED[:6] + DOUBLED[7:] + b".",
    "a text of 2^63 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"x.",
    "a text of 4 GB": b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"x.",
    "a number of negative length": b"\x80\x02\x8b" + struct.pack("<i", -1) + b".",
    "a memo at 2^32": b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b".",
    "a frame of 2^63 bytes": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N.",
    "marks alone": b"\x80\x02" + b"(" * 100_000 + b".",
    "a tuple of marks": b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".",
    "a dictionary that holds itself": b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
    "a key that holds itself": b"\x80\x02}q\x00(h\x00h\x00u.",
    "opcodes that no version has": b"\x80\x02" + bytes(range(128, 256)) + b".",
    "a version of the future": b"\x80\xff}.",
    "a list as key": pickled({})[:-1] + b"(]NuN.",
    "a size of a megabyte": pickled({"w": with_shape(long_number(1_000_000))}),
    "sizes of 20,000 bytes each": pickled({"w": with_shape(*[long_number(20_000)] * 400)}),
    "negative sizes": pickled({"w": rebuilt("FloatStorage", "0", (-1, 8))}),
    "an offset of a megabyte": pickled({"w": with_shape(b"K\x08")}).replace(b"K\x00", long_number(1_000_000)),
    "a size that is a text": pickled({"w": with_shape(text("8"))}),
    "a size that is a tensor": pickled({"w": with_shape(with_shape(b"K\x08"))}),
}
READ = frozenset({"negative sizes", "an offset of a megabyte", "a size that is a text", "a size that is a tensor"})
"""Pickles that need not be refused: what can't be is left out or unknown."""


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_is_made_to_harm_is_refused(name: str) -> None:
    data = torch_zip(PICKLES[name])

    def attack() -> None:
        try:
            header = read("pytorch", data)
        except HeaderError as error:
            assert str(error).isprintable() and len(str(error)) < 500
        else:
            assert name in READ and (header.parameters or 1) > 0

    check_cost(attack)


def test_a_pickle_of_many_tensors_over_one_storage_counts_it_once() -> None:
    same = {f"w{at}": rebuilt("FloatStorage", "0", (4, 8)) for at in range(3000)}
    assert read("pytorch", torch_zip(pickled(same))).parameters == 32


def test_names_of_tensors_are_cut() -> None:
    nested = dictionary({"b" * 60_000: rebuilt("FloatStorage", "0", (4, 8))})
    check_cost(lambda: read("pytorch", torch_zip(pickled({"a" * 60_000: nested}))))


# ---- tar -------------------------------------------------------------------------------------------------------------


def tar_head(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    head = name.ljust(100, b"\0") + b"0000644\0" * 3 + size.ljust(12, b"\0") + b"0" * 12 + b" " * 8 + kind
    return (head + bytes(100) + b"ustar\x0000").ljust(512, b"\0")


CKPT = tar_head(b"w.ckpt", b"%011o" % len(WHOLE))
TARS: dict[str, bytes] = {
    "a file of 2^64 bytes": tar_head(b"a", b"\x80" + bytes(3) + b"\xff" * 8) + CKPT,
    "a file of -1 bytes": tar_head(b"a", b"\xff" * 12) + CKPT[:1],
    "weights of 2^62 bytes": tar_head(b"w.ckpt", b"\x80" + bytes(3) + b"\x40" + bytes(7)) + WHOLE,
    "weights of no bytes": tar_head(b"w.ckpt", b"0"),
    "weights that are a link": tar_head(b"w.ckpt", b"0", b"2"),
    "weights that are an archive of weights": CKPT + CKPT + WHOLE,
    "a name of escapes": tar_head(b"\x1b]0;x\x07.ckpt", b"777"),
    "a name that is no text": tar_head(b"\xff\xfe\x80.ckpt", b"777"),
    "a compressed archive": zlib.compress(tar({"w.ckpt": WHOLE})),
    "files without end": tar_head(b"a", b"0") * 20_000,
}


@pytest.mark.parametrize("name", TARS)
def test_a_tar_archive_that_lies_is_refused(name: str) -> None:
    check_cost(lambda: check_refused("nemo", TARS[name]))


# ---- graphs ----------------------------------------------------------------------------------------------------------


def nested_attributes(depth: int) -> bytes:
    graph = message(5, onnx_tensor("w", 1, (4,), bytes(16)))
    for _ in range(depth):
        graph = message(1, onnx_node("If", [], attribute("then_branch", message(6, graph))))
    return number(1, 8) + message(7, graph)


GRAPHS: dict[str, tuple[str, bytes]] = {
    "a message of 2^63 bytes": ("onnx", number(1, 8) + varint(7 << 3 | 2) + varint(2**63)),
    "a field of number 0": ("onnx", number(1, 8) + message(7, b"\0" * 5000)),
    "a group that never ends": ("onnx", number(1, 8) + message(7, b"\x0b" * 100_000)),
    "graphs 2,000 deep": ("onnx", nested_attributes(2000)),
    "sizes of 2^64 - 1": ("onnx", onnx_model([], [onnx_tensor("w", 1, (2**64 - 1,))])),
    "a tensor type of 2^31": ("onnx", onnx_model([], [onnx_tensor("w", 2**31, (8,), bytes(8))])),
    "100,000 empty nodes": ("onnx", onnx_model([b""] * 100_000, [])),
    "entities that grow": ("openvino", b'<!DOCTYPE n [<!ENTITY a "' + b"&b;" * 99_000 + b'">]><net>&a;</net>'),
    "an external entity": ("openvino", b'<!DOCTYPE n [<!ENTITY a SYSTEM "file:///etc/passwd">]><net>&a;</net>'),
    "elements 200,000 deep": ("openvino", b"<net>" + b"<layer>" * 200_000),
    "a shape of digits without end": ("openvino", openvino([("w", "f32", "9" * 1000)])),
    "a name of escapes": ("openvino", openvino([("\x1b]0;x\x07", "f32", "\x1b[2J")])),
    "a table at 2^31": ("tflite", struct.pack("<I", 2**31) + b"TFL3" + bytes(64)),
    "a table that leads to itself": ("tflite", struct.pack("<I", 8) + b"TFL3" + struct.pack("<iHH", 0, 4, 4) * 50),
    "offsets of 0xff": ("tflite", tflite([("w", 0, (4,), 16)])[:24] + b"\xff" * 400),
    "a negative size": ("tflite", tflite([("w", 0, (-4, 2**31 - 1), 16)])),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_is_made_to_harm_is_refused(name: str) -> None:
    kind, data = GRAPHS[name]
    check_cost(lambda: check_refused(kind, data))


def test_a_hostile_error_text_is_short_and_printable() -> None:
    with pytest.raises(HeaderMalformed) as caught:
        read("pytorch", torch_zip(b"\x80\x02c" + b"\x1b[2J" * 9999 + b"\nx\n."))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
