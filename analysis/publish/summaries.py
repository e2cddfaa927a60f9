"""The catalog in six small tables: by family, scheme, size class, format, licence and publisher.

Data frames of so many rows at a time are summed up and their sums summed, so that memory does not grow with the
catalog. What is not known is a group of its own, with an empty key; sums of nothing are empty, not zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.query.reader import CatalogReader

CHUNK = 50_000  # rows of one data frame

SIZE_CLASSES: tuple[tuple[str, float], ...] = (
    ("under 1B", 1e9),
    ("1B to 4B", 4e9),
    ("4B to 10B", 1e10),
    ("10B to 40B", 4e10),
    ("40B to 150B", 1.5e11),
    ("over 150B", float("inf")),
)
"""Names and upper bounds (not in the class) of parameters."""

MODELS = (
    "select repo_id, author as publisher, family, license, coalesce(parameters_measured, parameters) as parameters,"
    " quantized, downloads, likes, total_size from models where status <> 'gone' order by repo_id"
)
ARTIFACTS = (
    "select repo_id, quant, quant_method, format, quantized, bits_per_weight, downloads, total_size"
    " from artifacts_wide where role = 'weights' and status <> 'gone' order by repo_id"
)
TYPES: Mapping[str, str] = {
    "parameters": "Float64", "quantized": "boolean", "downloads": "Int64", "likes": "Int64", "total_size": "Int64",
    "bits_per_weight": "Float64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """One of the six: what it groups by, and what one row of its groups is."""

    name: str
    keys: tuple[str, ...]
    of: str  # repos or artifacts


SUMMARIES: tuple[Summary, ...] = (
    Summary("by_family", ("family",), "repos"),
    Summary("by_quant", ("quant", "quant_method"), "artifacts"),
    Summary("by_size_class", ("size_class",), "repos"),
    Summary("by_format", ("format",), "artifacts"),
    Summary("by_license", ("license",), "repos"),
    Summary("by_publisher", ("publisher",), "repos"),
)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "repos": ("repos", "quantized_repos", "downloads", "likes", "total_size"),
    "artifacts": (
        "artifacts", "repos", "quantized_artifacts", "mean_bits_per_weight", "least_bits_per_weight",
        "most_bits_per_weight", "downloads", "total_size",
    ),
}  # fmt: skip


def summaries(reader: CatalogReader, names: Sequence[str] | None = None) -> Iterator[tuple[Summary, pd.DataFrame]]:
    """Each summary with its frame, largest groups first; the catalog is read once for repos, once for artifacts."""
    wanted = [summary for summary in SUMMARIES if names is None or summary.name in names]
    for of, sql, part in (("repos", MODELS, repo_sums), ("artifacts", ARTIFACTS, artifact_sums)):
        asked = [summary for summary in wanted if summary.of == of]
        sums: dict[str, pd.DataFrame] = {}
        for frame in frames(reader, sql) if asked else ():
            for summary in asked:
                part_of_it = part(frame, summary.keys)
                before = sums.get(summary.name)
                sums[summary.name] = part_of_it if before is None else added(before, part_of_it, summary.keys)
        for summary in asked:
            yield summary, finished(sums.get(summary.name), summary)


def frames(reader: CatalogReader, sql: str, size: int = CHUNK) -> Iterator[pd.DataFrame]:
    """An answer ordered by repo as data frames of about `size` rows; no repo is in two of them."""
    with reader.rows(sql) as rows:
        held: list[tuple[Any, ...]] = []
        for row in rows:
            if len(held) >= size and row[0] != held[-1][0]:
                yield typed(pd.DataFrame(held, columns=list(rows.columns)))
                held = []
            held.append(row)
        if held:
            yield typed(pd.DataFrame(held, columns=list(rows.columns)))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers that may be unknown and text; the size class beside the parameters."""
    kinds = {name: TYPES.get(name, "object") for name in frame.columns}
    frame = frame.astype(kinds)
    if "parameters" in frame:
        frame["size_class"] = [size_class(value) for value in frame["parameters"]]
    return frame


def size_class(parameters: Any) -> str | None:
    """The class that so many parameters are in; None where nobody knows them."""
    if parameters is None or pd.isna(parameters) or parameters <= 0:
        return None
    return next(name for name, bound in SIZE_CLASSES if parameters < bound)


def repo_sums(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sums of a frame that has one row a repo."""
    counted = frame.assign(repos=1, quantized_repos=frame["quantized"].fillna(False).astype("int64"))
    names = ["repos", "quantized_repos", "downloads", "likes", "total_size"]
    return counted.groupby(list(keys), dropna=False)[names].sum(min_count=1).reset_index()


def artifact_sums(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sums of a frame that has one row an artifact. A repo and its downloads count once in each group."""
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


def added(one: pd.DataFrame, other: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Two tables of sums as one."""
    both = pd.concat([one, other], ignore_index=True)
    grouped = both.groupby(list(keys), dropna=False)
    extremes = [name for name in ("least", "most") if name in both]
    sums = grouped[[name for name in both.columns if name not in (*keys, *extremes)]].sum(min_count=1)
    for name, kind in (("least", "min"), ("most", "max")):
        if name in extremes:
            sums[name] = grouped[name].agg(kind)
    return sums.reset_index()


def finished(sums: pd.DataFrame | None, summary: Summary) -> pd.DataFrame:
    """The sums as people read them: means made, columns and rows in their order."""
    columns = [*summary.keys, *COLUMNS[summary.of]]
    if sums is None:
        return pd.DataFrame(columns=columns)
    if summary.of == "artifacts":
        sums["mean_bits_per_weight"] = (sums["bits"] / sums["measured"].where(sums["measured"] > 0)).round(4)
        sums = sums.rename(columns={"least": "least_bits_per_weight", "most": "most_bits_per_weight"})
    order = {name: at for at, (name, _) in enumerate(SIZE_CLASSES)}
    if summary.name == "by_size_class":
        return sums.sort_values("size_class", key=lambda names: names.map(order), kind="stable")[columns]
    first = COLUMNS[summary.of][0]
    texts = {f"_{key}": sums[key].map(lambda value: "" if pd.isna(value) else str(value)) for key in summary.keys}
    largest_first = [False, *(True for _ in texts)]
    return sums.assign(**texts).sort_values([first, *texts], ascending=largest_first, kind="stable")[columns]


def plain_rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """A frame's rows as Python's own values; what is missing is None."""
    for row in frame.itertuples(index=False, name=None):
        yield tuple(None if pd.isna(value) else value.item() if hasattr(value, "item") else value for value in row)
