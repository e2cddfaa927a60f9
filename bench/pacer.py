"""Share of its quota that the pacer uses, and refusals: windows of the sample Hub, which counts as the Hub does.

    python bench/pacer.py [--windows 4]

Each line is one quota: workers make requests as fast as the pacer allows for `--windows` windows. Printed are the
granted requests of each whole window, and refusals (429) that the pacer caused. The last line is a refusal that another
client caused: the number of requests before its waiting time was over.

Last figures (24 Nov 2026, two cores shared with seven others):
  500 in 10 s, 8 workers: 500, 500, 500; 1,000 in 15 s, 8 workers: 1,000, 1,000, 1,000; 250 in 10 s, 32 workers: 250,
  250, 250. 100 % of each window, no refusal. After a 429 for 3 s that another client caused: 6 to 11 requests in
  flight, none more until the time was over, then one alone, then the others; no further refusal.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
    os.environ.pop(name, None)

from crawler.errors import CrawlStopped  # noqa: E402
from crawler.sources.huggingface.client import HubClient  # noqa: E402
from crawler.sources.pacer import Pacer  # noqa: E402
from samplehub import Fault, Kind, Quota, SampleHub  # noqa: E402
from samplehub.server.http_server import RecordedRequest  # noqa: E402
from tests.crawler.hubs import small_catalog  # noqa: E402

CASES = ((Quota(api=500, window=10), 8), (Quota(api=1000, window=15), 8), (Quota(api=250, window=10), 32))
"""(quota, workers): the anonymous and the free plan in shorter windows than five minutes, and one with many workers."""


def send_requests(hub: HubClient, names: list[str], workers: int, seconds: float) -> None:
    """Workers request one repo after the other for `seconds`."""

    def work(at: int) -> None:
        try:
            while True:
                hub.repo_info(names[at % len(names)])
                at += workers
        except CrawlStopped:
            return

    with ThreadPoolExecutor(workers) as pool:
        threading.Timer(seconds, hub.pacer.stop, ["time limit"]).start()
        list(pool.map(work, range(workers)))


def windows_of(asked: list[RecordedRequest], length: float) -> list[int]:
    """Granted requests in each whole window. A window begins with the first request after the end of the one before."""
    counts: list[int] = []
    ends = 0.0
    for request in sorted(asked, key=lambda request: request.at):
        if request.at >= ends:
            ends = request.at + length
            counts.append(0)
        counts[-1] += request.status == 200
    return counts[:-1]


def measure_quota(quota: Quota, workers: int, windows: int) -> None:
    with SampleHub(catalog=small_catalog(30), quota=quota) as sample:
        hub = HubClient(sample.endpoint, False, Pacer(), offline=False)
        names = [repo.id for repo in sample.catalog if repo.author == "acme"]
        send_requests(hub, names, workers, windows * (quota.window + 1.2) + 1)
        time.sleep(0.2)
        used = windows_of(list(sample.requests), quota.window)
        refused = sum(request.status == 429 for request in sample.requests)
    share = min(used) / quota.api
    print(f"{quota.api} in {quota.window:g} s, {workers} workers: {used}, {share:.1%} at least; {refused} refusals")


def measure_refusal(workers: int = 8, seconds: float = 3) -> None:
    """Another client has used up the quota: one 429, and all workers wait."""
    with SampleHub(catalog=small_catalog(30), quota=Quota(api=100_000)) as sample:
        hub = HubClient(sample.endpoint, False, Pacer(), offline=False)
        sample.faults.add(Fault(Kind.TOO_MANY, on="info", after=200, times=1, seconds=seconds))
        send_requests(hub, [repo.id for repo in sample.catalog if repo.author == "acme"], workers, seconds + 4)
        time.sleep(0.2)
        asked = sorted(sample.requests, key=lambda request: request.at)
    first = next(request.at for request in asked if request.status == 429)
    early = sum(first < request.at < first + seconds for request in asked)
    after = [request.at for request in asked if request.at >= first + seconds]
    print(
        f"a refusal for {seconds:g} s, {workers} workers: {early} requests (in flight) before its time was over;"
        f" the first after {after[0] - first:.1f} s, the second {1000 * (after[1] - after[0]):.0f} ms behind it,"
        f" {sum(request.status == 429 for request in asked)} refusals in total"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=4)
    options = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}")
    for quota, workers in CASES:
        measure_quota(quota, workers, options.windows)
    measure_refusal()


if __name__ == "__main__":
    main()
