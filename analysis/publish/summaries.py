"""The catalog in six small tables: by family, quantization, size class, format, licence and publisher.

Data frames of CHUNK_ROWS rows are summed and the sums added up, so that memory does not grow with the catalog. What has
no value of a key is a group of its own, which NO_VALUE names; a sum of no values is empty, not zero. The Hub counts
downloads by repo: a repo with several schemes or formats counts in each of their groups, so that `downloads_of_repos`
does not add up to all downloads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.query.reader import CatalogReader

CHUNK_ROWS = 50_000  # rows of one data frame

SIZE_CLASSES: tuple[tuple[str, float], ...] = (
    ("under 1B", 1e9),
    ("1B to 4B", 4e9),
    ("4B to 10B", 1e10),
    ("10B to 40B", 4e10),
    ("40B to 150B", 1.5e11),
    ("over 150B", float("inf")),
)
"""Names and upper bounds (exclusive) in parameters."""

MODEL_ROWS = (
    "select repo_id, author as publisher, family, license, coalesce(parameters_measured, parameters) as parameters,"
    " quantized, downloads, likes, total_size from models where status <> 'gone' order by repo_id"
)
ARTIFACT_ROWS = (
    "select repo_id, quant, quant_method, format, quantized, bits_per_weight, downloads, total_size"
    " from artifacts_wide where role = 'weights' and status <> 'gone' order by repo_id"
)
DTYPES: Mapping[str, str] = {
    "parameters": "Float64", "quantized": "boolean", "downloads": "Int64", "likes": "Int64", "total_size": "Int64",
    "bits_per_weight": "Float64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """One summary: the columns it groups by (`keys`), and whether it counts repos or artifacts (`unit`)."""

    name: str
    keys: tuple[str, ...]
    unit: str  # repos or artifacts


SUMMARIES: tuple[Summary, ...] = (
    Summary("by_family", ("family",), "repos"),
    Summary("by_quant", ("quant", "quant_method"), "artifacts"),
    Summary("by_size_class", ("size_class",), "repos"),
    Summary("by_format", ("format",), "artifacts"),
    Summary("by_license", ("license",), "repos"),
    Summary("by_publisher", ("publisher",), "repos"),
)
NO_VALUE: Mapping[str, str] = {
    "family": "no family known", "quant": "no scheme known", "quant_method": "no method known",
    "size_class": "no size known", "format": "no format known", "license": "no licence stated",
    "publisher": "no publisher",
}  # fmt: skip
"""Key -> the name of the group of repos or artifacts without a value of it."""

SUMMARY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "repos": ("repos", "quantized_repos", "downloads", "likes", "total_size"),
    "artifacts": (
        "artifacts", "repos", "quantized_artifacts", "mean_bits_per_weight", "least_bits_per_weight",
        "most_bits_per_weight", "downloads_of_repos", "total_size",
    ),
}  # fmt: skip


def summarize(reader: CatalogReader, names: Sequence[str] | None = None) -> Iterator[tuple[Summary, pd.DataFrame]]:
    """The named summaries (None: all) with their frames, largest groups first.

    The catalog is read once for the summaries of repos and once for those of artifacts.
    """
    requested = [summary for summary in SUMMARIES if names is None or summary.name in names]
    for unit, sql, sum_rows in (("repos", MODEL_ROWS, sum_repos), ("artifacts", ARTIFACT_ROWS, sum_artifacts)):
        of_unit = [summary for summary in requested if summary.unit == unit]
        totals: dict[str, pd.DataFrame] = {}
        for frame in read_frames(reader, sql) if of_unit else ():
            for summary in of_unit:
                sums = sum_rows(frame, summary.keys)
                before = totals.get(summary.name)
                totals[summary.name] = sums if before is None else add_sums(before, sums, summary.keys)
        for summary in of_unit:
            yield summary, finish_summary(totals.get(summary.name), summary)


def read_frames(reader: CatalogReader, sql: str, size: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """A result ordered by repo as data frames of about `size` rows; no repo is in two of them."""
    with reader.rows(sql) as rows:
        held: list[tuple[Any, ...]] = []
        for row in rows:
            if len(held) >= size and row[0] != held[-1][0]:
                yield set_types(pd.DataFrame(held, columns=list(rows.columns)))
                held = []
            held.append(row)
        if held:
            yield set_types(pd.DataFrame(held, columns=list(rows.columns)))


def set_types(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with nullable number types, and with a column `size_class` where it has `parameters`."""
    dtypes = {name: DTYPES.get(name, "object") for name in frame.columns}
    frame = frame.astype(dtypes)
    if "parameters" in frame:
        frame["size_class"] = [size_class_of(value) for value in frame["parameters"]]
    return frame


