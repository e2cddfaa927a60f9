"""Engines and checkpoints of TensorRT-LLM: what the config.json beside them says of the model.

An engine is a compiled program whose tensors are described nowhere, so nothing of it is read. `trtllm-build` writes
the model's configuration under `pretrained_config` and the limits of the engine under `build_config`
(tensorrt_llm/builder.py, EngineConfig); a checkpoint's config.json is the former alone (models/modeling_utils.py,
PretrainedConfig).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from analysis.errors import HeaderMalformed
from analysis.formats import model_config as configs
from analysis.formats.config_geometry import read_config_geometry
from analysis.formats.containers import total_size
from analysis.formats.facts import clean_text, drop_missing
from analysis.formats.reader import Reader, container_reader
from analysis.formats.source import ByteSource
from analysis.untrusted import MAX_CONTEXT
from db.record_base import Json
from db.records import ArtifactRecord, Header

MAGIC = b"ftrt"
"""The first bytes of a serialized engine."""

ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "W8A8": ("W8A8", "modelopt"), "W8A16": ("W8A16", "modelopt"), "W4A16": ("W4A16", "modelopt"),
    "W4A16_AWQ": ("AWQ", "awq"), "W4A8_AWQ": ("AWQ", "awq"), "W4A16_GPTQ": ("GPTQ", "gptq"),
    "W8A16_GPTQ": ("GPTQ", "gptq"), "INT8": ("INT8", "modelopt"), "FP8": ("FP8", "modelopt"),
    "FP8_PER_CHANNEL_PER_TOKEN": ("FP8", "modelopt"), "FP8_BLOCK_SCALES": ("FP8", "modelopt"),
    "NVFP4": ("NVFP4", "modelopt"), "W4A16_MXFP4": ("MXFP4", "modelopt"), "W4A8_MXFP4_FP8": ("MXFP4", "modelopt"),
}  # fmt: skip
"""quant_algo (tensorrt_llm/quantization/mode.py, QuantAlgo) -> scheme and method; W8A8 stands for all of W8A8_SQ_..."""

TYPES: Mapping[str, str] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
GATED = frozenset({"silu", "swiglu", "geglu", "gated-silu", "gated-gelu"})
"""Activations of feed-forward layers with three matrices."""


def read_tensorrt(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The Header from the configuration; raises HeaderMalformed where no config.json of TensorRT-LLM is there."""
    inner = config.get("pretrained_config")
    model: Mapping[str, Any] = inner if isinstance(inner, Mapping) else config
    named = model.get("architecture")
    if not isinstance(named, str) or not named:
        path = artifact.paths[0] if artifact.paths else artifact.artifact
        raise HeaderMalformed(path, 0, "a config.json of TensorRT-LLM beside the engine", "none with an architecture")
    scheme, method, group_size = read_scheme(model)
    parameters, active = count_parameters(model)
    size = total_size(artifact, sizes)
    return Header(
        format="tensorrt",
        version=None,
        architecture=configs.read_architecture(model) or clean_text(named, 64),
        parameters=parameters,
        active_parameters=active,
        tensor_count=0,
        types={},
        quant=scheme,
        quant_method=method,
        quant_share=None,
        bits_per_weight=8 * size / parameters if size and parameters else None,
        context=read_limit(config) or configs.read_context(model),
        size=size,
        size_verified=None,
        content=artifact.content,
        inferred=parameters is not None,
        facts=drop_missing({
            "role": artifact.role, "class": clean_text(named, 100), "geometry": read_config_geometry(model),
            "experts": configs.read_experts(model), "group_size": group_size,
        }),
    )  # fmt: skip


def read_scheme(model: Mapping[str, Any]) -> tuple[str | None, str | None, int | None]:
    """Scheme, method and group size of the weights: of `quantization`, else the type that the model computes in."""
    stated = model.get("quantization")
    block: Mapping[str, Any] = stated if isinstance(stated, Mapping) else {}
    algorithm = block.get("quant_algo")
    if isinstance(algorithm, str) and algorithm:
        name = "W8A8" if algorithm.upper().startswith("W8A8_SQ") else algorithm.upper()
        scheme, method = ALGORITHMS.get(name, (None, "modelopt"))
        return scheme, method, configs.parse_count(block.get("group_size"), 1 << 20)
    return TYPES.get(str(model.get("dtype"))), None, None


def read_limit(config: Json) -> int | None:
    """The longest sequence that the engine was built for, tokens; None for a checkpoint."""
    built = config.get("build_config")
    return configs.first_count(built, ("max_seq_len",), MAX_CONTEXT) if isinstance(built, Mapping) else None


SHAPE = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")


def count_parameters(model: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Parameters, and those that a token uses, by the shapes of a decoder; None where it is no usual one.

    Norms and biases, less than a thousandth, are left out.
    """
    found = [configs.first_count(model, (name,), 2**32) for name in SHAPE]
    if None in found or "encoder" in str(model.get("architecture")).lower():
        return None, None
    width, layers, heads, inner, words = (count or 0 for count in found)
    head = configs.first_count(model, ("head_size", "head_dim")) or width // heads
    shared = configs.first_count(model, ("num_key_value_heads",)) or heads
    attention = 2 * width * heads * head + 2 * width * shared * head
    forward = (3 if str(model.get("hidden_act")) in GATED else 2) * width * inner
    tables = words * width * (1 if model.get("share_embedding_table") is True else 2)
    nested = model.get("moe")
    moe: Mapping[str, Any] = nested if isinstance(nested, Mapping) else {}
    experts = configs.first_count(moe, ("num_experts",), 100_000) or 1
    used = configs.first_count(moe, ("top_k",), 100_000) or experts

    def total(experts: int) -> int:
        return tables + layers * (attention + experts * forward)

    return total(experts), total(min(used, experts))


def is_engine(first: bytes) -> bool:
    return first.startswith(MAGIC)


READER: Reader = replace(container_reader(read_tensorrt, is_engine), crawled=True)  # one request: the configuration
