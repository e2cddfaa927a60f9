"""Parquet files and packed tables of others: what they say of their size is measured before anything is unpacked."""

from __future__ import annotations

import io
import lzma
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from db.errors import HistoryInvalid
from db.maintain import parquet_pages, parquet_process
from db.maintain.import_history import MAX_LINE_LENGTH, read_history
from db.maintain.parquet_pages import (
    DATA_PAGE,
    DATA_PAGE_V2,
    DICTIONARY_PAGE,
    MAX_OPEN_BYTES,
    MAX_READ_BYTES,
    ParquetRefused,
    find_batch_rows,
    measure_column,
    open_parquet,
)
from db.maintain.parquet_process import ParquetReader
from tests.parquet_files import require
from tests.security.costs import check_cost


def varint(number: int, length: int = 0) -> bytes:
    """A number in Thrift's compact protocol; `length`: with as many bytes, the last ones say nothing."""
    number, said = number << 1, bytearray()
    while number >= 128 or len(said) + 1 < length:
        said.append(number & 127 | 128)
        number >>= 7
    return bytes([*said, number])


def page(kind: int = DATA_PAGE, *, size: int = 80, compressed: int = 10, values: int = 10, encoding: int = 0) -> bytes:
    """A page with the header that says so; of a text the length alone would count, so that the page is shorter."""
    place = {DATA_PAGE: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}[kind]
    between = b"\x15\x00\x15\x00" if kind == DATA_PAGE_V2 else b""
    inner = b"\x15" + varint(values) + between + b"\x15" + varint(encoding) + b"\x00"
    head = b"\x15" + varint(kind) + b"\x15" + varint(size) + b"\x15" + varint(compressed)
    return head + bytes([(place - 3) << 4 | 12]) + inner + b"\x00" + bytes(compressed)


@dataclass
class Column:
    """What the metadata says of a column's pages."""

    total_compressed_size: int
    path_in_schema: str = "a"
    data_page_offset: int = 4
    has_dictionary_page: bool = False
    dictionary_page_offset: int = 0
    num_values: int = 10


def measure(data: bytes, length: int | None = None, max_pages: int = 100) -> parquet_pages.ColumnSize:
    file = b"PAR1" + data
    column = Column(len(data) if length is None else length)
    return measure_column(io.BytesIO(file), column, len(file), max_pages)


def test_headers_of_pages_are_added_up() -> None:
    pages = page(DICTIONARY_PAGE, size=50, values=5), page(size=200, values=4, encoding=8), page(DATA_PAGE_V2, size=80)
    found = measure(b"".join(pages))
    assert (found.pages, found.total, found.largest, found.dictionary, found.value_bytes) == (3, 330, 200, 50, 50.0)


@pytest.mark.parametrize(
    ("data", "length", "said"),
    [
        (page(DICTIONARY_PAGE, size=80, values=81), None, "says that it has 81 values"),
        (page(encoding=7), None, "encoding 7"),
        (page(DATA_PAGE_V2, encoding=6), None, "encoding 6"),
        (page(compressed=11)[:-1], None, "does not end in the column"),
        (page(), len(page()) + 1, "outside of the file"),
        (page() + b"\x15", None, "without a complete header"),
        (page() * 101, None, "more than"),
        (page(size=2**31), None, "malformed"),
        (b"\x15" + b"\xff" * 12, None, "malformed"),
        (b"\x15\x06" + page()[2:], None, "malformed"),  # a type without the part that says more
        (b"\x15\x00\x05\x02\x00" + page()[2:], None, "twice"),
        (b"\x1c" * 10 + page(), None, "malformed"),
        (b"\x1c\x00" + page()[2:], None, "malformed"),  # a struct as its type
        (b"\x19\xfc" + page(), None, "malformed"),
    ],
)
def test_pages_that_lie_are_refused(data: bytes, length: int | None, said: str) -> None:
    with pytest.raises(ParquetRefused, match=said):
        measure(data, length)


@dataclass
class Group:
    columns: list[Column]

    @property
    def num_columns(self) -> int:
        return len(self.columns)

    def column(self, place: int) -> Column:
        return self.columns[place]


@dataclass
class Metadata:
    group: Group
    num_row_groups: int = 1

    def row_group(self, number: int) -> Group:
        return self.group


def batch_rows(*columns: bytes, rows: int = 1000, padding: int = 0) -> int:
    """Rows that may be read at once of columns with these pages, `a` and so on."""
    file, found = b"PAR1", []
    for name, data in zip("abc", columns, strict=False):
        found.append(Column(len(data), name, len(file)))
        file += data
    return find_batch_rows(io.BytesIO(file + bytes(padding)), Metadata(Group(found)), {"a", "b"}, rows)


