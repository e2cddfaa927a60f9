"""`/fits`: what runs on a machine, ranked as by `hf-catalog fits`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, FitAnswer, find_fits
from analysis.catalog.use_lines import load_use_lines
from analysis.fit.geometry import KV_TYPES
from analysis.fit.machines import Machine
from analysis.publish.drawings import draw_memory
from analysis.publish.pages import model_url
from analysis.units import parse_context, size_text
from crawler.web.page import ChosenMachine, Content, Page, Visit, choose_machine
from crawler.web.pages.choices import CONTEXTS, load_choices, machine_choices
from crawler.web.tables import table_url

MAX_ROWS = 20
EVIDENT = ("parameters", "context")
"""Figures of a row that are labels."""

MAX_MORE = 0
"""Candidates after the rows that are looked for to be counted, beside those met on the way: they would take longer
than the rows themselves."""


def read_fit_request(visit: Visit) -> FitRequest:
    """Raises BadRequest."""
    query = visit.query
    context = query.parsed("context", parse_context, "tokens: 8192, 32k")
    return FitRequest(
        context=context or FitRequest().context,
        kv_type=query.choice("kv_type", KV_TYPES, "f16"),
        families=tuple(name.lower() for name in query.texts("family")),
        formats=tuple(name.lower() for name in query.texts("format")),
        quants=tuple(name.upper() for name in query.texts("quant")),
        authors=query.texts("author"),
        task=query.text("task") or None,
        gated=query.choice("gated", ("", "yes"), "") == "yes",
        limit=MAX_ROWS,
    )


def load_fits(visit: Visit) -> Content:
    """Raises BadRequest, UnknownPreset."""
    chosen = choose_machine(visit)
    request = read_fit_request(visit)
    key = ("fits", replace(chosen.machine, found=(), guessed=()), request)
    answer, use = visit.answers.get(visit.reader, key, lambda: find(visit, chosen.machine, request))
    data = {
        "machine": {"title": chosen.title, "memory": chosen.room},
        "rows": [fit.row() for fit in answer.fits],
        "more": answer.more,
        "left_out": answer.left_out,
        "considered": answer.considered,
        "coverage": answer.coverage.row("catalog.db"),
        "use": use,
    }
    context = {
        "chosen": chosen,
        "request": request,
        "answer": answer,
        "use": use,
        "bars": [draw_fit(fit, chosen) for fit in answer.fits],
        "links": [links_of(fit, chosen) for fit in answer.fits],
        "machines": machine_choices(),
        "contexts": CONTEXTS,
        "kv_types": KV_TYPES,
        "choices": load_choices(visit).choices,
        "command": command(chosen, request),
        "left_out": [(reason.partition(" (--")[0], n) for reason, n in answer.left_out.items()],
    }
    return Content(f"What fits {chosen.title}", data, context)


def find(visit: Visit, machine: Machine, request: FitRequest) -> tuple[FitAnswer, dict[str, str]]:
    """The answer and the commands that run its first row."""
    coverage = load_choices(visit).coverage
    answer = find_fits(visit.reader, machine, request, coverage=coverage, most_more=MAX_MORE)
    if not answer.fits:
        return answer, {}
    first = answer.fits[0]
    return answer, load_use_lines(visit.reader, first.repo_id, first.artifact, first.gpu_layers)


def draw_fit(fit: Fit, chosen: ChosenMachine) -> Any:
    """The memory that a row needs, by what needs it, against what is free."""
    parts = (
        ("weights", "weights", fit.weights),
        ("cache", "KV cache", fit.cache),
        ("overhead", "buffers and program", fit.compute + fit.runtime),
    )
    return draw_memory(parts, chosen.room, size_text)


def links_of(fit: Fit, chosen: ChosenMachine) -> dict[str, str]:
    """Where the figures of a row come from: its files beside the machine's memory, and the evidence of labels."""
    fields = urlencode(chosen.fields)
    evidence = {name: table_url("labels", repo_id=fit.repo_id, field__startswith=name) for name in EVIDENT}
    return {"memory": f"{model_url(fit.repo_id)}?{fields}#files", **evidence}


def command(chosen: ChosenMachine, request: FitRequest) -> str:
    """The command line that gives the same answer."""
    words = ["hf-catalog fits"]
    words += [f"--preset {chosen.preset}"] if chosen.preset and " " not in chosen.preset else []
    words += [f"--ram {chosen.ram}"] if chosen.ram else []
    words += [f"--vram {chosen.vram}"] if chosen.vram else []
    words += [f"--context {request.context}"]
    words += [f"--family {name}" for name in request.families] + [f"--format {name}" for name in request.formats]
    words += [f"--task {request.task}"] if request.task else []
    return " ".join(words)


FITS = Page("fits", r"/fits", load_fits)