def size_class_of(parameters: Any) -> str | None:
    """The class of a number of parameters; None where it is unknown."""
    if parameters is None or pd.isna(parameters) or parameters <= 0:
        return None
    return next(name for name, bound in SIZE_CLASSES if parameters < bound)


def sum_repos(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sums by key of a frame with one row per repo."""
    counted = frame.assign(repos=1, quantized_repos=frame["quantized"].fillna(False).astype("int64"))
    names = ["repos", "quantized_repos", "downloads", "likes", "total_size"]
    return counted.groupby(list(keys), dropna=False)[names].sum(min_count=1).reset_index()


def sum_artifacts(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sums by key of a frame with one row per artifact. A repo and its downloads count once in each group."""
    bits = frame["bits_per_weight"]
    counted = frame.assign(
        artifacts=1,
        quantized_artifacts=frame["quantized"].fillna(False).astype("int64"),
        bits=bits,
        measured=bits.notna().astype("int64"),
        least=bits,
        most=bits,
    )
    grouped = counted.groupby(list(keys), dropna=False)
    names = ["artifacts", "quantized_artifacts", "total_size", "bits", "measured"]
    sums = grouped[names].sum(min_count=1).join(grouped.agg(least=("least", "min"), most=("most", "max")))
    once = frame.drop_duplicates([*keys, "repo_id"]).assign(repos=1)
    return sums.join(once.groupby(list(keys), dropna=False)[["repos", "downloads"]].sum(min_count=1)).reset_index()


def add_sums(one: pd.DataFrame, other: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Two tables of sums added up."""
    both = pd.concat([one, other], ignore_index=True)
    grouped = both.groupby(list(keys), dropna=False)
    extremes = [name for name in ("least", "most") if name in both]
    sums = grouped[[name for name in both.columns if name not in (*keys, *extremes)]].sum(min_count=1)
    for name, kind in (("least", "min"), ("most", "max")):
        if name in extremes:
            sums[name] = grouped[name].agg(kind)
    return sums.reset_index()


def finish_summary(sums: pd.DataFrame | None, summary: Summary) -> pd.DataFrame:
    """The table of a summary from its sums: means computed, columns and rows in order."""
    columns = [*summary.keys, *SUMMARY_COLUMNS[summary.unit]]
    if sums is None:
        return pd.DataFrame(columns=columns)
    if summary.unit == "artifacts":
        sums["mean_bits_per_weight"] = (sums["bits"] / sums["measured"].where(sums["measured"] > 0)).round(4)
        names = {"least": "least_bits_per_weight", "most": "most_bits_per_weight", "downloads": "downloads_of_repos"}
        sums = sums.rename(columns=names)
    sums = sums.fillna({key: NO_VALUE[key] for key in summary.keys})
    order = {name: at for at, name in enumerate([*(name for name, _ in SIZE_CLASSES), NO_VALUE["size_class"]])}
    if summary.name == "by_size_class":
        return sums.sort_values("size_class", key=lambda names: names.map(order), kind="stable")[columns]
    first = SUMMARY_COLUMNS[summary.unit][0]
    largest_first = [False, *(True for _ in summary.keys)]
    return sums.sort_values([first, *summary.keys], ascending=largest_first, kind="stable")[columns]


def python_rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """A frame's rows as Python values; missing values are None."""
    for row in frame.itertuples(index=False, name=None):
        yield tuple(None if pd.isna(value) else value.item() if hasattr(value, "item") else value for value in row)
