"""The lines of a comparison as text: the same on the command line and in the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from analysis.catalog.compare import ComparedModel
from analysis.text import cell_text, day_text
from analysis.units import count_text, size_text


def title_of(side: ComparedModel, sides: Sequence[ComparedModel]) -> str:
    """The id, with the artifact's scheme where a repo is there twice."""
    repo_id: str = side.model["repo_id"]
    twice = sum(each.model["repo_id"] == repo_id for each in sides) > 1
    of = side.artifact or {}
    return f"{of.get('quant') or of.get('artifact')} of {repo_id}" if twice else repo_id


def comparison_lines(
    sides: Sequence[ComparedModel], *, context: int, machine: str, room: int
) -> list[tuple[str, list[str]]]:
    """(what, a text for each model) of what is known of any model.

    `context` in tokens; `machine` names the memory of which `room` bytes are free for models.
    """

    def of_model(key: str, text: Callable[[Any], str] = cell_text) -> list[str]:
        return [text(side.model[key]) for side in sides]

    def against(claimed: str, measured: str, text: Callable[[Any], str] = cell_text) -> list[str]:
        texts = [claim_and_measurement(text(side.model[claimed]), text(side.model[measured])) for side in sides]
        return [
            f"{shown} (of its base model)" if shown and measured in side.inherited else shown
            for shown, side in zip(texts, sides, strict=True)
        ]

    def of_artifact(key: str, text: Callable[[Any], str] = cell_text) -> list[str]:
        return [text((side.artifact or {}).get(key)) for side in sides]

    lines = [
        ("family", [" ".join(filter(None, (s.model["family"], s.model["version"], s.model["size"]))) for s in sides]),
        ("tuning", of_model("tuning")),
        ("specialty", of_model("specialty")),
        ("base model", of_model("base_model")),
        ("licence", of_model("license")),
        ("access", [f"on request ({s.model['gated']})" if s.model["gated"] else "open" for s in sides]),
        ("downloads per month", of_model("downloads", count_text)),
        ("created", of_model("created_at", day_text)),
        ("updated", of_model("last_modified", day_text)),
        ("parameters", against("parameters", "parameters_measured", count_text)),
        ("active parameters", [active(side) for side in sides]),
        ("context", against("context", "context_measured", lambda value: f"{value:,}" if value else "")),
        ("architecture", of_model("architecture")),
        ("artifact", of_artifact("artifact")),
        ("quantization", [scheme(side) for side in sides]),
        ("bits per weight", [bits(side) for side in sides]),
        ("size", of_artifact("total_size", size_text)),
        (f"memory needed, {context:,} tokens", [needs(side) for side in sides]),
        (f"fits {machine}", ["" if s.needs is None else cell_text(s.needs <= room) for s in sides]),
        ("largest context", [f"{side.largest_context:,}" if side.largest_context else "" for side in sides]),
        ("conflicts", [str(side.conflicts) if side.conflicts else "" for side in sides]),
    ]
    return [(name, texts) for name, texts in lines if any(texts)]


def claim_and_measurement(claimed: str, measured: str) -> str:
    if claimed and measured and claimed != measured:
        return f"{measured} (claims {claimed})"
    return measured or (f"claims {claimed}" if claimed else "")


def active(side: ComparedModel) -> str:
    """Active parameters of a mixture of experts; empty for other models."""
    measured = side.model["active_parameters_measured"]
    if measured == side.model["parameters_measured"]:
        measured = None
    return claim_and_measurement(count_text(side.model["active_parameters"]), count_text(measured))


def scheme(side: ComparedModel) -> str:
    of = side.artifact if side.artifact and side.artifact["quant"] else side.model
    if not of["quantized"]:
        return str(of["quant"] or "")
    how = "quantization-aware" if of["qat"] else "post-training"
    more = [word for word in ("imatrix", "dynamic") if of[word]]
    return ", ".join([str(of["quant"] or of["quant_method"] or "quantized"), how, *more])


def bits(side: ComparedModel) -> str:
    measured = (side.artifact or {}).get("bits_per_weight") or side.model["bits_per_weight"]
    return f"{measured:.2f}" if measured else (f"claims {side.model['bits']:g}" if side.model["bits"] else "")


def needs(side: ComparedModel) -> str:
    return "" if side.needs is None else size_text(side.needs) + (" (cache estimated)" if side.estimated else "")
