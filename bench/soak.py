"""A crawler in long operation: a Hub that changes and fails, crawls that are killed, readers at the same time.

    python bench/soak.py [--minutes 30] [--seed 1] [--dir FOLDER]

For `--minutes`, on loopback: the sample Hub adds, changes, renames, gates, hides and removes repos every second and
fails at random in every way it supports; crawls (some full) and the scheduler run against it, one in three is killed by
SIGKILL or SIGTERM at a random moment; two readers query the catalog without a pause. Then the faults end, the last
crawls run, and the catalog is compared with the Hub, row for row. Exit status 0: equal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError
from analysis.query.reader import CatalogReader
from db.errors import CatalogError
from samplehub import Fault, Kind, SampleHub
from samplehub.content.repo import Repo
from samplehub.server.faults import Place

QUIET_KINDS = (Kind.DRIP, Kind.STALL)  # they delay responses: rare and short
PLACES: tuple[Place, ...] = ("listing", "info", "resolve", "cdn", "metadata")
TRUTH = "select hub_id, repo_id, sha, downloads, likes, status from repos"


class Churn:
    """Changes of the Hub: every step changes something and records what the catalog should then hold."""

    def __init__(self, hub: SampleHub, rng: random.Random) -> None:
        self.hub, self.rng = hub, rng
        self.removed: dict[str, str] = {}  # hub_id -> last name
        self.renamed: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.made = 0

    def step(self) -> None:
        catalog, rng = self.hub.catalog, self.rng
        repo = rng.choice([each for each in catalog if not each.private])
        act = rng.choices(
            ("count", "commit", "add", "rename", "gate", "hide", "disable", "remove"), (40, 20, 12, 6, 5, 3, 2, 6)
        )[0]
        self.counts[act] += 1
        if act == "count":
            catalog.modify(repo.id, downloads=rng.randrange(10**6), likes=rng.randrange(10**4))
        elif act == "commit":
            catalog.change_files(repo.id, {f"notes-{rng.randrange(9)}.txt": f"{rng.random()}".encode()})
        elif act == "add":
            self.made += 1
            name = f"owner/gemma-3-{rng.choice((1, 4, 12, 27))}b-it-soak-{self.made}"
            catalog.add(
                name, {"config.json": b'{"model_type": "gemma3"}'}, tags=("gemma3",), downloads=rng.randrange(99)
            )
        elif act == "rename":
            new = f"{repo.author or 'owner'}/moved-{rng.randrange(10**9)}"
            self.renamed.append((repo.id, new))
            catalog.rename(repo.id, new)
        elif act == "gate":
            catalog.modify(repo.id, gated=False if repo.gated else "auto")
        elif act == "hide":
            catalog.modify(repo.id, private=True)
        elif act == "disable":
            catalog.modify(repo.id, disabled=not repo.disabled)
        else:
            self.removed[repo.hub_id] = repo.id
            catalog.remove(repo.id)

    def fault(self) -> None:
        kind = self.rng.choice(list(Kind))
        slow = kind in QUIET_KINDS
        self.hub.faults.add(
            Fault(
                kind,
                on=self.rng.choice(PLACES),
                after=self.rng.randrange(3),
                every=self.rng.randrange(1, 4),
                times=1 if slow else self.rng.randrange(1, 5),
                seconds=0.3 if slow else 1.0,
                bytes=64 if kind is Kind.DRIP else None,
            )
        )


def expected_row(repo: Repo) -> tuple[Any, ...]:
    """The row that the catalog should have of a listed repo."""
    status = "gated" if repo.gated else "available"
    return (repo.hub_id, repo.id, repo.sha, repo.downloads, repo.likes, status)


def run_churn(hub: SampleHub, churn: Churn, until: float) -> None:
    while time.monotonic() < until:
        time.sleep(0.2)
        churn.step()
        if churn.rng.random() < 0.1:
            churn.fault()
        if churn.rng.random() < 0.02:
            hub.faults.clear()


def read(db: Path, until: float, seen: Counter[str]) -> None:
    """A reader of the catalog: what it reads must be consistent at every moment."""
    while time.monotonic() < until:
        try:
            with CatalogReader(db, snapshot=True) as reader:
                models = reader.all("select count(*) as n from models")[0]["n"]
                repos = reader.all("select count(*) as n from repos")[0]["n"]
                labels = reader.all("select count(*) as n from repo_labels")[0]["n"]
                if not models == repos == labels:
                    seen[f"HALF A PAGE: {models} models, {repos} repos, {labels} labels"] += 1
                reader.all("select * from models order by downloads desc limit 20")
                seen["reads"] += 1
        except (CatalogError, AnalysisError) as error:
            seen[type(error).__name__] += 1
        time.sleep(0.05)


def command(db: Path, hub: SampleHub, *words: str) -> subprocess.Popen[str]:
    env = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_CATALOG_DB": str(db), "HF_HUB_DISABLE_TELEMETRY": "1"}
    env.pop("HF_TOKEN", None)
    line = [sys.executable, "-m", "crawler.cli", *words]
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=db.parent)


def crawls(db: Path, hub: SampleHub, until: float, rng: random.Random, ends: Counter[str]) -> None:
    """Runs one crawl after another, kills about half of them, and lets the scheduler run some."""
    while time.monotonic() < until:
        words = ["crawl", "-q", "--depth", rng.choice(("listing", "files", "headers")), "--max-time", "60s"]
        words += ["--full"] if rng.random() < 0.3 else []
        if rng.random() < 0.15:
            words = ["schedule", "--config", str(write_service_config(db)), "--once"]
        process = command(db, hub, *words)
        how = rng.choice((None, None, signal.SIGKILL, signal.SIGTERM))
        if how is not None:
            time.sleep(rng.uniform(0.2, 6))
            process.send_signal(how)
        _, err = process.communicate()
        if "Traceback" in err or "internal error" in err:
            ends[f"BUG: {err[-600:]}"] += 1
        ends[f"{words[0]} {how.name if how else 'completed'}: {process.returncode}"] += 1


def write_service_config(db: Path) -> Path:
    path = db.with_name("catalog.toml")
    path.write_text(
        f'db = "{db.name}"\n[jobs.crawl]\nevery = "1s"\nrun = ["crawl", "-q", "--depth", "files"]\n'
        '[jobs.optimize]\nafter = ["crawl"]\nrun = ["db", "optimize", "-q"]\n'
    )
    return path


def differences(db: Path, hub: SampleHub, churn: Churn) -> list[str]:
    """The differences between the catalog and the Hub."""
    with sqlite3.connect(db) as connection:
        stored = {row[0]: row for row in connection.execute(TRUTH)}
        aliases = set(connection.execute("select r.hub_id, a.repo_id from aliases a join repos r on r.id = a.repo"))
    found: list[str] = []
    shown = {repo.hub_id: repo for repo in hub.catalog if not repo.private and not repo.disabled}
    for hub_id, repo in shown.items():
        if stored.get(hub_id) != expected_row(repo):
            found.append(f"{repo.id}: stored {stored.get(hub_id)}, true {expected_row(repo)}")
    for hub_id, row in stored.items():
        if hub_id not in shown and row[5] not in ("gone", "private", "disabled"):
            found.append(f"{row[1]}: stored as {row[5]}, but the Hub does not list it any more")
    ids = {repo.id: repo.hub_id for repo in hub.catalog}
    noted = sum((ids.get(new), old) in aliases for old, new in churn.renamed)
    print(f"renames: {len(churn.renamed)}, of which noted as aliases: {noted} (of two between two crawls: one)")
    return found


def last_crawl(db: Path, hub: SampleHub, max_wait: float = 120) -> str:
    """Runs a complete crawl; waits for a crawl that outlives its killed scheduler and still holds the catalog."""
    until = time.monotonic() + max_wait
    while True:
        process = command(db, hub, "crawl", "-q", "--full", "--depth", "files")
        _, err = process.communicate()
        if process.returncode != 3 or "is held by a crawl" not in err or time.monotonic() > until:
            return f"{process.returncode} {err[-200:]}"
        time.sleep(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path)
    args = parser.parse_args()
    folder = args.dir or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    db, rng = folder / "catalog.db", random.Random(args.seed)
    seen, ends = Counter[str](), Counter[str]()
    with SampleHub() as hub:
        churn = Churn(hub, random.Random(args.seed + 1))
        until = time.monotonic() + args.minutes * 60
        threads = [threading.Thread(target=run_churn, args=(hub, churn, until))]
        threads += [threading.Thread(target=read, args=(db, until, seen)) for _ in range(2)]
        threads += [threading.Thread(target=crawls, args=(db, hub, until, rng, ends))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        struck = sum(hub.faults.hits.values())
        hub.faults.clear()
        for _ in range(2):
            ends[f"last crawl: {last_crawl(db, hub)}"] += 1
        found = differences(db, hub, churn)
        check = command(db, hub, "db", "check")
        said, err = check.communicate()
    print(f"{datetime.now(UTC):%Y-%m-%d} {args.minutes:g} minutes, seed {args.seed}; {db.stat().st_size / 1e6:.1f} MB")
    print("churn:", json.dumps(churn.counts))
    print(f"faults still in force that struck: {struck}")
    for name, counter in (("crawls", ends), ("readers", seen)):
        for text, count in sorted(counter.items()):
            print(f"{name}: {count:5d} x {text}")
    print(f"db check: {check.returncode} {said[-300:]}{err[-300:]}")
    bad = [text for text in (*ends, *seen) if text.startswith(("BUG", "HALF"))]
    for line in found[:20]:
        print("DIFFERS", line)
    print(f"{len(found)} differences, {len(bad)} kinds of bug")
    sys.exit(bool(found or bad or check.returncode))


if __name__ == "__main__":
    main()
