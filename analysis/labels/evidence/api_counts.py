"""The summaries in the Hub's answers: its own counts of a repo's safetensors, and of one of its GGUF files."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.labels.evidence.formats import API_SAFETENSORS_WEIGHT, format_evidence
from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence, make_measured
from analysis.labels.evidence.scheme import full_precision_evidence, scheme_evidence
from analysis.labels.evidence.sizes import MAX_QUANTIZED_BITS
from analysis.labels.evidence.stated import stated_evidence
from analysis.untrusted import check_count, check_mapping, check_text
from db.record_base import Json

_FULL = {"BF16": "BF16", "F16": "F16", "F32": "F32", "F64": "F64"}
_EIGHT = {"F8_E4M3": "FP8", "F8_E5M2": "FP8", "I8": "INT8"}
_BOOKKEEPING = frozenset(("BOOL", "I64", "I16", "U16", "U64", "F8_E8M0"))
_PACKED = frozenset(("I32", "U32", "U8", "I16"))


def safetensors_evidence(safetensors: Json, quantized: bool) -> Evidence:
    """The Hub's own count of the tensors; `quantized` says that config.json speaks of a quantization.

    The Hub has already unpacked 4-bit integers when it counts, but not always NVFP4's pairs. `total` is partly what the
    author wrote and may be anything; the histogram is counted.
    """
    held = parse_dtype_counts(safetensors)
    if not held:
        total = check_count(safetensors.get("total"))
        return (make_measured("parameters_measured", total, "api", "safetensors.total", 60),) if total else ()
    parameters, rule = count_parameters_from_dtypes(held)
    found = [
        make_measured("parameters_measured", parameters, "api", rule),
        make_evidence("format", "safetensors", "api", "safetensors", API_SAFETENSORS_WEIGHT),
    ]
    weights = {dtype: n for dtype, n in held.items() if dtype not in _BOOKKEEPING}
    whole = sum(weights.values())
    if not whole or quantized:
        return tuple(found)
    dtype, most = max(weights.items(), key=lambda item: (item[1], item[0]))
    full = sum(n for kind, n in weights.items() if kind in _FULL) / whole
    rule = f"safetensors {dtype}"
    if full >= 0.99 or (full >= 0.9 and dtype in _FULL):
        scheme = dtype if dtype in _FULL else max((n, kind) for kind, n in weights.items() if kind in _FULL)[1]
        found += full_precision_evidence(scheme, "api", rule, WEIGHT["api"])
    elif dtype in _EIGHT and most >= whole / 2:
        found += [make_evidence("quant_measured", _EIGHT[dtype], "api", rule, WEIGHT["api"])]
        found += scheme_evidence(_EIGHT[dtype], "api", rule, WEIGHT["api"])
    elif dtype in _PACKED or dtype in _EIGHT:
        found.append(make_evidence("quantized", "true", "api", rule, 60))
    return tuple(found)


def parse_dtype_counts(safetensors: Json) -> dict[str, int]:
    """dtype -> parameters of the API's safetensors block, checked."""
    found = {}
    for dtype, held in list(check_mapping(safetensors.get("parameters")).items())[:64]:
        parameters = check_count(held)
        if parameters and isinstance(dtype, str) and len(dtype) <= 16:
            found[dtype.upper()] = parameters
    return found


def count_parameters_from_dtypes(held: Mapping[str, int]) -> tuple[int, str]:
    """Parameters behind a histogram, and how they were counted.

    NVFP4 keeps two weights a byte and one F8 scale for 16 of them: where U8 and F8 stand so, pairs were not unpacked.
    """
    whole = sum(n for dtype, n in held.items() if dtype not in _BOOKKEEPING) or sum(held.values())
    bytes_, eight = held.get("U8", 0), held.get("F8_E4M3", 0)
    if bytes_ and eight >= bytes_ / 8 * 0.98:
        return whole + bytes_ - round(bytes_ / 8), "safetensors.parameters, pairs unpacked"
    return whole, "safetensors.parameters"


def gguf_evidence(gguf: Json) -> Evidence:
    """The API's gguf block: one file's facts, perhaps a shard's or a projector's."""
    found = []
    weight = WEIGHT["api"]
    total = check_count(gguf.get("total"))
    architecture = check_text(gguf.get("architecture"))
    if total:
        found.append(make_measured("parameters_measured", total, "api", "gguf.total", 75))
    if architecture and architecture not in ("clip", "imatrix"):
        found.append(make_evidence("architecture", architecture, "api", "gguf.architecture", weight))
    found += stated_evidence("api", {"gguf": gguf})
    size = check_count(gguf.get("totalFileSize"))
    if total and size and size * 8 / total < MAX_QUANTIZED_BITS:
        found.append(make_evidence("quantized", "true", "size", "gguf.totalFileSize", 41))
    if found:
        found += format_evidence("gguf", "api", "gguf")
    return tuple(found)
