"""`/compare`: two to five models side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from analysis.catalog.compare import TITLES, ComparedModel, compare_models
from analysis.catalog.comparison_lines import comparison_lines, title_of
from analysis.catalog.description import CONTEXT
from analysis.publish.pages import model_url
from analysis.units import parse_context
from crawler.web.page import ChosenMachine, Content, Page, Visit, choose_machine
from crawler.web.pages.choices import machine_choices
from crawler.web.query import BadRequest
from crawler.web.tables import table_url

MAX_MODELS = 5


def rows_of(table: str) -> Callable[[ComparedModel], str]:
    return lambda side: table_url(table, repo_id=side.model["repo_id"])


def evidence_of(field: str) -> Callable[[ComparedModel], str]:
    return lambda side: table_url("labels", repo_id=side.model["repo_id"], field__startswith=field)


def artifact_row(side: ComparedModel) -> str:
    return table_url("artifacts_wide", repo_id=side.model["repo_id"], artifact=(side.artifact or {})["artifact"])


LINKS: Mapping[str, Callable[[ComparedModel], str]] = {
    "family": lambda side: f"/family/{quote(side.model['family'], safe='')}",
    "base model": lambda side: model_url(side.model["base_model"]),
    "licence": lambda side: f"/search?{urlencode({'license': side.model['license']})}",
    "downloads per month": rows_of("metrics_daily"),
    "created": rows_of("models"),
    "updated": rows_of("changes"),
    "parameters": evidence_of("parameters"),
    "active parameters": evidence_of("active_parameters"),
    "context": evidence_of("context"),
    "architecture": evidence_of("architecture"),
    "bits per weight": artifact_row,
    "size": artifact_row,
    "conflicts": rows_of("label_conflicts"),
}
"""Line of a comparison -> where its value comes from, or what else has it."""


def links_of(name: str, side: ComparedModel, text: str, chosen: ChosenMachine) -> str:
    """The address that the text of a line leads to; empty where there is none."""
    if not text:
        return ""
    if name.startswith(("memory needed", "fits ")) or name == "largest context":
        fields = urlencode(chosen.fields)
        return f"{model_url(side.model['repo_id'])}{f'?{fields}' if fields else ''}#files"
    if name in LINKS and not (LINKS[name] is artifact_row and not (side.artifact or {}).get("artifact")):
        return LINKS[name](side)
    return ""


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
        "lines": [
            (
                name,
                [(text, links_of(name, side, text, chosen)) for text, side in zip(texts, sides, strict=True)],
                len(set(texts)) > 1,
            )
            for name, texts in lines
        ],
        "schemes": [((side.artifact or {}).get("quant") or side.model["quant"]) for side in sides],
        "cost_titles": TITLES,
        "chosen": chosen,
        "machines": machine_choices(),
        "tokens": tokens,
        "ids": [*ids, *[""] * (max(2, min(MAX_MODELS, len(ids) + 1)) - len(ids))],
    }
    return Content("Compare models", {"rows": [side.row() for side in sides]}, context)


COMPARE = Page("compare", r"/compare", load_compare)
