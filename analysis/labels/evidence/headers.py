"""What the bytes of a file say: its tensors' shapes and types, its header's keys."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.labels.evidence.lineage import LINEAGE
from analysis.labels.evidence.make import WEIGHT, Evidence, make_measured
from analysis.labels.evidence.names import parse_name_or_none
from analysis.labels.evidence.stated import field_values, stated_evidence
from analysis.schemes.schemes import is_full_precision
from analysis.untrusted import MAX_BASE_MODELS, check_count, check_mapping, check_number, check_text
from db.record_base import Source
from db.records import EdgeRecord, Header

TITLE_WEIGHT = 42
"""Weight of the name that a header gives its model: below file and repo, above lineage."""


def header_evidence(header: Header) -> Evidence:
    """Evidence from a header. Source `tensors` is counted in shapes and types, `header` is stated in keys."""
    found = []
    counted_by: Source = "lineage" if header.inferred else "tensors"
    weight = 70 if header.inferred else WEIGHT["tensors"]
    if header.parameters:
        found.append(make_measured("parameters_measured", header.parameters, counted_by, "shapes", weight))
    if header.active_parameters:
        found.append(
            make_measured("active_parameters_measured", header.active_parameters, counted_by, "shapes", weight)
        )
    if header.quant:
        found.append(make_measured("quant_measured", header.quant, "tensors", "types"))
    if header.quant_method:
        found.append(make_measured("quant_method", header.quant_method, "tensors", "types"))
    if header.bits_per_weight:
        found.append(make_measured("bits_per_weight", round(header.bits_per_weight, 4), "tensors", "types"))
    packing = check_mapping(header.facts.get("quantization"))
    width, group = check_number(packing.get("bits"), 64), check_count(packing.get("group_size"), 1 << 20)
    if width and header.quant:
        found.append(make_measured("bits", width, "header", "quantization"))
    if group and header.quant:
        found.append(make_measured("group_size", group, "header", "quantization"))
    found += stated_evidence("header", field_values(header))
    if header.quant:
        found.append(make_measured("quantized", not is_full_precision(header.quant), "tensors", "types"))
    if check_mapping(header.facts.get("imatrix")):
        found.append(make_measured("imatrix", True, "header", "quantize.imatrix"))
    quantizer = check_text(header.facts.get("quantized_by"))
    if quantizer:
        found.append(make_measured("quantizer", quantizer, "header", "general.quantized_by"))
    return (*found, *title_evidence(header))


def title_evidence(header: Header) -> Evidence:
    """What `general.name` claims, for files that are called `model.gguf`."""
    title = check_text(header.facts.get("name"))
    labels = parse_name_or_none(title.replace(" ", "-")) if title else None
    if labels is None or labels.kind != "repo":
        return ()
    values = ((field, getattr(labels, field)) for field in LINEAGE)
    return tuple(
        [
            make_measured(field, value, "header", "general.name", TITLE_WEIGHT)
            for field, value in values
            if value is not None
        ]
    )


def header_edges(headers: Iterable[Header]) -> tuple[EdgeRecord, ...]:
    """Repos that headers name as what their model was made from: perhaps the parent, perhaps its parent."""
    found: dict[EdgeRecord, None] = {}
    for header in headers:
        bases = header.facts.get("base_models")
        for base in bases[:MAX_BASE_MODELS] if isinstance(bases, list | tuple) else ():
            parent = check_text(check_mapping(base).get("repo"))
            if parent and "/" in parent:
                found[EdgeRecord(parent, "unknown", "header")] = None
    return tuple(found)
