"""What a catalog costs on PostgreSQL, as ratios to SQLite in the same run.

    python bench/postgres.py [--repos 2000] [--models FILE] [--depth files]

A server is started for the run. Ratios of: processor time of a crawl (its process and the server's), wall time of a
crawl, bytes of the catalog and of its largest tables, processor time of `db copy`, and the time of each saved query.

Last figures (28 Nov 2026, 1,000 repos of a file of real ones, two cores with a load of 20, PostgreSQL 15): crawl 1.21
in processor time, `db copy` 0.19 of a crawl's; bytes 2.63, of which an empty database is 7.5 MB of 32.7, so that larger
catalogs take less: 1.69 with 6,256 repos, 2.21 with 30,000 and a year of history, 2.12 with 60,000 since
facts are compressed (docs/scaling.md; 2.81 and 2.50 when
evidence had a row a piece). Of the queries over 40 ms on SQLite, tunings 3.7, missing-base-models 2.7, qat 2.6,
license-conflicts 2.2, languages 1.5; quicker ones cost 5 to 20 ms more, for the settings of each transaction.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis.query.reader import CatalogReader
from analysis.query.saved import SavedQuery, saved_queries
from bench.crawl import crawl_of, hub
from db.maintain.copy import copy
from db.maintain.optimize import optimize
from db.maintain.stats import stats
from tests.servers import PostgreSQL, database_of, running_postgresql

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

QUERY_RUNS = 5

TABLES = 12
"""Of the largest ones, that are printed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one step."""

    processor: float
    wall: float


def server_seconds(server: PostgreSQL) -> float:
    """Processor time of the server's processes, those that have ended among them (proc(5), fields 14 to 17)."""
    postmaster = int((server.folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if postmaster in (int(stat.parent.name), int(fields[1])):
            total += int(fields[11]) + int(fields[12])
            if int(stat.parent.name) == postmaster:
                total += int(fields[13]) + int(fields[14])
    return total / TICKS_PER_SECOND


def own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def measured(server: PostgreSQL, costs: list[Cost]) -> Iterator[None]:
    """Adds what the block costs to `costs`."""
    processor, wall = own_seconds() + server_seconds(server), time.perf_counter()
    yield
    costs.append(Cost(own_seconds() + server_seconds(server) - processor, time.perf_counter() - wall))


def print_ratio(what: str, postgresql: float, sqlite: float, unit: str) -> None:
    print(f"{what:<34}{postgresql:12,.1f}{sqlite:12,.1f} {unit:<4}{postgresql / sqlite:8.2f}", flush=True)


def bytes_of(server: PostgreSQL, database: str) -> int:
    return int(server.execute(f"select pg_database_size('{database}')").fetchone()[0])


def seconds_of_query(reader: CatalogReader, saved: SavedQuery) -> float:
    """Median of several runs, as a user waits for it, but without connecting."""

    def once() -> float:
        start = time.perf_counter()
        for _ in reader.rows(saved.sql, saved.parse_values({})):
            pass
        return time.perf_counter() - start

    return median(once() for _ in range(QUERY_RUNS))


def compare_queries(url: str, db: str) -> None:
    """Each saved query without parameters, those with the worst ratio last."""
    ratios = []
    with CatalogReader(url) as on_server, CatalogReader(db) as on_file:
        for saved in saved_queries():
            times = seconds_of_query(on_server, saved), seconds_of_query(on_file, saved)
            ratios.append((times[0] / times[1], times, saved.name))
    print(f"\n{'saved query':<34}{'PostgreSQL':>12}{'SQLite':>12}")
    for _, (slow, quick), name in sorted(ratios):
        print_ratio(name, slow * 1000, quick * 1000, "ms")


def compare_tables(url: str, db: str) -> None:
    """The tables that take most on PostgreSQL, each with its indexes."""
    of_file = {table.table: table.size for table in stats(db).tables}
    print(f"\n{'table with its indexes':<34}{'PostgreSQL':>12}{'SQLite':>12}")
    for table in stats(url).tables[:TABLES]:
        size = of_file[table.table]
        if table.size and size:
            print_ratio(table.table, table.size / 1e6, size / 1e6, "MB")


def compare(models: Path | None, repos: int, depth: str, folder: Path) -> None:
    """Crawls the same Hub into both, and prints the ratios."""
    costs: list[Cost] = []
    with running_postgresql() as server, hub(models, repos) as (endpoint, _):
        url, file = server.create(), folder / "catalog.db"
        for db in (file, url):
            with measured(server, costs):
                crawl_of(endpoint, Path(db) if db is file else db, depth)  # type: ignore[arg-type]
        with measured(server, costs):
            copy(file, server.create())
        optimize(url)
        database = database_of(url)
        print(f"\n{'':<34}{'PostgreSQL':>12}{'SQLite':>12}")
        print_ratio("crawl, processor time", costs[1].processor, costs[0].processor, "s")
        print_ratio("crawl, wall time", costs[1].wall, costs[0].wall, "s")
        print_ratio("bytes", bytes_of(server, database) / 1e6, file.stat().st_size / 1e6, "MB")
        print_ratio("db copy to PostgreSQL : crawl", costs[2].processor, costs[0].processor, "s")
        compare_tables(url, str(file))
        compare_queries(url, str(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=int, default=2000)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--depth", choices=("listing", "files", "headers"), default="files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(options.models, options.repos, options.depth, Path(folder))


if __name__ == "__main__":
    main()
