"""What config.json says: the architecture, the context length, how the weights are quantized."""

from __future__ import annotations

from analysis.labels.evidence.formats import format_evidence
from analysis.labels.evidence.make import WEIGHT, Evidence, evidence_text, make_evidence
from analysis.labels.evidence.stated import stated_evidence
from analysis.schemes.quantization_config import QuantizationConfig, find_quantization_config
from analysis.untrusted import check_mapping, check_text, check_texts
from db.record_base import Json
from db.records import LabelRecord


def config_evidence(config: Json) -> Evidence:
    """What config.json says: the architecture, the context length, how the weights are quantized."""
    found: list[LabelRecord] = []
    weight = WEIGHT["config"]
    architecture, rule = architecture_of(config)
    if architecture:
        found.append(make_evidence("architecture", architecture, "config", rule, weight))
    inner = check_mapping(config.get("text_config"))
    found += stated_evidence("config", config, inner)
    if stated := find_quantization_config(config):
        found += quantization_config_evidence(stated)
    return tuple(found)


def architecture_of(config: Json) -> tuple[str | None, str]:
    """The architecture's name and the key that says it."""
    model_type = check_text(config.get("model_type"))
    if model_type:
        return model_type, "model_type"
    named = check_texts(config.get("architectures"), 1)
    return (named[0] if named else None), "architectures"


def quantization_config_evidence(stated: QuantizationConfig) -> Evidence:
    """Scheme, method, bits and group size as configured; a configuration without a scheme still says: quantized."""
    weight = WEIGHT["config"]
    written = check_text(stated.written_method)
    rule = f"quant_method {written}" if written else "quantization_config"
    found = [make_evidence("quantized", "true", "config", rule, weight)]
    if stated.scheme:
        found.append(make_evidence("quant", stated.scheme, "config", rule, weight))
        found.append(make_evidence("quant_measured", stated.scheme, "config", rule, weight))
    if method := check_text(stated.method):
        found.append(make_evidence("quant_method", method, "config", rule, weight))
    if stated.bits:
        found.append(make_evidence("bits", evidence_text(stated.bits), "config", rule, weight))
    if stated.group_size:
        found.append(make_evidence("group_size", str(stated.group_size), "config", rule, weight))
    if stated.method == "mlx":
        found += format_evidence("mlx", "config", rule)
    return tuple(found)
