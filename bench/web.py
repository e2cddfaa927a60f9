"""Server time and weight of the pages of the web catalog: `python -m bench.web catalog.db`.

The site answers in this process, as behind the server; each kind of page is asked for with many addresses. Answers that
are kept until the next crawl are built by the first visit, which is listed apart: `first`. Times are milliseconds from
the request to the whole response: by the clock, and of processor time, which other programs distort less.
Make a catalog of any size with `python -m bench.scale --repos 300000 --visited 0.3 --db catalog.db`.

Last figures (2 cores with a load of 4 from other programs, Python 3.11, SQLite 3.40), 300,000 repos with files of
90,000, visits one after the other; milliseconds, `first` the first visit of each address, `later` all visits after it.

                addresses   first p95, clock and processor   later p50, p95 by the clock   kB
    home                1                 307    142             33     33            14
    results            26                 316    115             22     39            20
    model              80                 172     79             73    153            39
    fits               10               4,964  2,116             68     73            34
    compare            30                 115     40             46     99             8
    family             12                 323    135             51    121            63
    publisher          12                  50     16             45     62            24
    changes             5                  66     28             26     41            30
    explore             1                  18      9             13     13            14
    about               1                 204     85             26     26             6

By processor time first visits are within the limit, but for one address of /fits: 32k tokens on a laptop with 8 GB,
where ten thousand artifacts without a header of their own turn out, one by one, to be too large with their cache. The
others take 45 to 110 ms; the median of twenty requests is 81, and was 129 when artifacts were evaluated in groups of
twice the size. A server builds the answers of home, fits, changes and about when it starts, before a visitor waits; the
first visit of a process includes what it imports.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from analysis.query.reader import CatalogReader
from crawler.web.plugin import make_application

MAX_P95_MILLISECONDS = 150
MAX_PAGE_BYTES = 100_000
WORDS = ("gemma qat 4b", "llama", "qwen 7b instruct gguf", "bert", "q4_0", "whisper large", "zzzz", "mistral 7b", "phi")
FILTERS = (
    "family=llama", "family=qwen&format=gguf", "quant=Q4_K_M", "license=apache-2.0", "task=text-generation",
    "format=gguf&memory=16GB", "min_size=7B&max_size=14B", "sort=modified", "sort=size&format=safetensors",
    "family=gemma&quant=Q8_0", "license=mit&sort=trending", "quantized=yes&page=3", "sort=parameters", "license=none",
    "sort=parameters&format=gguf", "min_size=70B", "license=apache-2.0&sort=modified",
)  # fmt: skip
MACHINES = ("laptop-8gb", "laptop-16gb", "rtx-4090-24gb", "macbook-m4-pro-48gb", "h100-80gb")


def make_addresses(db: Path) -> dict[str, list[str]]:
    """Addresses by kind of page, of the catalog's own models, families and publishers."""
    chance = random.Random(27)
    with CatalogReader(db) as reader:
        top = [row["repo_id"] for row in reader.all("select repo_id from repos order by downloads desc limit 40")]
        (count,) = reader.all("select max(id) as n from repos")
        some = []
        for _ in range(40):
            rows = reader.all("select repo_id from repos where id = :id", {"id": chance.randint(1, count["n"])})
            some += [row["repo_id"] for row in rows]
        families = reader.all("select family from families order by repos desc limit 12")
        authors = reader.all("select author from repos where author is not null order by downloads desc limit 12")
    models = [*top, *some]
    return {
        "home": ["/"],
        "results": [*(f"/search?q={quote(words)}" for words in WORDS), *(f"/search?{text}" for text in FILTERS)],
        "model": [f"/model/{quote(repo_id)}" for repo_id in models],
        "fits": [f"/fits?machine={name}&context={size}" for name in MACHINES for size in ("8k", "32k")],
        "compare": [f"/compare?id={quote(a)}&id={quote(b)}" for a, b in itertools.pairwise(models)][:30],
        "family": [f"/family/{quote(row['family'])}" for row in families],
        "publisher": [f"/publisher/{quote(row['author'])}" for row in authors],
        "changes": ["/changes", "/changes?kind=new", "/changes?kind=commit", "/changes?family=llama", "/changes.atom"],
        "explore": ["/explore"],
        "about": ["/about"],
    }


def measure(db: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Figures by kind of page."""
    site, loop = make_application(db), asyncio.new_event_loop()

    def visit(address: str) -> tuple[float, float, int]:
        started, cpu = time.perf_counter(), time.process_time()
        answer = loop.run_until_complete(site.client.get(address))
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - cpu), len(answer.content)

    found = {}
    for kind, addresses in make_addresses(db).items():
        first = [visit(address) for address in addresses]
        later = [visit(address) for _ in range(rounds) for address in addresses]
        found[kind] = {
            "addresses": len(addresses),
            "first_p95": percentile([wall for wall, _, _ in first], 0.95),
            "first_cpu_p95": percentile([cpu for _, cpu, _ in first], 0.95),
            "p50": percentile([wall for wall, _, _ in later], 0.5),
            "p95": percentile([wall for wall, _, _ in later], 0.95),
            "cpu_p95": percentile([cpu for _, cpu, _ in later], 0.95),
            "kilobytes": max(size for _, _, size in first) / 1000,
        }
    site.hf_catalog_pool.close()
    return found


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(found: Mapping[str, Mapping[str, float]]) -> None:
    names = list(next(iter(found.values())))
    print(f"{'page':<10}" + "".join(f"{name.replace('_', ' '):>15}" for name in names))
    for kind, figures in found.items():
        print(f"{kind:<10}" + "".join(f"{figures[name]:>15,.0f}" for name in names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("db", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="visits of each address after the first")
    options = parser.parse_args()
    found = measure(options.db, options.rounds)
    show(found)
    slow = [kind for kind, figures in found.items() if figures["p95"] > MAX_P95_MILLISECONDS]
    large = [kind for kind, figures in found.items() if figures["kilobytes"] * 1000 > MAX_PAGE_BYTES]
    print(f"over {MAX_P95_MILLISECONDS} ms: {', '.join(slow) or 'none'}; over 100 kB: {', '.join(large) or 'none'}")


if __name__ == "__main__":
    main()
