"""`/compare`: two to five models side by side."""

from __future__ import annotations

from analysis.catalog.compare import TITLES, compare_models
from analysis.catalog.comparison_lines import comparison_lines, title_of
from analysis.catalog.description import CONTEXT
from analysis.units import parse_context
from crawler.web.page import Content, Page, Visit, choose_machine
from crawler.web.pages.choices import machine_choices
from crawler.web.query import BadRequest

MAX_MODELS = 5


def load_compare(visit: Visit) -> Content:
    """Raises UnknownModel, UnknownPreset, BadRequest."""
    ids = visit.query.texts("id")
    if len(ids) > MAX_MODELS:
        raise BadRequest("id", ids[MAX_MODELS], f"at most {MAX_MODELS} models: remove one")
    chosen = choose_machine(visit)
    tokens = visit.query.parsed("context", parse_context, "tokens: 8192, 32k") or CONTEXT
    sides = compare_models(visit.reader, ids, context=tokens, memory=chosen.room)
    lines = comparison_lines(sides, context=tokens, machine=chosen.title, room=chosen.room)
    context = {
        "sides": sides,
        "titles": [title_of(side, sides) for side in sides],
        "lines": [(name, texts, len(set(texts)) > 1) for name, texts in lines],
        "schemes": [((side.artifact or {}).get("quant") or side.model["quant"]) for side in sides],
        "cost_titles": TITLES,
        "chosen": chosen,
        "machines": machine_choices(),
        "tokens": tokens,
        "ids": [*ids, *[""] * (max(2, min(MAX_MODELS, len(ids) + 1)) - len(ids))],
    }
    return Content("Compare models", {"rows": [side.row() for side in sides]}, context)


COMPARE = Page("compare", r"/compare", load_compare)
