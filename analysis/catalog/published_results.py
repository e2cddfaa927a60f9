"""How models compare by the evaluation results that their cards publish.

The distribution of the results is kept for the whole catalog (db/write/fit_rows.py), so that the place of a model does
not depend on which others are looked at.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import Any

from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.schemes.quality import cost_of

IDS_PER_QUERY = 500

RESULTS = """
select lower(r.repo_id) as id, lower(e.dataset) as dataset, lower(e.metric) as metric, max(e.value) as value
from repos r join evaluations e on e.repo = r.id
where r.type = 'model' and lower(r.repo_id) in ({ids}) and e.value is not null
group by lower(r.repo_id), lower(e.dataset), lower(e.metric)
"""

SCALES = "select dataset, metric, quantiles from result_scales where dataset in ({names})"


def load_results(reader: CatalogReader, repo_ids: Iterable[str]) -> dict[str, float]:
    """From -1 (worst) to 1 (best) for each model with comparable results, by its id in lower case.

    Cards report different tests in different scales, so models are only put in order by each dataset and metric, among
    all models of the catalog that publish one, and the places are averaged.
    """
    published = list(results_of(reader, repo_ids))
    scales = load_scales(reader, {row["dataset"] for row in published})
    places: dict[str, list[float]] = defaultdict(list)
    for row in published:
        scale = scales.get((row["dataset"], row["metric"]))
        if scale is not None and cost_of(row["dataset"], row["metric"]) == "accuracy":
            places[row["id"]].append(place_of(row["value"], scale))
    return {repo_id: fmean(each) for repo_id, each in places.items()}


def results_of(reader: CatalogReader, repo_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The results that models publish, the best of each dataset and metric, with ids in lower case."""
    ids = sorted({repo_id.lower() for repo_id in repo_ids})
    for at in range(0, len(ids), IDS_PER_QUERY):
        listed, values = name_values("id", ids[at : at + IDS_PER_QUERY])
        yield from reader.all(RESULTS.format(ids=listed), values)


def models_with_results(reader: CatalogReader, repo_ids: Iterable[str]) -> frozenset[str]:
    """Those of the models that publish a result, by id in lower case."""
    return frozenset(row["id"] for row in results_of(reader, repo_ids))


def load_scales(reader: CatalogReader, datasets: Iterable[str]) -> dict[tuple[str, str], Sequence[float]]:
    """Quantiles of the results of each dataset and metric, in order."""
    names, scales = sorted(set(datasets)), {}
    for at in range(0, len(names), IDS_PER_QUERY):
        listed, values = name_values("name", names[at : at + IDS_PER_QUERY])
        for row in reader.rows(SCALES.format(names=listed), values).dicts():
            scales[row["dataset"], row["metric"]] = json.loads(row["quantiles"])
    return scales


def place_of(value: float, scale: Sequence[float]) -> float:
    """Where a result lies between the least (-1) and the greatest (1), by its rank among the quantiles."""
    at = min(bisect_left(scale, value), len(scale) - 1)
    if at > 0 and scale[at] > value:
        at -= 1
        between = (value - scale[at]) / (scale[at + 1] - scale[at])
    else:
        between = 0.0
    return 2 * (at + between) / (len(scale) - 1) - 1
