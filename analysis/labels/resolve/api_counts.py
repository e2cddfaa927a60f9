"""Checks the Hub's parameter counts against the name: is it this model's count, and were packed weights unpacked?"""

from __future__ import annotations

from analysis.formats.formats import find_container, find_format
from analysis.labels.evidence.api_counts import gguf_evidence, parse_dtype_counts, safetensors_evidence
from analysis.labels.evidence.make import Evidence, make_measured
from analysis.names import NameLabels
from db.records import LabelRecord, RepoRecord


def summary_evidence(repo: RepoRecord, name: NameLabels | None, packed: Evidence, lineage: Evidence) -> Evidence:
    """The `safetensors` and `gguf` blocks. A count that can't be the model's own decides nothing."""
    if not repo.safetensors and not repo.gguf:
        return ()
    stated = name.parameters if name else None
    if stated is None:
        stated = next((int(each.value) for each in lineage if each.field == "parameters"), None)
    container = find_format(find_container(name.format)) if name and name.format else None
    has_scheme = any(each.field == "quantized" for each in packed) or bool(
        container and not container.described_by_config
    )
    found = list(safetensors_evidence(repo.safetensors, has_scheme)) if repo.safetensors else []
    if stated:
        bits = next((float(each.value) for each in packed if each.field == "bits"), None) or (name and name.bits)
        found = [correct_for_packing(each, repo, stated, bits or None) for each in found]
    for each in gguf_evidence(repo.gguf) if repo.gguf else ():
        if each.field == "parameters_measured":
            clip = repo.gguf.get("architecture") in ("clip", "imatrix")
            if clip or (stated and int(each.value) < stated / 2):  # a projector, a draft or one shard of many
                found.append(make_measured(each.field, each.value, "api", "gguf.total of a part", 10))
                continue
        found.append(each)
    return tuple(found)


def correct_for_packing(each: LabelRecord, repo: RepoRecord, stated: int, bits: float | None) -> LabelRecord:
    """A count of packed words, unpacked where that agrees with what the name states; else the count as it is."""
    if each.field != "parameters_measured" or int(each.value) >= stated * 0.7 or not bits or bits > 8:
        return each
    held = parse_dtype_counts(repo.safetensors)
    words = sum(held.get(dtype, 0) for dtype in ("I32", "U32"))
    byte_weights = held.get("U8", 0)
    parameters = round(int(each.value) + words * (32 / bits - 1) + byte_weights * (8 / bits - 1))
    if abs(parameters / stated - 1) <= 0.25:
        return make_measured(
            "parameters_measured", parameters, "api", "safetensors.parameters, words unpacked", each.weight
        )
    return each
