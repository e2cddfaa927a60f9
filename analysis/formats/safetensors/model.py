"""From the tensors of a safetensors model and its configuration to its Header.

Rules:

    parameters   weights through packing (packing.py), without what is kept beside them (scales, positions, masks,
                 running means), and an output layer counted once that the configuration says repeats the embeddings
    active       parameters but those of experts that a token is not sent to, as routed x (1 - used / count), and those
                 of layers that only predict further tokens and of per-layer embeddings (Gemma 3n), of which a token
                 reads one row a layer; shared experts, router and embeddings count
    bits         bytes of all tensors over the parameters: scales and zero points are part of the price; positions,
                 masks and an output layer written out once more are not
    scheme       of the quantized schemes the one that holds most parameters, if it holds a quarter of those outside
                 the embeddings; else the dtype that most are stored in
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from analysis.formats import model_config as configs
from analysis.formats.config_geometry import read_config_geometry
from analysis.formats.facts import clean_text, drop_missing
from analysis.formats.safetensors.packing.codebooks import parameters_from_shapes
from analysis.formats.safetensors.packing.measure import Packed, measure
from analysis.formats.safetensors.tensors import FLOATS, Tensor
from analysis.formats.tensor_digests import digest_ordered
from analysis.schemes.quantization_config import QuantizationConfig, find_quantization_config
from db.record_base import Json
from db.records import ArtifactRecord, Header

REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
NOMINAL = frozenset({"BITNET", "AQLM", "VPTQ", "SPQR", "QUIP", "EXL2", "EXL3"})
"""Schemes whose stored width is not their bits per weight: the bits come from the configuration."""
KEPT_METADATA = (
    "format",
    "modelspec.architecture",
    "modelspec.title",
    "ss_base_model_version",
    "ss_network_dim",
    "ss_sd_model_name",
)


def build_safetensors_header(
    artifact: ArtifactRecord,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    size: int | None,
    size_verified: bool | None,
    config: Json,
    base_parameters: int | None = None,
    requests: int = 0,
    bytes_read: int = 0,
    format_: str = "safetensors",
) -> Header:
    """The Header of an artifact from the tensors of all its shards and the repo's configuration.

    `format_`: the container, where it is another one whose tensors have the same names, types and shapes.
    """
    quantization = find_quantization_config(config, metadata) or QuantizationConfig()
    packed = measure(tensors, quantization, artifact.artifact)
    repeated = find_repeated_tables(packed, config)
    parameters, inferred = count_safetensors_parameters(packed, repeated, base_parameters)
    types: Counter[str] = Counter()
    data = -packed.buffer_bytes - sum(tensor.size for tensor in repeated)
    for tensor, number in Counter(tensors.values()).items():
        types[tensor.dtype] += number * tensor.elements
        data += number * tensor.size
    scheme, share = find_safetensors_scheme(packed, parameters)
    names = sorted(tensors)
    described = list(map(tensors.__getitem__, names))
    digests = digest_ordered(names, map(attrgetter("shape"), described), map(attrgetter("dtype"), described))
    experts = find_experts(packed, config)
    return Header(
        format=format_,
        version=None,
        architecture=configs.read_architecture(config),
        parameters=parameters,
        active_parameters=count_active_safetensors_parameters(packed, parameters, experts, config),
        tensor_count=len(tensors),
        types=dict(types.most_common()),
        quant=scheme,
        quant_method=find_quant_method(packed, quantization, scheme),
        quant_share=share,
        bits_per_weight=8 * data / parameters if parameters else None,
        context=configs.read_context(config),
        size=size,
        size_verified=size_verified,
        content=artifact.content,
        inferred=inferred,
        tensor_layout=digests.layout,
        tensor_shapes=digests.shapes,
        requests=requests,
        bytes_read=bytes_read,
        facts=collect_safetensors_facts(artifact, packed, repeated, metadata, config, quantization, experts),
    )


# ---- Parameters -----------------------------------------------------------------------------------------------------


def count_safetensors_parameters(
    packed: Packed, repeated: Sequence[Tensor], base_parameters: int | None
) -> tuple[int | None, bool]:
    """Parameters, and whether they were inferred: of the base model, or of shapes that may be padded.

    `repeated`: tables that are counted once although they are stored twice.
    """
    modules = packed.grouped.modules
    counted = packed.parameters - sum(tensor.elements for tensor in repeated)
    if not packed.unresolved:
        return (counted if modules else None), False
    if base_parameters:
        return base_parameters, True
    kinds = Counter(modules[module] for module in packed.unresolved)
    guess = parameters_from_shapes((kind.leaves, number) for kind, number in kinds.items())
    return (None if guess is None else counted + guess), True


def find_repeated_tables(packed: Packed, config: Json) -> list[Tensor]:
    """Tables that are stored although they are another one again (transformers, `_tied_weights_keys`).

    Encoder and decoder of T5 and BART read the table `shared` in any case; output layers repeat the embeddings where
    the configuration or the model's class ties them. Quantized ones are kept: the two may differ.
    """
    tables = packed.grouped.tables
    shared = {tensor.shape for names, tensor in tables if names.shared_table}
    copies = [tensor for names, tensor in tables if names.table_copy and tensor.shape in shared]
    if configs.is_tied(config):
        embeddings = {tensor.shape for names, tensor in tables if names.table}
        copies += [tensor for names, tensor in tables if names.head and tensor.shape in embeddings]
    return [tensor for tensor in copies if tensor.dtype in FLOATS]


def find_experts(packed: Packed, config: Json) -> dict[str, Any]:
    """Experts as configured, else as many as the tensors' names count, else as many as the model's class has by default
    if tensors stack so many matrices; empty for models without."""
    found: dict[str, Any] = dict(configs.read_experts(config))
    if not found:
        count, used = configs.default_experts(config)
        numbers = find_expert_numbers(packed)
        if len(numbers) > 1:
            found = drop_missing({"count": max(numbers) + 1, "used": used})
        elif count and any(
            module.stacked == count and names.is_routed_expert(module.stacked, count)
            for names, module in packed.modules
        ):
            found = drop_missing({"count": count, "used": used})
    if found.get("count"):
        found["parameters"] = sum(
            number * module.parameters
            for (names, module), number in packed.modules.items()
            if names.is_routed_expert(module.stacked, found["count"])
        )
    return found


def find_expert_numbers(packed: Packed) -> set[int]:
    """The numbers of single experts in the names of modules."""
    places = ((name, kind.names.expert_at) for name, kind in packed.grouped.modules.items())
    return {int(name.split(".", at + 1)[at]) for name, at in places if at is not None}


def count_active_safetensors_parameters(
    packed: Packed, parameters: int | None, experts: Mapping[str, Any], config: Json
) -> int | None:
    """Parameters that one token uses; all of them if there are no experts."""
    if parameters is None:
        return None
    last = find_last_layer(config)
    ahead = routed = idle = 0
    for (names, module), number in packed.modules.items():
        held = number * module.parameters
        further = names.per_layer or names.predicts(last)
        ahead += held if further else 0
        if experts and names.is_routed_expert(module.stacked, experts["count"]):
            routed += number
            idle += 0 if further else held
    if not routed:
        return parameters - ahead
    count, used = int(experts["count"]), experts.get("used")
    if not used or used > count:
        return None
    return parameters - ahead - (idle - idle * int(used) // count)


def find_last_layer(config: Json) -> int | None:
    """The number after that of the last layer, where further layers predict tokens beyond the next; else None."""
    inner = configs.language_config(config)
    layers = configs.parse_count(inner.get("num_hidden_layers"), 10_000)
    return layers if configs.parse_count(inner.get("num_nextn_predict_layers"), 100) else None


# ---- The scheme -----------------------------------------------------------------------------------------------------


def find_safetensors_scheme(packed: Packed, parameters: int | None) -> tuple[str | None, float | None]:
    """The dominant scheme and the share of the parameters that it holds."""
    known = Counter(packed.schemes)
    if packed.unresolved:  # its parameters are unknown here: all that no other scheme holds
        unknown = Counter(packed.unresolved.values()).most_common(1)[0][0]
        if parameters is None:
            return unknown, None
        known[unknown] += max(0, parameters - packed.parameters)
    total = sum(known.values())
    if not total:
        return None, None
    packings = [(held, name) for name, held in known.items() if name not in FLOATS]
    outside = total - sum(
        number * module.parameters
        for (names, module), number in packed.modules.items()
        if module.scheme in FLOATS and names.embeddings
    )
    held, scheme = max(packings, default=(0, ""))
    if held < max(1, outside) / 4:
        held, scheme = max((held, name) for name, held in known.items())
    return scheme, min(1.0, held / (parameters or total))


def find_quant_method(packed: Packed, quantization: QuantizationConfig, scheme: str | None) -> str | None:
    """quant_method: as configured, else the library whose layout holds most parameters; None for full precision."""
    if scheme is None or scheme in FLOATS:
        return None
    if quantization.method:
        return clean_text(quantization.method, 40)
    named = [(held, name) for name, held in packed.methods.items() if name]
    return max(named)[1] if named else None


def find_packed_bits(packed: Packed, quantization: QuantizationConfig) -> float | None:
    """Bits of one packed weight of the dominant quantized scheme, scales aside; None for full precision."""
    packings = {name: held for name, held in packed.schemes.items() if name in packed.stored and held}
    scheme = max(packings, key=lambda name: packings[name], default=None)
    if scheme is None or scheme in NOMINAL:
        return quantization.bits or (1.58 if scheme == "BITNET" else None)
    bits = 8 * packed.stored[scheme] / packings[scheme]
    return float(round(bits)) if abs(bits - round(bits)) < 0.25 else round(bits, 2)


# ---- Facts ----------------------------------------------------------------------------------------------------------


def collect_safetensors_facts(
    artifact: ArtifactRecord,
    packed: Packed,
    repeated: Sequence[Tensor],
    metadata: Mapping[str, str],
    config: Json,
    quantization: QuantizationConfig,
    experts: Mapping[str, Any],
) -> Json:
    """What else the header and the configuration say, limited in size."""
    adapter = configs.read_adapter(config)
    lora = packed.grouped.lora
    if lora and lora.total() * 2 >= packed.grouped.tensors:
        adapter.setdefault("type", "lora")
        ranks = [min(tensor.shape) for tensor in lora if tensor.shape]
        adapter.setdefault("rank", min(ranks) if ranks else None)
    else:
        adapter = adapter if artifact.role == "adapter" else {}
    last = find_last_layer(config)
    ahead = sum(
        number * module.parameters for (names, module), number in packed.modules.items() if names.predicts(last)
    )
    facts = {
        "role": "adapter" if adapter else artifact.role,
        "class": configs.read_class(config),
        "geometry": read_config_geometry(config),
        "experts": dict(experts),
        "schemes": dict(packed.schemes.most_common(16)) if len(packed.schemes) > 1 else None,
        "quantization": drop_missing(
            {
                "bits": find_packed_bits(packed, quantization),
                "group_size": quantization.group_size,
                "named": clean_text(quantization.written_method, 40),
            }
        ),
        "tied_embeddings": configs.is_tied(config) or None,
        "repeated_head": sum(tensor.elements for tensor in repeated) or None,
        "buffers": packed.buffers or None,
        "prediction_parameters": ahead or None,
        "unresolved": len(packed.unresolved) or None,
        "adapter": adapter,
        "base_models": [{"repo": adapter["base"]}] if REPO.fullmatch(adapter.get("base", "")) else None,
        "metadata": drop_missing({key: clean_text(metadata.get(key), 100) for key in KEPT_METADATA}),
    }
    if experts.get("parameters"):
        facts["active_rule"] = (
            "all but routed experts x (1 - used / count) and layers of further predictions; embeddings counted"
        )
    return drop_missing(facts)
