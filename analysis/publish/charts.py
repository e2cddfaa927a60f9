"""The catalog in pictures: each chart with the table behind it and a sentence for those who can't see it.

A chart is made by Altair (Vega-Lite) and drawn to SVG or PNG by vl-convert, both offline. Colours are Okabe and Ito's
(https://jfly.uni-koeln.de/color/), which people with any colour vision tell apart, on light and on dark ground. The
database counts; only what a chart shows is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

import pandas as pd

from analysis.errors import MissingExtra
from analysis.publish.summaries import SIZE_CLASSES
from analysis.query.reader import CatalogReader

Theme = Literal["light", "dark"]

PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#7F7F7F"]
INK = {"light": "#1f2328", "dark": "#e6edf3"}
GRID = {"light": "#d0d7de", "dark": "#30363d"}
GROUND = {"light": "#ffffff", "dark": "#0d1117"}
WIDE = 820  # pixels of the plot itself, on a desktop
NARROW = 300  # on a phone
ODD = "#D55E00"  # what contradicts itself
TOP_FAMILIES = 7  # the eighth colour is for all others
POINTS = 1_500  # of the scatter plot: more are no clearer and make the page heavy


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: `table` is what it shows, `say` says it in words; `draw` makes an Altair chart of a width in pixels.

    `draw` is None where the catalog holds nothing to show yet.
    """

    name: str
    title: str
    say: str
    table: pd.DataFrame
    draw: Callable[[int], Any] | None

    def svg(self, theme: Theme = "light", width: int = WIDE) -> str:
        """The picture with its title as SVG text; the ground is transparent. Raises MissingExtra."""
        return str(vl_convert().vegalite_to_svg(self.titled(theme, width)))

    def png(self, theme: Theme = "light", width: int = WIDE, scale: float = 2.0) -> bytes:
        """The picture with its title as PNG, on a ground of its own. Raises MissingExtra."""
        spec = {**self.titled(theme, width), "background": GROUND[theme], "padding": 16}
        return bytes(vl_convert().vegalite_to_png(spec, scale=scale))

    def titled(self, theme: Theme, width: int) -> dict[str, Any]:
        said = {"text": self.title, "subtitle": wrap(self.say, width // 6), "anchor": "start", "offset": 14}
        return {**self.spec(theme, width), "title": said}

    def inline(self, width: int, suffix: str) -> str:
        """SVG for a page: scales with it, takes ink and grid from its style, says what it is to those who can't see it.

        `suffix` keeps ids apart from those of other pictures on the page.
        """
        svg = str(vl_convert().vegalite_to_svg(self.spec("light", width)))
        size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        name = f"{self.name}-{suffix}"
        numbers: dict[str, int] = {}  # vl-convert counts on from picture to picture: here each counts for itself
        svg = re.sub(r"\b(?:clip|gradient_)\d+\b", lambda it: f"{name}-{numbers.setdefault(it[0], len(numbers))}", svg)
        for colour, variable in ((INK["light"], "currentColor"), (GRID["light"], "var(--grid)")):
            svg = svg.replace(f'"{colour}"', f'"{variable}"')
        opening = (
            f'<svg class="{suffix}" role="img" aria-labelledby="{name}-title {name}-desc" '
            f'viewBox="0 0 {size[1]} {size[2]}" '  # type: ignore[index]
            f'xmlns="http://www.w3.org/2000/svg"><title id="{name}-title">{escaped(self.title)}</title>'
            f'<desc id="{name}-desc">{escaped(self.say)}</desc>'
        )
        return opening + re.sub(r"^.*?<svg[^>]*>", "", svg, count=1, flags=re.DOTALL)

    def spec(self, theme: Theme, width: int) -> dict[str, Any]:
        assert self.draw is not None, f"{self.name} has nothing to draw"
        found: dict[str, Any] = self.draw(width).configure(**style(theme, width)).to_dict()
        return found


def escaped(text: str) -> str:
    from html import escape

    return escape(text)


def altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise MissingExtra("charts", "altair") from error
    return altair


def vl_convert() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("charts", "vl-convert-python") from error
    return vl_convert


def style(theme: Theme, width: int) -> dict[str, Any]:
    """Vega-Lite's `config` for a page of this theme."""
    ink, grid = INK[theme], GRID[theme]
    words = {
        "labelColor": ink,
        "titleColor": ink,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return {
        "background": "transparent",
        "font": "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif",
        "axis": {**words, "gridColor": grid, "domainColor": grid, "tickColor": grid, "labelLimit": 150},
        "axisX": {"titlePadding": 8},
        "legend": {
            **words,
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


def figures(reader: CatalogReader) -> Iterator[Figure]:
    """All charts of the catalog, in the report's order."""
    for make in (families_over_time, schemes_by_downloads, sizes_against_bits, quantizers, size_classes, formats):
        yield make(reader)


def frame(reader: CatalogReader, sql: str, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(reader.all(sql), columns=columns)


def bars(table: pd.DataFrame, of: str, measure: str, title: str, colour: str, width: int, **axis: Any) -> Any:
    """Horizontal bars, largest first, each with its name."""
    alt = altair()
    ticks = min(max(3, width // 120), max(1, int(table[measure].max())))
    return (
        alt.Chart(table, width=width - 80, height=alt.Step(19))
        .mark_bar(color=colour, cornerRadiusEnd=2)
        .encode(
            y=alt.Y(f"{of}:N", sort=None, title=None),
            x=alt.X(f"{measure}:Q", title=title, axis=alt.Axis(tickCount=ticks, **axis)),
        )
    )


def families_over_time(reader: CatalogReader) -> Figure:
    """Repos made in each quarter, by family."""
    name, title = "families-over-time", "Families over time"
    rows = frame(
        reader,
        "select substr(cast(created_at as varchar), 1, 7) as month, family, count(*) as repos from models"
        " where family is not null and created_at is not null and status <> 'gone'"
        " group by substr(cast(created_at as varchar), 1, 7), family",
        ["month", "family", "repos"],
    )
    if rows.empty:
        return Figure(name, title, "No repo has a family and a date yet.", rows, None)
    month = rows["month"].str.slice(5, 7).astype(int)
    rows["quarter"] = rows["month"].str.slice(0, 4) + " Q" + ((month - 1) // 3 + 1).astype(str)
    sums = rows.groupby("family")["repos"].sum().reset_index().sort_values(["repos", "family"], ascending=[False, True])
    top = list(sums["family"][:TOP_FAMILIES])
    rows["family"] = rows["family"].where(rows["family"].isin(top), "others")
    table = rows.groupby(["quarter", "family"], sort=True)["repos"].sum().reset_index()
    order = [*top, "others"] if len(sums) > TOP_FAMILIES else top

    def draw(width: int) -> Any:
        alt = altair()
        ranked = table.assign(rank=table["family"].map(order.index))
        return (
            alt.Chart(ranked, width=width, height=280)
            .mark_bar()
            .encode(
                x=alt.X("quarter:O", title=None, axis=alt.Axis(labelAngle=-45, labelOverlap=True)),
                y=alt.Y("sum(repos):Q", title="repos created", axis=alt.Axis(tickMinStep=1)),
                color=alt.Color("family:N", title=None, scale=alt.Scale(domain=order, range=PALETTE[: len(order)])),
                order=alt.Order("rank:Q"),
            )
        )

    busiest = table.groupby("quarter")["repos"].sum().idxmax()
    say = f"Most repos of known families were made in {busiest}; the largest families are {', '.join(top[:3])}."
    return Figure(name, title, say, table, draw)


def schemes_by_downloads(reader: CatalogReader) -> Figure:
    """Downloads of the quantized repos that hold each scheme, with how many artifacts carry it."""
    table = frame(
        reader,
        "select scheme, sum(artifacts) as artifacts, count(*) as repos, sum(downloads) as downloads from ("
        " select a.quant as scheme, a.repo_id, count(*) as artifacts, max(a.downloads) as downloads"
        " from artifacts_wide as a join models as m on m.repo_id = a.repo_id"
        " where a.quant is not null and a.quantized and m.quantized and a.role = 'weights' and a.status <> 'gone'"
        " group by a.quant, a.repo_id) as held"
        " group by scheme order by downloads desc nulls last, artifacts desc, scheme limit 25",
        ["scheme", "artifacts", "repos", "downloads"],
    )
    if table.empty:
        return Figure("schemes", "Schemes by downloads", "No quantized artifact is known yet.", table, None)
    table["downloads"] = table["downloads"].fillna(0).astype("int64")

    def draw(width: int) -> Any:
        return bars(
            table, "scheme", "downloads", "monthly downloads of quantized repos with it", PALETTE[0], width, format="~s"
        )

    say = (
        f"{table.iloc[0]['scheme']} is in the quantized repos with most downloads. A repo counts for each scheme"
        " that it holds: the Hub counts downloads by repo, not by file."
    )
    return Figure("schemes", "Schemes by downloads", say, table, draw)


def sizes_against_bits(reader: CatalogReader) -> Figure:
    """Measured parameters against measured bits a weight; what contradicts its name stands out."""
    name, title = "sizes-and-bits", "Size against bits a weight"
    table = frame(
        reader,
        "select a.repo_id, a.artifact, coalesce(a.quant_method, a.format) as method, a.quant as scheme,"
        " a.parameters_measured as parameters, a.bits_per_weight,"
        " case when exists (select 1 from label_conflicts c where c.repo_id = a.repo_id and c.artifact = a.artifact)"
        " then 1 else 0 end as conflict"
        " from artifacts_wide a"
        " where a.role = 'weights' and a.parameters_measured > 0 and a.bits_per_weight > 0 and a.bits_per_weight < 40"
        f" and a.status <> 'gone' order by a.downloads desc nulls last, a.repo_id, a.artifact limit {POINTS}",
        ["repo_id", "artifact", "method", "scheme", "parameters", "bits_per_weight", "conflict"],
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
        alt = altair()
        colours = [colour for colour in PALETTE if colour not in (ODD, "#E69F00")][: len(order)]  # nor what is like it
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
                title="bits a weight",
                scale=alt.Scale(type="log", base=2, nice=False, padding=10),
                axis=alt.Axis(values=bits, format="d"),
            ),
        )
        agree = base.transform_filter("!datum.conflict").mark_circle(size=40, opacity=0.85).encode(color=colour)
        differ = base.transform_filter("datum.conflict").mark_point(
            shape="diamond", size=110, filled=False, strokeWidth=2, opacity=1, color=ODD
        )
        return alt.layer(agree, differ)

    odd = int(table["conflict"].sum())
    say = (
        f"{f'The {POINTS:,} most downloaded' if len(table) == POINTS else f'{len(table):,}'} artifacts whose parameters"
        f" were counted. {odd:,} of them, drawn as open diamonds, contradict a claim of their name, card or tags."
    )
    return Figure(name, title, say, table, draw)


def quantizers(reader: CatalogReader) -> Figure:
    """Who makes the quantized copies."""
    table = frame(
        reader,
        "select author, count(*) as repos, sum(artifact_count) as artifacts, sum(downloads) as downloads"
        " from models where quantized and author is not null and status <> 'gone'"
        " group by author order by repos desc, downloads desc nulls last, author limit 20",
        ["author", "repos", "artifacts", "downloads"],
    )
    if table.empty:
        return Figure("quantizers", "Who quantizes", "No quantized repo is known yet.", table, None)
    table["downloads"] = table["downloads"].fillna(0).astype("int64")

    def draw(width: int) -> Any:
        return bars(table, "author", "repos", "quantized repos", PALETTE[2], width, format=",d")

    first = table.iloc[0]
    say = f"{first['author']} holds most quantized repos, {int(first['repos']):,}, of the publishers in this catalog."
    return Figure("quantizers", "Who quantizes", say, table, draw)


def size_classes(reader: CatalogReader) -> Figure:
    """Repos by how many parameters they have, measured where a header was read."""
    bounds = " ".join(
        f"when coalesce(parameters_measured, parameters) < {bound:.0f} then '{name}'"
        for name, bound in SIZE_CLASSES[:-1]
    )
    table = frame(
        reader,
        "select size, kind, count(*) as repos from (select"
        f" case {bounds} else '{SIZE_CLASSES[-1][0]}' end as size,"
        " case when quantized is null then 'not known' when quantized then 'quantized' else 'full precision' end"
        " as kind from models where coalesce(parameters_measured, parameters) > 0 and status <> 'gone') as sized"
        " group by size, kind",
        ["size", "kind", "repos"],
    )
    if table.empty:
        return Figure("size-classes", "Size classes", "No repo's size is known yet.", table, None)
    names = [name for name, _ in SIZE_CLASSES]
    kinds = ["full precision", "quantized", "not known"]
    table = table.sort_values(
        ["size", "kind"], key=lambda column: column.map((names if column.name == "size" else kinds).index)
    ).reset_index(drop=True)

    def draw(width: int) -> Any:
        alt = altair()
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
    say = f"{int(table['repos'].sum()):,} repos have a known size; most are in the class {largest}."
    return Figure("size-classes", "Size classes", say, table, draw)


def formats(reader: CatalogReader) -> Figure:
    """Artifacts of weights by container."""
    table = frame(
        reader,
        "select format, count(*) as artifacts, count(distinct repo_id) as repos, sum(total_size) as bytes"
        " from artifacts_wide where role = 'weights' and format is not null and status <> 'gone'"
        " group by format order by artifacts desc, format limit 15",
        ["format", "artifacts", "repos", "bytes"],
    )
    if table.empty:
        return Figure("formats", "Formats", "No file has been listed yet.", table, None)

    def draw(width: int) -> Any:
        return bars(table, "format", "artifacts", "artifacts of weights", PALETTE[4], width, format=",d")

    first = table.iloc[0]
    say = f"{first['format']} is the commonest container, with {int(first['artifacts']):,} artifacts."
    return Figure("formats", "Formats", say, table, draw)


def write_charts(reader: CatalogReader, folder: Path, theme: Theme = "light") -> Iterator[Path]:
    """Every chart as NAME.svg and NAME.png in a folder, which is made; yields what was written, a file at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures(reader):
        if figure.draw is None:
            continue
        for suffix, content in ((".svg", figure.svg(theme).encode("utf-8")), (".png", figure.png(theme))):
            path = folder / f"{figure.name}{suffix}"
            draft = path.with_name(path.name + ".part")
            draft.write_bytes(content)
            draft.replace(path)
            yield path
