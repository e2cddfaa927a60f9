"""Time and memory of a snapshot and of the catalog that is made of it, each in a process of its own.

    python bench/snapshot.py --db catalog.db

Prints for the first snapshot, a second one of the unchanged catalog, and `db from-snapshot`: processor seconds, peak
memory in MB, and repos per second; then the size. Last figures (the demo's 463 repos, 66,000 rows, two shared cores;
 most of it is the start of the program and its libraries): first 3.3 s, 184 MB; unchanged 3.3 s, 184 MB;
from-snapshot 2.2 s, 181 MB; 1.7 MB, 3,676 bytes a repo. A large catalog was not measured.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from analysis.query.reader import CatalogReader


def measure(*words: str) -> tuple[float, float]:
    """Processor seconds and peak memory (MB) of a command, which has to end well."""
    command = [str(Path(sys.executable).with_name("hf-catalog")), *words, "-q"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    kilobytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return used.ru_utime + used.ru_stime, kilobytes / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", default="demo.db")
    db = parser.parse_args().db
    with CatalogReader(db) as reader:
        repos = reader.all("select count(*) as n from repos")[0]["n"]
    with tempfile.TemporaryDirectory() as holder:
        folder, restored = f"{holder}/snapshot", f"{holder}/restored.db"
        steps = {
            "first": ("snapshot", folder, "--db", db),
            "unchanged": ("snapshot", folder, "--db", db),
            "from-snapshot": ("db", "from-snapshot", folder, "--db", restored),
        }
        for name, words in steps.items():
            seconds, memory = measure(*words)
            print(f"{name:<14}{seconds:8.1f} s{memory:8.0f} MB{repos / seconds:10,.0f} repos/s")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"{size / 1e6:,.1f} MB, {size / repos:,.0f} bytes a repo")


if __name__ == "__main__":
    main()
