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
from collections.abc import Mapping
from typing import Any

from analysis.formats import model_config as configs
from analysis.formats.config_geometry import read_config_geometry
from analysis.formats.facts import clean_text, drop_missing
from analysis.formats.safetensors.packing.codebooks import parameters_from_shapes
from analysis.formats.safetensors.packing.measure import Module, Packed, measure
from analysis.formats.safetensors.tensors import FLOATS, Tensor
from analysis.formats.tensor_digests import digest_tensors
from analysis.schemes.quantization_config import QuantizationConfig, find_quantization_config
from db.record_base import Json
from db.records import ArtifactRecord, Header

EMBEDDINGS = re.compile(
    r"(?:^|\.)(?:embed_tokens|tok_embeddings|wte|word_embeddings|embedding|shared|embed_in|lm_head|embed_out|output)$"
)
HEADS = re.compile(
    r"(?:^|\.)(?:lm_head|lm_head\.decoder|lm_head\.out_proj|proj_out|embed_out|output_projection|generator_lm_head|"
    r"vocab_projector|lm_loss|pred_layer\.proj|predictions\.decoder|mlm_score\.decoder|head\.decoder|cls\.decoder|"
    r"^output|^decoder|^head)\.weight$"
)
"""Output layers over a vocabulary."""
TABLES = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|word_embeddings?|tok_embeddings|tokens_embed|embed_in|shared|vocab_embedding|w|"
    r"backbone\.embeddings|rwkv\.embeddings|transformer\.embeddings)\.weight$"
)
"""Embeddings of a vocabulary."""
SHARED_TABLE = re.compile(r"(?:^|\.)shared\.weight$")
TABLE_COPY = re.compile(r"(?:^|\.)(?:text_)?(?:en|de)coder\.embed_tokens\.weight$")
ROUTED = re.compile(r"(?:^|\.)(?:experts|switch_mlp|routed_experts|local_experts)(?:\.|$)")
ONE_EXPERT = re.compile(r"(?:^|\.)(?:experts|local_experts|routed_experts)\.(\d{1,5})(?:\.|$)")
NOT_STACKED = re.compile(r"conv|attn|attention|router|norm|embed")
"""Modules whose tensors of three dimensions are no experts."""
PREDICTION = re.compile(r"(?:^|\.)(?:mtp|mtp_layers|nextn|nextn_predict|mtp_block)(?:\.|$)")
PER_LAYER = re.compile(r"(?:^|\.)embed_tokens_per_layer$")
LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d{1,5})\.")
LORA = re.compile(r"(?:^|\.)(?:lora_(?:[AB]|up|down|embedding_[AB])|lora\.(?:up|down)|hada_w\d_[ab]|lokr_w\d)(?:\.|$)")
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
    packed = measure(tensors, quantization)
    parameters, inferred = count_safetensors_parameters(packed, tensors, config, base_parameters)
    types: Counter[str] = Counter()
    for tensor in tensors.values():
        types[tensor.dtype] += tensor.elements
    data = sum(tensor.size for tensor in tensors.values()) - count_repeated_bytes(tensors, config) - packed.buffer_bytes
    scheme, share = find_safetensors_scheme(packed, parameters)
    digests = digest_tensors((name, tensor.shape, tensor.dtype) for name, tensor in tensors.items())
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
        facts=collect_safetensors_facts(artifact, packed, tensors, metadata, config, quantization, experts),
    )


# ---- Parameters -----------------------------------------------------------------------------------------------------


def count_safetensors_parameters(
    packed: Packed, tensors: Mapping[str, Tensor], config: Json, base_parameters: int | None
) -> tuple[int | None, bool]:
    """Parameters, and whether they were inferred: of the base model, or of shapes that may be padded."""
    counted = packed.parameters - count_repeated_head(tensors, config)
    if not packed.unresolved:
        return (counted if tensors else None), False
    if base_parameters:
        return base_parameters, True
    guess = parameters_from_shapes(tensors, packed.unresolved)
    return (None if guess is None else counted + guess), True


def find_repeated_tables(tensors: Mapping[str, Tensor], config: Json) -> list[Tensor]:
    """Tables that are stored although they are another one again (transformers, `_tied_weights_keys`).

    Encoder and decoder of T5 and BART read the table `shared` in any case; output layers repeat the embeddings where
    the configuration or the model's class ties them. Quantized ones are kept: the two may differ.
    """
    shared = {tensor.shape for name, tensor in tensors.items() if SHARED_TABLE.search(name)}
    copies = [name for name, tensor in tensors.items() if TABLE_COPY.search(name) and tensor.shape in shared]
    if configs.is_tied(config):
        tables = {tensor.shape for name, tensor in tensors.items() if TABLES.search(name)}
        copies += [name for name, tensor in tensors.items() if HEADS.search(name) and tensor.shape in tables]
    return [tensors[name] for name in copies if tensors[name].dtype in FLOATS]


