"""Load, growth and queries of a catalog with many repos: `python -m bench.scale --repos 100000`.

Everything is written through the store as in a crawl, and only the calls of the store are timed. The load is compared
with plain sqlite3: the same rows, inserted by executemany into the same empty schema with the same pragmas, in
transactions of the same size.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.imagined import ImaginedHub, pages, read_names
from crawler.execute.gc_tuning import tuned_gc
from db.derive.record import derived
from db.engine import open_engine
from db.maintain.check import check
from db.maintain.optimize import optimize
from db.read.search import search
from db.records import ListingPosition, Page, RepoRecord
from db.rows import Rows
from db.schema.migrate import upgrade
from db.schema.tables import metadata, metrics
from db.schema.types import day_number
from db.schema.views import view_sources
from db.sqlite_file import ALWAYS, WRITING
from db.write.store import Store

PAGE = 1000
ENRICHMENTS = 200  # enrichments per transaction, as in a crawl
HISTORY_REPOS = 5000  # repos per transaction of their history
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SEARCHES = (
    "gemma qat 4b",
    "llama",
    "qwen 7b instruct gguf",
    "bert",
    "q4_0",
    "whisper large",
    "zzzz",
    "text classification",
)


class Watch:
    """Wall-clock and CPU seconds spent inside `with watch:`; a busy machine lengthens only the former."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu = 0.0
        self.times: list[float] = []

    def __enter__(self) -> Watch:
        self._from, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.times.append(time.perf_counter() - self._from)
        self.seconds += self.times[-1]
        self.cpu += time.process_time() - self._cpu


