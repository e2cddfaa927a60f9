"""Downloads and likes by day that others recorded, as rows of `metrics` beside those of this catalog's crawls.

What a crawl counted is never replaced: a row of a file counts only on days without one. `metrics.source` says whose it
is, so that imported rows can be told apart and imported again, corrected, without doubling.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine

from db.errors import HistoryInvalid
from db.maintain.parquet_pages import ParquetRefused
from db.maintain.parquet_process import ParquetReader
from db.rows import Rows
from db.schema.tables import metrics
from db.schema.types import day_number

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "repo_id": ("repo_id", "id", "model_id", "modelid", "model", "repo"),
    "day": ("day", "date", "snapshot_date", "recorded_at", "timestamp"),
    "downloads": ("downloads", "downloads_30d"),
    "likes": ("likes",),
}
"""The names that each column may have in a file, the first that is there is read."""

FIRST_DAY = date(2016, 1, 1)
"""Before the first model on the Hub."""

MAX_COUNT = 2**53
MAX_ID_LENGTH = 200
MAX_SOURCE_LENGTH = 100
BATCH_ROWS = 5_000
MAX_LINE_LENGTH = 2**18
"""Characters of a line of CSV."""

MAX_ROW_BYTES = 2**12
"""Bytes of a row of Parquet, on average of those that are read at once."""

MAX_XZ_MEMORY_BYTES = 128 * 2**20
"""What unpacking .xz may take: `xz -9` needs 65 MiB, a file may ask for 4 GiB."""

_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ].*)?")
_WHOLE = re.compile(r"(\d{1,18})(?:\.0*)?")


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What a file says of one repo on one day. `downloads` are those of the 30 days before, as the Hub counts them."""

    line: int
    repo_id: str
    day: date
    downloads: int | None
    likes: int | None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be imported, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: rows that are new, changed against an earlier import, there already, left out because a crawl
    counted on that day, or of repos that the catalog does not know; and the first of the bad ones."""

    source: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    counted_by_crawls: int = 0
    unknown_repos: int = 0
    bad: int = 0
    examples: tuple[BadRow, ...] = ()
    """At most MAX_EXAMPLES of the bad rows."""


MAX_EXAMPLES = 20


# ---- Reading ---------------------------------------------------------------------------------------------------------


class XzStream(io.RawIOBase):
    """What an .xz file holds, unpacked with MAX_XZ_MEMORY_BYTES; lzma.open has no such limit. Raises LZMAError."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decompressor = self._begin()

    def _begin(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._decompressor.eof:
                rest = self._decompressor.unused_data or self._file.read(io.DEFAULT_BUFFER_SIZE)
                if not rest.strip(b"\0"):  # padding between streams, or the end
                    return 0
                self._decompressor = self._begin()
            elif self._decompressor.needs_input and not (rest := self._file.read(io.DEFAULT_BUFFER_SIZE)):
                raise EOFError("it ends before the end of its stream")
            elif not self._decompressor.needs_input:
                rest = b""
            if data := self._decompressor.decompress(rest, len(buffer)):
                buffer[: len(data)] = data
                return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _open_text(path: Path) -> IO[str]:
    """A text file, unpacked where its name says that it is packed."""
    match path.suffix.lower():
        case ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        case ".bz2":
            return bz2.open(path, "rt", encoding="utf-8-sig", newline="")
        case ".xz":
            return io.TextIOWrapper(io.BufferedReader(XzStream(path)), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def read_history(path: Path, today: date | None = None) -> Iterator[HistoryRow | BadRow]:
    """The rows of a CSV file (also packed: .gz, .xz, .bz2) or a Parquet file, by line; those of Parquet by row, from 1.

    Raises HistoryInvalid for a file without the columns or that is neither; OSError; ModuleNotFoundError for a Parquet
    file without pyarrow.
    """
    last = today or datetime.now(UTC).date()
    if path.is_block_device() or path.is_char_device():  # a line of a device need not end; a pipe of a user's own does
        raise HistoryInvalid(path, "it is a device")
    cells = _read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _read_csv(path)
    for line, values in cells:
        yield _parse_row(line, values, last)


def _read_csv(path: Path) -> Iterator[tuple[int, Sequence[Any] | None]]:
    """(line, values of COLUMNS) of each row; None for a row of another length."""
    try:
        with _open_text(path) as file:
            reader = csv.reader(_limited_lines(path, file))
            header = next(reader, [])
            places = _find_columns(path, header)
            for row in reader:
                if row:
                    fits = len(row) == len(header)
                    yield reader.line_num, [_at(row, place) for place in places] if fits else None
    except (csv.Error, UnicodeDecodeError, EOFError, lzma.LZMAError) as error:
        raise HistoryInvalid(path, f"it is no CSV file in UTF-8: {error}") from error


def _limited_lines(path: Path, file: IO[str]) -> Iterator[str]:
    """The lines of a file; a packed one of a few kilobytes may hold a line of gigabytes. Raises HistoryInvalid."""
    while line := file.readline(MAX_LINE_LENGTH):
        if len(line) == MAX_LINE_LENGTH and not line.endswith("\n"):
            raise HistoryInvalid(path, f"it has a line of more than {MAX_LINE_LENGTH:,} characters")
        yield line


def _read_parquet(path: Path) -> Iterator[tuple[int, Sequence[Any] | None]]:
    try:
        with ParquetReader() as reader:
            file = reader.open(path)
            names = file.names
            places = _find_columns(path, names)
            wanted = [names[place] for place in places if place is not None]
            row = 0
            for batch in file.read_batches(wanted, BATCH_ROWS, MAX_ROW_BYTES):
                columns = {name: batch.column(name).to_pylist() for name in wanted}
                for at in range(batch.num_rows):
                    row += 1
                    yield row, [None if place is None else columns[names[place]][at] for place in places]
    except ParquetRefused as error:
        raise HistoryInvalid(path, f"it is no Parquet file that can be read: {error}") from error


def _find_columns(path: Path, names: Sequence[str]) -> list[int | None]:
    """The place of each of COLUMNS in a file; None for the one of downloads and likes that it lacks."""
    lower = [name.strip().lower() for name in names]
    places = [next((lower.index(name) for name in known if name in lower), None) for known in COLUMNS.values()]
    lacking = [name for name, place in zip(COLUMNS, places, strict=True) if place is None]
    if lacking and lacking not in (["downloads"], ["likes"]):
        raise HistoryInvalid(path, f"it has no column {lacking[0]}; its columns are: {', '.join(names)[:300]}")
    return places


def _at(row: Sequence[str], place: int | None) -> str | None:
    return None if place is None else row[place]


def _parse_row(line: int, values: Sequence[Any] | None, last: date) -> HistoryRow | BadRow:
    if values is None:
        return BadRow(line, "it has more or fewer cells than the first line")
    repo_id, day, downloads, likes = values
    if not isinstance(repo_id, str) or not 0 < len(repo_id) <= MAX_ID_LENGTH or not repo_id.isprintable():
        return BadRow(line, f"{_shown(repo_id)} is no repo id")
    parsed = _parse_day(day)
    if parsed is None or not FIRST_DAY <= parsed <= last:
        return BadRow(line, f"{_shown(day)} is no day from {FIRST_DAY} to {last}")
    counts = []
    for name, value in (("downloads", downloads), ("likes", likes)):
        count = None if value is None or value == "" else _parse_count(value)
        if count is None and value not in (None, ""):
            return BadRow(line, f"{name} is {_shown(value)}")
        counts.append(count)
    if counts == [None, None]:
        return BadRow(line, "it has neither downloads nor likes")
    return HistoryRow(line, repo_id.strip(), parsed, *counts)


def _parse_day(value: Any) -> date | None:
    """A date, a time, or text that begins with one in ISO 8601."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).date() if value.tzinfo is not None else value.date()
    if isinstance(value, date):
        return value
    found = _DAY.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= 40 else None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _parse_count(value: Any) -> int | None:
    """A whole number that is not negative, also as `12.0`, which programs write for columns with gaps."""
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value.strip())
        value = int(found[1]) if found else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and value == value and 0 <= value <= MAX_COUNT and value == int(value) else None


def _shown(value: Any) -> str:
    return ascii(value)[:80]


# ---- Writing ---------------------------------------------------------------------------------------------------------


def import_history(engine: Engine, rows: Iterable[HistoryRow | BadRow], source: str) -> Imported:
    """Writes the rows of a file, batch by batch; of several for one repo and day the last counts.

    Repos are found by their id in any case, or by an earlier one. Raises HistoryInvalid for a source without a name.
    """
    if not source.strip() or not source.isprintable() or len(source) > MAX_SOURCE_LENGTH:
        name = Path(source[:MAX_SOURCE_LENGTH])
        raise HistoryInvalid(name, f"a source has a name of 1 to {MAX_SOURCE_LENGTH} letters")
    done = Imported(source)
    stream = iter(rows)
    while batch := list(islice(stream, BATCH_ROWS)):
        with engine.begin() as connection:
            done = _import_batch(Rows(connection), batch, done)
    return done


def _import_batch(rows: Rows, batch: Sequence[HistoryRow | BadRow], done: Imported) -> Imported:
    good = [each for each in batch if isinstance(each, HistoryRow)]
    bad = [each for each in batch if isinstance(each, BadRow)]
    numbers = _find_repos(rows, {each.repo_id.lower() for each in good})
    known = [(numbers[each.repo_id.lower()], each) for each in good if each.repo_id.lower() in numbers]
    wanted = {(repo, day_number(each.day)): (each.downloads, each.likes) for repo, each in known}
    days = [day for _, day in wanted]
    sql = (
        "select repo, day, source, downloads, likes from metrics"
        f" where day between {min(days, default=0)} and {max(days, default=0)} and repo in ({{}})"
    )
    found = rows.select_in(sql, {repo for repo, _ in wanted})
    stored = {(repo, day): (tuple(figures), origin) for repo, day, origin, *figures in found}
    new, changed, unchanged, counted = [], [], 0, 0
    for place, figures in wanted.items():
        before = stored.get(place)
        if before is None:
            new.append((*place, *figures, done.source))
        elif before[1] is None:
            counted += 1
        elif before == (figures, done.source):
            unchanged += 1
        else:
            changed.append((*place, *figures, done.source))
    written = [(repo, date(day // 10000, day // 100 % 100, day % 100), *rest) for repo, day, *rest in (*new, *changed)]
    rows.upsert(metrics, ("repo", "day"), ("repo", "day", "downloads", "likes", "source"), written)
    return Imported(
        done.source,
        done.new + len(new),
        done.changed + len(changed),
        done.unchanged + unchanged,
        done.counted_by_crawls + counted,
        done.unknown_repos + len(good) - len(known),
        done.bad + len(bad),
        (*done.examples, *bad)[:MAX_EXAMPLES],
    )


def _find_repos(rows: Rows, ids: Iterable[str]) -> dict[str, int]:
    """Numbers of models by their id in small letters, now or before; a present id precedes an earlier one."""
    wanted = list(ids)
    former = rows.select_in(
        "select lower(a.repo_id), a.repo from aliases a join repos r on r.id = a.repo and r.type = 'model'"
        " where lower(a.repo_id) in ({})",
        wanted,
    )
    sql = "select lower(repo_id), id from repos where type = 'model' and lower(repo_id) in ({})"
    present = rows.select_in(sql, wanted)
    return {**dict(former), **dict(present)}
