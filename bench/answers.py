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

`fits` on 100,000 repos, 80,000 with files: 0.42 s of processor time for the answer (1.7 s with start-up while 30
other processes ran), 172 MB at the peak. It evaluates at most 3,000 repos, in the order of the index on downloads, so
that its time does not grow with the catalog.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("db", help="a catalog: a SQLite file or a PostgreSQL URL")
    parser.add_argument("--only", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    options = parser.parse_args()
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
