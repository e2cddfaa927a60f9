"""Reads Parquet files of others within limits of memory: pages are measured before one is unpacked.

A page is unpacked into as many bytes as its own header says, up to 2 GB, whatever the file's metadata says of its
column, and a few kilobytes can say so of each of many pages. So the headers of all pages are read first, which are
small; how many rows are read at once follows from them. Encodings by which a page expands beyond its size are refused.

Format: https://github.com/apache/parquet-format, parquet.thrift (PageHeader), in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

MAGIC = b"PAR1"

MAX_FOOTER_BYTES = 8 * 2**20
"""The file's metadata: 150 bytes for each column of each row group; 2 MB for a month's metrics of 3,000,000 repos."""

MAX_OPEN_BYTES = 128 * 2**20
"""The largest page and the dictionary of each column together: they are in memory at a time. Writers end a page at
about 1 MiB."""

MAX_READ_BYTES = 32 * 2**20
"""What the rows that are read at once take in pages, if they are more than one."""

MAX_EXPANSION = 1_000
"""Bytes of all pages for each of the file, beyond MAX_OPEN_BYTES."""

MAX_PAGES = 500_000
"""Pages of one file."""

PAGE_HEADER_BYTES = 256
"""What is read of a page to get its header; one with long statistics needs MAX_PAGE_HEADER_BYTES."""

MAX_PAGE_HEADER_BYTES = 64 * 1024

DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
ENCODINGS: Final = {
    0: "PLAIN", 2: "PLAIN_DICTIONARY", 3: "RLE", 4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED", 8: "RLE_DICTIONARY",
    9: "BYTE_STREAM_SPLIT",
}  # fmt: skip
"""Those that are read. DELTA_BYTE_ARRAY (7) repeats the beginning of the value before, DELTA_LENGTH_BYTE_ARRAY (6) says
in the page how many lengths there are: with them a page of a kilobyte makes gigabytes."""

MAX_FIXED_BYTES = 64
"""Values of a column whose values all have the same length: a null takes as much as a value."""


class ParquetRefused(Exception):
    """A Parquet file that is malformed, or that would take more memory than it may. The text says which and why."""


# ---- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """An open file. Texts are read as dictionaries: each value once, however many rows have it."""

    path: Path
    file: Any

    @property
    def names(self) -> list[str]:
        return list(self.file.schema_arrow.names)

    def read_batches(self, columns: Sequence[str], max_rows: int, max_row_bytes: int) -> Iterator[Any]:
        """Record batches of these columns of at most so many rows, which take at most so many bytes on average.

        MAX_READ_BYTES more are allowed for each batch. Raises ParquetRefused, ArrowException, OSError.
        """
        check_types(self.file.schema_arrow, columns)
        with self.path.open("rb") as stream:
            rows = find_batch_rows(stream, self.file.metadata, set(columns), max_rows)
        for batch in self.file.iter_batches(rows, columns=list(columns)):
            size = sum(map(expanded_size, batch.columns))
            if size > len(batch) * max_row_bytes + MAX_READ_BYTES:
                raise ParquetRefused(f"its rows take {size:,} bytes, too many for {len(batch):,}")
            yield batch


def open_parquet(path: Path) -> ParquetColumns:
    """The file, of which only the metadata was read. Raises ParquetRefused, ArrowException, OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as stream:
        check_footer(stream)
    schema = pq.read_schema(path)
    texts = [field.name for field in schema if is_text(pa, field.type)]
    return ParquetColumns(path, pq.ParquetFile(path, read_dictionary=texts))


def is_text(pa: Any, kind: Any) -> bool:
    checks = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def expanded_size(array: Any) -> int:
    """Bytes of a column with each of its values written out."""
    import pyarrow as pa
    import pyarrow.compute

    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    if not is_text(pa, array.type.value_type):
        return int(array.nbytes + len(array) * 8)
    lengths = pyarrow.compute.binary_length(array.dictionary)
    return int(pyarrow.compute.sum(pyarrow.compute.take(lengths, array.indices)).as_py() or 0)


# ---- checks before a page is unpacked --------------------------------------------------------------------------------


def check_footer(stream: IO[bytes]) -> None:
    """Raises ParquetRefused where the metadata is missing or too large to be parsed."""
    end = stream.seek(0, 2)
    stream.seek(max(0, end - 8))
    last = stream.read(8)
    if len(last) < 8 or last[4:] != MAGIC:
        raise ParquetRefused("it does not end like a Parquet file")
    if (size := int.from_bytes(last[:4], "little")) > MAX_FOOTER_BYTES:
        raise ParquetRefused(f"its metadata takes {size:,} bytes, more than {MAX_FOOTER_BYTES:,}")


def check_types(schema: Any, columns: Sequence[str]) -> None:
    """Raises ParquetRefused for a column of a type whose values may take more memory than their pages."""
    import pyarrow as pa

    for name in columns:
        if len(found := schema.get_all_field_indices(name)) != 1:
            raise ParquetRefused(f"it has {len(found)} columns with the name {name}")
        kind = schema.field(found[0]).type
        if pa.types.is_nested(kind):
            raise ParquetRefused(f"it has lists in the column {name}")
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_fixed = pa.types.is_primitive(inner) or pa.types.is_decimal(inner) or pa.types.is_null(inner)
        is_short = pa.types.is_fixed_size_binary(inner) and inner.byte_width <= MAX_FIXED_BYTES
        if not (is_fixed or is_short or (pa.types.is_dictionary(kind) and is_text(pa, inner))):
            raise ParquetRefused(f"its column {name} has the type {str(kind)[:100]}")


