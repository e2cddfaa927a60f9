"""The roll-up: a repo's labels from those of its artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.formats.formats import SIDECAR_ROLES, find_format
from analysis.labels.evidence.lineage import LINEAGE
from analysis.labels.evidence.make import Evidence, evidence_text, make_evidence
from analysis.names import NameLabels
from db.labels import LABELS, MODEL_LABELS
from db.records import ArtifactRecord, Header, Labelled, LabelRecord

_ONE_SCHEME = tuple(each.name for each in LABELS if each.roll_up == "one scheme")
_ANY = tuple(each.name for each in LABELS if each.roll_up == "any")
_ALL_AGREE = tuple(each.name for each in LABELS if each.roll_up == "all agree")
_WORST = tuple(each for each in LABELS if each.roll_up == "worst")


Held = Sequence[tuple[ArtifactRecord, Labelled]]


def roll_up(
    artifacts: Held, headers: Mapping[str, Header], name: NameLabels | None
) -> tuple[Evidence, tuple[str, ...]]:
    """Evidence for a repo from its artifacts, and the labels on which they disagree: the repo gets no value for those.

    The main format, what all its quants share, the model's own counts. Sidecars (projectors, drafts, adapters,
    importance matrices) are not the model and are never counted, unless there is nothing else.
    """
    held = [(a, labelled) for a, labelled in artifacts if a.role == "weights" and a.primary and is_model(a, headers)]
    if not held:
        held = [(a, labelled) for a, labelled in artifacts if a.role in ("adapter", "draft")]
    if not held:
        return (), ()
    main = main_format(held, name)
    held = [(a, labelled) for a, labelled in held if labelled.labels.format == main]
    found: list[LabelRecord] = []
    if main:
        found.append(make_evidence("format", main, "file", f"{len(held)} artifacts", 70))
    quants = {labelled.labels.quant for _, labelled in held}
    if len(quants) == 1 and None not in quants:
        found += [
            each for field in _ONE_SCHEME if (each := deciding_evidence(held[0][1], field)) and is_shared(held, field)
        ]
    kinds = {labelled.labels.quantized for _, labelled in held}
    if True in kinds or kinds == {False}:
        decider = next(labelled for _, labelled in held if labelled.labels.quantized is (True in kinds))
        each = deciding_evidence(decider, "quantized")
        if each:
            found.append(each)
    for field in _ANY:
        flagged = next((each for _, labelled in held if (each := deciding_evidence(labelled, field))), None)
        if flagged:
            found.append(flagged)
    counted = find_representative(held, headers, name)
    if counted:
        found += [each for field in MODEL_LABELS if (each := deciding_evidence(counted, field))]
    disputed = []
    for field in _ALL_AGREE:
        known = [each for _, labelled in held if (each := deciding_evidence(labelled, field))]
        if len({each.value for each in known}) > 1:
            disputed.append(field)
        else:
            found += known[:1]
    for field in LINEAGE:
        values = {getattr(labelled.labels, field) for _, labelled in held}
        if len(values) == 1 and None not in values:
            found.append(make_evidence(field, evidence_text(values.pop()), "file", "file names agree", 38))
    return tuple(found), tuple(disputed)


def find_worst(artifacts: Held) -> Evidence:
    """The evidence of the worst value among all artifacts, of each label that is rolled up so."""
    found = []
    for label in _WORST:
        known = [each for _, labelled in artifacts if (each := deciding_evidence(labelled, label.name))]
        if known:
            found.append(max(known, key=lambda each: label.severity(each.value)))
    return tuple(found)


def is_model(artifact: ArtifactRecord, headers: Mapping[str, Header]) -> bool:
    """Whether a file with the path of weights is a model: its header may state that it is a sidecar."""
    header = headers.get(artifact.artifact)
    return header is None or header.facts.get("role") not in SIDECAR_ROLES


def main_format(held: Sequence[tuple[ArtifactRecord, Labelled]], name: NameLabels | None) -> str | None:
    """The format that a repo is about: the one in its name, else that of the best `repo_rank`, else the one with the
    most bytes."""
    sizes: dict[str | None, int] = {}
    for artifact, labelled in held:
        format_ = labelled.labels.format
        sizes[format_] = sizes.get(format_, 0) + (artifact.total_size or 0)
    if name and name.format in sizes:
        return name.format
    ranks = {format_: rank for format_ in sizes if (rank := find_format(format_).repo_rank) is not None}
    if ranks:
        return min(ranks, key=lambda format_: ranks[format_])
    return max(sizes, key=lambda format_: (sizes[format_], format_ or ""))


def find_representative(
    held: Sequence[tuple[ArtifactRecord, Labelled]], headers: Mapping[str, Header], name: NameLabels | None
) -> Labelled | None:
    """The artifact whose counts are the model's: of a pipeline its transformer, else verified before derived, then the
    one nearest to the claim; None where a repo holds models of different sizes."""
    known = [(a, labelled) for a, labelled in held if labelled.labels.parameters_measured]
    if not known:
        return held[0][1] if len(held) == 1 else None
    central = [(a, labelled) for a, labelled in known if a.artifact.startswith(("transformer/", "unet/"))]
    if central:
        known = central[:1]
    counts = [labelled.labels.parameters_measured or 0 for _, labelled in known]
    stated = name.parameters if name else None
    if max(counts) > 1.5 * min(counts):
        if stated is None:
            return None
        known = [item for item, held_ in zip(known, counts, strict=True) if 0.5 < held_ / stated < 2]
        if not known:
            return None

    def rank(item: tuple[ArtifactRecord, Labelled]) -> tuple[bool, bool, bool, int]:
        artifact, labelled = item
        header = headers.get(artifact.artifact)
        read = header is not None and header.parameters is not None and not header.inferred
        verified = bool(header and header.size_verified)
        return (read, verified, labelled.labels.quantized is False, labelled.labels.parameters_measured or 0)

    return max(known, key=rank)[1]


def is_shared(held: Sequence[tuple[ArtifactRecord, Labelled]], field: str) -> bool:
    values = [getattr(labelled.labels, field) for _, labelled in held]
    return all(value == values[0] for value in values)


def deciding_evidence(labelled: Labelled, field: str) -> LabelRecord | None:
    """The evidence that gave an artifact's label its value."""
    return next((each for each in labelled.evidence if each.resolved and each.field == field), None)
