"""`/model/OWNER/NAME`: everything that the catalog knows about one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from analysis.catalog.audit import audit_model
from analysis.catalog.compare import TITLES
from analysis.catalog.description import (
    CONTEXT,
    LONG_CONTEXT,
    Description,
    claims_and_measurements,
    load_description,
    what_it_is,
)
from analysis.catalog.history import Series, load_history
from analysis.catalog.neighbours import Neighbour, Neighbourhood, load_neighbourhood
from analysis.files.artifacts import LOADABLE_ROLES
from analysis.publish.drawings import TreeNode, draw_columns, draw_line, draw_tree
from analysis.publish.pages import model_url
from analysis.schemes.schemes import find_scheme
from analysis.units import count_text, size_text
from crawler.web.page import ChosenMachine, Content, Page, Visit, choose_machine
from crawler.web.pages.choices import machine_choices
from crawler.web.tables import table_url

MAX_ROWS = 60  # of files and of evidence, so that the page stays light

RELATION_TITLES = {
    "finetune": "fine-tunes",
    "quantized": "quantizations",
    "adapter": "adapters",
    "merge": "merges",
    "unknown": "related, of unknown kind",
}


def load_model(visit: Visit) -> Content:
    """Raises UnknownModel, BadRequest, UnknownPreset."""
    chosen = choose_machine(visit)
    repo_id = "/".join(visit.parts)
    found = load_description(visit.reader, repo_id, chosen.machine)
    model = found.model
    around = load_neighbourhood(visit.reader, model["repo_id"])
    history = load_history(visit.reader, model["repo_id"])
    key = ("checks", model["repo_id"])
    checks = visit.answers.get(visit.reader, key, lambda: audit_model(visit.reader, model["repo_id"]))
    loadable = [row for row in found.info.artifacts if row["role"] in LOADABLE_ROLES]
    others = [row for row in found.info.artifacts if row["role"] not in LOADABLE_ROLES]
    evidence = explain_labels(found)
    data = {
        **found.row(),
        "machine": {"title": chosen.title, "memory": chosen.room},
        "lineage": asdict(around),
        "history": [series.row() for series in history],
        "checks": [asdict(check) for check in checks],
    }
    context = {
        "found": found,
        "model": model,
        "sentence": what_it_is({**model, "license": model["license"] or found.inherited.get("license")}),
        "claims": claims_and_measurements(model),
        "files": [file_row(found, row, chosen) for row in loadable[:MAX_ROWS]],
        "more_files": max(0, len(loadable) - MAX_ROWS),
        "others": others[:MAX_ROWS],
        "context_tokens": (CONTEXT, LONG_CONTEXT),
        "chosen": chosen,
        "machines": machine_choices(),
        "tree": draw_tree(tree_nodes(around), f"Lineage of {model['repo_id']}"),
        "checks": checks,
        "ancestors": around.ancestors[::-1],
        "pictures": [draw_series(series, model["repo_id"]) for series in history],
        "month_url": lambda month: changes_url(model["repo_id"], seen_at__startswith=month),
        "evidence": evidence,
        "explained": {each["field"].removesuffix("_measured"): each["field"] for each in reversed(evidence)},
        "titles": TITLES,
        "fits_link": f"/fits?{urlencode({**chosen.fields, 'family': model['family'] or ''})}",
    }
    return Content(model["repo_id"], data, context)


def file_row(found: Description, row: Mapping[str, Any], chosen: ChosenMachine) -> dict[str, Any]:
    """One artifact with the memory that it needs at both contexts and whether the machine has it."""
    need, long_need = found.needs.get(row["artifact"]), found.long_needs.get(row["artifact"])
    scheme = find_scheme(row["quant"]) if row["quant"] else None
    return {
        **row,
        "need": need,
        "long_need": long_need,
        "fits": None if need is None else need <= chosen.room,
        "fits_long": None if long_need is None else long_need <= chosen.room,
        "is_best": row["artifact"] == found.best,
        "about": scheme.about if scheme else None,
    }


def tree_nodes(around: Neighbourhood) -> list[TreeNode]:
    """The model below its ancestors, and below it what was made from it, by relation."""
    nodes = [neighbour_node(each, depth) for depth, each in enumerate(around.ancestors)]
    depth = len(nodes)
    nodes.append(TreeNode(around.repo_id, "this model", depth, here=True))
    for group in around.descendants:
        title = RELATION_TITLES.get(group.relation, group.relation)
        nodes.append(TreeNode(title, f"{group.count:,}", depth + 1, group=True))
        nodes += [neighbour_node(each, depth + 2) for each in group.shown]
    return nodes


def neighbour_node(each: Neighbour, depth: int) -> TreeNode:
    downloads = f"{count_text(each.downloads)} downloads" if each.downloads else ""
    note = downloads if each.known else "not in the catalog"
    return TreeNode(each.repo_id, note, depth, model_url(each.repo_id) if each.known else None)


@dataclass(frozen=True, slots=True)
class HistoryPicture:
    """A series as a picture with the address of the rows that it shows; `months` where these are counts by month."""

    title: str
    picture: Markup
    url: str
    months: Sequence[tuple[str, int]] = ()


def draw_series(series: Series, repo_id: str) -> HistoryPicture:
    if series.name == "changes":
        picture = draw_columns(series.points, "changes")
        return HistoryPicture("changes by month", picture, changes_url(repo_id), series.points)
    if series.name == "size":
        picture = draw_line(series.points, "size", text=size_text)
        return HistoryPicture("size of all files", picture, changes_url(repo_id, kind__endswith="file"))
    url = table_url("metrics_daily", repo_id=repo_id, _sort="day")
    title = "downloads in 30 days, by day" if series.name == "downloads" else f"{series.name}, by day"
    return HistoryPicture(title, draw_line(series.points, series.name), url)


def changes_url(repo_id: str, **filters: str) -> str:
    """The changes of a repo as rows, without the one that it became known."""
    return table_url("changes", repo_id=repo_id, kind__not="new", **filters)


def explain_labels(found: Description) -> list[dict[str, Any]]:
    """For each label of the repo its value with the evidence for and against it, the strongest first."""
    labels: dict[str, list[Mapping[str, Any]]] = {}
    for row in found.info.evidence:
        labels.setdefault(row["field"], []).append(row)
    return [
        {"field": name, "value": decided_value(found, name, rows), "evidence": rows[:MAX_ROWS]}
        for name, rows in labels.items()
    ]


def decided_value(found: Description, name: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A label's value: of the repo's own columns, else (few labels have none) what its evidence decided."""
    value = found.model.get(name)
    return value if value is not None else next((row["value"] for row in rows if row["resolved"]), None)


MODEL = Page("model", r"/model/([^/]+)(?:/([^/]+))?", load_model)
