"""How models compare by the evaluation results that their cards publish."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.schemes.quality import cost_of

MIN_MODELS = 3
"""Models with a result of one dataset and metric, below which its order tells nothing."""

IDS_PER_QUERY = 500

RESULTS = """
select lower(r.repo_id) as id, e.dataset, e.metric, max(e.value) as value
from repos r join evaluations e on e.repo = r.id
where r.type = 'model' and lower(r.repo_id) in ({ids}) and e.value is not null
group by lower(r.repo_id), e.dataset, e.metric
"""


def load_results(reader: CatalogReader, repo_ids: Iterable[str]) -> dict[str, float]:
    """From -1 (worst) to 1 (best) for each model with comparable results, by its id in lower case.

    Cards report different tests in different scales, so models are only put in order by each dataset and metric, and
    the places are averaged.
    """
    ids = sorted({repo_id.lower() for repo_id in repo_ids})
    results: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for at in range(0, len(ids), IDS_PER_QUERY):
        listed, values = name_values("id", ids[at : at + IDS_PER_QUERY])
        for row in reader.all(RESULTS.format(ids=listed), values):
            if cost_of(row["dataset"], row["metric"]) == "accuracy":
                results[row["dataset"].lower(), row["metric"].lower()][row["id"]] = row["value"]
    places: dict[str, list[float]] = defaultdict(list)
    for found in results.values():
        ordered = sorted(set(found.values()))
        if len(found) < MIN_MODELS or len(ordered) < 2:
            continue
        for repo_id, value in found.items():
            places[repo_id].append(2 * ordered.index(value) / (len(ordered) - 1) - 1)
    return {repo_id: fmean(each) for repo_id, each in places.items()}
