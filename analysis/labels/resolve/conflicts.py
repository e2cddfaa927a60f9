"""Conflicts: claims and measurements that can't both be true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.formats.formats import SIDECAR_ROLES, find_container, find_format
from analysis.labels.evidence.formats import artifact_container
from analysis.labels.evidence.tags import BITS_TAG
from analysis.labels.resolve.claimed_measured import against, claim, measured
from analysis.labels.resolve.scheme import find_scheme_conflict
from analysis.labels.resolve.select import SIZES, Best, is_scheme_tag
from db.labels import MEASURED_BY
from db.records import ArtifactRecord, ConflictRecord, Header, Labelled, LabelRecord


def contradictions(
    pieces: list[LabelRecord],
    best: Best,
    *,
    silent: bool,
    header: Header | None = None,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]] = (),
) -> tuple[ConflictRecord, ...]:
    """Claims and measurements that can't both be true. Settles in `best` what the claimed scheme is."""
    container = best.get("format")
    told: Sequence[LabelRecord] = pieces
    if container and find_format(container.value).holds_quants:
        told = [each for each in pieces if not is_scheme_tag(each)]
    # relations and publishers are loose words, and so is a tag of bits
    firm = [each for each in told if each.source not in ("lineage", "owner") and each.weight > BITS_TAG]
    found = [] if silent else [refuted_count(told, best, field) for field in ("parameters", "active_parameters")]
    found += [
        refuted_count(told, best, "context"),
        find_scheme_conflict(claim(told, "quant"), pieces, best, header),
        refuted_quantized(firm),
        refuted_bits(firm),
        refuted_format(pieces, artifacts),
    ]
    return tuple([each for each in found if each])


def refuted_count(told: Iterable[LabelRecord], best: Best, field: str) -> ConflictRecord | None:
    """A claimed count more than a factor of two from the measured one. What a base model alone lent is taken back."""
    counted = best.get(MEASURED_BY[field])
    said_ = claim(told, field) if counted else None
    if said_ is None or counted is None or not apart(int(said_.value), int(counted.value)):
        return None
    if field == "active_parameters" and "size" in best and best["size"].value.startswith("E"):
        return None  # effective parameters leave embeddings out
    if field == "parameters" and any(each.field == "tuning" and each.value == "lora" for each in told):
        return None  # an adapter's name carries its target's size; one folded in keeps it
    if said_.source == "lineage":
        for each in ("size", *SIZES):
            if each in best and best[each].source == "lineage":
                del best[each]
    return against(field, said_, counted)


def apart(one: float, other: float) -> bool:
    """More than a factor of two."""
    return one > 2 * other or other > 2 * one


def refuted_quantized(firm: Sequence[LabelRecord]) -> ConflictRecord | None:
    """Quantized by somebody's word and not by measurement, or the other way round."""
    counted = measured(firm, "quantized")
    said_ = claim(firm, "quantized") if counted else None
    return against("quantized", said_, counted) if said_ and counted and said_.value != counted.value else None


def refuted_bits(firm: Sequence[LabelRecord]) -> ConflictRecord | None:
    """Claimed bits a bit or more from those of config.json."""
    counted = measured(firm, "bits")
    said_ = claim(firm, "bits") if counted else None
    if said_ is None or counted is None or abs(float(said_.value) - float(counted.value)) < 1:
        return None
    return against("bits", said_, counted)


def refuted_format(
    pieces: Sequence[LabelRecord], artifacts: Sequence[tuple[ArtifactRecord, Labelled]]
) -> ConflictRecord | None:
    """A container that the name claims and no file has."""
    said_ = next((each for each in pieces if each.field == "format" and each.source == "name"), None)
    if said_ is None:
        return None
    wanted = find_container(said_.value)
    if artifacts:
        held = {
            artifact_container(artifact) for artifact, _ in artifacts if artifact.role in ("weights", *SIDECAR_ROLES)
        }
        if held and wanted not in held and None not in held:
            shown = next((e for e in pieces if e.field == "format" and e.source == "file"), None)
            return against("format", said_, shown) if shown else None
        return None
    tagged = {find_container(e.value): e for e in pieces if e.field == "format" and e.source == "tag"}
    if tagged and find_format(wanted).always_tagged and wanted not in tagged:
        return against("format", said_, max(tagged.values(), key=lambda each: each.weight))
    return None
