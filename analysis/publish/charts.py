"""Charts of the catalog, each with the table behind it and a text alternative.

Altair (Vega-Lite) builds a chart and vl-convert renders it as SVG or PNG, both offline. The colours are Okabe and Ito's
(https://jfly.uni-koeln.de/color/), which stay distinct with any colour vision on light and dark backgrounds. The
database counts; only the rows that a chart shows are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

import pandas as pd

from analysis.errors import MissingExtra
from analysis.publish.manifest import HUBS
from analysis.publish.summaries import SIZE_CLASSES
from analysis.query.reader import CatalogReader
from analysis.text import day_text
from db.new_file import new_file

Theme = Literal["light", "dark"]

PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#7F7F7F"]
INK = {"light": "#1f2328", "dark": "#e6edf3"}
GRID = {"light": "#d0d7de", "dark": "#30363d"}
PAGE_COLOURS = {
    INK["light"]: "currentColor", GRID["light"]: "var(--grid)",
    PALETTE[0]: "var(--chart-blue)", PALETTE[4]: "var(--chart-sky)",
}  # fmt: skip
"""Colours that a page's style sets: on a dark ground both blues are lighter, since dark blue is hard to see there."""

BACKGROUND = {"light": "#ffffff", "dark": "#0d1117"}
WIDE_PIXELS = 820  # width of the plot itself, in a file
PAGE_PIXELS = 700  # width of a whole picture on a page: of a window of 768 pixels, or larger on a wider one
NARROW_PIXELS = 500  # below it a title is longer than its axis, and ends where the axis ends
PHONE_PIXELS = 328  # of a window of 360 pixels, so that its text is not scaled down
CONFLICT_COLOUR = "#D55E00"
TOP_FAMILIES = 7  # the eighth colour is for all others
MAX_POINTS = 1_500  # of the scatter plot: more would make the page large and no clearer


FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
BASIS_LINE_PIXELS = 15
BASIS_CHARACTER_PIXELS = 5.6  # mean width of a character of 11 pixels
VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')

