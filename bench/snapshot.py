"""Time and memory of a snapshot and of the catalog that is made of it, each in processes of its own.

    python bench/snapshot.py --db catalog.db

Prints for the first snapshot, a second one of the unchanged catalog, and `db from-snapshot`: seconds, processor
seconds, peak memory of all its processes in MB, and repos per second; then the size. The peers read and write the same
rows and do nothing else: Python's sqlite3 fetches those that a snapshot has and drops them, and inserts those of the
restored catalog into one without indexes by executemany, in one transaction.

Last figures (28 Nov 2026, 20,000 repos with 1.5 M rows, two cores shared with a dozen other programs, so that only
ratios of processor time count): snapshot 3.3 of sqlite3's reads with the start of two processes, unchanged 3.6,
from-snapshot 2.9 of its inserts; 393, 370 and 260 MB; 925 bytes a repo. A snapshot of 300,000 repos with 22 M rows on
two such cores (29 Nov): 53 to 57 s of processor time, 31 s by the clock on the idle machine, 363 MB in the largest
process; 76 s before documents of evidence were read by numpy, 143 s with sqlite3's rows, 300 s when each value was
converted by itself. The files of 30,000 repos, in one process: 4.7 s, of which SQLite takes 3, for 9.8 s with sqlite3.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.publish.snapshot_writer import SnapshotWriter
from analysis.query.reader import CatalogReader
from db.schema.snapshot_format import LABEL_EVIDENCE, snapshot_tables

FETCHED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds, processor seconds, and peak memory of all processes together in MB."""

    seconds: float
    cpu: float
    memory: float


def measure(command: Sequence[str]) -> Measured:
    """Runs a command, which has to end well, and its processes to their end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = [0.0]
    threading.Thread(target=watch_memory, args=(process.pid, peak), daemon=True).start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return Measured(time.perf_counter() - start, used.ru_utime + used.ru_stime, peak[0])


def watch_memory(pid: int, peak: list[float]) -> None:
    """Notes the largest sum of the proportional sizes of a process and its children, by Linux's /proc, in MB."""
    while Path(f"/proc/{pid}").exists():
        total = 0
        for each in [str(pid), *children_of(pid)]:
            try:
                lines = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii").splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        peak[0] = max(peak[0], total / 1000)
        time.sleep(0.1)


def children_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []


def read_alone(db: str) -> None:
    """The peer of a snapshot: fetches the rows of its statements."""
    with CatalogReader(db, timeout=None) as reader:
        writer = SnapshotWriter(reader, Path(), Path())
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    views = [f"select * from {view.source} order by {', '.join(view.order)}" for view in writer.views.values()]
    for statement in (*views, *map(writer.statement, writer.tables.values())):
        cursor = connection.execute(statement)
        while cursor.fetchmany(FETCHED_ROWS):
            pass


def insert_alone(db: str, target: str) -> None:
    """The peer of `db from-snapshot`: the rows of the snapshot's tables in tables of the same columns."""
    source, new = sqlite3.connect(f"file:{db}?mode=ro", uri=True), sqlite3.connect(target, isolation_level=None)
    new.execute("begin")
    for table in snapshot_tables():
        name = "repo_evidence" if table is LABEL_EVIDENCE else table.name
        cursor = source.execute(f"select * from {name}")
        names = ", ".join(f'"{column[0]}"' for column in cursor.description)
        new.execute(f"create table {name} ({names})")
        marks = ", ".join("?" * len(cursor.description))
        while rows := cursor.fetchmany(FETCHED_ROWS):
            new.executemany(f"insert into {name} values ({marks})", rows)
    new.execute("commit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", default="demo.db")
    parser.add_argument("--peer", choices=["read", "insert"], help="run a peer alone, as the benchmark does")
    parser.add_argument("--target", help="of the peer `insert`")
    options = parser.parse_args()
    if options.peer == "read":
        return read_alone(options.db)
    if options.peer == "insert":
        return insert_alone(options.db, options.target)
    return compare(options.db)


def compare(db: str) -> None:
    """Runs and prints all."""
    program = str(Path(sys.executable).with_name("hf-catalog"))
    peer = [sys.executable, "-P", __file__, "--db", db, "--peer"]
    with CatalogReader(db) as reader:
        repos = reader.all("select count(*) as n from repos")[0]["n"]
    with tempfile.TemporaryDirectory() as holder:
        folder, restored = f"{holder}/snapshot", f"{holder}/restored.db"
        steps = {
            "first": [program, "snapshot", folder, "--db", db, "-q"],
            "unchanged": [program, "snapshot", folder, "--db", db, "-q"],
            "sqlite3 reads": [*peer, "read"],
            "from-snapshot": [program, "db", "from-snapshot", folder, "--db", restored, "-q"],
            "sqlite3 inserts": [*peer, "insert", "--target", f"{holder}/plain.db"],
        }
        for name, command in steps.items():
            found = measure(command)
            print(
                f"{name:<16}{found.seconds:8.1f} s{found.cpu:8.1f} s cpu{found.memory:8.0f} MB"
                f"{repos / found.seconds:10,.0f} repos/s",
                flush=True,
            )
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"{size / 1e6:,.1f} MB, {size / repos:,.0f} bytes a repo")


if __name__ == "__main__":
    main()
