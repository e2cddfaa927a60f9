"""Schemes of quantization: what the vocabulary knows of one, as evidence."""

from __future__ import annotations

import re
from functools import lru_cache

from analysis.labels.evidence.make import Evidence, evidence_text, make_evidence
from analysis.vocabulary.vocabulary import vocabulary
from db.record_base import Source


def scheme_pieces(scheme: str, source: Source, rule: str, weight: int, bits: float | None = None) -> Evidence:
    """A scheme with what the vocabulary knows of it: method, bits, and that it is a quantization."""
    found = [make_evidence("quant", scheme, source, rule, weight)]
    entry = vocabulary().find("scheme", scheme)
    method = entry.facts.get("method") if entry else None
    bits = bits if bits is not None else scheme_bits(scheme)
    full = vocabulary().find("float", scheme) is not None
    if method:
        found.append(make_evidence("quant_method", method, source, rule, weight))
    if bits is not None:
        found.append(make_evidence("bits", evidence_text(bits), source, rule, weight))
    found.append(make_evidence("quantized", "false" if full else "true", source, rule, weight))
    return tuple(found)


def full_precision(scheme: str, source: Source, rule: str, weight: int) -> Evidence:
    return (
        make_evidence("quantized", "false", source, rule, weight),
        make_evidence("quant", scheme, source, rule, weight),
        make_evidence("quant_measured", scheme, source, rule, weight),
        make_evidence("bits", evidence_text(scheme_bits(scheme)), source, rule, weight),
    )


@lru_cache(maxsize=512)
def scheme_bits(scheme: str) -> float | None:
    """Nominal bits a weight of a canonical scheme: the digit of its name, or what its entry says."""
    for label in ("scheme", "float"):
        entry = vocabulary().find(label, scheme)
        if entry:
            bits = entry.facts.get("bits")
            return bits if bits is not None else None
    if scheme in ("F32", "F16", "BF16", "F64"):
        return {"F32": 32.0, "F64": 64.0}.get(scheme, 16.0)
    mlx = re.fullmatch(r"MLX-([0-9](?:\.[0-9])?)BIT", scheme)
    if mlx:
        return float(mlx[1])
    weights = re.fullmatch(r"W([0-9]{1,2})A[0-9]{1,2}", scheme)
    if weights:
        return float(weights[1])
    digit = re.match(r"(?:P?T?Q|D?Q|IQ|I|MXFP|NVFP|FP|INT|UINT|MXINT)([1-8])", scheme)
    return float(digit[1]) if digit else None


def typical_bits(scheme: str) -> float | None:
    """Bits a weight that files of a GGUF or full-precision scheme usually have."""
    usual = vocabulary().gguf.get(scheme)
    if usual is None and vocabulary().find("float", scheme):
        return scheme_bits(scheme)
    if usual is None:
        stem = scheme.rpartition("_")[0]
        usual = vocabulary().gguf.get(stem)
    return usual
