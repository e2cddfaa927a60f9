"""What kind of repo it is: how its weights came to be, from its files, its labels, its relation and its name.

What the files hold precedes what is declared: publishers of quantized models copy the relation of the model that they
quantized, so that whole models are declared as adapters, merges and finetunes. A repo without a sign of either kind has
none here; the view `models` calls it original where others name it as theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.formats.formats import find_container, find_format
from analysis.labels.evidence.formats import artifact_container
from analysis.labels.evidence.make import WEIGHT, make_evidence
from analysis.labels.evidence.owners import owner_format
from analysis.labels.resolve.select import Best
from analysis.names import NameLabels
from db.record_base import Relation, RepoKind, Source
from db.records import ArtifactRecord, EdgeRecord, LabelRecord, RepoRecord

NATIVE_METHODS = frozenset(("fp8", "mxfp4", "mxfp8", "nvfp4", "modelopt", "bitnet", "compressed-tensors"))
"""Quantization methods in which makers publish their own models, so that weights in one need be no copy of others."""

MIN_BITS_OF_MODEL = 1.0
"""Bits of a file for each parameter that the name claims, below which it can't hold the whole model."""

_FINETUNES = frozenset(("sft", "dpo", "orpo", "kto", "grpo", "abliterated", "uncensored", "finetune"))
"""Tunings that begin with a trained model."""


def find_kind(
    repo: RepoRecord,
    name: NameLabels | None,
    best: Best,
    parent: EdgeRecord | None,
    relation: Relation | None,
    artifacts: Sequence[ArtifactRecord],
) -> LabelRecord | None:
    """The evidence that decides the label `kind`; None where nothing tells it.

    Args:
        best: the deciding evidence of the other labels.
        parent, relation: the likeliest base model and how the repo was made from it, if any is known.
        artifacts: of the repo; empty where its files are unknown.
    """
    signs = _signs(repo, name, best, parent, relation, [each for each in artifacts if each.primary])
    found = next(signs, None)
    if found is None:
        return None
    kind, source, rule = found
    return make_evidence("kind", kind, source, rule, WEIGHT[source])


def _signs(
    repo: RepoRecord,
    name: NameLabels | None,
    best: Best,
    parent: EdgeRecord | None,
    relation: Relation | None,
    artifacts: Sequence[ArtifactRecord],
) -> Iterator[tuple[RepoKind, Source, str]]:
    """(kind, source, rule) of each sign, the firmest first."""
    weights = [each for each in artifacts if each.role == "weights"]
    declared: Source = parent.source if parent is not None else "tag"
    tunings = frozenset(name.tuning) if name is not None else frozenset()
    is_adapter = relation == "adapter" or "lora" in tunings or repo.library_name == "peft"
    if not weights and any(each.role == "adapter" for each in artifacts):
        yield "adapter", "file", "adapter files alone"
    if is_adapter and weights and not any(is_whole_model(each, name) for each in weights):
        yield "adapter", "size", "too small for the whole model"
    quantized = best.get("quantized")
    if quantized is not None and quantized.value == "true" and is_copy(repo, name, best, relation, weights):
        by_relation = quantized.source == "lineage"
        yield "quantized", declared if by_relation else quantized.source, "relation" if by_relation else "weights"
    if is_adapter and not weights:
        yield "adapter", declared if relation == "adapter" else "name", "relation" if relation == "adapter" else "lora"
    if quantized is not None and quantized.value == "false" and relation == "quantized":
        yield "conversion", quantized.source, "relation quantized, weights in full precision"
    stated = find_conversion(repo, name, best, weights)
    if stated is not None:
        yield "conversion", stated, "a format that models are converted to"
    if relation == "adapter":
        yield "finetune", "file", "adapter merged into the whole model"
    if relation in ("merge", "quantized", "finetune"):
        yield relation, declared, "relation"
    if "merge" in tunings or not {"merge", "mergekit"}.isdisjoint(repo.tags):
        yield "merge", "name" if "merge" in tunings else "tag", "merge"
    if tunings & _FINETUNES or not _FINETUNES.isdisjoint(repo.tags):
        yield "finetune", "name" if tunings & _FINETUNES else "tag", "tuning"
    if "base" in tunings and parent is None:
        yield "original", "name", "base"


def is_whole_model(artifact: ArtifactRecord, name: NameLabels | None) -> bool:
    """Whether a file is large enough for all parameters that the name claims; also where either is unknown."""
    claimed = name.parameters if name is not None else None
    if claimed is None or artifact.total_size is None:
        return True
    return artifact.total_size * 8 >= MIN_BITS_OF_MODEL * claimed


def is_copy(
    repo: RepoRecord,
    name: NameLabels | None,
    best: Best,
    relation: Relation | None,
    weights: Sequence[ArtifactRecord],
) -> bool:
    """Whether a repo with quantized weights holds a quantized copy: its name or relation says so, or its files are in
    nothing but a format that models are converted to. Makers publish their own models in fp8 or mxfp4 too."""
    if relation == "quantized" or (name is not None and (name.quantized or is_deployed(name.format))):
        return True
    container = best.get("format")
    if container is not None and is_deployed(container.value):
        return owner_format(repo.author) is not None or not holds_trained(weights, container.value)
    method = best.get("quant_method")
    return relation not in ("finetune", "merge") and (method is None or method.value not in NATIVE_METHODS)


def find_conversion(
    repo: RepoRecord, name: NameLabels | None, best: Best, weights: Sequence[ArtifactRecord]
) -> Source | None:
    """Who says that the repo is about a format that models are converted to: its files, where nobody trains in it
    (GGUF), its name or its owner; None where none does, or a file is in a format that models are trained in. GGUF
    counts only where it is known not to be quantized, as most of it is."""
    container = best.get("format")
    if container is None or not is_deployed(container.value) or holds_trained(weights, container.value):
        return None
    if "quantized" not in best and find_format(container.value).holds_quants:
        return None
    if weights and find_format(container.value).holds_quants:
        return "file"
    if owner_format(repo.author) == container.value:
        return "owner"
    return "name" if name is not None and name.format == container.value else None


def is_deployed(format_: str | None) -> bool:
    """Whether models are converted to this format to run them: it holds full precision and quantized weights."""
    return find_format(format_).quantized in ("either", "only")


def holds_trained(weights: Sequence[ArtifactRecord], format_: str) -> bool:
    """Whether weights are in a format that models are trained in, beside those in the format `format_`."""
    others = {artifact_container(each) for each in weights} - {find_container(format_), None}
    return any(not is_deployed(each) for each in others)
