"""Bits per weight from bytes and parameters, and what they say about quantization."""

from __future__ import annotations

from analysis.labels.evidence.make import WEIGHT, Evidence, make_measured

MAX_QUANTIZED_BITS = 12.0  # bits per weight: 8-bit schemes with their scales and unquantized embeddings stay under it
MIN_FULL_PRECISION_BITS = 14.0  # half precision is 16 bits; a few 8-bit tensors may be among them


def size_evidence(size: int | None, parameters: int | None) -> Evidence:
    """Bits per weight from bytes and parameters, where the value is one that weights can have."""
    if not size or not parameters:
        return ()
    bits = size * 8 / parameters
    return (
        (make_measured("bits_per_weight", round(bits, 4), "size", "bytes over parameters"),)
        if 0.8 <= bits <= 66
        else ()
    )


def bits_per_weight_evidence(bits: float, *, certain: bool) -> Evidence:
    """Whether bits per weight are those of quantized weights. Weak where parameters were not counted in this file."""
    if MAX_QUANTIZED_BITS <= bits < MIN_FULL_PRECISION_BITS:
        return ()
    return (
        make_measured(
            "quantized", bits < MAX_QUANTIZED_BITS, "size", "bits per weight", WEIGHT["size"] if certain else 15
        ),
    )
