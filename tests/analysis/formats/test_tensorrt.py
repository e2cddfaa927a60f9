"""Engines of TensorRT-LLM, which are known by the config.json that its builder writes beside them."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.errors import HeaderMalformed
from analysis.formats.readers import is_crawled, read_artifact
from analysis.formats.source import BytesSource
from db.records import ArtifactRecord, Header

LLAMA = {
    "architecture": "LlamaForCausalLM", "dtype": "bfloat16", "vocab_size": 128256, "hidden_size": 4096,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_act": "silu",
    "intermediate_size": 14336, "max_position_embeddings": 8192,
    "quantization": {"quant_algo": None, "kv_cache_quant_algo": None},
}  # fmt: skip
"""`pretrained_config` of an engine of Llama 3 8B, whose safetensors hold 8,030,261,248 parameters."""

MIXTRAL = {
    **LLAMA, "architecture": "MixtralForCausalLM", "vocab_size": 32000, "max_position_embeddings": 32768,
    "moe": {"num_experts": 8, "top_k": 2},
}  # fmt: skip
ENGINE = ArtifactRecord("rank0.engine", "weights", "tensorrt", ("rank0.engine",), 5_000_000_000)


def read(config: dict[str, Any], artifact: ArtifactRecord = ENGINE) -> Header:
    return read_artifact(artifact, {"rank0.engine": 5_000_000_000}, lambda path: BytesSource(b"", path), config=config)[
        0
    ]


def test_an_engine_is_what_its_configuration_says() -> None:
    quantized = {**LLAMA, "quantization": {"quant_algo": "W4A16_AWQ", "group_size": 128}}
    found = read({"version": "0.10.0", "pretrained_config": quantized, "build_config": {"max_seq_len": 2048}})
    assert (found.format, found.architecture, found.quant, found.quant_method) == (
        "tensorrt", "LlamaForCausalLM", "AWQ", "awq",
    )  # fmt: skip
    assert found.parameters == pytest.approx(8_030_261_248, rel=0.0001) and found.inferred
    assert found.active_parameters == found.parameters and found.bits_per_weight == pytest.approx(4.98, abs=0.01)
    assert found.context == 2048, "the engine's limit is below the model's"
    assert found.facts["geometry"]["layers"] == 32 and found.facts["group_size"] == 128
    assert (found.requests, found.bytes_read, found.tensor_count) == (0, 0, 0), "nothing of the engine is read"
    assert is_crawled(ENGINE)


def test_a_checkpoint_has_the_models_configuration_alone() -> None:
    found = read(LLAMA)
    assert (found.quant, found.quant_method, found.context) == ("BF16", None, 8192)
    tied = read({**LLAMA, "share_embedding_table": True})
    assert (found.parameters or 0) - (tied.parameters or 0) == 128256 * 4096
    plain = read({**LLAMA, "hidden_act": "gelu"})
    assert (found.parameters or 0) - (plain.parameters or 0) == 32 * 4096 * 14336


def test_of_a_mixture_a_token_uses_few_experts() -> None:
    found = read({"pretrained_config": MIXTRAL})
    assert found.parameters == pytest.approx(46_702_792_704, rel=0.001)
    assert found.active_parameters == pytest.approx(12_879_925_248, rel=0.001)


@pytest.mark.parametrize(
    ("algorithm", "scheme"),
    [("FP8", "FP8"), ("W8A8_SQ_PER_CHANNEL", "W8A8"), ("W4A16_GPTQ", "GPTQ"), ("NVFP4", "NVFP4"), ("NEW_ONE", None)],
)
def test_schemes_are_those_of_the_table(algorithm: str, scheme: str | None) -> None:
    assert read({**LLAMA, "quantization": {"quant_algo": algorithm}}).quant == scheme


@pytest.mark.parametrize("config", [{}, {"architectures": ["LlamaForCausalLM"]}, {"pretrained_config": []}])
def test_an_engine_without_its_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(HeaderMalformed, match=r"a config\.json of TensorRT-LLM beside the engine"):
        read(config)


def test_shapes_that_are_missing_or_hostile_count_nothing() -> None:
    hostile = {**LLAMA, "hidden_size": "4096", "quantization": ["x"], "moe": 7}
    found = read(hostile)
    assert (found.parameters, found.active_parameters, found.quant) == (None, None, "BF16")
