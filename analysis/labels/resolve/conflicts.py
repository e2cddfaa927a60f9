"""Conflicts: claims and measurements that can't both be true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.formats.formats import SIDECAR_ROLES, find_container, find_format
from analysis.labels.evidence.formats import artifact_container
from analysis.labels.evidence.fuzzy import architecture_evidence
from analysis.labels.evidence.names import parse_name_or_none
from analysis.labels.evidence.tags import BITS_TAG_WEIGHT
from analysis.labels.resolve.byte_counts import ByteCount, find_byte_conflict
from analysis.labels.resolve.claimed_measured import make_conflict, strongest_claim, strongest_measurement
from analysis.labels.resolve.scheme import find_scheme_conflict
from analysis.labels.resolve.select import SIZES, Best, is_scheme_tag
from analysis.names import NameLabels
from db.labels import MEASURED_BY
from db.records import ArtifactRecord, ConflictRecord, Header, Labelled, LabelRecord


def find_conflicts(
    pieces: list[LabelRecord],
    best: Best,
    *,
    silent: bool,
    header: Header | None = None,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]] = (),
    counted: ByteCount | None = None,
) -> tuple[ConflictRecord, ...]:
    """Claims and measurements that can't both be true; `counted`: the parameters that the bytes allow.

    Sets the claimed scheme in `best`, and removes inherited counts that are refuted.
    """
    container = best.get("format")
    claims: Sequence[LabelRecord] = pieces
    if container and find_format(container.value).holds_quants:
        claims = [each for each in pieces if not is_scheme_tag(each)]
    # relations, publishers and tags such as `8-bit` are too vague for a conflict
    firm = [each for each in claims if each.source not in ("lineage", "owner") and each.weight > BITS_TAG_WEIGHT]
    found = (
        []
        if silent
        else [
            find_count_conflict(claims, best, "parameters", counted),
            find_count_conflict(claims, best, "active_parameters"),
        ]
    )
    found += [
        find_count_conflict(claims, best, "context"),
        find_scheme_conflict(strongest_claim(claims, "quant"), pieces, best, header),
        find_quantized_conflict(firm),
        find_bits_conflict(firm),
        find_format_conflict(pieces, artifacts),
    ]
    return tuple([each for each in found if each])


def find_parent_conflict(name: NameLabels, best: Best) -> ConflictRecord | None:
    """A base model of which this can't be a copy or tune: name and configuration agree on another family.

    Families are compared by their foundations; a name or an architecture without one is no evidence.
    """
    parent, relation, architecture = best.get("base_model"), best.get("base_model_relation"), best.get("architecture")
    if parent is None or relation is None or relation.value not in ("quantized", "finetune") or architecture is None:
        return None
    theirs = parse_name_or_none(parent.value)
    built = {
        each.value for each in architecture_evidence(architecture.value, architecture.source) if "family" in each.field
    }
    own = {name.family, name.base_family} - {None}
    other = {theirs.family, theirs.base_family} - {None} if theirs is not None else set()
    if not other or not own & built or other & (own | built) or architecture.value == "llama":
        return None
    return make_conflict("base_model", parent, architecture)


def find_count_conflict(
    claims: Iterable[LabelRecord], best: Best, field: str, by_bytes: ByteCount | None = None
) -> ConflictRecord | None:
    """A claimed count more than a factor of two from the measured one, or where none is, one that bytes do not allow.

    An inherited count is removed.
    """
    said_ = strongest_claim(claims, field)
    if said_ is None:
        return None
    counted = best.get(MEASURED_BY[field])
    if counted is not None:
        conflict = make_conflict(field, said_, counted) if is_far_apart(int(said_.value), int(counted.value)) else None
    else:
        conflict = find_byte_conflict(said_, by_bytes) if by_bytes is not None else None
    if conflict is None:
        return None
    if field == "active_parameters" and "size" in best and best["size"].value.startswith("E"):
        return None  # effective parameters leave embeddings out
    if field == "parameters" and any(each.field == "tuning" and each.value == "lora" for each in claims):
        return None  # an adapter is named after the size of the model it adapts, merged or not
    if said_.source == "lineage":
        for each in ("size", *SIZES):
            if each in best and best[each].source == "lineage":
                del best[each]
    return conflict


def is_far_apart(one: float, other: float) -> bool:
    """More than a factor of two."""
    return one > 2 * other or other > 2 * one


def find_quantized_conflict(firm: Sequence[LabelRecord]) -> ConflictRecord | None:
    """Claimed to be quantized and measured not to be, or the other way round."""
    counted = strongest_measurement(firm, "quantized")
    said_ = strongest_claim(firm, "quantized") if counted else None
    return make_conflict("quantized", said_, counted) if said_ and counted and said_.value != counted.value else None


def find_bits_conflict(firm: Sequence[LabelRecord]) -> ConflictRecord | None:
    """Claimed bits a bit or more from those of config.json."""
    counted = strongest_measurement(firm, "bits")
    said_ = strongest_claim(firm, "bits") if counted else None
    if said_ is None or counted is None or abs(float(said_.value) - float(counted.value)) < 1:
        return None
    return make_conflict("bits", said_, counted)


def find_format_conflict(
    pieces: Sequence[LabelRecord], artifacts: Sequence[tuple[ArtifactRecord, Labelled]]
) -> ConflictRecord | None:
    """A format that the name claims and no file has."""
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
            return make_conflict("format", said_, shown) if shown else None
        return None
    tagged = {find_container(e.value): e for e in pieces if e.field == "format" and e.source == "tag"}
    if tagged and find_format(wanted).always_tagged and wanted not in tagged:
        return make_conflict("format", said_, max(tagged.values(), key=lambda each: each.weight))
    return None
