"""How long `identify` takes: 10,000 files in a tree without hashing, and the rate of hashing beside sha256sum.

    python -m bench.identify CATALOG [--files 10000] [--hashed-bytes 2000000000]

The tree has LM Studio's layout with the names and sizes of the catalog's artifacts, as files without content, and a
tenth of files that the catalog does not know. Hashing reads 8 files of zeros from the page cache; sha256sum and
hash_files take turns three times, the best counts. sha256sum hashes the files in one process, and in as many as
hash_files has threads (xargs -P).

Last figures (2 cores with a load of 10, Debian 12, demo.db, 0.8 GB): 10,000 files 3.8 s, of these 1.45 s of processor
time; sha256sum 171 MB/s, in two processes 180 MB/s; hash_files 843 MB/s, 4.7 times as much: OpenSSL's SHA-256 uses the
processor's instructions for it, coreutils 9.1 is built without OpenSSL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from analysis.local.find import find_local_artifacts, find_place
from analysis.local.hash_cache import HashCache
from analysis.local.hash_files import hash_files
from analysis.local.identify import identify_artifacts
from analysis.local.known import Known
from analysis.local.roots import Root
from analysis.local.scan import Scan
from analysis.query.reader import CatalogReader

HASHED_FILES = 8
ROUNDS = 3


def make_tree(folder: Path, db: str, count: int) -> None:
    """`count` files with names and sizes of artifacts, repeated in numbered folders if the catalog has fewer."""
    with CatalogReader(db) as reader:
        rows = reader.all(
            "select r.repo_id, a.artifact, a.total_size from artifacts a join repos r on r.id = a.repo"
            " where a.file_count = 1 and a.total_size is not null order by a.id"
        )
    for at in range(count):
        row = rows[at % len(rows)]
        owner = row["repo_id"] if at < len(rows) else f"copy{at // len(rows)}/{row['repo_id'].replace('/', '_')}"
        path = folder / owner / (row["artifact"] if at % 10 else f"unknown-{at}.gguf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, row["total_size"] + (at % 10 == 0))


def time_names_and_sizes(db: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tree(folder, db, count)
        started, used = time.perf_counter(), time.process_time()
        artifacts = list(find_local_artifacts(Scan(), folder, find_place(folder, [Root("lmstudio", folder)])))
        found = time.perf_counter()
        with CatalogReader(db) as reader:
            identities = identify_artifacts(Known(reader), artifacts, None).identities
        ended, used = time.perf_counter(), time.process_time() - used
    current = sum(each.verdict.state == "current" for each in identities)
    print(f"{count:,} files without hashing: {ended - started:.2f} s, of these {found - started:.2f} s to find them,")
    print(f"  {used:.2f} s of processor time; {len(identities):,} artifacts, {current:,} current")


def time_hashing(size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = Scan()
        for at in range(HASHED_FILES):
            (folder / str(at)).write_bytes(bytes(size // HASHED_FILES))
        files = [file for at in range(HASHED_FILES) if (file := scan.file(folder / str(at))) is not None]
        paths = "\n".join(str(file.path) for file in files)
        threads = str(os.cpu_count() or 1)
        commands = {
            "sha256sum": ["xargs", "sha256sum"],
            "xargs -P sha256sum": ["xargs", "-P", threads, "-n", "1", "sha256sum"],
        }
        best: dict[str, float] = {}
        for at in range(ROUNDS):
            for what, command in commands.items():
                seconds = time_command(command, paths)
                best[what] = min(best.get(what, seconds), seconds)
            with HashCache(folder / f"cache{at}") as cache:
                started = time.perf_counter()
                hash_files(files, cache)
                seconds = time.perf_counter() - started
            best["hash_files"] = min(best.get("hash_files", seconds), seconds)
    for what, seconds in best.items():
        ratio = seconds / best["hash_files"]
        print(f"{what:20} {size / seconds / 1e6:7,.0f} MB/s; hash_files has {ratio:.2f} of this rate")


def time_command(command: list[str], paths: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, input=paths, text=True, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--hashed-bytes", type=int, default=2_000_000_000)
    options = parser.parse_args()
    time_names_and_sizes(options.catalog, options.files)
    time_hashing(options.hashed_bytes)


if __name__ == "__main__":
    main()
