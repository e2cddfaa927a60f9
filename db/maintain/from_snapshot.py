"""A catalog from a snapshot: its tables' Parquet files into a new or empty catalog, in one transaction.

A snapshot may be anybody's: its manifest, the names, sizes, hashes and columns of its files are checked before a row is
read, and the rows by the tables' own constraints.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, func, select
from sqlalchemy.exc import DatabaseError, IntegrityError

from db.derive.evidence_document import evidence_code, pack_evidence
from db.engine import open_engine
from db.errors import CatalogError
from db.maintain import optimize
from db.maintain.bulk_load import without_keys_and_indexes
from db.maintain.parquet_pages import ParquetRefused, expanded_size
from db.maintain.parquet_process import ParquetReader
from db.maintain.totals import rebuild
from db.new_file import new_file
from db.packed_text import pack
from db.read import search
from db.rows import Row, Rows
from db.schema.migrate import upgrade_engine
from db.schema.snapshot_format import (
    FORMAT,
    LABEL_EVIDENCE,
    MANIFEST,
    TABLES_FOLDER,
    column_kind,
    is_packed,
    snapshot_tables,
)
from db.schema.tables import fit_pending, repo_evidence, repos, search_pending
from db.sqlite_file import is_url, to_catalog_error

MAX_MANIFEST_BYTES = 8 * 2**20
BATCH_ROWS = 20_000
SLICE_BYTES = 32 * 2**20
"""What the rows that are written at once may take in memory, if they are more than one."""

MAX_ROW_BYTES = 2**16
"""What a row may take on average of those that are read at once."""

PATH = re.compile(rf"{TABLES_FOLDER}/[a-z_]+/([a-z0-9=-]+/)?[a-z0-9-]+\.parquet")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""How SQLite holds a time; seconds with their milliseconds."""

ProgressCallback = Callable[[str, int], None]


class SnapshotInvalid(CatalogError):
    """A folder that is no snapshot, or whose files are not those of its manifest."""

    hint = "fetch it again, or name another one"

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(str(folder), f"{folder} is no snapshot that can be used: {why}")


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One Parquet file, as the manifest states it. `size` in bytes."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Restored:
    """One table that was filled."""

    table: str
    rows: int


def restore_snapshot(
    folder: Path, target: str | Path, tell: ProgressCallback = lambda table, rows: None
) -> list[Restored]:
    """Makes a catalog of the snapshot in `folder`; `tell` hears of each table that is done.

    Raises SnapshotInvalid; CatalogError where the target holds repos; ModuleNotFoundError without pyarrow.
    """
    files = read_files(folder)
    if is_url(target) or Path(target).exists():
        return fill(folder, files, target, str(target), tell)
    with new_file(Path(target)) as draft:
        return fill(folder, files, draft, str(target), tell)


def read_files(folder: Path) -> dict[str, list[SnapshotFile]]:
    """The files of each table, from the manifest. Raises SnapshotInvalid."""
    path = folder / MANIFEST
    try:
        if path.exists() and not path.is_file():  # a link to a device would never end
            raise SnapshotInvalid(folder, f"{MANIFEST} is no regular file")
        with path.open("rb") as stream:
            raw = stream.read(MAX_MANIFEST_BYTES + 1)
        if len(raw) > MAX_MANIFEST_BYTES:
            raise SnapshotInvalid(folder, f"{MANIFEST} has more than {MAX_MANIFEST_BYTES:,} bytes")
        manifest = json.loads(raw)
        version, tables = manifest["format"], manifest["tables"]
        if not isinstance(version, int) or version > FORMAT:
            raise SnapshotInvalid(folder, f"it has format {version!r}, this version reads {FORMAT}: upgrade hf-catalog")
        known = {table.name for table in snapshot_tables()}
        return {name: [parse_file(folder, each) for each in tables[name]["files"]] for name in tables if name in known}
    except FileNotFoundError:
        raise SnapshotInvalid(folder, f"it has no {MANIFEST}") from None
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise SnapshotInvalid(folder, f"{MANIFEST} is malformed ({error})") from error


def parse_file(folder: Path, entry: Mapping[str, Any]) -> SnapshotFile:
    file = SnapshotFile(str(entry["name"]), int(entry["rows"]), int(entry["size"]), str(entry["sha256"]))
    if PATH.fullmatch(file.name) is None:
        raise SnapshotInvalid(folder, f"it names the file {file.name!r}")
    return file


def fill(
    folder: Path, files: Mapping[str, Sequence[SnapshotFile]], target: str | Path, name: str, tell: ProgressCallback
) -> list[Restored]:
    """Fills `target`, which errors call `name`."""
    engine = open_engine(target, read_only=False, create=True, check=False)
    try:
        upgrade_engine(engine, target)
        with engine.begin() as connection:
            if connection.execute(select(func.count()).select_from(repos)).scalar_one():
                raise CatalogError(name, f"{name} holds a catalog already", "name a new one, or an empty database")
            done = []
            with without_keys_and_indexes(connection), ParquetReader() as reader:
                for table in snapshot_tables():
                    done.append(fill_table(connection, reader, folder, table, files.get(table.name, ())))
                    tell(done[-1].table, done[-1].rows)
            make_search_index(connection)
            rebuild(Rows(connection))
        optimize.update_statistics(engine)
        return done
    except IntegrityError as error:
        raise SnapshotInvalid(folder, f"its rows contradict each other: {error.orig}") from error
    except DatabaseError as error:
        raise to_catalog_error(error, name) from error
    finally:
        engine.dispose()