def count_repeated_head(tensors: Mapping[str, Tensor], config: Json) -> int:
    """Parameters that are counted once although they are stored twice."""
    return sum(tensor.elements for tensor in find_repeated_tables(tensors, config))


def count_repeated_bytes(tensors: Mapping[str, Tensor], config: Json) -> int:
    """Bytes of output layers that are stored although they are the embeddings again."""
    return sum(tensor.size for tensor in find_repeated_tables(tensors, config))


def find_experts(packed: Packed, config: Json) -> dict[str, Any]:
    """Experts as configured, else as many as the tensors' names count, else as many as the model's class has by default
    if tensors stack so many matrices; empty for models without."""
    found: dict[str, Any] = dict(configs.read_experts(config))
    if not found:
        count, used = configs.default_experts(config)
        numbers = {int(one[1]) for name in packed.modules if (one := ONE_EXPERT.search(name))}
        if len(numbers) > 1:
            found = drop_missing({"count": max(numbers) + 1, "used": used})
        elif count and any(
            m.stacked == count and is_routed_expert(name, m, count) for name, m in packed.modules.items()
        ):
            found = drop_missing({"count": count, "used": used})
    if found.get("count"):
        found["parameters"] = sum(
            m.parameters for name, m in packed.modules.items() if is_routed_expert(name, m, found["count"])
        )
    return found


def is_routed_expert(name: str, module: Module, count: int) -> bool:
    """Whether a module belongs to routed experts: by its name, or because it stacks one matrix per expert.

    JetMoE's experts are `mlp.input_linear` and `mlp.output_linear`: neither name says what they are.
    """
    if "shared" in name:
        return False
    if ROUTED.search(name):
        return True
    return module.stacked == count and NOT_STACKED.search(name) is None


def count_active_safetensors_parameters(
    packed: Packed, parameters: int | None, experts: Mapping[str, Any], config: Json
) -> int | None:
    """Parameters that one token uses; all of them if there are no experts."""
    if parameters is None:
        return None
    routed = {
        name: m.parameters
        for name, m in packed.modules.items()
        if experts and is_routed_expert(name, m, experts["count"])
    }
    tables = {name: m.parameters for name, m in packed.modules.items() if PER_LAYER.search(name)}
    ahead = {**find_prediction_parameters(packed, config), **tables}
    if not routed:
        return parameters - sum(ahead.values())
    count, used = int(experts["count"]), experts.get("used")
    if not used or used > count:
        return None
    idle = sum(held for name, held in routed.items() if name not in ahead)
    return parameters - sum(ahead.values()) - (idle - idle * int(used) // count)


def find_prediction_parameters(packed: Packed, config: Json) -> dict[str, int]:
    """Parameters of modules that only predict tokens beyond the next: of that name, or in layers past the last."""
    inner = configs.language_config(config)
    layers = configs.parse_count(inner.get("num_hidden_layers"), 10_000)
    last = layers if configs.parse_count(inner.get("num_nextn_predict_layers"), 100) else None
    return {
        name: module.parameters
        for name, module in packed.modules.items()
        if PREDICTION.search(name) or (last is not None and (at := LAYER.search(name)) and int(at[1]) >= last)
    }


# ---- The scheme -----------------------------------------------------------------------------------------------------


def find_safetensors_scheme(packed: Packed, parameters: int | None) -> tuple[str | None, float | None]:
    """The dominant scheme and the share of the parameters that it holds."""
    known = Counter(packed.schemes)
    if packed.unresolved:  # its parameters are unknown here: all that no other scheme holds
        unknown = Counter(packed.modules[name].scheme for name in packed.unresolved).most_common(1)[0][0]
        if parameters is None:
            return unknown, None
        known[unknown] += max(0, parameters - packed.parameters)
    total = sum(known.values())
    if not total:
        return None, None
    packings = [(held, name) for name, held in known.items() if name not in FLOATS]
    outside = total - sum(
        m.parameters for name, m in packed.modules.items() if m.scheme in FLOATS and EMBEDDINGS.search(name)
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
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    config: Json,
    quantization: QuantizationConfig,
    experts: Mapping[str, Any],
) -> Json:
    """What else the header and the configuration say, limited in size."""
    adapter = configs.read_adapter(config)
    lora = [tensor for name, tensor in tensors.items() if LORA.search(name)]
    if lora and len(lora) * 2 >= len(tensors):
        adapter.setdefault("type", "lora")
        ranks = [min(tensor.shape) for tensor in lora if tensor.shape]
        adapter.setdefault("rank", min(ranks) if ranks else None)
    else:
        adapter = adapter if artifact.role == "adapter" else {}
    ahead = sum(find_prediction_parameters(packed, config).values())
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
        "repeated_head": count_repeated_head(tensors, config) or None,
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
