"""A crawler in long operation: a Hub that changes, fails and restarts, crawls that are killed, clocks that jump.

    python bench/soak.py [--minutes 30] [--seeds 5] [--first-seed 1] [--dir FOLDER]

For `--minutes` with each seed, on loopback: the sample Hub adds, changes, renames, gates, hides and removes repos,
changes their tags and base models without a commit, fails at random in every way it supports (bench/random_faults.py),
and is restarted; crawls (some full) and the scheduler run against it, half of them are ended by SIGKILL or SIGTERM at a
random moment, and the clock of some is wrong or jumps while they run (bench/shifted_clock.py); two readers query the
catalog without a pause.

Then the faults end and the last crawls run, each at a later time, because what failed is not tried again at once. The
catalog must equal the Hub, and all that it holds of the Hub's repos must equal what a single crawl into a new catalog
finds. Of gated repos, whose headers may be known from an earlier time, only what the listing shows is compared. Exit
status 0: equal, with every seed.

Last figures (28 Nov 2026, seeds 1 to 5, 6 minutes each, 30 in all, on two cores beside other programs): 8,317 changes
of the Hub, 812 faults, 350 crawls and runs of the scheduler: 0 differences and a catalog that passes every check with
each seed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError
from analysis.query.reader import CatalogReader
from bench.random_faults import make_random_fault
from db.errors import CatalogError
from samplehub import SampleHub
from samplehub.content.repo import Repo
from tests.crawler.dump import QUERIES, dump

TRUTH = "select hub_id, repo_id, sha, downloads, likes, status from repos"

NOT_COMPARED = frozenset(("aliases", "events", "headers", "header_layouts", "metrics", "skips"))
"""Tables that hold what happened, or what gone repos had."""

ACCESS_TABLES = frozenset(("artifacts", "conflicts", "evidence", "facts", "labels", "unclaimed"))
"""Tables that hold what headers state. Those of a gated repo may be known from a time when it was not gated."""

DAY_SECONDS = 86_400

CLOCK_JUMPS_SECONDS = (-400 * DAY_SECONDS, -DAY_SECONDS, -3600, 3600, DAY_SECONDS, 400 * DAY_SECONDS)
"""How wrong a clock may be."""

LAST_CRAWL_DAYS = (40, 80, 120)
"""Days after now at which the last crawls run: longer apart than any pause before another attempt."""

CRAWL_MAX_TIME = "40s"
"""`--max-time` of the crawls during the faults."""

SHIFTED_CLOCK = Path(__file__).with_name("shifted_clock.py")


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
            ("count", "commit", "add", "rename", "gate", "hide", "disable", "remove", "tag", "base"),
            (40, 20, 12, 6, 5, 3, 2, 6, 8, 6),
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
        elif act == "tag":
            tags = ("license:mit", "gptq", "merge", "text-to-speech", "de", "lora", "conversational")
            catalog.modify(repo.id, tags=(*repo.tags[:3], *rng.sample(tags, 2)))
        elif act == "base":
            relation = rng.choice(("finetune", "quantized", "adapter", "merge", None))
            catalog.modify(repo.id, base=(rng.choice(list(catalog)).id,), relation=relation)
        elif act == "hide":
            catalog.modify(repo.id, private=True)
        elif act == "disable":
            catalog.modify(repo.id, disabled=not repo.disabled)
        else:
            self.removed[repo.hub_id] = repo.id
            catalog.remove(repo.id)

    def fault(self) -> None:
        fault = make_random_fault(self.rng, [repo.id for repo in self.hub.catalog])
        self.counts[f"fault: {fault.kind.name}"] += 1
        self.hub.faults.add(fault)

    def restart(self) -> None:
        """Stops the Hub for a moment: connections break, then are refused."""
        self.counts["restart"] += 1
        self.hub.stop()
        time.sleep(self.rng.uniform(0.1, 3))
        self.hub.start()


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
        if churn.rng.random() < 0.005:
            churn.restart()


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


@dataclass(slots=True)
class Program:
    """hf-catalog with a catalog and a Hub, and with a clock that can be set."""

    db: Path
    endpoint: str
    offset: Path = field(init=False)

    def __post_init__(self) -> None:
        self.offset = self.db.with_name("clock-offset")
        self.set_clock(0)

    def set_clock(self, seconds: float) -> None:
        """Makes the program's clock this far ahead, also while it runs."""
        self.offset.write_text(str(seconds), encoding="utf-8")

    def start(self, *words: str, db: Path | None = None) -> subprocess.Popen[str]:
        env = {**os.environ, "HF_ENDPOINT": self.endpoint, "HF_CATALOG_DB": str(db or self.db)}
        env |= {"HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(SHIFTED_CLOCK.parents[1])}
        env.pop("HF_TOKEN", None)
        line = [sys.executable, str(SHIFTED_CLOCK), str(self.offset), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(line, env=env, stdout=pipe, stderr=pipe, text=True, cwd=self.db.parent)


def run_crawls(program: Program, until: float, rng: random.Random, ends: Counter[str]) -> None:
    """Runs one crawl after another, ends about half of them, sets the clock, and lets the scheduler run some."""
    while time.monotonic() < until:
        words = ["crawl", "-q", "--depth", rng.choice(("listing", "files", "headers")), "--max-time", CRAWL_MAX_TIME]
        words += ["--full"] if rng.random() < 0.3 else []
        if rng.random() < 0.15:
            words = ["schedule", "--config", str(write_service_config(program.db)), "--once"]
        program.set_clock(rng.choice(CLOCK_JUMPS_SECONDS) if rng.random() < 0.25 else 0)
        process = program.start(*words)
        if rng.random() < 0.2:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.5, 4))
            program.set_clock(rng.choice(CLOCK_JUMPS_SECONDS))
            ends["clock jumped during a crawl"] += 1
        how = rng.choice((None, None, signal.SIGKILL, signal.SIGTERM))
        if how is not None:
            time.sleep(rng.uniform(0.2, 6))
            process.send_signal(how)
        _, err = process.communicate()
        if "Traceback" in err or "internal error" in err:
            ends[f"BUG: {err[-900:]}"] += 1
        ends[f"{words[0]} {how.name if how else 'completed'}: {process.returncode}"] += 1
        if process.returncode == 4:
            ends[f"  {err.splitlines()[-2][:110] if err.count(chr(10)) > 1 else err[:110]}"] += 1


