"""Rules for weights that are indices into tables. N outputs, K inputs, b the bits of an index or a weight."""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt, log2

from analysis.formats.safetensors.packing.modules import Count, Leaves
from analysis.schemes.quantization_config import QuantizationConfig


def count_exl3(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """trellis I16 [K/16, N/16, 16*b]: tiles of 16 x 16 weights."""
    shape = leaves["trellis"].shape
    if len(shape) != 3:
        return count_quip(module, leaves, config) if "SU" in leaves and "SV" in leaves else Count(None, "EXL3")
    return Count(shape[0] * shape[1] * 256, "EXL3")


def count_exl2(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """q_weight I32 [any, N] of rows in several widths; q_invperm I32 [K]."""
    order = leaves.get("q_invperm") or leaves.get("q_perm")
    return Count(order.elements * leaves["q_weight"].last if order else None, "EXL2")


def count_aqlm(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """codes [N/out, K/in, codebooks] index codebooks [codebooks, 2^b, out, in]."""
    codes, books = leaves["codes"].shape, leaves["codebooks"].shape
    if len(codes) < 2 or len(books) < 4:
        return Count(None, "AQLM")
    return Count(codes[0] * codes[1] * books[2] * books[3], "AQLM")


def count_quip(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """Signs of the incoherence transform on either side: SU [K], SV [N]."""
    return Count(leaves["SU"].elements * leaves["SV"].elements, "QUIP")


def count_higgs(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight I16 [N*b/16, K]; scales [N, K/g] tell N, the table [2^b], or [2^(p*b), p], tells b."""
    weight, scales, table = leaves["weight"], leaves.get("scales"), leaves["tables"].shape
    rows = scales.shape[0] if scales is not None and len(scales.shape) == len(weight.shape) == 2 else 0
    if rows and 16 * weight.shape[0] / rows in (2, 3, 4):
        return Count(rows * weight.last, "HIGGS")
    bits = log2(table[0]) / (table[1] if len(table) == 2 else 1) if table and table[0] > 1 and table[-1] else None
    return Count(round(weight.size * 8 / (bits or config.bits_of(module) or 4)), "HIGGS")


def count_vptq(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """K and N stand in config_for_layers alone."""
    shape = config.vptq_shape(module)
    return Count(shape[0] * shape[1] if shape else None, "VPTQ")


def count_spqr(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    return Count(None, "SPQR")


def parameters_from_shapes(layouts: Iterable[tuple[Leaves, int]]) -> int | None:
    """What the shapes of VPTQ and SpQR modules suggest, all padding counted; None where one does not tell.

    `layouts`: the tensors of a module, and how many modules have these.
    """
    total = 0
    for leaves, number in layouts:
        if {"dense_weights", "in_perm", "row_offsets"} <= leaves.keys():
            count: int | None = _spqr_parameters(leaves)
        elif {"indices", "centroids.weight"} <= leaves.keys():
            count = _vptq_parameters(leaves)
        else:
            return None
        if count is None:
            return None
        total += number * count
    return total


def _spqr_parameters(leaves: Leaves) -> int:
    """in_perm [K]; row_offsets [N + 1], or one for 16 rows; dense_weights has 16 words a tile of 16 x 16 weights."""
    rows, inner = leaves["row_offsets"].elements - 1, leaves["in_perm"].elements
    tiled = leaves["dense_weights"].elements * 16
    return min((rows * inner, 16 * rows * inner), key=lambda count: abs(count - tiled))


def _vptq_parameters(leaves: Leaves) -> int | None:
    """indices I32 [codebooks, N/v, packed]: v from the sizes of both codebooks and the bits of an index.

    centroids [codebooks, 2^a * v], res_centroids [codebooks, 2^r * v], an index has a + r bits: their product is
    2^(a + r) * v^2.
    """
    indices, centroids, inner = (
        leaves["indices"],
        leaves["centroids.weight"],
        leaves.get("perm") or leaves.get("weight_scale"),
    )
    if inner is None or len(indices.shape) != 3 or not inner.elements:
        return None
    outliers = leaves["outlier_indices"].last if "outlier_indices" in leaves else 0
    if inner.elements <= outliers:
        return None
    bits = round(indices.last * 32 * indices.shape[0] / (inner.elements - outliers))
    residual = leaves.get("res_centroids.weight")
    product = centroids.last * (residual.last if residual is not None else 1)
    length = product / 2**bits if 0 < bits < 64 else 0
    vector = isqrt(round(length)) if residual is not None else round(length)
    return indices.shape[1] * vector * inner.elements if 1 <= vector <= 64 else None
