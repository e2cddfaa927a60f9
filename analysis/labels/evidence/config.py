"""What config.json says: the architecture, the context it was made for, how its weights are packed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.labels.evidence.formats import format_evidence
from analysis.labels.evidence.make import WEIGHT, Evidence, evidence_text, make_evidence
from analysis.labels.evidence.stated import stated_evidence
from analysis.schemes.quantization_config import METHODS
from analysis.untrusted import count, number, table, word, words
from db.record_base import Json
from db.records import LabelRecord

_SCHEMES: Mapping[str, str] = {
    # canonical method -> its scheme, where it has one of its own
    "gptq": "GPTQ", "awq": "AWQ", "aqlm": "AQLM", "vptq": "VPTQ", "quip": "QUIP", "spqr": "SPQR", "eetq": "EETQ",
    "hqq": "HQQ", "quanto": "QUANTO", "torchao": "TORCHAO", "autoround": "AUTOROUND", "exl2": "EXL2", "exl3": "EXL3",
    "bitnet": "BITNET", "fp8": "FP8", "mxfp4": "MXFP4", "mxfp8": "MXFP8", "nvfp4": "NVFP4", "sinq": "SINQ",
    "fouroversix": "NVFP4", "w8a8_int8": "W8A8",
}  # fmt: skip
_PACKINGS: Mapping[str, Mapping[int, str]] = {
    # compressed-tensors: format of the weights -> bits -> scheme
    "pack-quantized": {4: "W4A16", 8: "W8A16", 3: "W3A16", 2: "W2A16"}, "int-quantized": {8: "W8A8", 4: "W4A8"},
    "float-quantized": {8: "FP8"}, "nvfp4-pack-quantized": {4: "NVFP4"}, "mxfp4-pack-quantized": {4: "MXFP4"},
    "mxfp8-quantized": {8: "MXFP8"}, "marlin-24": {4: "W4A16", 8: "W8A16"}, "naive-quantized": {8: "FP8"},
}  # fmt: skip
_ALGORITHMS: Mapping[str, tuple[str, float]] = {
    # ModelOpt: quant_algo -> scheme, bits
    "NVFP4": ("NVFP4", 4), "NVFP4_AWQ": ("NVFP4", 4), "FP8": ("FP8", 8), "FP8_PB_WO": ("FP8", 8),
    "W4A16_AWQ": ("AWQ", 4), "W4A8_AWQ": ("W4A8", 4), "INT8_SQ": ("W8A8", 8), "W8A8_SQ_PER_CHANNEL": ("W8A8", 8),
    "MXFP4": ("MXFP4", 4), "FP8_PER_CHANNEL_PER_TOKEN": ("FP8", 8), "MXFP8": ("MXFP8", 8),
}  # fmt: skip
_USUAL_BITS: Mapping[str | None, float] = {
    "awq": 4, "gptq": 4, "fp8": 8, "mxfp4": 4, "eetq": 8, "bitnet": 1.58, "nvfp4": 4, "mxfp8": 8,
}  # fmt: skip


def config_evidence(config: Json) -> Evidence:
    """What config.json says: the architecture, the context it was made for, how its weights are packed."""
    found: list[LabelRecord] = []
    weight = WEIGHT["config"]
    architecture, rule = architecture_of(config)
    if architecture:
        found.append(make_evidence("architecture", architecture, "config", rule, weight))
    inner = table(config.get("text_config"))
    found += stated_evidence("config", config, inner)
    packing = config.get("quantization_config") or config.get("quantization") or inner.get("quantization_config")
    if isinstance(packing, Mapping) and packing:
        found += quantization_config_evidence(packing)
    return tuple(found)


def architecture_of(config: Json) -> tuple[str | None, str]:
    """The architecture's name and the key that says it."""
    model_type = word(config.get("model_type"))
    if model_type:
        return model_type, "model_type"
    named = words(config.get("architectures"), 1)
    return (named[0] if named else None), "architectures"


