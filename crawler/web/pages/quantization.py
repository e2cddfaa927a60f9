"""`/quantization/NAME`: what a quantization scheme is, what it costs, and the models that have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from analysis.catalog.browse import sorted_rows
from analysis.catalog.models import ModelFilter, filter_conditions
from analysis.query.reader import CatalogReader
from analysis.schemes.quality import loss_sentence
from analysis.schemes.schemes import Scheme, find_scheme
from crawler.web.page import Content, Page, Visit
from crawler.web.query import NotFound

MAX_MODELS = 10

COUNTS = """
select coalesce(sum(repos), 0) as models, coalesce(sum(artifacts), 0) as artifacts,
    1.0 * sum(microbits) / 1000000 / nullif(sum(measured_artifacts), 0) as bits_per_weight
from totals where of = 'scheme' and a = :name
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Models and artifacts of the catalog with a scheme; the mean of the bits per weight that were measured."""

    models: int
    artifacts: int
    bits_per_weight: float | None


def load_quantization(visit: Visit) -> Content:
    """Raises NotFound."""
    name = visit.parts[0]
    scheme = find_scheme(name) or find_scheme(name.upper())
    if scheme is None and "*" in name:  # which would stand for any text
        raise NotFound("quantization", name, [("all quantizations", "/query/quantizations")])
    shown = scheme.name if scheme else name.upper()
    counts, rows = visit.answers.get(visit.reader, ("quantization", shown), lambda: count_models(visit.reader, shown))
    if scheme is None and not rows:
        raise NotFound("quantization", name, [("all quantizations", "/query/quantizations")])
    facts = describe(scheme, counts)
    data = {"name": shown, "facts": dict(facts), "models": counts.models, "artifacts": counts.artifacts}
    context = {
        "name": shown,
        "about": scheme.about if scheme else None,
        "facts": facts,
        "counts": counts,
        "rows": rows,
        "results": f"/search?{urlencode({'quant': shown})}",
        "table": f"/catalog/artifacts_wide?{urlencode({'quant': shown})}",
    }
    return Content(f"{shown}: quantization", data, context)


def count_models(reader: CatalogReader, name: str) -> tuple[Counts, list[dict[str, Any]]]:
    """The counts, and the most downloaded models."""
    (row,) = reader.all(COUNTS, {"name": name})
    where = filter_conditions(reader, ModelFilter(quants=(name,)))
    return Counts(**row), sorted_rows(reader, where, "downloads", MAX_MODELS, 0)


def describe(scheme: Scheme | None, counts: Counts) -> list[tuple[str, str]]:
    """(name, text) of what is known about a scheme."""
    facts = []
    if scheme is not None:
        width = scheme.nominal_bits or scheme.default_bits
        facts += [
            ("bits per weight, nominal", f"{width:g}" if width else ""),
            ("bits per weight with scales", f"{scheme.block_bits:.2f}" if scheme.block_bits else ""),
            ("method", scheme.method or ""),
            ("formats", ", ".join(scheme.formats)),
            ("quality loss", loss_sentence(scheme.name)),
            ("runs in", ", ".join(scheme.runtimes)),
        ]
    if counts.bits_per_weight is not None:
        facts.append(
            ("bits per weight, measured", f"{counts.bits_per_weight:.2f} on average in the files of this catalog")
        )
    return [(name, text) for name, text in facts if text]


QUANTIZATION = Page("quantization", r"/quantization/([^/]+)", load_quantization)
