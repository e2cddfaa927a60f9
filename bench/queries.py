"""The time of each saved query on a catalog, and on a copy of it in PostgreSQL: `python -m bench.queries catalog.db`.

Milliseconds of the query and of reading at most a thousand rows, without connecting: median and 95th percentile of
`--runs` by the clock, and the least processor time, which other programs distort less. With `--postgresql` a server is
started and the catalog copied into it. Queries about one model are asked about the one with most quantized copies.
Make a catalog with `python -m bench.scale --repos 300000 --db catalog.db`.

Last figures (28 Nov 2026, 300,000 repos with 608,125 artifacts, two cores that 20 other programs kept busy, SQLite),
least processor time in milliseconds, before and after totals and the indexes of rare rows:

                              before   after                                 before   after
    label-sources              3,220   7,630    tunings                      2,290     0.1
    quantizations              2,200     0.1    top-families                 1,550      17
    quantization-bits          1,460     0.1    frameworks                   1,310     0.1
    publisher-schemes          1,210      65    languages                    1,150     0.1
    schemes-over-time          1,140      13    formats                        712     0.1
    family-licenses              645      26    qat                            530     0.1
    dynamic-quants               470     0.1    publishers                     465      18
    family-growth                456      30    family-quants                  430     2.3
    size-classes, tasks, gated   250     0.1    security-findings            3,640     860
    missing-licenses           1,475       6    broken-files                 1,230     0.1
    mislabelled, sidecars        400     0.1    most-quantized               1,000     355
    reuploads                  1,720     200    vanished                       170     0.1

`before` down to family-growth and size-classes is 15 times that of 20,000 repos. On 29 Nov 2026 more totals and indexes
came. Before: a catalog as generated; after: a copy with kinds, licences and parents as on the Hub, so the ratios are
rough; two cores with a load of 12. SQLite least processor time, PostgreSQL median by the clock (after only):

                           before   after  PostgreSQL                           before   after  PostgreSQL
    label-sources          12,650     0.2      25       dataset-use              1,490      12      67
    growth                  3,420     254   2,440       security-findings        1,110     0.8      28
    kinds                   1,420     448   2,790       papers-by-models           980     7.6      36
    trending                3,340     210  47,500       licenses                   735     0.3      22
    half-life               2,340     527   3,460       owner-kinds                716      57      53
    missing-base-models     2,260     364     831       formats-over-time          400     0.6      12
    moe                       549      69     299       size-claims                537      52     512
    concentration             501     224     375       new-models                 359     0.4      13

Not changed: license-drift 960 (2,610), license-conflicts 1,050 (3,120) with
37 % of licences that demand something, most-quantized 510 (452). trending read all history where fewer than 200 models
moved by 100 downloads, as in the copy on PostgreSQL, which took 17,400 before; of more than 20,000 models it no longer
does. Also over 300 on PostgreSQL: reuploads 1,090, without-quants 1,050, missing-licenses 990, unclaimed-tokens 890,
orphans 525, contradictions 430, on-date 320, quant-evaluations 310.
relation-depth took 5,350 (PostgreSQL 17,800) and takes 950 (1,800).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from analysis.query.reader import CatalogReader
from analysis.query.saved import SavedQuery, saved_queries

MAX_P95_MILLISECONDS = 300
MAX_ROWS = 1000
MOST_QUANTIZED = (
    "select parent from edges where relation = 'quantized' group by parent order by count(*) desc, parent limit 1"
)


def measure(reader: CatalogReader, query: SavedQuery, model: str, runs: int) -> dict[str, float]:
    """Milliseconds: p50 and p95 by the clock, cpu the least processor time of this process."""
    about = {each.name: model for each in query.parameters if each.name == "model" and query.kind == "interactive"}
    walls, cpus = [], []
    for _ in range(runs):
        started, cpu = time.perf_counter(), time.process_time()
        for _row in reader.rows(query.sql, query.parse_values(about), limit=MAX_ROWS):
            pass
        walls.append(1000 * (time.perf_counter() - started))
        cpus.append(1000 * (time.process_time() - cpu))
    ordered = sorted(walls)
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[int(0.95 * (len(ordered) - 1))], "cpu": min(cpus)}


def measure_all(db: str | Path, runs: int) -> dict[str, dict[str, float]]:
    with CatalogReader(db) as reader:
        found = reader.all(MOST_QUANTIZED)
        model = found[0]["parent"] if found else "none/none"
        return {query.name: measure(reader, query, model, runs) for query in saved_queries()}


def show(found: Sequence[tuple[str, dict[str, dict[str, float]]]]) -> None:
    """The slowest query last, with each engine's figures and the ratio of the second to the first."""
    print(f"{'':<30}" + "".join(f"{f'{engine} {name}':>16}" for engine, _ in found for name in ("p50", "p95", "cpu")))
    first = found[0][1]
    for query in sorted(first, key=lambda name: first[name]["p95"]):
        cells = [each[query][name] for _, each in found for name in ("p50", "p95", "cpu")]
        print(f"{query:<30}" + "".join(f"{cell:>16,.1f}" for cell in cells))
    for engine, each in found:
        slow = [query for query, figures in each.items() if figures["p95"] > MAX_P95_MILLISECONDS]
        print(f"{engine}: over {MAX_P95_MILLISECONDS} ms: {', '.join(slow) or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("db", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--postgresql", action="store_true", help="measure a copy in PostgreSQL too")
    options = parser.parse_args()
    found = [("SQLite", measure_all(options.db, options.runs))]
    with ExitStack() as stack:
        if options.postgresql:
            from db.maintain.copy import copy
            from db.maintain.optimize import optimize
            from tests.servers import running_postgresql

            url = stack.enter_context(running_postgresql()).create()
            copy(options.db, url)
            optimize(url)
            found.append(("PostgreSQL", measure_all(url, options.runs)))
        show(found)


if __name__ == "__main__":
    main()