def quantization_config_evidence(packing: Mapping[str, Any]) -> Evidence:
    """`quantization_config`: scheme, method, bits, group size. A block that tells no scheme still says: quantized."""
    method = word(packing.get("quant_method"))
    low = method.lower() if method else ("mlx" if count(packing.get("bits"), 16) else None)
    scheme, bits, group, canonical = read_quantization_config(low, packing)
    weight = WEIGHT["config"]
    rule = f"quant_method {method}" if method else "quantization_config"
    full = scheme in ("BF16", "F16", "F32")
    found = [make_evidence("quantized", "false" if full else "true", "config", rule, weight)]
    if scheme:
        found.append(make_evidence("quant", scheme, "config", rule, weight))
        found.append(make_evidence("quant_measured", scheme, "config", rule, weight))
    if canonical:
        found.append(make_evidence("quant_method", canonical, "config", rule, weight))
    if bits:
        found.append(make_evidence("bits", evidence_text(bits), "config", rule, weight))
    if group:
        found.append(make_evidence("group_size", str(group), "config", rule, weight))
    if low == "mlx":
        found += format_evidence("mlx", "config", rule)
    return tuple(found)


def read_quantization_config(
    method: str | None, packing: Mapping[str, Any]
) -> tuple[str | None, float | None, int | None, str | None]:
    """Scheme, bits, group size and canonical method of a quantization_config."""
    canonical = METHODS.get(method, method) if method else None
    scheme = _SCHEMES.get(canonical) if canonical else None
    bits = number(packing.get("bits"), 64) or number(packing.get("w_bit"), 64) or number(packing.get("nbits"), 64)
    group = count(packing.get("group_size") or packing.get("q_group_size"), 1 << 20)
    if canonical == "bitsandbytes":
        eight = packing.get("load_in_8bit") is True or packing.get("_load_in_8bit") is True
        kind = word(packing.get("bnb_4bit_quant_type"))
        scheme = "BNB-INT8" if eight else "BNB-FP4" if kind == "fp4" else "BNB-NF4"
        bits = 8.0 if eight else 4.0
    elif canonical == "compressed-tensors":
        scheme, bits, group = grouped_scheme(packing)
    elif canonical == "modelopt":
        algorithm = word(packing.get("quant_algo")) or word(table(packing.get("quantization")).get("quant_algo"))
        if algorithm and algorithm.upper() in _ALGORITHMS:
            scheme, bits = _ALGORITHMS[algorithm.upper()]
        else:
            _, bits, group = grouped_scheme(packing)
            scheme = "NVFP4" if bits == 4 else "FP8" if bits == 8 else None
    elif canonical == "mlx":
        mode = word(packing.get("mode"))
        scheme = (
            mode.upper() if mode in ("mxfp4", "mxfp8", "nvfp4") else f"MLX-{evidence_text(bits)}BIT" if bits else None
        )
    elif canonical == "autoround" and word(packing.get("data_type")) in ("mx_fp", "nv_fp"):
        scheme = "MXFP4" if packing.get("data_type") == "mx_fp" else "NVFP4"
    if bits is None:
        bits = _USUAL_BITS.get(canonical)
    return scheme, bits, group, canonical


def grouped_scheme(packing: Mapping[str, Any]) -> tuple[str | None, float | None, int | None]:
    """Scheme, bits and group size of `config_groups`: the group with the fewest bits, which holds the most weights."""
    best: tuple[float, str | None, int | None] | None = None
    groups = table(packing.get("config_groups"))
    for group in list(groups.values())[:64]:
        weights = table(table(group).get("weights"))
        bits = number(weights.get("num_bits"), 64)
        if bits is None or (best and bits >= best[0]):
            continue
        packed = word(table(group).get("format")) or word(packing.get("format")) or ""
        scheme = _PACKINGS.get(packed, {}).get(int(bits))
        if scheme is None and packed not in _PACKINGS:
            scheme = "FP8" if weights.get("type") == "float" and bits == 8 else None
        best = bits, scheme, count(weights.get("group_size"), 1 << 20)
    return (best[1], best[0], best[2]) if best else (None, None, None)
