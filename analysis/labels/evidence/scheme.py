"""What follows from a scheme, as evidence: its method, its bits, and whether it is a quantization."""

from __future__ import annotations

from analysis.labels.evidence.make import Evidence, evidence_text, make_evidence
from analysis.schemes.schemes import find_scheme, is_full_precision, nominal_bits
from db.record_base import Source


def scheme_evidence(scheme: str, source: Source, rule: str, weight: int, bits: float | None = None) -> Evidence:
    """A canonical scheme with what the table of schemes knows about it; `bits` instead of its nominal ones."""
    found = [make_evidence("quant", scheme, source, rule, weight)]
    known = find_scheme(scheme)
    bits = bits if bits is not None else nominal_bits(scheme)
    if known is not None and known.method:
        found.append(make_evidence("quant_method", known.method, source, rule, weight))
    if bits is not None:
        found.append(make_evidence("bits", evidence_text(bits), source, rule, weight))
    quantized = "false" if is_full_precision(scheme) else "true"
    found.append(make_evidence("quantized", quantized, source, rule, weight))
    return tuple(found)


def full_precision_evidence(scheme: str, source: Source, rule: str, weight: int) -> Evidence:
    """A full-precision dtype, measured."""
    return (
        make_evidence("quantized", "false", source, rule, weight),
        make_evidence("quant", scheme, source, rule, weight),
        make_evidence("quant_measured", scheme, source, rule, weight),
        make_evidence("bits", evidence_text(nominal_bits(scheme)), source, rule, weight),
    )
