"""Speed of the sample Hub itself, to be sure that a benchmark of the crawler does not measure the server.

    python bench/sample_hub.py [MODELS.jsonl.xz]      # default: the built-in catalog

Starts the server in a separate process, follows its listing with the keys that a crawl requests, then requests every
repo with its files, and repeats both. Rates are per second of the server's CPU time on Linux, otherwise per second.

Last figures (24 Nov 2026, one core of a busy two-core machine):

                                    built-in (463 repos)    6,256 repos, 103,277 GGUF files
    start                                         0.2 s                        0.7 s
    listing, first (pages of 1,000)               0.3 /s                       6.2 /s
    info with files, first                        960 /s                       650 /s
    listing, again                                 46 /s                       125 /s
    info with files, again                      7,700 /s                     7,900 /s
    peak memory                                    75 MB                       247 MB

At the first request of a page its sizes and parameters are computed; later requests use the cached text.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KEYS = (
    "author baseModels cardData config createdAt disabled downloads evalResults gated gguf lastModified library_name"
    " likes model-index pipeline_tag private safetensors sha tags trendingScore usedStorage"
)
QUERY = "&".join(f"expand={key}" for key in KEYS.split(" ") if key)


def main(arguments: Sequence[str]) -> None:
    models = ["--models", *arguments[:1]] if arguments else []
    command = [sys.executable, "-m", "crawler.cli", "sample-hub", "--port", "0", *models]
    started = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        host = server.stdout.readline().strip().removeprefix("http://")
        print(f"{'start':<28}{time.monotonic() - started:10.2f} s")
        connection = http.client.HTTPConnection(host)
        for times in ("first", "again"):
            with rated(server.pid, f"listing, {times} (pages of 1,000)") as done:
                ids = list(listing(connection, host, done))
            with rated(server.pid, f"info with files, {times}") as done:
                for repo_id in ids:
                    ask(connection, f"/api/models/{repo_id}?blobs=true&{QUERY}")
                    done.append(1)
        for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                print(f"{'peak memory       ':<28}{int(line.split()[1]) / 1024:10.0f} MB")
    finally:
        server.terminate()
        server.wait()


def listing(connection: http.client.HTTPConnection, host: str, done: list[float]) -> Iterator[str]:
    """The ids of all pages. A page counts as its share of a thousand rows."""
    target = f"/api/models?limit=1000&sort=createdAt&direction=1&{QUERY}"
    while target:
        body, link = ask(connection, target)
        rows = json.loads(body)
        done.append(len(rows) / 1000)
        yield from (row["id"] for row in rows)
        target = link.partition("<")[2].partition(">")[0].removeprefix(f"http://{host}")


def ask(connection: http.client.HTTPConnection, target: str) -> tuple[bytes, str]:
    connection.request("GET", target, headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, f"{target}: {response.status}"
    packed = response.getheader("Content-Encoding") == "gzip"
    return gzip.decompress(body) if packed else body, response.getheader("Link") or ""


@contextmanager
def rated(pid: int, what: str) -> Iterator[list[float]]:
    """Prints the rate per second of what the block appends to its list."""
    done: list[float] = []
    before = seconds(pid)
    yield done
    print(f"{what:<38}{sum(done) / max(1e-9, seconds(pid) - before):12.1f} /s")


def seconds(pid: int) -> float:
    """CPU time of a process; where the system does not show it, the time."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(sys.argv[1:])
