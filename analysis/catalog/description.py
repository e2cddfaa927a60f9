"""One model as a user reads about it: what it is, what was measured, what it needs, what it costs, how to run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.catalog.base_models import load_base_models
from analysis.catalog.compare import CostText, assess_costs, load_deltas
from analysis.catalog.coverage import UNMEASURED
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import find_fits
from analysis.catalog.geometries import GeometryLookup
from analysis.catalog.models import ModelInfo, load_info
from analysis.catalog.quantization_signals import Signal, SignalInput, evaluate_signals
from analysis.catalog.use_lines import load_use_lines
from analysis.fit.machines import Machine
from analysis.fit.memory import estimate_memory
from analysis.query.reader import CatalogReader
from analysis.text import cell_text, day_text
from analysis.units import count_text, size_text

CONTEXT = 8192  # tokens
LONG_CONTEXT = 32_768  # tokens


@dataclass(frozen=True, slots=True)
class Description:
    """What is shown of one model. `needs`: bytes by artifact at CONTEXT, `long_needs` at LONG_CONTEXT.

    `best`: the artifact that `fits` would choose for `machine`.

    `inherited`: values that the model lacks and its base model has; `use`: program -> command.
    """

    info: ModelInfo
    needs: Mapping[str, int]
    long_needs: Mapping[str, int]
    costs: Sequence[CostText]
    signals: Sequence[Signal]
    inherited: Mapping[str, Any]
    best: str | None
    chosen: str | None  # the artifact of `use`; None where the files are unknown
    use: Mapping[str, str]
    machine: Machine

    @property
    def model(self) -> dict[str, Any]:
        return self.info.model

    def row(self) -> dict[str, Any]:
        """As a JSON object."""
        info = self.info
        return {
            **info.model,
            "artifacts": [{**row, "needs": self.needs.get(row["artifact"])} for row in info.artifacts],
            "best": self.best,
            "machine": self.machine.describe(),
            "use": self.use,
            "inherited": {name: {"value": value, "source": "base"} for name, value in self.inherited.items()},
            "signals": [asdict(signal) for signal in self.signals],
            "conflicts": info.conflicts,
            "evidence": info.evidence,
            "parents": info.parents,
            "relatives": info.relatives,
            "evaluations": info.evaluations,
            "costs": [asdict(cost) for cost in self.costs],
            "changes": info.changes,
            "skips": info.skips,
            "revisions": info.revisions,
        }


def load_description(reader: CatalogReader, repo_id: str, machine: Machine) -> Description:
    """The description with what fits this machine. Raises UnknownModel."""
    found = load_info(reader, repo_id)
    model = found.model
    whole, taken = load_base_models(reader, [model]).inherit(model)
    weights = [row for row in found.artifacts if row["role"] == "weights" and row["total_size"]]
    geometries = GeometryLookup(reader).find_all(weights)
    parameters = whole["parameters_measured"] or whole["parameters"]
    needs, long_needs = (
        {
            row["artifact"]: estimate_memory(
                row["total_size"], shape, context=context, parameters=row["parameters_measured"] or parameters
            ).total
            for row, shape in zip(weights, geometries, strict=True)
        }
        for context in (CONTEXT, LONG_CONTEXT)
    )
    request = FitRequest(repo_ids=(model["repo_id"],), gated=True, gone=True, limit=1, context=CONTEXT)
    fits = find_fits(reader, machine, request, coverage=UNMEASURED).fits
    main = next((row["artifact"] for row in weights if row["main"]), None)
    chosen = fits[0].artifact if fits else main
    return Description(
        info=found,
        needs=needs,
        long_needs=long_needs,
        costs=assess_costs(model, load_deltas(reader, model["repo_id"])),
        signals=evaluate_signals(SignalInput.of_row(model, found.evidence, found.evaluations, found.base_evaluations)),
        inherited={name: whole[name] for name in taken},
        best=fits[0].artifact if fits else None,
        chosen=chosen,
        use=load_use_lines(reader, model["repo_id"], chosen, fits[0].gpu_layers if fits else None),
        machine=machine,
    )


def what_it_is(model: Mapping[str, Any]) -> str:
    """One sentence: family, publisher, task, licence, popularity."""
    family = " ".join(str(part) for part in (model["family"], model["version"], model["size"]) if part)
    tuned = ", ".join((model["tuning"] or []) + (model["specialty"] or []))
    parts = [
        f"{family or 'a model of unknown family'}{f' ({tuned})' if tuned else ''}",
        None if model["kind"] == "unknown" else model["kind"],
        f"by {model['author']}" if model["author"] else None,
        model["pipeline_tag"],
        f"licence {model['license']}" if model["license"] else None,
        f"access on request ({model['gated']})" if model["gated"] else None,
        None if model["status"] in ("available", "gated") else f"now {model['status']}",
        f"{count_text(model['downloads'])} downloads per month" if model["downloads"] is not None else None,
        f"{count_text(model['likes'])} likes" if model["likes"] is not None else None,
        f"updated {day_text(model['last_modified'])}" if model["last_modified"] else None,
    ]
    return "; ".join(str(part) for part in parts if part)


def claims_and_measurements(model: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, claimed by names, cards and tags, measured in files) as text, of what is known."""
    count = f"{model['parameters']:,}" if model["parameters"] else ""
    measured = f"{model['parameters_measured']:,}" if model["parameters_measured"] else ""
    active, active_measured = model["active_parameters"], model["active_parameters_measured"]
    if active_measured == model["parameters_measured"]:
        active_measured = None  # all parameters are active: no mixture of experts
    bits = model["bits_per_weight"]
    rows = [
        ("parameters", f"{'about ' if model['approximate'] and count else ''}{count}", measured),
        ("active parameters", f"{active:,}" if active else "", f"{active_measured:,}" if active_measured else ""),
        ("quantization", model["quant"], model["quant_measured"]),
        ("bits per weight", cell_text(model["bits"]), f"{bits:.2f}" if bits else ""),
        ("context", exact_text(model["context"]), exact_text(model["context_measured"])),
        ("architecture", None, model["architecture"]),
        ("format", model["format"], None),
        ("files", None, size_text(model["total_size"])),
    ]
    return [(name, str(claim or ""), str(found or "")) for name, claim, found in rows if claim or found]


def exact_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""
