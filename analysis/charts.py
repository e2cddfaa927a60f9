"""The catalog in pictures: each chart with the table behind it and a sentence for those who can't see it.

A chart is made by Altair (Vega-Lite) and drawn to SVG or PNG by vl-convert, both offline. Colours are Okabe and Ito's
(https://jfly.uni-koeln.de/color/), which people with any colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from analysis.errors import MissingExtra
from analysis.query import Reader

Theme = Literal["light", "dark"]

PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#7F7F7F"]
INK = {"light": "#1f2328", "dark": "#e6edf3"}
GRID = {"light": "#d0d7de", "dark": "#30363d"}
TOP_FAMILIES = 7  # the eighth colour is for all others
POINTS = 2_000  # of the scatter plot: more are no clearer and make the page heavy


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: `table` is what it shows, `say` says it in words; `draw` makes an Altair chart.

    `draw` is None where the catalog holds nothing to show yet.
    """

    name: str
    title: str
    say: str
    table: pd.DataFrame
    draw: Callable[[], Any] | None

    def svg(self, theme: Theme = "light") -> str:
        """The picture as SVG text with a transparent ground. Raises MissingExtra."""
        return _drawing(self, theme, "svg").decode("utf-8")

    def png(self, theme: Theme = "light", scale: float = 2.0) -> bytes:
        """The picture as PNG. Raises MissingExtra."""
        return _drawing(self, theme, "png", scale)


def _altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise MissingExtra("charts", "altair") from error
    return altair


def _drawing(figure: Figure, theme: Theme, form: Literal["svg", "png"], scale: float = 1.0) -> bytes:
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("charts", "vl-convert-python") from error
    assert figure.draw is not None, f"{figure.name} has nothing to draw"
    spec = figure.draw().configure(**style(theme)).to_dict()
    if form == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode("utf-8")
    return bytes(vl_convert.vegalite_to_png(spec, scale=scale))


def style(theme: Theme) -> dict[str, Any]:
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
        "axis": {**words, "gridColor": grid, "domainColor": grid, "tickColor": grid},
        "legend": {**words, "orient": "bottom", "columns": 4, "symbolLimit": 20},
        "view": {"stroke": None},
        "range": {"category": PALETTE},
        "text": {"color": ink},
    }


def figures(reader: Reader) -> Iterator[Figure]:
    """All charts of the catalog, in the report's order."""
    for make in (families_over_time, schemes_by_downloads, sizes_against_bits, quantizers, size_classes, formats):
        yield make(reader)


