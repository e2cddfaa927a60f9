"""The strongest evidence decides each label; all of it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analysis.formats.formats import find_format
from analysis.labels.evidence.formats import is_stored_in, quantized_only_evidence
from analysis.labels.evidence.make import Evidence, make_evidence
from analysis.labels.resolve.claimed_measured import MIN_WEIGHT
from db.labels import LABELS, Labels
from db.records import LabelRecord

Best = dict[str, LabelRecord]
SIZES = ("parameters", "active_parameters", "experts")

_LISTS = tuple(each.name for each in LABELS if each.kind == "list")
_FLAGS = frozenset(each.name for each in LABELS if each.default is False)
_SINGLE_VALUES = {each.name: each for each in LABELS if each.default is None}


def select_strongest(pieces: list[LabelRecord]) -> Best:
    """The strongest evidence, once the format is known.

    A safetensors file of MLX or ExLlama is in their format, which the extension alone does not tell; some formats hold
    quantized weights alone; and tags of a GGUF repo are about some of its quants, never about all.
    """
    best = strongest(pieces)
    container = best.get("format")
    if container is None:
        return best
    special = [each for each in pieces if is_stored_in(each, container.value)]
    container = max(special, key=lambda each: each.weight, default=container)
    format_ = find_format(container.value)
    if format_.quantized == "only":
        pieces += quantized_only_evidence(container)
        best = strongest(pieces)
    elif format_.holds_quants:
        best = strongest([each for each in pieces if not is_scheme_tag(each)])
        quantized = best.get("quantized")
        if quantized and quantized.value == "true" and "quant_method" not in best:
            method = make_evidence(
                "quant_method", container.value, container.source, f"container {container.value}", 42
            )
            pieces.append(method)
            best["quant_method"] = method
    best["format"] = container
    return best


def strongest(pieces: Iterable[LabelRecord]) -> Best:
    """The piece that decides each label of one value: the heaviest, of equals the first."""
    best: Best = {}
    for each in pieces:
        known = best.get(each.field)
        if (known is None or each.weight > known.weight) and each.weight >= MIN_WEIGHT:
            best[each.field] = each
    return best


def is_scheme_tag(each: LabelRecord) -> bool:
    """Whether a piece of evidence is a tag that states a scheme."""
    return each.source == "tag" and each.field in ("quant", "quant_method", "bits")


def drop_foreign_version(pieces: Sequence[LabelRecord], best: Best) -> None:
    """A version belongs to its family: where another source tells the family, the name's `v2` is not the family's."""
    family, version = best.get("family"), best.get("version")
    if (
        family is None
        or version is None
        or version.source == family.source
        or family.source in ("name", "file", "fuzzy")
    ):
        return
    theirs = [each for each in pieces if each.field == "version" and each.source == family.source]
    if theirs:
        best["version"] = theirs[0]
    else:
        del best["version"]


def build_labels(pieces: Iterable[LabelRecord], best: Best, drop: Sequence[str] = ()) -> tuple[Labels, Evidence]:
    """Labels of the deciding pieces, and all evidence with these marked as resolved. Fields in `drop` get no value."""
    best = {field: each for field, each in best.items() if field not in drop}
    values: dict[str, Any] = {}
    lists: dict[str, list[str]] = {field: [] for field in _LISTS}
    evidence: dict[LabelRecord, None] = {}
    for each in pieces:
        field = each.field
        if field in lists:
            if each.value not in lists[field]:
                lists[field].append(each.value)
            resolved = True
        elif field in _FLAGS:
            values[field] = resolved = True
        else:
            resolved = best.get(field) is each
        if resolved:
            each = make_evidence(field, each.value, each.source, each.rule, each.weight, True)
        evidence[each] = None
    for field, each in best.items():
        if field in _SINGLE_VALUES:
            values[field] = _SINGLE_VALUES[field].parse(each.value)
    values |= {field: tuple(found) for field, found in lists.items() if found}
    return Labels(**values), tuple(evidence)
