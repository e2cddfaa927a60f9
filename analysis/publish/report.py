"""One page that shows the catalog: charts with their tables, what fits which memory, a family's lineage, crawl health.

The page needs nothing else: no network, no script, no font. What strangers wrote is escaped by the template.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.catalog.fits import Fit, FitRequest, GeometryLookup, fits
from analysis.catalog.lineage import Branch, largest_family, lineage_trees
from analysis.errors import MissingExtra
from analysis.fit.machines import GB, Machine
from analysis.publish.charts import NARROW, WIDE, Figure, figures
from analysis.query.reader import CatalogReader
from analysis.text import escape_control_characters
from analysis.units import count_text, iso, size_text

MEMORIES = (8, 16, 24, 48, 80)  # GB
LAPTOP = 16  # GB: up to here memory is a laptop's, above it a graphics card's
CONTEXT = 8192
BEST = 5  # models for each memory
AMONG = 20_000  # most downloaded artifacts that are looked at
TABLE_ROWS = 100  # of the table behind a chart
TEMPLATES = Path(__file__).with_name("templates")

COUNTS = """
select
    count(*) as repos,
    sum(case when quantized then 1 else 0 end) as quantized_repos,
    count(distinct family) as families,
    count(distinct author) as publishers,
    sum(total_size) as bytes,
    sum(case when status = 'gone' then 1 else 0 end) as gone,
    sum(case when depth = 'listing' then 1 else 0 end) as listed,
    sum(case when depth = 'files' then 1 else 0 end) as files,
    sum(case when depth = 'headers' then 1 else 0 end) as headers
from models
"""
RUNS = """
select started_at, finished_at, kind, scope, outcome, repos_seen, repos_new, repos_changed, repos_skipped,
    repos_enriched, api_requests + resolver_requests as requests, bytes_read, seconds_waited
from crawl_runs order by id desc limit 10
"""
SKIPS = """
select reason, count(*) as entries, min(repo_id) as example from skips group by reason order by entries desc, reason
"""
CONFLICTS = """
select repo_id, artifact, field, claimed, claimed_by, measured, measured_by from label_conflicts
order by downloads desc nulls last, repo_id, artifact nulls first, field limit 25
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What fits one memory: the best few, and how many models do."""

    gigabytes: int
    room: int
    models: int
    largest: Fit | None  # by parameters
    best: tuple[Fit, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows."""

    made_at: datetime
    catalog_time: str | None
    counts: Mapping[str, int]
    figures: tuple[Figure, ...]
    memories: tuple[Memory, ...]
    family: str | None
    trees: tuple[Branch, ...]
    conflicts: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]
    skips: Sequence[Mapping[str, Any]]
    stale: int


def report(db: str | Path, *, family: str | None = None) -> Report:
    """Read what the page shows, all of one moment. `family` is whose lineage is drawn, by default the busiest's."""
    with CatalogReader(db, snapshot=True) as reader:
        (counts,) = reader.all(COUNTS)
        (artifacts,) = reader.all("select count(*) as artifacts from artifacts")
        (conflicts,) = reader.all("select count(*) as conflicts from label_conflicts")
        (crawled,) = reader.all("select max(coalesce(finished_at, started_at)) as last from crawl_runs")
        (stale,) = reader.all("select count(*) as stale from stale_labels where reason in ('unlabelled', 'vocabulary')")
        chosen = family or largest_family(reader)
        return Report(
            made_at=datetime.now(UTC),
            catalog_time=crawled["last"],
            counts={**{name: value or 0 for name, value in counts.items()}, **artifacts, **conflicts},
            figures=tuple(figures(reader)),
            memories=tuple(what_fits(reader)),
            family=chosen,
            trees=lineage_trees(reader, chosen) if chosen else (),
            conflicts=reader.all(CONFLICTS),
            runs=reader.all(RUNS),
            skips=reader.all(SKIPS),
            stale=stale["stale"],
        )


def what_fits(reader: CatalogReader) -> list[Memory]:
    """For each memory the best models, one of a family, and the largest one."""
    found = []
    shapes = GeometryLookup(reader)
    for gigabytes in MEMORIES:
        machine = Machine(ram=gigabytes * GB) if gigabytes <= LAPTOP else Machine(vram=gigabytes * GB)
        ranked = fits(reader, machine, FitRequest(context=CONTEXT, among=AMONG, tasks=TEXT), shapes)
        best: dict[str, Fit] = {}
        for fit in ranked:
            best.setdefault(fit.family or fit.repo_id, fit)
        largest = max(ranked, key=lambda fit: fit.parameters or 0, default=None)
        room = machine.ram_for_models + machine.vram_for_models
        found.append(Memory(gigabytes, room, len(ranked), largest, tuple(best.values())[:BEST]))
    return found


TEXT = ("text-generation", "image-text-to-text", "any-to-any")
"""Tasks of the Hub that memory is asked for: models that answer."""


def render(found: Report) -> str:
    """The page. Raises MissingExtra without Jinja."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra("charts", "jinja2") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "size": size_text, "count": count_text, "hub": hub, "minute": minute, "cell": cell, "exact": exact,
    }  # fmt: skip
    pictures = [
        (figure, figure.inline(WIDE, "wide") + figure.inline(NARROW, "narrow") if figure.draw else None)
        for figure in found.figures
    ]
    return environment.get_template("report.html").render(
        report=found, pictures=pictures, table_rows=TABLE_ROWS, version=version("hf-catalog"), context=CONTEXT,
        made_at=iso(found.made_at),
    )  # fmt: skip


def hub(repo_id: str) -> str:
    """The repo's page on the Hub."""
    return f"https://huggingface.co/{quote(repo_id)}"


def minute(moment: str | None) -> str:
    return "" if moment is None else str(moment)[:16].replace("T", " ")


def exact(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


def cell(value: Any) -> str:
    """Any value of a table behind a chart."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.2f}"
    return f"{value:,.0f}" if isinstance(value, int | float) else escape_control_characters(str(value))


def write_report(page: str, path: Path) -> None:
    """The page as a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(page)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
