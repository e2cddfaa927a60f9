"""Bits a weight, from bytes and parameters, and what they tell."""

from __future__ import annotations

from analysis.labels.evidence.make import WEIGHT, Evidence, make_measured

QUANTIZED_BELOW = 12.0  # bits a weight: 8-bit schemes with their scales and unquantized embeddings stay under it
FULL_FROM = 14.0  # half precision is 16 bits; a few 8-bit tensors may be among them


def size_evidence(size: int | None, parameters: int | None) -> Evidence:
    """Bits a weight from bytes and parameters, where the figure is one that weights can have."""
    if not size or not parameters:
        return ()
    bits = size * 8 / parameters
    return (
        (make_measured("bits_per_weight", round(bits, 4), "size", "bytes over parameters"),)
        if 0.8 <= bits <= 66
        else ()
    )


def width_evidence(bits: float, *, certain: bool) -> Evidence:
    """What the bits a weight tell of `quantized`; it decides nothing where parameters were not counted in this file."""
    if QUANTIZED_BELOW <= bits < FULL_FROM:
        return ()
    return (
        make_measured("quantized", bits < QUANTIZED_BELOW, "size", "bits a weight", WEIGHT["size"] if certain else 15),
    )
