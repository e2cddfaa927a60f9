"""The report: one HTML page with charts and their tables, what fits which memory, a family's lineage, crawl health.

The page loads nothing: no network, no script, no font. The template escapes all untrusted text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, find_fits
from analysis.catalog.lineage import Branch, largest_family, lineage_trees
from analysis.errors import MissingExtra
from analysis.fit.machines import GB, Machine
from analysis.publish.charts import NARROW_PIXELS, WIDE_PIXELS, Figure, make_figures
from analysis.query.reader import CatalogReader
from analysis.text import escape_control_characters
from analysis.units import count_text, iso, size_text
from db.new_file import new_file

MEMORY_SIZES_GB = (8, 16, 24, 48, 80)
MAX_LAPTOP_GB = 16  # up to here memory is a laptop's RAM, above it a graphics card's VRAM
CONTEXT_TOKENS = 8192
BEST_PER_MEMORY = 5  # models listed for each memory
MAX_TABLE_ROWS = 100  # of the table behind a chart
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
class MemoryFits:
    """What fits one memory size: the number of models, the largest and the best."""

    gigabytes: int
    available: int  # bytes for models, after the system's or the driver's share
    models: int
    largest: Fit | None  # by parameters
    best: tuple[Fit, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows."""

    made_at: datetime
    catalog_time: str | None
    counts: Mapping[str, int]
    figures: tuple[Figure, ...]
    memories: tuple[MemoryFits, ...]
    family: str | None
    trees: tuple[Branch, ...]
    conflicts: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]
    skips: Sequence[Mapping[str, Any]]
    stale: int


def build_report(db: str | Path, *, family: str | None = None) -> Report:
    """Read what the page shows, all of one moment. `family`: whose lineage is shown, by default the largest."""
    with CatalogReader(db, snapshot=True) as reader:
        (counts,) = reader.all(COUNTS)
        (artifacts,) = reader.all("select count(*) as artifacts from artifacts")
        (conflicts,) = reader.all("select count(*) as conflicts from label_conflicts")
        (crawled,) = reader.all("select max(coalesce(finished_at, started_at)) as last from crawl_runs")
        (stale,) = reader.all("select count(*) as stale from stale_labels where reason in ('unlabelled', 'vocabulary')")
        selected = family or largest_family(reader)
        return Report(
            made_at=datetime.now(UTC),
            catalog_time=crawled["last"],
            counts={**{name: value or 0 for name, value in counts.items()}, **artifacts, **conflicts},
            figures=tuple(make_figures(reader)),
            memories=tuple(find_fits_by_memory(reader)),
            family=selected,
            trees=lineage_trees(reader, selected) if selected else (),
            conflicts=reader.all(CONFLICTS),
            runs=reader.all(RUNS),
            skips=reader.all(SKIPS),
            stale=stale["stale"],
        )


def find_fits_by_memory(reader: CatalogReader) -> list[MemoryFits]:
    """For each memory size the best models, one of each family, and the largest model."""
    found = []
    request = FitRequest(context=CONTEXT_TOKENS)
    for gigabytes in MEMORY_SIZES_GB:
        machine = Machine(ram=gigabytes * GB) if gigabytes <= MAX_LAPTOP_GB else Machine(vram=gigabytes * GB)
        ranked = find_fits(reader, machine, request).fits
        best: dict[str, Fit] = {}
        for fit in ranked:
            best.setdefault(fit.family or fit.repo_id, fit)
        largest = max(ranked, key=lambda fit: fit.parameters or 0, default=None)
        available = machine.ram_for_models + machine.vram_for_models
        found.append(MemoryFits(gigabytes, available, len(ranked), largest, tuple(best.values())[:BEST_PER_MEMORY]))
    return found


def render_report(report: Report) -> str:
    """The page as HTML. Raises MissingExtra without Jinja."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra("charts", "jinja2") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "size": size_text, "count": count_text, "hub_url": hub_url, "minute": format_minute, "cell": format_cell,
        "exact": format_exact,
    }  # fmt: skip
    pictures = [(figure, inline_pictures(figure)) for figure in report.figures]
    return environment.get_template("report.html").render(
        report=report, pictures=pictures, table_rows=MAX_TABLE_ROWS, version=version("hf-catalog"),
        context=CONTEXT_TOKENS, made_at=iso(report.made_at),
    )  # fmt: skip


def inline_pictures(figure: Figure) -> str | None:
    """The chart's SVG for desktops and for phones, of which the page's style shows one; None where it has no data."""
    if figure.draw is None:
        return None
    return figure.inline_svg(WIDE_PIXELS, "wide") + figure.inline_svg(NARROW_PIXELS, "narrow")


def hub_url(repo_id: str) -> str:
    """The repo's page on the Hub."""
    return f"https://huggingface.co/{quote(repo_id)}"


def format_minute(moment: str | None) -> str:
    return "" if moment is None else str(moment)[:16].replace("T", " ")


def format_exact(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


def format_cell(value: Any) -> str:
    """Any value of a table as text: yes and no, numbers with separators, text with control characters escaped."""
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
    """Write the page to a file, which holds the earlier page or the new one at every moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as draft:
        draft.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")
