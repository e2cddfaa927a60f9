"""Events of the Hub's webhook over kills of the service: none is lost, and a repo is fresh in seconds.

    python -m bench.webhooks [--kills 30] [--seed 1]

A sample Hub changes; its event is posted to `hf-catalog schedule`, which gets SIGKILL with its jobs up to five seconds
after its answer and is started again. Printed: events, kills, repos whose accepted change the catalog lacks at the end,
and seconds from the answer to the catalog for events after which nothing was killed. Exit status 0: none is lacking.

Last figures (28 Nov 2026, two cores that others used too): 25 events, 15 kills, none is lacking; 7.6 s, most 11.8 s.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from samplehub import SampleHub
from tests.crawler.hubs import run_crawl, small_catalog

SECRET = "a secret of sixteen characters"
CONFIG = '[jobs.yearly]\ncron = "0 0 1 1 *"\nrun = ["label", "x"]\n[webhook]\nport = 0\n'
COMMAND = [sys.executable, "-P", "-m", "crawler.cli", "schedule", "--config", "catalog.toml", "--log-format", "json"]


class RunningService:
    """The service as a process, whose log says where it listens."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_CATALOG_HUB_SECRET": SECRET}
        (folder / "catalog.state.json").unlink(missing_ok=True)  # else its last sign of life is another service's
        self.process = subprocess.Popen(COMMAND, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        started = json.loads(self.process.stderr.readline())
        self.port = int(re.sub(r".*:(\d+)/.*", r"\1", started["webhook"]))

    def kill(self) -> None:
        """Kills the service and the job that it runs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        jobs = [int(pid) for task in children.parents[1].iterdir() for pid in (task / "children").read_text().split()]
        for pid in (self.process.pid, *jobs):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def post(self, name: str) -> bool:
        """Whether the event was accepted."""
        repo = {"type": "model", "name": name, "id": "6366c000a2abcdf2fd69a080"}
        body = json.dumps({"event": {"action": "update", "scope": "repo.content"}, "repo": repo})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/webhook", body, {"X-Webhook-Secret": SECRET})
            return connection.getresponse().status == 202
        except OSError:
            return False
        finally:
            connection.close()


def stored_sha(db: Path, name: str) -> str | None:
    """The commit of a repo whose files the catalog holds."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        sql = "select e.sha from enrichments e join repos r on r.id = e.repo where r.repo_id = ?"
        row = connection.execute(sql, (name,)).fetchone()
    return None if row is None else row[0]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=30)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name, SampleHub(catalog=small_catalog(30)) as sample:
        folder, seconds, events = Path(name), [], 0
        db = folder / "catalog.db"
        (folder / "catalog.toml").write_text(CONFIG, encoding="utf-8")
        run_crawl(db, sample, depth="headers")
        names = sorted(repo.id for repo in sample.catalog if repo.author in ("acme", "borealis", "corvid"))
        service = RunningService(folder, sample.endpoint)
        accepted: dict[str, str] = {}
        for number in range(given.kills + 10):
            repo = chance.choice(names)
            sample.catalog.change_files(repo, {"notes.txt": f"{number}".encode()})
            while not service.post(repo):
                continue
            answered, events = time.monotonic(), events + 1
            accepted[repo] = str(sample.catalog[repo].sha)
            if number < given.kills:
                time.sleep(chance.random() * 5)
                service.kill()
                service = RunningService(folder, sample.endpoint)
                continue
            while stored_sha(db, repo) != accepted[repo]:
                time.sleep(0.05)
            seconds.append(time.monotonic() - answered)
        limit = time.monotonic() + 120
        while time.monotonic() < limit and any(stored_sha(db, repo) != sha for repo, sha in accepted.items()):
            time.sleep(0.5)
        lacking = [repo for repo, sha in accepted.items() if stored_sha(db, repo) != sha]
        service.process.terminate()
        service.process.wait()
    print(f"{events} events, {given.kills} kills, {len(lacking)} accepted changes are lacking: {lacking}")
    print(f"seconds until the catalog has a change: median {statistics.median(seconds):.1f}, most {max(seconds):.1f}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
