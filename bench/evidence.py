"""Speed of labelling: the repos of a listing and the artifacts of enriched repos, on one core.

    python bench/evidence.py MODELS.jsonl.xz        # rows: id, tags, library_name, files [{path, size}]

Last figures (24 Nov 2026, one core of a shared two-core machine, 6,256 repos with 84,027 artifacts):

    parse_name                21 us per repo
    label_repo                86 us per repo, the name included
    label_repo_and_artifacts 102 us per artifact, file names included
"""

from __future__ import annotations

import json
import lzma
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from analysis.files.artifacts import group_artifacts
from analysis.labels.resolve import label_repo, label_repo_and_artifacts
from analysis.names import parse_name
from db.records import FileRecord, RepoRecord


def main(path: str) -> None:
    rows = [json.loads(line) for line in lzma.decompress(Path(path).read_bytes()).splitlines()]
    repos = [record(row) for row in rows]
    files = [tuple(FileRecord(file["path"], file["size"]) for file in row["files"]) for row in rows]
    visits = [(repo, group_artifacts(held, repo)) for repo, held in zip(repos, files, strict=True)]
    count = sum(len(artifacts) for _, artifacts in visits)
    show("parse_name", "repo", len(repos), lambda: [parse_name(repo.repo_id) for repo in repos])
    show("label_repo", "repo", len(repos), lambda: [label_repo(repo) for repo in repos])
    show(
        "label_repo_and_artifacts",
        "artifact",
        count,
        lambda: [label_repo_and_artifacts(repo, artifacts) for repo, artifacts in visits],
    )


def record(row: dict[str, Any]) -> RepoRecord:
    owner = row["id"].partition("/")[0]
    return RepoRecord(row["id"], row["id"], owner, tags=tuple(row["tags"]), library_name=row["library_name"])


def show(title: str, unit: str, count: int, run: Callable[[], Sequence[Any]]) -> None:
    """Prints the CPU time of the faster of two runs: the first also fills caches, as in a crawl."""
    seconds = []
    for _ in range(2):
        started = process_time()
        run()
        seconds.append(process_time() - started)
    print(f"{title:<24}{min(seconds) / count * 1e6:10.1f} us per {unit}   (first run {seconds[0] / count * 1e6:.1f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
