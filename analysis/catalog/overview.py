"""The catalog at a glance: how much it holds and how old it is, what is new, and how labels agree with measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from analysis.catalog.browse import load_rows
from analysis.catalog.coverage import Coverage, measure_coverage
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values

NEW_DAYS = 7
MAX_NEW = 8
MAX_VALUES = 10

MAX_SCANNED = 2_000
"""The most downloaded models, among which the usual licences, formats and publishers are found."""

TOTALS: Mapping[str, str] = {
    "family": "select a as value, repos as n from totals where of = 'family'",
    "quant": "select b as value, sum(repos) as n from totals where of = 'year' group by b",
    "task": "select a as value, repos as n from totals where of = 'task' and a <> ''",
}
"""Filter -> its values with the number of their models, as the totals count them."""

VALUES = """
select l.format, r.license, r.author
from repos r join repo_labels l on l.repo = r.id
where r.type = 'model' and r.status <> 'gone' order by r.downloads desc limit {limit}
"""
"""One column for each filter whose values no total counts."""

MODELS_OF = "select author, repos from author_totals where author in ({names})"

TIMES = """
select max(coalesce(finished_at, started_at)) as crawled, max(started_at) as started from crawl_runs
"""
NEW = """
select r.repo_id from repos r where r.type = 'model' and r.status <> 'gone' and r.created_at >= :since
order by r.downloads desc nulls last, r.repo_id limit {limit}
"""
RUNS = """
select started_at, finished_at, kind, scope, outcome, repos_seen, repos_new, repos_changed, repos_skipped,
    repos_enriched, api_requests + resolver_requests as requests, bytes_read, seconds_waited
from crawl_runs order by id desc limit 10
"""
CHECKED: Mapping[str, str] = {
    "quant": "select count(*) as n from artifacts where quant is not null and quant_measured is not null",
    "parameters": "select count(*) as n from repo_labels where parameters is not null"
    " and parameters_measured is not null",
    "context": "select count(*) as n from repo_labels where context is not null and context_measured is not null",
}
"""Label -> how many claims of it a measurement of the same thing can confirm or contradict."""


@dataclass(frozen=True, slots=True)
class Overview:
    """`choices`: the usual values of each filter with their number (`count_values`); `new`: rows of `models`.

    `crawled`: when the last crawl ended, or the running one began.
    """

    coverage: Coverage
    crawled: str | None
    choices: Mapping[str, Sequence[tuple[str, int]]]
    new: Sequence[dict[str, Any]]

    def row(self, db: str) -> dict[str, Any]:
        """As a JSON object."""
        return {**asdict(self), "coverage": self.coverage.row(db)}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many claims of a label could be compared with a measurement, and how many of them it contradicts."""

    label: str
    checked: int
    contradicted: int

    @property
    def share(self) -> float | None:
        """The share that agrees, 0 to 1; None where none could be compared."""
        return None if not self.checked else max(0.0, 1 - self.contradicted / self.checked)


def load_overview(reader: CatalogReader) -> Overview:
    (times,) = reader.all(TIMES)
    since = None
    if times["crawled"]:
        since = datetime.fromisoformat(str(times["crawled"]).replace("Z", "+00:00")) - timedelta(days=NEW_DAYS)
    new = reader.all(NEW.format(limit=MAX_NEW), {"since": since}) if since else []
    return Overview(
        coverage=measure_coverage(reader),
        crawled=times["crawled"],
        choices=count_values(reader),
        new=load_rows(reader, [row["repo_id"] for row in new]),
    )


def count_values(reader: CatalogReader) -> dict[str, list[tuple[str, int]]]:
    """The most frequent values of each filter: (value, models), of formats and licences among MAX_SCANNED models."""
    found = {}
    for name, sql in TOTALS.items():
        counted = reader.all(f"select * from ({sql}) as counted order by n desc, value limit {MAX_VALUES}")
        found[name] = [(row["value"], row["n"]) for row in counted]
    rows = reader.rows(VALUES.format(limit=MAX_SCANNED))
    counters: dict[str, Counter[str]] = {name: Counter() for name in rows.columns}
    for row in rows:
        for counter, value in zip(counters.values(), row, strict=True):
            if value:
                counter[value] += 1
    for name, counter in counters.items():
        found[name] = sorted(counter.items(), key=lambda entry: (-entry[1], entry[0]))[:MAX_VALUES]
    return {**found, "author": count_models_of(reader, [name for name, _ in found["author"]])}


def count_models_of(reader: CatalogReader, authors: Sequence[str]) -> list[tuple[str, int]]:
    """The authors with the number of all their models, most first."""
    if not authors:
        return []
    names, values = name_values("author", authors)
    rows = reader.all(MODELS_OF.format(names=names), values)
    return sorted(((row["author"], row["repos"]) for row in rows), key=lambda entry: (-entry[1], entry[0]))


def measure_agreement(reader: CatalogReader) -> list[Agreement]:
    """How often claims agree with measurements, for the labels that files measure."""
    conflicts = reader.all("select field, count(*) as n from conflicts group by field")
    contradicted = {row["field"]: row["n"] for row in conflicts}
    return [Agreement(label, reader.all(sql)[0]["n"], contradicted.get(label, 0)) for label, sql in CHECKED.items()]


def load_runs(reader: CatalogReader) -> list[dict[str, Any]]:
    """The last crawls, newest first."""
    return reader.all(RUNS)