def write_service_config(db: Path) -> Path:
    path = db.with_name("catalog.toml")
    path.write_text(
        f'db = "{db.name}"\n[jobs.crawl]\nevery = "1s"\n'
        f'run = ["crawl", "-q", "--depth", "files", "--max-time", "{CRAWL_MAX_TIME}"]\n'
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


def differences_from_new(db: Path, new: Path) -> list[str]:
    """The differences of a catalog from one that a single crawl made, in all that belongs to the Hub's repos."""
    stored, true = dump(db), dump(new)
    listed = {row[1] for row in true["repos"]}
    gated = {row[1] for row in true["repos"] if "gated" in row}
    found: list[str] = []
    for table in QUERIES.keys() - NOT_COMPARED:
        column = 1 if table == "repos" else 0
        compared = listed - gated if table in ACCESS_TABLES else listed
        before = {repr(row) for row in stored[table] if row[column] in compared}
        after = {repr(row) for row in true[table] if row[column] in compared}
        found += [f"{table}: stored, but not true: {row[:400]}" for row in sorted(before - after)]
        found += [f"{table}: true, but not stored: {row[:400]}" for row in sorted(after - before)]
    return found


def run_last_crawl(program: Program, max_wait: float = 120) -> str:
    """Runs a complete crawl; waits for a crawl that outlives its killed scheduler and still holds the catalog."""
    until = time.monotonic() + max_wait
    while True:
        process = program.start("crawl", "-q", "--full", "--depth", "headers")
        _, err = process.communicate()
        if process.returncode != 3 or "is held by a crawl" not in err or time.monotonic() > until:
            return f"{process.returncode} {err[-300:]}"
        time.sleep(2)


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def soak(folder: Path, minutes: float, seed: int) -> bool:
    """One soak; whether the catalog equals the Hub in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    db, new, rng = folder / "catalog.db", folder / "new.db", random.Random(seed)
    seen, ends = Counter[str](), Counter[str]()
    with SampleHub(port=find_free_port()) as hub:
        program = Program(db, hub.endpoint)
        churn = Churn(hub, random.Random(seed + 1))
        until = time.monotonic() + minutes * 60
        threads = [threading.Thread(target=run_churn, args=(hub, churn, until))]
        threads += [threading.Thread(target=read, args=(db, until, seen)) for _ in range(2)]
        threads += [threading.Thread(target=run_crawls, args=(program, until, rng, ends))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        hub.faults.clear()
        for days in LAST_CRAWL_DAYS:
            program.set_clock(days * DAY_SECONDS)
            ends[f"last crawl: {run_last_crawl(program)}"] += 1
        program.set_clock(0)
        _, err = (process := program.start("crawl", "-q", "--depth", "headers", db=new)).communicate()
        ends[f"crawl into a new catalog: {process.returncode} {err[-300:]}"] += 1
        found = [*differences(db, hub, churn), *differences_from_new(db, new)]
        said, err = (check := program.start("db", "check")).communicate()
    print(f"{datetime.now(UTC):%Y-%m-%d} {minutes:g} minutes, seed {seed}; {db.stat().st_size / 1e6:.1f} MB; {folder}")
    print("changes and faults:", json.dumps(churn.counts))
    for name, counter in (("crawls", ends), ("readers", seen)):
        for text, count in sorted(counter.items()):
            print(f"{name}: {count:5d} x {text}")
    print(f"db check: {check.returncode} {said[-300:]}{err[-300:]}")
    bad = [text for text in (*ends, *seen) if text.startswith(("BUG", "HALF"))]
    for line in found[:30]:
        print("DIFFERS", line)
    print(f"{len(found)} differences, {len(bad)} kinds of bug", flush=True)
    return not (found or bad or check.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="for each seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after another")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--dir", type=Path)
    args = parser.parse_args()
    folder = args.dir or Path(tempfile.mkdtemp(prefix="soak-"))
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    results = [soak(folder / f"seed-{seed}", args.minutes, seed) for seed in seeds]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