def _frame(reader: Reader, sql: str, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(reader.all(sql), columns=columns)


def families_over_time(reader: Reader) -> Figure:
    """Repos made in each quarter, by family."""
    rows = _frame(
        reader,
        "select cast(created_at as varchar) as created, family from models"
        " where family is not null and created_at is not null and status <> 'gone'",
        ["created", "family"],
    )
    if rows.empty:
        return Figure("families-over-time", "Families over time", "No repo has a family and a date yet.", rows, None)
    month = rows["created"].str.slice(5, 7).astype(int)
    rows["quarter"] = rows["created"].str.slice(0, 4) + " Q" + ((month - 1) // 3 + 1).astype(str)
    top = list(rows["family"].value_counts().index[:TOP_FAMILIES])
    rows["family"] = rows["family"].where(rows["family"].isin(top), "others")
    table = rows.groupby(["quarter", "family"], sort=True).size().rename("repos").reset_index()
    order = [*top, "others"]

    def draw() -> Any:
        alt = _altair()
        return (
            alt.Chart(table, width=760, height=280)
            .mark_bar()
            .encode(
                x=alt.X("quarter:O", title=None, axis=alt.Axis(labelAngle=-45)),
                y=alt.Y("sum(repos):Q", title="repos created"),
                color=alt.Color("family:N", title=None, sort=order, scale=alt.Scale(domain=order, range=PALETTE)),
                order=alt.Order("family:N"),
            )
        )

    busiest = table.groupby("quarter")["repos"].sum().idxmax()
    say = f"Most repos of known families were made in {busiest}; the largest families are {', '.join(top[:3])}."
    return Figure("families-over-time", "Families over time", say, table, draw)


def schemes_by_downloads(reader: Reader) -> Figure:
    """Downloads of the repos that hold each scheme, with how many artifacts carry it."""
    table = _frame(
        reader,
        "select a.quant as scheme, count(*) as artifacts, count(distinct a.repo_id) as repos,"
        " sum(m.downloads) as downloads"
        " from artifacts_wide a join models m on m.repo_id = a.repo_id"
        " where a.quant is not null and a.role = 'weights' and m.status <> 'gone'"
        " group by a.quant order by downloads desc, artifacts desc limit 25",
        ["scheme", "artifacts", "repos", "downloads"],
    )
    table["downloads"] = table["downloads"].fillna(0).astype("int64")
    if table.empty:
        return Figure("schemes", "Schemes by downloads", "No artifact has a scheme yet.", table, None)

    def draw() -> Any:
        alt = _altair()
        return (
            alt.Chart(table, width=680, height=alt.Step(18))
            .mark_bar(color=PALETTE[0])
            .encode(
                y=alt.Y("scheme:N", sort=None, title=None),
                x=alt.X("downloads:Q", title="downloads in 30 days of repos that hold it", axis=alt.Axis(format="~s")),
            )
        )

    first = table.iloc[0]
    say = (
        f"{first['scheme']} is in the repos with most downloads. A repo counts for each scheme that it holds: the Hub"
        " counts downloads by repo, not by file."
    )
    return Figure("schemes", "Schemes by downloads", say, table, draw)


def sizes_against_bits(reader: Reader) -> Figure:
    """Measured parameters against measured bits a weight; what contradicts its name stands out."""
    table = _frame(
        reader,
        "select a.repo_id, a.artifact, coalesce(a.quant_method, a.format) as method, a.quant as scheme,"
        " a.parameters_measured as parameters, a.bits_per_weight,"
        " exists (select 1 from label_conflicts c where c.repo_id = a.repo_id and c.artifact = a.artifact) as conflict"
        " from artifacts_wide a join models m on m.repo_id = a.repo_id"
        " where a.role = 'weights' and a.parameters_measured > 0 and a.bits_per_weight > 0 and a.bits_per_weight < 40"
        f" order by m.downloads desc, a.repo_id, a.artifact limit {POINTS}",
        ["repo_id", "artifact", "method", "scheme", "parameters", "bits_per_weight", "conflict"],
    )
    if table.empty:
        return Figure("sizes-and-bits", "Size against bits a weight", "No header has been read yet.", table, None)
    table["conflict"] = table["conflict"].astype(bool)
    table["parameters"] = table["parameters"].astype(float)
    common = list(table["method"].fillna("unknown").value_counts().index[:TOP_FAMILIES])
    table["method"] = table["method"].where(table["method"].isin(common), "others")

    def draw() -> Any:
        alt = _altair()
        base = alt.Chart(table, width=760, height=340).encode(
            x=alt.X("parameters:Q", scale=alt.Scale(type="log"), title="parameters", axis=alt.Axis(format="~s")),
            y=alt.Y("bits_per_weight:Q", title="bits a weight"),
        )
        agree = base.transform_filter("!datum.conflict").mark_circle(size=36, opacity=0.55)
        differ = base.transform_filter("datum.conflict").mark_point(
            shape="diamond", size=110, filled=False, strokeWidth=2.2, opacity=1
        )
        colour = alt.Color("method:N", title=None, scale=alt.Scale(domain=[*common, "others"], range=PALETTE))
        return alt.layer(agree.encode(color=colour), differ.encode(color=colour))

    odd = int(table["conflict"].sum())
    say = (
        f"{len(table):,} artifacts whose headers were read. {odd:,} of them, drawn as open diamonds, contradict a claim"
        " of their name, card or tags."
    )
    return Figure("sizes-and-bits", "Size against bits a weight", say, table, draw)


def quantizers(reader: Reader) -> Figure:
    """Who makes the quantized copies."""
    table = _frame(
        reader,
        "select author, count(*) as repos, sum(artifact_count) as artifacts, sum(downloads) as downloads"
        " from models where quantized and author is not null and status <> 'gone'"
        " group by author order by repos desc, downloads desc limit 20",
        ["author", "repos", "artifacts", "downloads"],
    )
    table["downloads"] = table["downloads"].fillna(0).astype("int64")
    if table.empty:
        return Figure("quantizers", "Who quantizes", "No quantized repo is known yet.", table, None)

    def draw() -> Any:
        alt = _altair()
        return (
            alt.Chart(table, width=680, height=alt.Step(18))
            .mark_bar(color=PALETTE[2])
            .encode(
                y=alt.Y("author:N", sort=None, title=None),
                x=alt.X("repos:Q", title="quantized repos", axis=alt.Axis(tickMinStep=1)),
            )
        )

    first = table.iloc[0]
    say = f"{first['author']} holds most quantized repos, {int(first['repos']):,}, of the publishers in this catalog."
    return Figure("quantizers", "Who quantizes", say, table, draw)


SIZE_CLASSES = [
    ("under 1B", 1e9),
    ("1B to 4B", 4e9),
    ("4B to 10B", 1e10),
    ("10B to 40B", 4e10),
    ("40B to 150B", 1.5e11),
]


def size_classes(reader: Reader) -> Figure:
    """Repos by how many parameters they have, measured where a header was read."""
    rows = _frame(
        reader,
        "select coalesce(parameters_measured, parameters) as parameters, quantized from models"
        " where coalesce(parameters_measured, parameters) > 0 and status <> 'gone'",
        ["parameters", "quantized"],
    )
    if rows.empty:
        return Figure("size-classes", "Size classes", "No repo's size is known yet.", rows, None)
    names = [name for name, _ in SIZE_CLASSES] + ["over 150B"]
    edges = [0.0, *(edge for _, edge in SIZE_CLASSES), float("inf")]
    rows["size"] = pd.cut(rows["parameters"].astype(float), edges, labels=names, right=False).astype(str)
    rows["kind"] = rows["quantized"].map({True: "quantized", False: "full precision"}).fillna("not known")
    table = rows.groupby(["size", "kind"]).size().rename("repos").reset_index()
    table = table.sort_values(["size", "kind"], key=lambda c: c.map(names.index) if c.name == "size" else c)
    table = table.reset_index(drop=True)
    kinds = ["full precision", "quantized", "not known"]

    def draw() -> Any:
        alt = _altair()
        return (
            alt.Chart(table, width=680, height=240)
            .mark_bar()
            .encode(
                x=alt.X("size:N", sort=names, title="parameters", axis=alt.Axis(labelAngle=0)),
                y=alt.Y("repos:Q", title="repos"),
                color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds, range=[*PALETTE[:2], PALETTE[7]])),
            )
        )

    largest = table.groupby("size")["repos"].sum().idxmax()
    say = f"{len(rows):,} repos have a known size; most are in the class {largest}."
    return Figure("size-classes", "Size classes", say, table, draw)