MARK = re.compile(r'<path aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="[^"]*"([^>]*)/>')
"""A bar or a point as vl-convert writes it; its label becomes a title, which browsers show under the pointer."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: its data (`table`), its text alternative (`description`) and `draw`, which makes the Altair chart.

    `draw` takes the plot's width in pixels; it is None where the catalog holds nothing to show yet. `count` is what the
    picture shows, with its unit; `source` says which Hub, which selection of it and which day.
    """

    name: str
    title: str
    description: str
    table: pd.DataFrame
    draw: Callable[[int], Any] | None
    count: str = ""
    source: str = ""

    @property
    def basis(self) -> str:
        """What the picture shows, as it says itself: `n = 452 repos. Source: ...`."""
        return f"{f'n = {self.count}. ' if self.count else ''}{self.source}"

    def svg(self, theme: Theme = "light", width: int = WIDE_PIXELS) -> str:
        """The chart with its title as SVG text, on a transparent background. Raises MissingExtra."""
        svg = str(import_vl_convert().vegalite_to_svg(self.titled_spec(theme, width)))
        return self.with_basis(svg, INK[theme], f"{self.name}-")

    def png(self, theme: Theme = "light", width: int = WIDE_PIXELS, scale: float = 2.0) -> bytes:
        """The chart with its title as PNG bytes, on the theme's background. Raises MissingExtra."""
        spec = {**self.titled_spec(theme, width), "background": BACKGROUND[theme], "padding": 16}
        svg = self.with_basis(str(import_vl_convert().vegalite_to_svg(spec)), INK[theme], f"{self.name}-", margin=16)
        return bytes(import_vl_convert().svg_to_png(svg, scale=scale))

    def with_basis(self, svg: str, ink: str, prefix: str, margin: int = 0) -> str:
        """A picture with title and description for programs that read it out, and what it shows in lines below it."""
        size = VIEW_BOX.search(svg)
        assert size is not None
        width, height = float(size[1]), float(size[2])
        lines = wrap(self.basis, max(40, int((width - 2 * margin) / BASIS_CHARACTER_PIXELS)))
        whole = height + len(lines) * BASIS_LINE_PIXELS
        texts = "".join(
            f'<text x="{margin}" y="{height + 10 + at * BASIS_LINE_PIXELS - margin / 2:.0f}" fill="{ink}"'
            f' font-family="{FONT}" font-size="11">{escape_html(line)}</text>'
            for at, line in enumerate(lines)
        )
        named = (
            f'<title id="{prefix}title">{escape_html(self.title)}</title>'
            f'<desc id="{prefix}desc">{escape_html(f"{self.description} {self.basis}".strip())}</desc>'
        )
        opening = f'role="img" aria-labelledby="{prefix}title {prefix}desc" viewBox="0 0 {size[1]} {whole:g}"'
        svg = VIEW_BOX.sub(opening, svg, count=1)
        svg = re.sub(r'(<svg[^>]*?) height="[\d.]+"', rf'\1 height="{whole:g}"', svg, count=1)
        svg = re.sub(r"(<svg[^>]*>)", lambda found: found[1] + named, svg, count=1)
        return svg.removesuffix("</svg>") + texts + "</svg>"

    def titled_spec(self, theme: Theme, width: int) -> dict[str, Any]:
        """The Vega-Lite specification with title and description above the plot."""
        title = {"text": self.title, "subtitle": wrap(self.description, width // 6), "anchor": "start", "offset": 14}
        return {**self.spec(theme, width), "title": title}

    def inline_svg(self, width: int, suffix: str) -> str:
        """SVG for a page: it scales with the page, takes its colours from the page's style, and has a text alternative.

        `width` is that of the whole picture, with its axes, so that its text has the size that it says. `suffix` is its
        class and keeps its ids apart from those of other charts on the page.
        """
        name = f"{self.name}-{suffix}"
        padding = {"left": 12, "top": 5, "right": 5, "bottom": 5}  # a browser's font may be wider than the measured one
        fit = {"autosize": {"type": "fit-x", "contains": "padding"}, "padding": padding}
        spec = {**self.spec("light", width), "width": width, **fit}
        svg = str(import_vl_convert().vegalite_to_svg(spec))
        svg = self.with_basis(svg, INK["light"], f"{name}-")
        size = VIEW_BOX.search(svg)
        numbers: dict[str, int] = {}  # of ids: vl-convert counts on from chart to chart, here each starts at 0
        svg = re.sub(r"\b(?:clip|gradient_)\d+\b", lambda it: f"{name}-{numbers.setdefault(it[0], len(numbers))}", svg)
        for colour, variable in PAGE_COLOURS.items():
            svg = svg.replace(f'"{colour}"', f'"{variable}"')
        svg = MARK.sub(r"<path\2><title>\1</title></path>", svg)
        opening = (
            f'<svg class="{suffix}" role="img" aria-labelledby="{name}-title {name}-desc" '
            f'viewBox="0 0 {size[1]} {size[2]}" '  # type: ignore[index]
            'xmlns="http://www.w3.org/2000/svg">'
        )
        return opening + re.sub(r"^.*?<svg[^>]*>", "", svg, count=1, flags=re.DOTALL)

    def spec(self, theme: Theme, width: int) -> dict[str, Any]:
        assert self.draw is not None, f"{self.name} has nothing to draw"
        found: dict[str, Any] = self.draw(width).configure(**make_config(theme, width)).to_dict()
        return found


def escape_html(text: str) -> str:
    from html import escape

    return escape(text)


def import_altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise MissingExtra("charts", "altair") from error
    return altair


def import_vl_convert() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("charts", "vl-convert-python") from error
    return vl_convert


def make_config(theme: Theme, width: int) -> dict[str, Any]:
    """Vega-Lite's `config` for a page of this theme."""
    ink, grid = INK[theme], GRID[theme]
    text = {
        "labelColor": ink,
        "titleColor": ink,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return {
        "background": "transparent",
        "font": FONT,
        "axis": {**text, "gridColor": grid, "domainColor": grid, "tickColor": grid, "labelLimit": 150},
        "axisX": {"titlePadding": 8, **({"titleAnchor": "end"} if width < NARROW_PIXELS else {})},
        "legend": {
            **text,
            "orient": "bottom",
            "columns": max(2, width // 120),
            "symbolLimit": 20,
            "labelLimit": 130,
            "columnPadding": 16,
        },
        "view": {"stroke": None},
        "range": {"category": PALETTE},
        "text": {"color": ink},
        "title": {"color": ink, "subtitleColor": ink, "fontSize": 15, "subtitleFontSize": 12},
    }


def make_figures(reader: CatalogReader) -> Iterator[Figure]:
    """All charts of the catalog, in the report's order."""
    makers = (make_families, make_quantizations, make_sizes, make_quantizers, make_size_classes, make_formats)
    source = describe_source(reader)
    for make in makers:
        yield replace(make(reader), source=source)


def describe_source(reader: CatalogReader) -> str:
    """Which Hub, which part of it, how many repos, and which day: `Source: models of huggingface.co, ...`."""
    hubs = [row["endpoint"].partition("://")[2] or row["endpoint"] for row in reader.all(HUBS)]
    (found,) = reader.all(
        "select (select count(*) from repos where type = 'model' and status <> 'gone') as repos,"
        " (select max(coalesce(finished_at, started_at)) from crawl_runs) as last,"
        " (select count(*) from crawl_runs where scope = '' and kind = 'full' and outcome = 'complete') as whole"
    )
    if not hubs:
        return "Source: an empty catalog"
    selection = "the whole list" if found["whole"] else "a selection"
    return (
        f"Source: models of {', '.join(hubs)}, {selection}, {found['repos']:,} repos,"
        f" {day_text(found['last'])}; hf-catalog"
    )


def query_frame(reader: CatalogReader, sql: str, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(reader.all(sql), columns=columns)


def bar_chart(
    table: pd.DataFrame, category: str, measure: str, title: str, colour: str, width: int, **axis: Any
) -> Any:
    """Horizontal bars of `measure`, one for each `category`, in the order of the table."""
    alt = import_altair()
    ticks = min(max(3, width // 120), max(1, int(table[measure].max())))
    return (
        alt.Chart(table, width=width - 80, height=alt.Step(19))
        .mark_bar(color=colour, cornerRadiusEnd=2)
        .encode(
            y=alt.Y(f"{category}:N", sort=None, title=None),
            x=alt.X(f"{measure}:Q", title=title, axis=alt.Axis(tickCount=ticks, **axis)),
        )
    )


def make_families(reader: CatalogReader) -> Figure:
    """Repos created in each quarter, by family."""
    name, title = "families-over-time", "Model families over time"
    rows = query_frame(
        reader,
        "select substr(cast(created_at as varchar), 1, 7) as month, family, count(*) as repos from models"
        " where family is not null and created_at is not null and status <> 'gone'"
        " group by substr(cast(created_at as varchar), 1, 7), family",
        ["month", "family", "repos"],
    )
    if rows.empty:
        return Figure(name, title, "No repo has a family and a date yet.", rows, None)
    (last,) = reader.all("select substr(cast(max(started_at) as varchar), 1, 7) as month from crawl_runs")
    rows["quarter"] = [quarter_of(month) for month in rows["month"]]
    sums = rows.groupby("family")["repos"].sum().reset_index().sort_values(["repos", "family"], ascending=[False, True])
    top = list(sums["family"][:TOP_FAMILIES])
    rows["family"] = rows["family"].where(rows["family"].isin(top), "others")
    table = rows.groupby(["quarter", "family"], sort=True)["repos"].sum().reset_index()
    order = [*top, "others"] if len(sums) > TOP_FAMILIES else top
    unfinished = quarter_of(last["month"]) if last["month"] else None
    labels = {each: f"{each}*" if each == unfinished else each for each in quarters_between(table["quarter"])}
    table["quarter"] = table["quarter"].map(labels)

    def draw(width: int) -> Any:
        alt = import_altair()
        ranked = table.assign(rank=table["family"].map(order.index))
        return (
            alt.Chart(ranked, width=width, height=280)
            .mark_bar()
            .encode(
                x=alt.X(
                    "quarter:O",
                    title=None,
                    scale=alt.Scale(domain=list(labels.values())),  # quarters without a repo too
                    axis=alt.Axis(labelAngle=-45, labelOverlap=True),
                ),
                y=alt.Y("sum(repos):Q", title="repos created", axis=alt.Axis(tickMinStep=1)),
                color=alt.Color("family:N", title=None, scale=alt.Scale(domain=order, range=PALETTE[: len(order)])),
                order=alt.Order("rank:Q"),
            )
        )

    largest_quarter = table.groupby("quarter")["repos"].sum().idxmax()
    description = (
        f"Most repos of known families were created in {largest_quarter};"
        f" the largest families are {', '.join(top[:3])}."
        f"{count_left_out(reader, 'family is null or created_at is null', 'without a known family or date')}"
        f"{' * The quarter of the last crawl is not over.' if unfinished in labels else ''}"
    )
    return Figure(name, title, description, table, draw, f"{int(table['repos'].sum()):,} repos")


def quarter_of(month: str) -> str:
    """The quarter of a month: 2026 Q2 of 2026-05."""
    return f"{month[:4]} Q{(int(month[5:7]) + 2) // 3}"


def quarters_between(quarters: Iterable[str]) -> Iterator[str]:
    """Every quarter from the first to the last of these, also those that are not among them."""
    numbers = [int(each[:4]) * 4 + int(each[-1]) - 1 for each in quarters]
    for number in range(min(numbers), max(numbers) + 1):
        yield f"{number // 4} Q{number % 4 + 1}"


def count_left_out(reader: CatalogReader, condition: str, words: str) -> str:
    """A sentence on the repos that a chart leaves out, with a blank before it; empty where it leaves out none."""
    (found,) = reader.all(f"select count(*) as repos from models where status <> 'gone' and ({condition})")
    return f" {found['repos']:,} repos {words} are left out." if found["repos"] else ""


def make_quantizations(reader: CatalogReader) -> Figure:
    """Downloads of the quantized repos that hold each quantization scheme, and the number of artifacts with it."""
    table = query_frame(
        reader,
        "select quant as quantization, sum(artifacts) as artifacts, count(*) as repos, sum(downloads) as downloads"
        " from repo_schemes where quantized and status <> 'gone'"
        " group by quant order by downloads desc nulls last, artifacts desc, quantization limit 25",
        ["quantization", "artifacts", "repos", "downloads"],
    )
    if table.empty:
        return Figure("schemes", "Quantizations by downloads", "No quantized artifact is known yet.", table, None)
    table["downloads"] = table["downloads"].fillna(0).astype("int64")

    def draw(width: int) -> Any:
        return bar_chart(
            table,
            "quantization",
            "downloads",
            "downloads in 30 days of the repos that hold it",
            PALETTE[0],
            width,
            format="~s",
        )

    (found,) = reader.all(
        "select count(distinct repo_id) as repos from repo_schemes where quantized and status <> 'gone'"
    )
    description = (
        f"{table.iloc[0]['quantization']} is in the quantized repos with most downloads. A repo counts for each"
        " quantization that it holds, so the bars do not add up: the Hub counts downloads by repo, not by file."
    )
    count = f"{found['repos']:,} repos with quantized files; the first {len(table)} quantizations"
    return Figure("schemes", "Quantizations by downloads", description, table, draw, count)


def make_sizes(reader: CatalogReader) -> Figure:
    """Measured parameters against measured bits per weight; artifacts with conflicting labels are marked."""
    name, title = "sizes-and-bits", "Size and bits per weight"
    table = query_frame(
        reader,
        "select a.repo_id, a.artifact, coalesce(a.quant_method, a.format) as method, a.quant as quantization,"
        " a.parameters_measured as parameters, a.bits_per_weight,"
        " case when exists (select 1 from label_conflicts c where c.repo_id = a.repo_id and c.artifact = a.artifact)"
        " then 1 else 0 end as conflict"
        " from artifacts_wide a"
        " where a.role = 'weights' and a.parameters_measured > 0 and a.bits_per_weight > 0 and a.bits_per_weight < 40"
        f" and a.status <> 'gone' order by a.downloads desc nulls last, a.repo_id, a.artifact limit {MAX_POINTS}",
        ["repo_id", "artifact", "method", "quantization", "parameters", "bits_per_weight", "conflict"],
    )
    if table.empty:
        return Figure(name, title, "No header has been read yet.", table, None)
    table["conflict"] = table["conflict"].astype(bool)
    table["parameters"] = table["parameters"].astype("int64")
    table["method"] = table["method"].fillna("unknown")
    common = list(table["method"].value_counts().index[: TOP_FAMILIES - 2])
    table["method"] = table["method"].where(table["method"].isin(common), "others")
    order = [*common, "others"] if (table["method"] == "others").any() else common

    def draw(width: int) -> Any:
        alt = import_altair()
        too_similar = (CONFLICT_COLOUR, "#E69F00")
        colours = [colour for colour in PALETTE if colour not in too_similar][: len(order)]
        colour = alt.Color("method:N", title=None, scale=alt.Scale(domain=order, range=colours))
        bits = [1, 2, 3, 4, 5, 6, 8, 16, 32]
        base = alt.Chart(
            table[["parameters", "bits_per_weight", "method", "conflict"]], width=width, height=340
        ).encode(
            x=alt.X(
                "parameters:Q",
                scale=alt.Scale(type="log", nice=False, padding=12),
                title="parameters",
                axis=alt.Axis(
                    labelExpr="replace(format(datum.value, '~s'), 'G', 'B')",
                    labelOverlap=True,
                    values=[
                        step * 10**power for power in range(4, 14) for step in ((1, 2, 5) if width > 500 else (1,))
                    ],
                ),
            ),
            y=alt.Y(
                "bits_per_weight:Q",
                title="bits per weight",
                scale=alt.Scale(type="log", base=2, nice=False, padding=10),
                axis=alt.Axis(values=bits, format="d"),
            ),
        )
        agree = base.transform_filter("!datum.conflict").mark_circle(size=40, opacity=0.85).encode(color=colour)
        differ = base.transform_filter("datum.conflict").mark_point(
            shape="diamond", size=110, filled=False, strokeWidth=2, opacity=1, color=CONFLICT_COLOUR
        )
        return alt.layer(agree, differ)

    conflicts = int(table["conflict"].sum())
    first = f"The {MAX_POINTS:,} most downloaded" if len(table) == MAX_POINTS else f"{len(table):,}"
    description = (
        f"{first} model files (all parts of one count as one) whose parameters were counted: so many bits a parameter"
        f" takes in the file. {conflicts:,} of them, drawn as open diamonds, contradict a claim of their name, card or"
        " tags."
    )
    return Figure(name, title, description, table, draw, f"{len(table):,} files")


def make_quantizers(reader: CatalogReader) -> Figure:
    """The publishers with most quantized repos."""
    table = query_frame(
        reader,
        "select author, count(*) as repos, sum(artifact_count) as artifacts, sum(downloads) as downloads"
        " from models where quantized and author is not null and status <> 'gone'"
        " group by author order by repos desc, downloads desc nulls last, author limit 20",
        ["author", "repos", "artifacts", "downloads"],
    )
    if table.empty:
        return Figure("quantizers", "Publishers of quantized models", "No quantized repo is known yet.", table, None)
    table["downloads"] = table["downloads"].fillna(0).astype("int64")

    def draw(width: int) -> Any:
        return bar_chart(table, "author", "repos", "quantized repos", PALETTE[2], width, format=",d")

    first = table.iloc[0]
    description = f"{first['author']} has most quantized repos: {int(first['repos']):,}."
    count = f"{int(table['repos'].sum()):,} repos of the first {len(table)} publishers"
    return Figure("quantizers", "Publishers of quantized models", description, table, draw, count)


def make_size_classes(reader: CatalogReader) -> Figure:
    """Repos by number of parameters, measured where a header was read."""
    bounds = " ".join(
        f"when coalesce(parameters_measured, parameters) < {bound:.0f} then '{name}'"
        for name, bound in SIZE_CLASSES[:-1]
    )
    table = query_frame(
        reader,
        "select size, kind, count(*) as repos from (select"
        f" case {bounds} else '{SIZE_CLASSES[-1][0]}' end as size,"
        " case when quantized is null then 'unknown' when quantized then 'quantized' else 'full precision' end"
        " as kind from models where coalesce(parameters_measured, parameters) > 0 and status <> 'gone') as sized"
        " group by size, kind",
        ["size", "kind", "repos"],
    )
    if table.empty:
        return Figure("size-classes", "Size classes", "No repo's size is known yet.", table, None)
    names = [name for name, _ in SIZE_CLASSES]
    kinds = ["full precision", "quantized", "unknown"]
    table = table.sort_values(
        ["size", "kind"], key=lambda column: column.map((names if column.name == "size" else kinds).index)
    ).reset_index(drop=True)

    def draw(width: int) -> Any:
        alt = import_altair()
        ranked = table.assign(rank=table["kind"].map(kinds.index))
        return (
            alt.Chart(ranked, width=width, height=240)
            .mark_bar()
            .encode(
                x=alt.X("size:N", sort=names, title="parameters", axis=alt.Axis(labelAngle=0 if width > 500 else -45)),
                y=alt.Y("repos:Q", title="repos", axis=alt.Axis(tickMinStep=1)),
                color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds, range=[*PALETTE[:2], PALETTE[7]])),
                order=alt.Order("rank:Q"),
            )
        )

    largest = table.groupby("size")["repos"].sum().idxmax()
    description = (
        f"{int(table['repos'].sum()):,} repos have a known size; most are in the class {largest}."
        f"{count_left_out(reader, 'coalesce(parameters_measured, parameters, 0) <= 0', 'of unknown size')}"
    )
    count = f"{int(table['repos'].sum()):,} repos"
    return Figure("size-classes", "Size classes", description, table, draw, count)


def make_formats(reader: CatalogReader) -> Figure:
    """Artifacts of weights by file format."""
    table = query_frame(
        reader,
        "select format, count(*) as artifacts, count(distinct repo_id) as repos, sum(total_size) as bytes"
        " from artifacts_wide where role = 'weights' and format is not null and status <> 'gone'"
        " group by format order by artifacts desc, format limit 15",
        ["format", "artifacts", "repos", "bytes"],
    )
    if table.empty:
        return Figure("formats", "Formats", "No file has been listed yet.", table, None)

    def draw(width: int) -> Any:
        return bar_chart(
            table, "format", "artifacts", "model files (all parts of one count as one)", PALETTE[4], width, format=",d"
        )

    first = table.iloc[0]
    description = (
        f"{first['format']} is the most common format, with {int(first['artifacts']):,} model files in"
        f" {int(first['repos']):,} repos."
        f"{count_left_out(reader, 'artifact_count = 0', 'whose files were not listed or hold no weights')}"
    )
    count = f"{int(table['artifacts'].sum()):,} files"
    return Figure("formats", "File formats", description, table, draw, count)


def write_charts(reader: CatalogReader, folder: Path, theme: Theme = "light") -> Iterator[Path]:
    """Write every chart as NAME.svg and NAME.png to a folder; yields each file when it is written.

    The folder is created when the first chart is there: where none can be drawn, nothing is left.
    """
    for figure in make_figures(reader):
        if figure.draw is None:
            continue
        for suffix, content in ((".svg", figure.svg(theme).encode("utf-8")), (".png", figure.png(theme))):
            path = folder / f"{figure.name}{suffix}"
            folder.mkdir(parents=True, exist_ok=True)
            with new_file(path) as draft:
                draft.write_bytes(content)
            yield path
