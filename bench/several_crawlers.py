"""Several crawlers of one catalog on PostgreSQL: repos per second against one crawler's, and refusals of the Hub.

    python -m bench.several_crawlers [latency|quota] [--crawlers 3] [--repos 1000] [--latency 0.3] [--quota 60]

The Hub is a process of its own that lists plain repos. Latency: each response comes after `--latency` seconds, and no
quota limits anything; one crawler and then `--crawlers` of them read the files of the same listed catalog. Quota: no
latency, but `--quota` requests in 10 seconds for all of them; printed are the requests that were granted in each whole
window, and the refusals, with each crawler pacing itself alone and with the quota shared in the catalog.

Last figures (28 Nov 2026, two cores, 4 workers each):
  latency 1 s: 400 repos, 2.49 with the start and the end of the crawls at a load of 10 (1.59 at 25, where the processor
  and not the Hub is the limit); second by second three crawlers then send 12 requests, one sends 4
  quota 60 in 10 s, 400 repos: 100 % of each window either way; 16 refusals with each alone, none with it shared
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from typing import Any

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
    os.environ.pop(name, None)

from crawler import pipeline  # noqa: E402
from crawler.settings import CrawlSettings  # noqa: E402
from crawler.sources.huggingface.client import HubClient  # noqa: E402
from crawler.sources.huggingface.source import HuggingFaceSource  # noqa: E402
from db.write.store import Store  # noqa: E402
from samplehub import MEMBER, Catalog, Fault, Kind, Quota, SampleHub  # noqa: E402
from samplehub.server.rate_limits import RateLimiter  # noqa: E402
from tests.crawler.hubs import plain_repos  # noqa: E402
from tests.servers import PostgreSQL, database_of, running_postgresql  # noqa: E402

WINDOW_SECONDS = 10.0
SPAWN = multiprocessing.get_context("spawn")


def serve(line: Connection, repos: int, latency: float, quota: int | None) -> None:
    """Each message is answered by the (time, status) of the requests since the last one, and begins the latency."""
    limit = None if quota is None else Quota(api=quota, window=WINDOW_SECONDS)
    with SampleHub(catalog=plain_repos(Catalog(), repos), quota=limit) as hub:
        line.send(hub.endpoint)
        while line.recv() != "done":
            line.send([(request.at, request.status) for request in hub.requests])
            hub.requests.clear()
            hub.meter = RateLimiter(limit)
            if latency:
                hub.faults.clear()
                hub.faults.add(Fault(Kind.STALL, times=None, seconds=latency))


@contextmanager
def hub(repos: int, latency: float = 0.0, quota: int | None = None) -> Iterator[tuple[str, Connection]]:
    line, far = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(far, repos, latency, quota), daemon=True)
    process.start()
    try:
        yield line.recv(), line
    finally:
        line.send("done")
        process.join(10)


def crawl(endpoint: str, url: str, depth: str, workers: int, shared: bool = True, start: Any = None) -> None:
    """One crawler, which begins when all have reached `start`."""
    if not shared:
        pipeline.shared_pacing = lambda store, source: nullcontext()
    with Store.open(url, create=True) as store:
        source = HuggingFaceSource(HubClient(endpoint, MEMBER))
        if start is not None:
            start.wait()
        pipeline.crawl(store, source, CrawlSettings(depth=depth, workers=workers))  # type: ignore[arg-type]


def crawl_together(endpoint: str, url: str, count: int, workers: int, shared: bool = True) -> float:
    """Seconds from the moment when all crawlers were ready until the last had ended."""
    start = SPAWN.Barrier(count + 1)
    crawlers = [
        SPAWN.Process(target=crawl, args=(endpoint, url, "files", workers, shared, start)) for _ in range(count)
    ]
    for each in crawlers:
        each.start()
    start.wait()
    begun = time.perf_counter()
    for each in crawlers:
        each.join()
        assert each.exitcode == 0
    return time.perf_counter() - begun


def listed_catalog(server: PostgreSQL, endpoint: str) -> str:
    """The database of a catalog whose listing was read."""
    url = server.create()
    crawl(endpoint, url, "listing", 1)
    return database_of(url)


def measure_latency(server: PostgreSQL, options: argparse.Namespace) -> None:
    with hub(options.repos, latency=options.latency) as (endpoint, line):
        listed, seconds, rates = listed_catalog(server, endpoint), list[float](), list[float]()
        for count in (1, options.crawlers):
            line.send("log")
            line.recv()
            seconds.append(crawl_together(endpoint, server.create(listed), count, options.workers))
            line.send("log")
            rates.append(middle_rate(sorted(at for at, _ in line.recv())))
            print(
                f"latency {options.latency:g} s, {count} crawlers: {options.repos} repos in {seconds[-1]:.1f} s,"
                f" {rates[-1]:.1f} per second of the middle four fifths",
                flush=True,
            )
    print(
        f"{options.crawlers} crawlers: {rates[1] / rates[0]:.2f} of the throughput of one,"
        f" {seconds[0] / seconds[1]:.2f} with the start and the end of the crawls",
        flush=True,
    )


def middle_rate(times: list[float]) -> float:
    """Requests per second without the first and last tenth of them, when not all crawlers visit repos."""
    tenth = len(times) // 10
    return (len(times) - 2 * tenth - 1) / (times[-1 - tenth] - times[tenth])


def measure_quota(server: PostgreSQL, options: argparse.Namespace) -> None:
    with hub(options.repos, quota=options.quota) as (endpoint, line):
        listed = listed_catalog(server, endpoint)
        for shared in (False, True):
            line.send("log")
            line.recv()
            crawl_together(endpoint, server.create(listed), options.crawlers, options.workers, shared)
            line.send("log")
            print_windows(line.recv(), options.quota, "shared" if shared else "alone")


def print_windows(log: list[tuple[float, int]], quota: int, what: str) -> None:
    """Granted requests of each window but the last. A window begins with the first request after the last one's end."""
    granted: list[int] = []
    ends = 0.0
    for at, status in sorted(log):
        if at >= ends:
            ends = at + WINDOW_SECONDS
            granted.append(0)
        granted[-1] += status != 429
    refused = sum(status == 429 for _, status in log)
    used = ", ".join(str(count) for count in granted[:-1])
    print(f"quota {quota} in {WINDOW_SECONDS:g} s, paced {what}: used {used}; {refused} refused", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", nargs="?", choices=("latency", "quota"))
    parser.add_argument("--crawlers", type=int, default=3)
    parser.add_argument("--repos", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--quota", type=int, default=60)
    options = parser.parse_args()
    with running_postgresql() as server:
        if options.measure != "quota":
            measure_latency(server, options)
        if options.measure != "latency":
            measure_quota(server, options)


if __name__ == "__main__":
    main()
