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

from analysis.catalog.coverage import measure_coverage
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, find_fits
from analysis.catalog.lineage import Branch, largest_family, lineage_trees
from analysis.catalog.overview import load_runs
from analysis.fit.machines import GB, Machine
from analysis.publish.charts import PAGE_PIXELS, PHONE_PIXELS, Figure, describe_source, make_figures
from analysis.publish.pages import make_environment, page_style
from analysis.query.reader import CatalogReader
from analysis.units import iso
from db.new_file import new_file

MEMORY_SIZES_GB = (8, 16, 24, 48, 80)
MAX_LAPTOP_GB = 16  # up to here memory is a laptop's RAM, above it a graphics card's VRAM
CONTEXT_TOKENS = 8192
BEST_PER_MEMORY = 5  # models listed for each memory
MAX_FITS = 500  # models evaluated for each memory: the best ones
MAX_TABLE_ROWS = 100  # of the table behind a chart

WORDS = (
    ("base model", "the model that another one was made from."),
    ("bits per weight", "how many bits a parameter takes in the file: 16 or 32 before quantization, often 4 after it."),
    ("claim", "what a name or a model card says, unlike what was measured in a file."),
    (
        "context",
        "how much text a model can take into account at once, in tokens; a token is about three quarters of a word.",
    ),
    ("family", "models of one brand: Gemma, Llama, Qwen."),
    ("file", "a model file: one file, or all parts of one that was split."),
    (
        "format",
        "how a file is built, and so which programs can run it: GGUF (llama.cpp, Ollama), safetensors (most others).",
    ),
    ("header", "the beginning of a model file, which lists the numbers that it holds."),
    ("KV cache", "the memory for the text that the model has taken in so far."),
    ("lineage", "which model was made from which."),
    ("parameter, weight", "one of the numbers that a model consists of; 8B means eight billion of them."),
    ("publisher", "the person or organisation that owns a repo."),
    ("quality loss", "how much worse a quantized model predicts text (perplexity) than before."),
    ("quantization", "storing a model's numbers with fewer bits: smaller and faster, a little less exact."),
    ("repo", "a folder on the Hub with the files of a model, often of several quantizations of it."),
    ("scheme", "a way to quantize with a name: Q4_K_M takes about 4.9 bits per weight, Q8_0 about 8.5."),
    ("VRAM", "the memory of a graphics card."),
)
"""Words of the page for readers who know nothing of quantization."""

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
SKIPS = """
select reason, count(*) as entries, min(repo_id) as example from skips group by reason order by entries desc, reason
"""
CONFLICTS = """
select repo_id, artifact, field, claimed, claimed_by, measured, measured_by from label_conflicts
order by downloads desc nulls last, repo_id, artifact nulls first, field limit 25
"""


@dataclass(frozen=True, slots=True)
class MemoryFits:
    """What fits one memory size: the number of models, the largest and the best.

    `has_more`: only the best MAX_FITS were evaluated, and the largest is that of these.
    """

    gigabytes: int
    available: int  # bytes for models, after the system's or the driver's share
    models: int
    has_more: bool
    largest: Fit | None  # by parameters
    best: tuple[Fit, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows."""

    made_at: datetime
    catalog_time: str | None
    counts: Mapping[str, int]
    source: str
    figures: tuple[Figure, ...]
    memories: tuple[MemoryFits, ...]
    family: str | None
    trees: tuple[Branch, ...]
    conflicts: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]
    skips: Sequence[Mapping[str, Any]]
    stale: int


def build_report(db: str | Path, *, family: str | None = None, public_only: bool = True) -> Report:
    """Read what the page shows, all of one moment, by default without private repos.

    `family`: whose lineage is shown, by default the largest.
    """
    with CatalogReader(db, snapshot=True, public_only=public_only) as reader:
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
            source=describe_source(reader),
            figures=tuple(make_figures(reader)),
            memories=tuple(find_fits_by_memory(reader)),
            family=selected,
            trees=lineage_trees(reader, selected) if selected else (),
            conflicts=reader.all(CONFLICTS),
            runs=load_runs(reader),
            skips=reader.all(SKIPS),
            stale=stale["stale"],
        )


def find_fits_by_memory(reader: CatalogReader) -> list[MemoryFits]:
    """For each memory size the best models, one of each family, and the largest model."""
    found = []
    request, coverage = FitRequest(context=CONTEXT_TOKENS, limit=MAX_FITS), measure_coverage(reader)
    for gigabytes in MEMORY_SIZES_GB:
        machine = Machine(ram=gigabytes * GB) if gigabytes <= MAX_LAPTOP_GB else Machine(vram=gigabytes * GB)
        answer = find_fits(reader, machine, request, coverage=coverage)
        ranked, has_more = answer.fits, answer.more > 0 or answer.has_further
        best: dict[str, Fit] = {}
        for fit in ranked:
            best.setdefault(fit.family or fit.repo_id, fit)
        largest = max(ranked, key=lambda fit: fit.parameters or 0, default=None)
        available = machine.ram_for_models + machine.vram_for_models
        listed = tuple(best.values())[:BEST_PER_MEMORY]
        found.append(MemoryFits(gigabytes, available, len(ranked), has_more, largest, listed))
    return found


def render_report(report: Report, links: Mapping[str, str] | None = None) -> str:
    """The page as HTML. Raises MissingExtra without Jinja.

    `links`: the addresses of the rows behind its numbers and charts, by name, where the catalog is served beside it.
    Its models then lead to their pages there, else to the Hub.
    """
    environment = make_environment("charts")
    pictures = [(figure, inline_pictures(figure)) for figure in report.figures]
    page: str = environment.get_template("report.html").render(
        report=report, pictures=pictures, table_rows=MAX_TABLE_ROWS, version=version("hf-catalog"),
        context=CONTEXT_TOKENS, made_at=iso(report.made_at), style=page_style(),
        words=WORDS, links=links or {},
    )  # fmt: skip
    return page


def inline_pictures(figure: Figure) -> str | None:
    """The chart's SVG for desktops and for phones, of which the page's style shows one; None where it has no data."""
    if figure.draw is None:
        return None
    return figure.inline_svg(PAGE_PIXELS, "wide") + figure.inline_svg(PHONE_PIXELS, "narrow")


def write_report(page: str, path: Path) -> None:
    """Write the page to a file, which holds the earlier page or the new one at every moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as draft:
        draft.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")