def log(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=int, default=100_000)
    parser.add_argument("--visited", type=float, default=1.0, help="share of the repos that are enriched with files")
    parser.add_argument("--names", type=Path, help="a file of real repo ids, one per line")
    parser.add_argument("--db", type=Path, help="keep the catalog here (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="use the catalog that --db already holds")
    parser.add_argument("--no-raw", action="store_true", help="leave out the comparison with plain sqlite3")
    parser.add_argument("--calls", type=int, default=5, help="calls of each query after the first")
    parser.add_argument("--no-reports", action="store_true", help="leave out the queries marked as reports")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=options.db.parent if options.db else None))
    try:
        print(json.dumps(run(options, folder), indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All measurements, in seconds, bytes and rows per second."""
    db = options.db or folder / "scale.db"
    hub = ImaginedHub(options.repos, read_names(options.names))
    found: dict[str, Any] = {"repos": options.repos}
    if not options.keep:
        found |= load(hub, db, options)
        if not options.no_raw:
            found |= against_raw(db, folder / "raw.db", found)
    found["bytes"] = db.stat().st_size
    found["rows"] = table_rows(db)
    found |= grow(hub, db)
    with pages_being_written(hub, db):
        found["search"] = searches(db, options.calls)
        found["views"] = views(db, options.calls)
        found["queries"] = measure_queries(db, options.calls, reports=not options.no_reports)
        found |= measure_export(db, folder)
    found |= measure_vacuum(db)
    found["check"] = [finding.check for finding in check(db) if not finding.ok]
    found["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found


def load(hub: ImaginedHub, db: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A first crawl: every page, the history of a year, every enrichment, the search index."""
    listed, visited, indexed, history = Watch(), Watch(), Watch(), Watch()
    with tuned_gc(), Store.open(db, create=True, clock=lambda: NOW) as store:
        run = store.start_run("full", "", "https://hub.example")
        index, store.index = store.index, lambda limit=None: 0  # type: ignore[method-assign]  # timed apart
        for number, records in enumerate(pages(hub, range(1, hub.size + 1), PAGE), 1):
            listing = labelled_page(hub, records, f"page {number}")
            with listed:
                store.save_page(run, "", listing)
            if number % 100 == 0:
                log(f"{number * PAGE:,} listed, {listed.seconds:.0f} s")
        write_history(store, hub, history)
        last = int(hub.size * options.visited)
        for start in range(1, last + 1, ENRICHMENTS):
            found = [(hub.enrichment(number), 0) for number in range(start, min(start + ENRICHMENTS, last + 1))]
            with visited:
                store.save_enrichments(run, found)
            if start % (100 * ENRICHMENTS) == 1:
                log(f"{start - 1:,} visited, {visited.seconds:.0f} s")
        with indexed:
            index()
        store.finish_run(replace(run, outcome="complete", finished_at=NOW))
    whole = listed.seconds + visited.seconds + indexed.seconds + history.seconds
    log(f"loaded in {whole:.0f} s")
    return {
        "list_seconds": listed.seconds,
        "listed_a_second": hub.size / listed.seconds,
        "visited": last,
        "visit_seconds": visited.seconds,
        "visited_a_second": last / max(visited.seconds, 1e-9),
        "index_seconds": indexed.seconds,
        "history_seconds": history.seconds,
        "load_seconds": whole,
        "load_cpu": listed.cpu + visited.cpu + indexed.cpu + history.cpu,
    }


def labelled_page(hub: ImaginedHub, records: Sequence[RepoRecord], cursor: str) -> Page:
    """A page as the labelling process hands it to the store."""
    repos = [(record, hub.labelled(record)) for record in records]
    more = tuple(derived(record, labelled.labels) for record, labelled in repos)
    return Page(tuple(repos), (), ListingPosition(cursor), derived=more)


def write_history(store: Store, hub: ImaginedHub, watch: Watch) -> None:
    """Writes the metrics of a year of daily crawls: daily rows for ninety days, weekly rows before them."""
    today = NOW.date()
    days = [day_number(today - timedelta(days=back)) for back in range(1, 90)]
    weeks = [day_number(today - timedelta(days=back)) for back in range(90, 365, 7)]
    columns = ("repo", "day", "downloads", "likes", "trending_score")
    for first in range(1, hub.size + 1, HISTORY_REPOS):
        rows: list[tuple[int, int, int, int, float]] = []
        for number in range(first, min(first + HISTORY_REPOS, hub.size + 1)):
            downloads = hub.downloads(number)
            daily, weekly = hub.changes(number)
            chance = hub.chance(number, 2)
            if downloads:
                history = [day for day in weeks if chance.random() < weekly]
                history += [day for day in days if chance.random() < daily]
                rows += [(number, day, downloads + day % 100, downloads // 5000, 0.0) for day in sorted(history)]
        with watch, store._writing() as writer:
            writer.insert(metrics, columns, rows, ready=True)


def against_raw(db: Path, raw: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Inserts the same rows into the same schema with plain sqlite3."""
    upgrade(raw, create=True)
    source = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    target = sqlite3.connect(raw, isolation_level=None)
    for pragma in (*ALWAYS, *WRITING):
        target.execute(f"pragma {pragma}")
    watch, rows = Watch(), 0
    for table in metadata.sorted_tables:
        count = source.execute(f"select count(*) from {table.name}").fetchone()[0]
        cursor = source.execute(f"select * from {table.name}")
        names = [column[0] for column in cursor.description]
        listed = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        together = count // transactions(table.name, found) + 1
        while chunk := cursor.fetchmany(together):
            rows += len(chunk)
            with watch:
                target.execute("begin immediate")
                target.executemany(f"insert into {table.name} ({listed}) values ({marks})", chunk)
                if table.name == "search_documents":
                    target.executemany("insert into search_index (rowid, text) values (?, ?)", chunk)
                target.execute("commit")
    target.close()
    source.close()
    raw.unlink()
    log(f"plain sqlite3: {rows:,} rows in {watch.seconds:.0f} s")
    return {
        "raw_seconds": watch.seconds,
        "raw_cpu": watch.cpu,
        "rows_written": rows,
        "load_against_raw": watch.seconds / found["load_seconds"],
        "load_against_raw_cpu": watch.cpu / found["load_cpu"],
    }


def transactions(table: str, found: dict[str, Any]) -> int:
    """Transactions in which the store filled a table; a table filled by pages and enrichments counts as by pages."""
    if found["visited"] and table in ("headers", "artifacts", "repo_files", "enrichments", "conflicts"):
        return math.ceil(int(found["visited"]) / ENRICHMENTS)
    return math.ceil(int(found["repos"]) / (HISTORY_REPOS if table == "metrics" else PAGE))


def table_rows(db: Path) -> dict[str, int]:
    with sqlite3.connect(db) as connection:
        names = [table.name for table in metadata.sorted_tables]
        return {name: connection.execute(f"select count(*) from {name}").fetchone()[0] for name in names}


def grow(hub: ImaginedHub, db: Path) -> dict[str, Any]:
    """The crawl of the next day: pages of unchanged repos, of repos with other counters, of repos with new commits."""
    counted, changed, unchanged = Watch(), Watch(), Watch()
    with Store.open(db, clock=lambda: NOW + timedelta(days=1)) as store:
        run = store.start_run("incremental", "", "https://hub.example")
        spread = hub.chance(0).sample(range(1, hub.size + 1), min(hub.size, 10 * PAGE))
        for number, records in enumerate(pages(hub, spread, min(PAGE, len(spread) // 4 + 1))):
            for watch, some in (
                (unchanged, records),
                (counted, [replace(record, downloads=(record.downloads or 0) * 2 + 1) for record in records]),
                (changed, [replace(r, sha="f" * 40, likes=7, tags=(*r.tags, "new"), license="mit") for r in records]),
            ):
                listing = labelled_page(hub, some, f"{number}")
                with watch:
                    store.save_page(run, "", listing)
        store.finish_run(replace(run, outcome="stopped", finished_at=NOW))
    return {
        "incremental_page": {
            "unchanged": spread_of(unchanged.times),
            "counters": spread_of(counted.times),
            "changed": spread_of(changed.times),
        }
    }


def spread_of(times: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and first value, in milliseconds."""
    ordered = sorted(times)
    return {
        "p50": round(1000 * statistics.median(ordered), 1),
        "p95": round(1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "first": round(1000 * times[0], 1),
    }


def timed(ask: Callable[[], Any], db: Path, times: int) -> dict[str, float]:
    """Milliseconds of the first call, with the file out of the page cache, and the spread of the calls after it."""
    drop_from_page_cache(db)
    watch = Watch()
    for _ in range(times + 1):
        with watch:
            ask()
        if watch.seconds > 20:
            break
    cold, *warm = watch.times
    return {"cold": round(1000 * cold, 1), **spread_of(warm or [cold])}


def drop_from_page_cache(db: Path) -> None:
    """Drops the file from the page cache, except for pages that a connection has mapped."""
    file = os.open(db, os.O_RDONLY)
    try:
        os.fdatasync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


@contextmanager
def pages_being_written(hub: ImaginedHub, db: Path) -> Iterator[None]:
    """Runs a process that stores three listing pages per second, the rate of a free account, during the block."""
    context = multiprocessing.get_context("spawn")
    over = context.Event()
    process = context.Process(target=write_pages, args=(hub, db, over), daemon=True)
    process.start()
    try:
        yield
    finally:
        over.set()
        process.join(60)


def write_pages(hub: ImaginedHub, db: Path, over: Any) -> None:
    """Stores pages in which two repos in five have other counters and one in fifty a new commit."""
    chance, written, first = hub.chance(7), 0, 1
    with tuned_gc(), Store.open(db, clock=lambda: NOW + timedelta(days=2)) as store:
        run = store.start_run("incremental", "", "https://hub.example")
        while not over.wait(0.2):
            numbers = range(first, min(first + PAGE, hub.size + 1))
            first = 1 if numbers.stop > hub.size else numbers.stop
            records = [hub.repo(number) for number in numbers]
            for at, record in enumerate(records):
                if chance.random() < 0.02:
                    records[at] = replace(record, sha=f"{chance.getrandbits(160):040x}")
                elif chance.random() < 0.4:
                    records[at] = replace(record, downloads=chance.randrange(1000))
            listing = labelled_page(hub, records, f"w{written}")
            store.save_page(run, "", listing)
            written += 1
        store.finish_run(replace(run, outcome="stopped", finished_at=NOW))
    log(f"{written} pages were written at the same time")


def searches(db: Path, calls: int) -> dict[str, Any]:
    engine = open_engine(db, read_only=True)

    def ask(text: str) -> None:
        with engine.connect() as connection:
            search(Rows(connection), text, 20)

    try:
        return {text: timed(lambda text=text: ask(text), db, calls) for text in SEARCHES}  # type: ignore[misc]
    finally:
        engine.dispose()


def views(db: Path, calls: int) -> dict[str, Any]:
    """One repo's rows of each view, as users query them; all rows of the views without a repo_id."""
    engine = open_engine(db, read_only=True)
    found: dict[str, Any] = {}

    def ask(sql: str, values: tuple[str, ...] = ()) -> Any:
        with engine.connect() as connection:
            return connection.exec_driver_sql(sql, values).all()

    try:
        ((repo_id,),) = ask("select repo_id from models order by downloads desc limit 1")
        for name, _ in view_sources():
            with engine.connect() as connection:
                of_repos = "repo_id" in connection.exec_driver_sql(f"select * from {name} limit 0").keys()  # noqa: SIM118
            sql = f"select * from {name}" + (" where repo_id = ?" if of_repos else "")
            values = (repo_id,) if of_repos else ()
            found[name] = timed(lambda s=sql, v=values: ask(s, v), db, calls if of_repos else 1)  # type: ignore[misc]
            log(f"view {name}: {found[name]}")
    finally:
        engine.dispose()
    return found


def measure_queries(db: Path, calls: int, *, reports: bool) -> dict[str, Any]:
    """Every saved query; where one has a model as parameter, the model with the most quantizations."""
    from analysis.query.reader import run_query as ask
    from analysis.query.saved import saved_queries as shipped

    with sqlite3.connect(db) as connection:
        sql = "select parent from edges where relation = 'quantized' group by parent order by count(*) desc limit 1"
        model = (connection.execute(sql).fetchone() or ["none/none"])[0]
    found: dict[str, Any] = {}
    for question in shipped():
        if question.kind == "report" and not reports:
            continue
        given = {p.name: model for p in question.parameters if p.name in ("model", "repo", "repo_id", "id")}
        times = calls if question.kind == "interactive" else 1
        spread = timed(lambda q=question.name, g=given: count_rows(ask, db, q, g), db, times)  # type: ignore[misc]
        found[question.name] = {"kind": question.kind, **spread}
        log(f"query {question.name}: {found[question.name]}")
    return found


def count_rows(ask: Callable[..., Any], db: Path, name: str, given: dict[str, str]) -> int:
    try:
        with ask(db, name, given, limit=1000, timeout=300) as rows:
            return sum(1 for _ in rows)
    except Exception as error:  # a query that takes too long is a result, not the end of the benchmark
        log(f"{name}: {error}")
        return -1


def measure_export(db: Path, folder: Path) -> dict[str, Any]:
    """All models as CSV by `hf-catalog export`: seconds, bytes, and peak memory of its process."""
    program = [sys.executable, "-c", "from crawler.cli import main; main()"]
    orders = ["export", str(folder / "export"), "--only", "models", "--db", str(db), "--quiet"]
    watch = Watch()
    with watch:
        process = subprocess.Popen([*program, *orders], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    size = sum(path.stat().st_size for path in (folder / "export").rglob("*.csv"))
    return {
        "export_models_seconds": watch.seconds,
        "export_models_bytes": size,
        "export_models_memory": used.ru_maxrss * 1024,
        "export_models_ok": process.returncode == 0,
    }


def measure_vacuum(db: Path) -> dict[str, Any]:
    """Size and seconds of `db optimize --vacuum`."""
    watch = Watch()
    with watch:
        optimize(db, vacuum=True)
    return {"bytes_vacuumed": db.stat().st_size, "vacuum_seconds": watch.seconds}


if __name__ == "__main__":
    main()