def find_batch_rows(stream: IO[bytes], metadata: Any, columns: set[str], max_rows: int) -> int:
    """How many rows may be read at once, at most `max_rows`. Raises ParquetRefused."""
    size, total, pages, rows = stream.seek(0, 2), 0, 0, max_rows
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        is_open, row_bytes = 0, 0.0
        for place in range(group.num_columns):
            column = group.column(place)
            if column.path_in_schema not in columns or column.num_values == 0:
                continue  # a table without rows has no pages, and pyarrow reads none
            found = measure_column(stream, column, size, MAX_PAGES - pages)
            pages += found.pages
            total += found.total
            is_open += found.largest + found.dictionary
            row_bytes += found.value_bytes
        if is_open > MAX_OPEN_BYTES:
            raise ParquetRefused(f"its pages take {is_open:,} bytes at a time, more than {MAX_OPEN_BYTES:,}")
        rows = min(rows, int(MAX_READ_BYTES // max(row_bytes, 1)))
    if total > MAX_OPEN_BYTES + MAX_EXPANSION * size:
        raise ParquetRefused(f"its pages take {total:,} bytes, more than {MAX_EXPANSION:,} for each of the file")
    return max(rows, 1)


@dataclass(slots=True)
class ColumnSize:
    """Bytes of one column's pages in one row group when they are unpacked; of its largest page, of its dictionary."""

    pages: int = 0
    total: int = 0
    largest: int = 0
    dictionary: int = 0
    value_bytes: float = 0.0
    """Of one value, in the page where they are largest."""


def measure_column(stream: IO[bytes], column: Any, file_size: int, max_pages: int) -> ColumnSize:
    """What the headers of a column's pages say, read where pyarrow reads them. Raises ParquetRefused."""
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    end, found = start + column.total_compressed_size, ColumnSize()
    if start < 0 or not start <= end <= file_size:
        raise ParquetRefused(f"its column {column.path_in_schema} lies outside of the file")
    while start < end:
        page, length = read_page_header(stream, start)
        start += length + page.compressed
        found.pages += 1
        if found.pages > max_pages:
            raise ParquetRefused(f"it has more than {MAX_PAGES:,} pages")
        if start > end:
            raise ParquetRefused(f"a page of its column {column.path_in_schema} does not end in the column")
        if page.encoding not in ENCODINGS:
            raise ParquetRefused(f"its column {column.path_in_schema} has the encoding {page.encoding}")
        found.total += page.size
        if page.type == DICTIONARY_PAGE:
            if page.values > page.size:
                raise ParquetRefused(f"a dictionary of {page.size:,} bytes says that it has {page.values:,} values")
            found.dictionary = max(found.dictionary, page.size)
        else:
            found.largest = max(found.largest, page.size)
            found.value_bytes = max(found.value_bytes, page.size / max(page.values, 1))
    return found


# ---- headers of pages ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """What a page's header says: bytes unpacked and in the file, number of values."""

    type: int
    size: int
    compressed: int
    values: int
    encoding: int


Fields = dict[int, Any]


def read_page_header(stream: IO[bytes], start: int) -> tuple[Page, int]:
    """The header at this place and its length in bytes. Raises ParquetRefused."""
    for size in (PAGE_HEADER_BYTES, MAX_PAGE_HEADER_BYTES):
        stream.seek(start)
        data = stream.read(size)
        try:
            fields, end = parse_struct(data, 0, 0)
        except IndexError:
            continue
        return parse_page(fields), end
    raise ParquetRefused("it has a page without a complete header")


def parse_page(fields: Fields) -> Page:
    """Raises ParquetRefused."""
    kind = fields.get(1)
    place = {DATA_PAGE: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}.get(kind, -1) if isinstance(kind, int) else -1
    inner = fields.get(place)
    said = [fields.get(2), fields.get(3)]
    if isinstance(inner, dict):
        said += [inner.get(1), inner.get(4 if place == 8 else 2)]
    numbers = [number for number in said if isinstance(number, int) and 0 <= number < 2**31]
    if len(numbers) != 4:
        raise ParquetRefused("it has a page with a malformed header")
    return Page(fields[1], *numbers)


def parse_struct(data: bytes, at: int, depth: int) -> tuple[Fields, int]:
    """The fields of a struct, numbers and structs only, and where it ends.

    Raises IndexError where the data ends before it, ParquetRefused for what no page's header holds.
    """
    fields: Fields = {}
    name = 0
    while (head := data[at]) != 0:
        at += 1
        kind = head & 15
        if head >> 4:
            name += head >> 4
        else:
            name, at = parse_number(data, at)
        value: Any = None
        if kind in (1, 2):
            value = kind == 1
        elif kind == 3:
            at += 1
        elif kind in (4, 5, 6):
            value, at = parse_number(data, at)
        elif kind == 7:
            at += 8
        elif kind == 8:
            length, at = parse_varint(data, at)
            at += length
        elif kind == 12 and depth < 3:
            value, at = parse_struct(data, at, depth + 1)
        else:
            raise ParquetRefused("it has a page with a malformed header")
        if name in fields:
            raise ParquetRefused("it has a page whose header says something twice")
        fields[name] = value
    return fields, at + 1


def parse_number(data: bytes, at: int) -> tuple[int, int]:
    """A signed number and where it ends."""
    number, at = parse_varint(data, at)
    return (number >> 1) ^ -(number & 1), at


def parse_varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ParquetRefused("it has a page with a malformed header")
