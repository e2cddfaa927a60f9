"""Sources and the window that slides over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.errors import HeaderBeyondLimits, HeaderTruncated, SourceError
from analysis.formats import limits
from analysis.formats.source import BytesSource, FileSource, Window

DATA = bytes(range(256)) * 4096  # 1 MiB


class Log(BytesSource):
    """A source that records what it is asked for."""

    def __init__(self, data: bytes, size: int | None = None) -> None:
        super().__init__(data, size=size)
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return super().read(start, length)


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    source = FileSource(path)
    assert (source.size, source.read(300, 5), source.read(len(DATA) - 2, 100)) == (len(DATA), DATA[300:305], DATA[-2:])
    assert (source.requests, source.bytes_read) == (2, 7)


@pytest.mark.parametrize("what", ["missing.gguf", "."])
def test_the_error_names_a_path_that_is_not_a_file(tmp_path: Path, what: str) -> None:
    with pytest.raises(SourceError, match="missing.gguf" if what != "." else "is not a file|directory"):
        FileSource(tmp_path / what)


def test_a_window_fetches_forward_in_growing_pieces_and_never_twice() -> None:
    source = Log(DATA)
    window = Window(source)
    while window.position < 700_000:
        assert window.take(1000, "bytes") == DATA[window.position - 1000 : window.position]
    assert [start for start, _ in source.asked] == [0, 16_384, 81_920, 344_064]
    assert sum(length for _, length in source.asked) == len(DATA)


def test_what_is_skipped_is_not_fetched() -> None:
    source = Log(DATA)
    window = Window(source, ahead=100)
    window.take(10, "bytes")
    window.skip(500_000, "an array")
    assert window.take(3, "bytes") == DATA[500_010:500_013]
    assert source.asked == [(0, 100), (500_010, 400)]


def test_the_end_of_the_file_is_an_error_that_says_where() -> None:
    window = Window(BytesSource(b"12345"))
    window.take(3, "three")
    with pytest.raises(HeaderTruncated) as error:
        window.take(4, "the count")
    assert (error.value.offset, error.value.expected, error.value.got) == (
        3, "the count (4 bytes)", "the end of the file after 2 bytes",
    )  # fmt: skip


def test_a_file_of_unknown_size_ends_where_its_bytes_do() -> None:
    source = Log(b"x" * 50)
    source.size = None
    window = Window(source)
    assert window.take(50, "bytes") == b"x" * 50
    assert window.size == 50


def test_a_skip_past_the_limit_of_a_header_is_refused() -> None:
    window = Window(BytesSource(b"", size=10**12))
    with pytest.raises(HeaderBeyondLimits):
        window.skip(limits.MAX_GGUF_HEADER_BYTES + 1, "an array")


def test_the_reads_of_a_header_are_limited() -> None:
    window = Window(BytesSource(DATA * 8), ahead=1)
    with pytest.raises(HeaderBeyondLimits, match="within 200 reads"):
        while True:
            window.ahead = 1
            window.take(1, "a byte")