def fill_table(
    connection: Connection, reader: ParquetReader, folder: Path, table: Table, files: Sequence[SnapshotFile]
) -> Restored:
    rows, count = Rows(connection), 0
    for file in files:
        verify(folder, file)
        found = 0
        batches = read_batches(reader, folder, file, table, engine=connection.engine)
        if table is LABEL_EVIDENCE:
            found = fill_evidence(rows, folder, (row for _, batch in batches for row in batch))
        else:
            for columns, batch in batches:
                rows.insert(table, columns, batch, ready=True)
                found += len(batch)
        if found != file.rows:
            raise SnapshotInvalid(folder, f"{file.name} has {found:,} rows, the manifest says {file.rows:,}")
        count += found
    return Restored(table.name, count)


def fill_evidence(rows: Rows, folder: Path, links: Iterator[Row]) -> int:
    """Packs rows of LABEL_EVIDENCE, which come ordered by repo, into documents; returns how many rows there were.

    Raises SnapshotInvalid where a row is none of a piece that the snapshot has.
    """
    known = {number for (number,) in rows.select("select id from evidence")}
    count, documents = 0, list[Row]()
    for (repo, _), own in groupby(links, lambda row: (row[0], row[1] != 0)):
        codes: dict[int, list[int]] = defaultdict(list)
        for _, artifact, piece, resolved in own:
            if piece not in known:
                raise SnapshotInvalid(folder, f"{LABEL_EVIDENCE.name} refers to evidence {piece}, which is missing")
            codes[artifact].append(evidence_code(piece, resolved=resolved))
            count += 1
        documents.append((repo, *pack_evidence(codes)))
        if len(documents) >= BATCH_ROWS:
            rows.insert(repo_evidence, ("repo", "first_artifact", "pieces"), documents)
            documents.clear()
    rows.insert(repo_evidence, ("repo", "first_artifact", "pieces"), documents)
    return count


def verify(folder: Path, file: SnapshotFile) -> None:
    """Raises SnapshotInvalid where a file is not what the manifest says."""
    path = folder / file.name
    if (path.is_symlink() and not path.exists()) or not path.is_file():
        raise SnapshotInvalid(folder, f"{file.name} is missing")
    if path.stat().st_size != file.size:
        raise SnapshotInvalid(folder, f"{file.name} has {path.stat().st_size:,} bytes, not {file.size:,}")
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
            raise SnapshotInvalid(folder, f"{file.name} has another sha256 than the manifest says")


def read_batches(
    reader: ParquetReader, folder: Path, file: SnapshotFile, table: Table, *, engine: Engine
) -> Iterator[tuple[Sequence[str], list[Row]]]:
    """The columns that the table has, and rows of the driver's own values. Raises SnapshotInvalid."""
    import pyarrow

    try:
        parquet = reader.open(folder / file.name)
        present = set(parquet.names)
        columns = [column.name for column in table.columns if column.name in present]
        lacking = [c.name for c in table.columns if c.name not in present and not c.nullable and not c.server_default]
        if lacking:
            raise SnapshotInvalid(folder, f"{file.name} lacks the column {lacking[0]}")
        is_sqlite = engine.dialect.name == "sqlite"
        for batch in parquet.read_batches(columns, BATCH_ROWS, MAX_ROW_BYTES):
            size = sum(map(expanded_size, batch.columns))
            step = max(len(batch) * SLICE_BYTES // max(size, SLICE_BYTES), 1)
            for part in (batch.slice(start, step) for start in range(0, len(batch), step)):
                values = [
                    to_driver(part.column(part.schema.get_field_index(name)), table.c[name], is_sqlite)
                    for name in columns
                ]
                yield columns, list(zip(*values, strict=True))
    except ParquetRefused as error:
        raise SnapshotInvalid(folder, f"{file.name} can't be read: {error}") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise SnapshotInvalid(folder, f"{file.name}: {error}") from error


def to_driver(array: Any, column: Column[Any], is_sqlite: bool) -> list[Any]:
    """A column's values as the driver takes them. Raises ArrowException for values of another kind."""
    import pyarrow as pa

    kind = column_kind(column)
    if kind == "time":
        moments = array.cast(pa.timestamp("ms", tz="UTC"))
        if is_sqlite:
            return list(pa.compute.strftime(moments, format=TIME_FORMAT).to_pylist())
        return list(moments.to_pylist())
    wanted = {
        "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "bytes": pa.binary(), "text": pa.string(),
    }[kind]  # fmt: skip
    values = list(array.cast(wanted).to_pylist())
    return [value if value is None else pack(value) for value in values] if is_packed(column) else values


def make_search_index(connection: Connection) -> None:
    """The documents of all repos, rebuilt."""
    rows = Rows(connection)
    connection.exec_driver_sql(f"insert into {search_pending.name} (repo) select id from repos")
    connection.exec_driver_sql(f"insert into {fit_pending.name} (repo) select id from repos where type = 'model'")
    while search.refresh(rows):
        pass
