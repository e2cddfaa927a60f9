"""Time and memory of the commands that read a catalog: `python -m bench.answers catalog.db`.

Each command runs in a new process, as a user would call it: wall-clock seconds and peak memory.
Make a catalog of any size with `python -m bench.scale --repos 240000 --db catalog.db`.

Last figures (2 cores shared with eight other programs, Python 3.11, SQLite 3.40), catalogs of 60,000 and 240,000 repos:

                         60,000 repos        240,000 repos
    models ls            0.5 s    31 MB       0.7 s    31 MB
    models info          1.0 s    33 MB       2.7 s    77 MB
    compare              0.7 s    32 MB       0.6 s    35 MB
    fits, all            2.5 s    76 MB       4.6 s   115 MB
    query of all models  2.1 s    31 MB      15.7 s    72 MB
    export csv            13 s   137 MB        34 s   183 MB     566,000 and 1,350,000 rows
    export parquet        13 s   164 MB        33 s   191 MB
    report                13 s   187 MB        15 s   202 MB

`--in-process` times what `fits`, `models ls`, `search`, `models info` and `status` ask a catalog, for many models,
words and machines, on SQLite and PostgreSQL alike; `--plans` prints the plan of each query. `fits` of 20 rows took 0.11
s of processor time with 7,050 candidates, and 0.11 to 0.18 s with 105,750 (300,000 repos, 606,000 artifacts). By the
clock on SQLite, 20,000 repos, two cores with 20 other programs, in ms:

                   p50    p95
    fits           315    507
    models ls       33     43
    search         101    133
    models info     27     45
    status         139    139

In processor time, which other programs lengthen less, 60,000 repos with 21,000 candidates on the same machine: fits
79 to 244 ms (495 where a context of 131,072 leaves nothing), models ls 5 to 10, search 18 to 132, models info 5 to
11, status 78 (194 when it read the repos four times). The nearest ids of an unknown one, 300,000 repos: 1 to 5 ms by
the search index, 370 to 760 when all ids were read.

300,000 repos with 606,000 artifacts, by the clock, p50 and p95 in ms; two cores with a load of 1 to 2 (SQLite) and of 5
to 6 (PostgreSQL 15 with 128 MB of shared buffers):

                    SQLite    PostgreSQL    PostgreSQL before
    fits         213   276     847 1,260      1,189 1,651
    models ls      5     5      27    29        376   844
    search        56   164     208   427        593 1,189
    models info    8    10      45   107         54   100
    status        12    12      36    36      1,510

`status` read all repos (1,008 ms on SQLite); `models ls` and `search` on PostgreSQL sorted all repos by downloads,
whose index had unknown ones first. With a load of 4 `fits` on PostgreSQL took 545 and 750: it sends about a hundred
queries of 10 ms, for 26 size classes and batches of artifacts. Of a search there, opening a second connection takes 50
to 140 ms.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

COMMANDS: dict[str, tuple[str, ...]] = {
    "models ls": ("models", "ls", "--json"),
    "models info": ("models", "info", "{model}", "--json"),
    "compare": ("compare", "{model}", "{model}", "--json"),
    "fits": ("fits", "--ram", "16GB", "--json"),
    "fits, family": ("fits", "--ram", "16GB", "--family", "gemma", "--json"),
    "fits, all": ("fits", "--ram", "16GB", "--json", "--limit", "0"),
    "changes": ("changes", "--since", "3650d", "--limit", "0", "--nl"),
    "query of all models": ("query", "select * from models", "--csv"),
    "export csv": ("export", "{folder}/csv", "-q"),
    "export parquet": ("export", "{folder}/parquet", "--format", "parquet", "-q"),
    "report": ("report", "--out", "{folder}/report.html", "-q"),
}


def measure(words: list[str], db: str) -> tuple[float, int, int]:
    """Seconds, peak private memory in bytes (on Linux without mapped pages of the catalog's file), bytes printed."""
    program = Path(sys.executable).with_name("hf-catalog")
    started, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([program, *words, "--db", db], stdout=out, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, private_memory(process.pid))
            time.sleep(0.02)
        assert process.returncode == 0, f"{' '.join(words)} ended with {process.returncode}"
        return time.perf_counter() - started, peak, out.seek(0, 2)


def private_memory(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


MODELS = 30
SEARCHES = (
    "gemma qat 4b",
    "llama",
    "qwen 7b instruct gguf",
    "bert",
    "q4_0",
    "whisper large",
    "zzzz",
    "mistrla 7b",
    "phi",
)
FAMILIES = ("llama", "gemma", "qwen")
MACHINES = ("laptop-8gb", "laptop-16gb", "rtx-4090-24gb", "macbook-m4-pro-48gb", "h100-80gb")


def make_questions(db: str) -> dict[str, list[Callable[[], object]]]:
    """What each command asks the catalog, of many models, words and machines."""
    from analysis.catalog.catalog_status import read_catalog_status
    from analysis.catalog.coverage import UNMEASURED
    from analysis.catalog.description import load_description
    from analysis.catalog.fit_request import FitRequest
    from analysis.catalog.fits import find_fits
    from analysis.catalog.models import ModelFilter, list_models
    from analysis.catalog.search import search_repos
    from analysis.fit.machines import GB, Machine, find_preset
    from analysis.query.reader import CatalogReader

    reader = CatalogReader(db)

    def list_all(model_filter: ModelFilter) -> list[dict[str, Any]]:
        return list(list_models(reader, model_filter, sort="downloads", limit=20))

    top = "select repo_id from repos where type = 'model' order by downloads desc nulls last limit"
    ids = [row["repo_id"] for row in reader.all(f"{top} {MODELS}")]
    filters = [ModelFilter(), *(ModelFilter(families=(name,)) for name in FAMILIES), ModelFilter(quants=("Q4_K_M",))]
    requests = [FitRequest(limit=20, context=context) for context in (8192, 32768)]
    requests += [FitRequest(limit=20, families=(name,)) for name in FAMILIES]
    return {
        "fits": [
            partial(find_fits, reader, find_preset(name), each, coverage=UNMEASURED)
            for name in MACHINES
            for each in requests
        ],
        "models ls": [partial(list_all, each) for each in filters],
        "search": [partial(search_repos, reader, db, words, limit=20) for words in SEARCHES],
        "models info": [partial(load_description, reader, each, Machine(ram=16 * GB)) for each in ids],
        "status": [partial(read_catalog_status, db)],
    }


def measure_questions(db: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each question, after one run that fills the caches."""
    found: dict[str, list[float]] = {}
    for name, questions in make_questions(db).items():
        times = []
        for at in range(rounds + 1):
            for ask in questions:
                started = time.perf_counter()
                ask()
                if at:
                    times.append(1000 * (time.perf_counter() - started))
        found[name] = sorted(times)
    return found


def show_plans(db: str) -> None:
    """The plan of each query that the first question of each command sends."""
    from analysis.query.reader import CatalogReader

    sent: dict[str, dict[str, object]] = {}
    rows = CatalogReader.rows

    def record(self: CatalogReader, sql: str, values: Any = None, *, limit: int | None = None) -> Any:
        sent.setdefault(sql, dict(values or {}))
        return rows(self, sql, values, limit=limit)

    for name, questions in make_questions(db).items():
        sent.clear()
        CatalogReader.rows = record  # type: ignore[method-assign]
        questions[0]()
        CatalogReader.rows = rows  # type: ignore[method-assign]
        for sql, values in sent.items():
            print(f"\n{name}: {' '.join(sql.split())[:160]}")
            for line in plan_of(db, sql, values):
                print(f"    {line}")


def plan_of(db: str, sql: str, values: dict[str, object]) -> list[str]:
    """The plan of a query, as its engine says it."""
    from analysis.query.statement import to_psycopg
    from db.engine import open_engine

    engine = open_engine(db, read_only=True)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                plan = connection.connection.driver_connection.execute(f"explain query plan {sql}", values)  # type: ignore[union-attr]
                return [row[3] for row in plan.fetchall()]
            statement, used = to_psycopg(sql, values)
            return [row[0] for row in connection.exec_driver_sql(f"explain {statement}", used)]
    finally:
        engine.dispose()


def print_questions(db: str, rounds: int) -> None:
    print(f"{'':<14}{'asked':>8}{'p50':>9}{'p95':>9} ms")
    for name, times in measure_questions(db, rounds).items():
        p50, p95 = (times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.95))
        print(f"{name:<14}{len(times):>8}{p50:>9.1f}{p95:>9.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("db", help="a catalog: a SQLite file or a PostgreSQL URL")
    parser.add_argument("--only", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--in-process", action="store_true", help="time what the commands ask, without start-up")
    parser.add_argument("--plans", action="store_true", help="print the plan of each of their queries")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.in_process:
        print_questions(options.db, options.rounds)
    if options.plans:
        show_plans(options.db)
    if options.in_process or options.plans:
        return
    from analysis.query.reader import CatalogReader

    with CatalogReader(options.db) as reader:
        (counts,) = reader.all(
            "select count(*) as repos, max(case when quantized then repo_id end) as model from models"
        )
    print(f"{counts['repos']:,} repos")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            words = [word.format(model=counts["model"], folder=folder) for word in COMMANDS[name]]
            seconds, memory, printed = measure(words, options.db)
            print(f"{name:<20} {seconds:7.2f} s  {memory / 1e6:6.0f} MB  {printed / 1e6:7.1f} MB printed")


if __name__ == "__main__":
    main()
