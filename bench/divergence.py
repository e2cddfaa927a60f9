"""The KL divergence of schemes by size of the model, from measurements that others published.

    python -m bench.divergence ROWS.jsonl[.gz]

A row is a JSON object on a line: `model`, `qtype` (a name of ggml or ik_llama.cpp), `metric` (kld), `value` in nats,
`partial` (one tensor group alone: left out). Parameters are those of the model's name or of MODELS.

Prints the values for `divergence` of analysis/schemes/schemes.toml: the median of the models of each class of size,
without those that diverge at Q8_0. Then how the kept values agree with each model: rank correlation (Spearman) over its
schemes, and measured over kept.

Figures of 2026-11-28 (8 models): rank correlation 0.92 to 1.00, measured / kept 0.26 to 2.1.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from analysis.names.parse import parse_name
from analysis.schemes.schemes import find_scheme, scheme_table
from analysis.text import markdown_table

MODELS: Mapping[str, float] = {
    "GLM-4.7": 355e9, "GLM-4.7-Flash": 30e9, "Kimi-K2-Thinking": 1026e9, "Kimi-K2.5": 1026e9,
}  # fmt: skip
FAILED = 404.0  # what the source states where a run failed
MAX_DIVERGENCE_OF_Q8_0 = 0.02  # 8 bits lose next to nothing: a model that diverges more was not measured against itself


def read_rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def measured_by_scheme(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Scheme -> model -> divergence, of whole models and schemes that the table knows.

    Models whose Q8_0 diverges by more than MAX_DIVERGENCE_OF_Q8_0 are left out.
    """
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        scheme = find_scheme(row["qtype"].upper())
        if row["metric"] == "kld" and not row["partial"] and row["value"] != FAILED and scheme and scheme.quantized:
            found[scheme.name][row["model"]] = row["value"]
    kept = {model for model, value in found["Q8_0"].items() if value <= MAX_DIVERGENCE_OF_Q8_0}
    return {name: {model: values[model] for model in values.keys() & kept} for name, values in found.items()}


def size_of(model: str) -> float:
    size = MODELS.get(model) or parse_name(model).parameters
    if not size:
        raise ValueError(f"the name {model!r} states no size; add it to MODELS")
    return size


def by_class(values: Mapping[str, float], bounds: Sequence[float]) -> list[float | None]:
    """The median of the models of each class: up to the first bound, up to the second, ..., above the last."""
    classes: list[list[float]] = [[] for _ in range(len(bounds) + 1)]
    for model, value in values.items():
        classes[sum(size_of(model) > bound for bound in bounds)].append(value)
    return [float(f"{median(group):.3g}") if group else None for group in classes]


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's, without ties."""
    ranks = [
        {at: rank for rank, at in enumerate(sorted(range(len(each)), key=each.__getitem__))} for each in (one, other)
    ]
    squares = sum((ranks[0][at] - ranks[1][at]) ** 2 for at in range(len(one)))
    return 1 - 6 * squares / (len(one) * (len(one) ** 2 - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    options = parser.parse_args()
    measured = measured_by_scheme(read_rows(options.rows))
    bounds = scheme_table().divergence.up_to
    for name, values in measured.items():
        print(f"{name}: divergence = {by_class(values, bounds)}")
    table = []
    for model in sorted({model for values in measured.values() for model in values}):
        size = size_of(model)
        pairs = [
            (values[model], scheme.divergence[scheme_table().divergence.class_of(size)])
            for name, values in measured.items()
            if model in values and (scheme := find_scheme(name)) and scheme.divergence
        ]
        if len(pairs) > 2:
            ratio = median(truth / kept for truth, kept in pairs if truth)
            correlation = rank_correlation([truth for truth, _ in pairs], [kept for _, kept in pairs])
            table.append((model, str(len(pairs)), f"{correlation:.3f}", f"{ratio:.2f}"))
    print(markdown_table(("model", "schemes", "rank correlation", "measured / kept, median"), table))


if __name__ == "__main__":
    main()