def formats(reader: Reader) -> Figure:
    """Artifacts of weights by container."""
    table = _frame(
        reader,
        "select format, count(*) as artifacts, count(distinct repo_id) as repos, sum(total_size) as bytes"
        " from artifacts_wide where role = 'weights' and format is not null"
        " group by format order by artifacts desc limit 15",
        ["format", "artifacts", "repos", "bytes"],
    )
    if table.empty:
        return Figure("formats", "Formats", "No file has been listed yet.", table, None)

    def draw() -> Any:
        alt = _altair()
        return (
            alt.Chart(table, width=680, height=alt.Step(20))
            .mark_bar(color=PALETTE[4])
            .encode(y=alt.Y("format:N", sort=None, title=None), x=alt.X("artifacts:Q", title="artifacts of weights"))
        )

    first = table.iloc[0]
    say = f"{first['format']} is the commonest container, with {int(first['artifacts']):,} artifacts."
    return Figure("formats", "Formats", say, table, draw)


def write_charts(reader: Reader, folder: Path) -> list[Path]:
    """Every chart as NAME.svg and NAME.png in a folder, which is made; returns what was written, a file at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures(reader):
        if figure.draw is None:
            continue
        for suffix, content in ((".svg", figure.svg().encode("utf-8")), (".png", figure.png())):
            path = folder / f"{figure.name}{suffix}"
            draft = path.with_name(path.name + ".part")
            draft.write_bytes(content)
            draft.replace(path)
            written.append(path)
    return written