def test_fewer_rows_are_read_at_once_where_they_are_large() -> None:
    assert batch_rows(page(size=8000, values=1000)) == 1000
    assert batch_rows(page(size=MAX_READ_BYTES, values=64)) == 64
    half = page(size=MAX_READ_BYTES // 2, values=64)
    assert batch_rows(half, half) == 64
    assert batch_rows(half, half, half) == 64, "the third is not wanted"
    assert batch_rows(page(size=2 * MAX_READ_BYTES, values=1)) == 1


def test_pages_of_all_columns_are_in_memory_together() -> None:
    half = page(size=MAX_OPEN_BYTES // 2)
    assert batch_rows(half, half, page(size=10**9)) > 0
    with pytest.raises(ParquetRefused, match="at a time"):
        batch_rows(half, page(DICTIONARY_PAGE, size=MAX_OPEN_BYTES // 2 + 1))


def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused() -> None:
    pages = page(size=10_000_000) * 20
    with pytest.raises(ParquetRefused, match="for each of the file"):
        batch_rows(pages)
    assert batch_rows(pages, padding=200_000)


# ---- whole files -----------------------------------------------------------------------------------------------------


def write_bomb(path: Path) -> None:
    """A file of some kilobytes with a page of 16 MiB, whose metadata says that it takes 100 bytes."""
    table = pa.table({"id": ["x" * 2**24], "date": ["2024-01-01"], "likes": [1]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    said = pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    number = varint(said)
    path.write_bytes(path.read_bytes().replace(number, varint(100, len(number))))
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == 100


def read_all(path: Path) -> list[int]:
    file = open_parquet(path)
    return [len(batch) for batch in file.read_batches(file.names, 1000, 1000)]


def test_a_large_page_whose_metadata_lies_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_OPEN_BYTES", 2**23)
    path = tmp_path / "bomb.parquet"
    write_bomb(path)
    assert path.stat().st_size < 10_000
    pool = pa.default_memory_pool()
    pool.release_unused()
    before = pool.total_bytes_allocated()
    with pytest.raises(ParquetRefused, match="at a time"):
        read_all(path)
    assert pool.total_bytes_allocated() - before < 2**20, "pyarrow unpacked nothing"


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "none"])
def test_ordinary_files_are_read(tmp_path: Path, use_dictionary: bool, version: Any, compression: Any) -> None:
    table = pa.table({"a": [f"{at % 7}" for at in range(2500)], "b": [at or None for at in range(2500)]})
    pq.write_table(
        table, tmp_path / "a.parquet", compression=compression, use_dictionary=use_dictionary, row_group_size=1500,
        data_page_version=version, data_page_size=512,
    )  # fmt: skip
    file = open_parquet(tmp_path / "a.parquet")
    batches = list(file.read_batches(["b", "a"], 1000, 1000))
    assert pa.Table.from_batches(batches).select(["a", "b"]).cast(table.schema) == table
    assert max(map(len, batches)) == 1000


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"a": pa.array([["x"]])}, {}, "lists in the column a"),
        ({"a": pa.array([None], pa.binary(65))}, {}, r"type fixed_size_binary\[65\]"),
        ({"a": pa.array(["x"])}, {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}, "encoding 7"),
        ({"a": pa.array(["x"])}, {"use_dictionary": False, "column_encoding": "DELTA_LENGTH_BYTE_ARRAY"}, "encoding 6"),
        ({"a": pa.array(["x" * 2_000_000])}, {}, "too many for 1"),
        ({"a": pa.array(["x"]), "b": pa.array(["y"])}, {}, "2 columns with the name a"),
    ],
)
def test_columns_that_expand_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: Any, options: Any, said: str
) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_READ_BYTES", 2**20)
    table = pa.table(columns).rename_columns(["a"] * len(columns))
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", **options)
    with pytest.raises(ParquetRefused, match=said):
        read_all(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not end like"),
        (b"PAR1" + bytes(20) + b"PARE", "does not end like"),
        (b"PAR1" + bytes(20) + (8 * 2**20 + 1).to_bytes(4, "little") + b"PAR1", "metadata takes 8,388,609 bytes"),
    ],
)
def test_a_footer_that_is_too_large_is_not_parsed(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(ParquetRefused, match=said):
        open_parquet(tmp_path / "a.parquet")


# ---- the process that reads ------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A file of 40 rows in two row groups."""
    table = pa.table({"id": [f"a/b{at}" for at in range(40)], "date": ["2024-01-01"] * 40, "likes": list(range(40))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=30)
    return tmp_path / "a.parquet"


def read_remotely(path: Path) -> list[int]:
    with ParquetReader() as reader:
        file = reader.open(path)
        return [len(batch) for batch in file.read_batches(file.names, 1000, 1000)]


def test_files_are_read_one_after_the_other_by_one_process(history: Path, tmp_path: Path) -> None:
    with ParquetReader() as reader:
        for _ in range(2):
            file = reader.open(history)
            assert file.names == ["id", "date", "likes"]
            batches = list(file.read_batches(["likes", "id"], 25, 1000))
            table = pa.Table.from_batches(batches)
            assert max(map(len, batches)) == 25
            assert table.column("likes").to_pylist() == list(range(40))
            assert table.column("id").to_pylist() == [f"a/b{at}" for at in range(40)]
        pq.write_table(pa.table({"id": pa.array([], "string")}), tmp_path / "empty.parquet")
        assert list(reader.open(tmp_path / "empty.parquet").read_batches(["id"], 25, 1000)) == []
        process = reader._process
        assert process is not None and process.poll() is None
    assert process.poll() is not None, "it ends with the reader"


def test_a_file_that_ends_its_reader_is_refused(history: Path) -> None:
    """pyarrow 21 to 26 end the process: a column that must have values has a histogram of those that are missing."""
    history.write_bytes(require(history.read_bytes(), "date"))
    program = "import sys, pyarrow.parquet as pq; pq.ParquetFile(sys.argv[1]).metadata.row_group(0).column(1)"
    alone = subprocess.run([sys.executable, "-c", program, history], capture_output=True, check=False)
    said = "SIGABRT" if alone.returncode == -signal.SIGABRT else "it is no Parquet file that can be read"
    with pytest.raises(HistoryInvalid, match=said) as error:
        list(read_history(history))
    assert str(history) in str(error.value)


@pytest.mark.parametrize(
    ("batch", "what", "said"),
    [
        (0, "os.abort()", r"was ended \(SIGABRT\)"),
        (1, "os.abort()", r"was ended \(SIGABRT\)"),
        (1, "os.kill(os.getpid(), 9)", r"was ended \(SIGKILL\)"),
        (0, "os._exit(7)", r"was ended \(exit status 7\)"),
        (1, "os._exit(0)", r"was ended \(exit status 0\)"),
        (1, "os.close(1); time.sleep(60)", r"was ended \(SIGKILL\)"),
        (1, "time.sleep(60)", "did not answer for 1 s"),
        (0, "raise OSError('broken\\nheader')", "OSError: broken header"),
        (1, "raise OSError('broken\\nheader')", "OSError: broken header"),
        (1, "bytearray(2**30)", "MemoryError"),
        (1, "parquet_process.limit_processor_time(0); spin()", "SIGXCPU"),
    ],
)
def test_every_end_of_the_process_is_an_error_of_the_file(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, what: str, said: str
) -> None:
    """`batch`: how many batches it has sent before."""
    (tmp_path / "spoilt_reader.py").write_text(SPOILT.format(what=what, batch=batch))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.setattr(parquet_process, "MODULE", "spoilt_reader")
    monkeypatch.setattr(parquet_process, "MAX_WAIT_SECONDS", 1.0 if what == "time.sleep(60)" else 300.0)
    with pytest.raises(ParquetRefused, match=said):
        read_remotely(history)


ROOT = Path(__file__).parents[2]
SPOILT = """
import os, time
from db.maintain import parquet_pages, parquet_process
read = parquet_pages.ParquetColumns.read_batches

def spin():
    while True:
        pass

def read_batches(*arguments):
    for at, batch in enumerate([*read(*arguments), None]):
        if at == {batch}:
            {what}
        yield batch

parquet_pages.ParquetColumns.read_batches = read_batches
parquet_process.main()
"""
"""A process whose reader does something else than it should."""


def test_the_process_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_mine")
    monkeypatch.setenv("PGPASSWORD", "of_mine")
    found = list[dict[str, str]]()
    monkeypatch.setattr(subprocess, "Popen", lambda *_, env, **__: found.append(env))
    parquet_process.start_process()
    assert found[0]["PATH"] and not any("of_mine" in value for value in found[0].values())


# ---- histories -------------------------------------------------------------------------------------------------------


def endless_line(path: Path) -> None:
    with lzma.open(path, "wb") as file:
        file.write(b"id,date,likes\n")
        for _ in range(4):
            file.write(b"x" * 2**20)


def large_window(path: Path) -> None:
    """A file that asks for a window of 1 GiB; only its header is written so, since packing would take as much."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**20}]
    data = bytearray(lzma.compress(b"id,date,likes\n" * 10, lzma.FORMAT_XZ, filters=filters))
    at = data.index(b"\x21\x01", 12)  # LZMA2, one byte of properties: the window
    data[at + 2] = 38  # 2 << 30
    head = data[12 : 12 + 4 * data[12]]
    data[12 + len(head) : 16 + len(head)] = zlib.crc32(head).to_bytes(4, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(("name", "make", "said"), [
    ("a.csv.xz", endless_line, f"a line of more than {MAX_LINE_LENGTH:,} characters"),
    ("a.csv.xz", large_window, "Memory usage limit"),
])  # fmt: skip
def test_histories_take_little_memory(tmp_path: Path, name: str, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / name)

    def attack() -> None:
        with pytest.raises(HistoryInvalid, match=said):
            list(read_history(tmp_path / name))

    check_cost(attack)


def test_packed_histories_of_several_streams_are_read(tmp_path: Path) -> None:
    lines = [b"id,date,likes\n", b"a/b,2024-01-01,1\n", b"a/b,2024-01-02,2\n"]
    whole = b"".join(lzma.compress(line) for line in lines)
    (tmp_path / "a.csv.xz").write_bytes(whole + bytes(8))
    assert [each.line for each in read_history(tmp_path / "a.csv.xz")] == [2, 3]
    (tmp_path / "a.csv.xz").write_bytes(whole[:-10])
    with pytest.raises(HistoryInvalid, match="ends before"):
        list(read_history(tmp_path / "a.csv.xz"))
