"""What the layers of a config.json keep, against the bytes that runtimes allocate or that their formulas give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.fit.geometry import Cache, Geometry, build_geometry
from analysis.fit.layers import LAYER_KINDS, UnknownGeometry
from analysis.formats.architectures import load_architectures
from analysis.formats.config_geometry import read_config_geometry
from analysis.formats.config_layers import KIND_BY_NAME

HEADS = {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "hidden_size": 4096}
A_CELL = 8 * (128 + 128)
"""Elements of a cell of a layer with these heads."""
WINDOW_CELLS = 512 + 512
"""Of a window of 512 tokens, with one batch."""


def geometry(config: dict[str, Any]) -> Geometry:
    return build_geometry(read_config_geometry(config))


def model(name: str, layers: int, **more: Any) -> dict[str, Any]:
    return {"model_type": name, "num_hidden_layers": layers, **HEADS, **more}


# ---- Which layers keep what -----------------------------------------------------------------------------------------

WINDOWED = [
    # the configuration, and the layers that keep the whole context
    ("names", model("olmo3", 4, sliding_window=512, layer_types=["sliding_attention"] * 3 + ["full_attention"]), 1),
    ("the class's pattern", model("gemma3_text", 13, sliding_window=512), 2),
    ("an interval", model("gemma3_text", 12, sliding_window=512, sliding_window_pattern=3), 4),
    ("a pattern as text", model("exaone4", 8, sliding_window=512, sliding_window_pattern="LLLG"), 2),
    ("the first of three", model("modernbert-decoder", 7, sliding_window=512, global_attn_every_n_layers=3), 3),
    ("chunks", model("llama4_text", 8, attention_chunk_size=512), 2),
    ("the class's chunks of 8,192", model("llama4_text", 8, attention_chunk_size=512, layer_types=None), 2),
    ("layers without rotation", model("llama4_text", 4, attention_chunk_size=512, no_rope_layers=[1, 0, 1, 0]), 2),
    ("numbers", model("mimo_v2_flash", 4, sliding_window=512, hybrid_layer_pattern=[0, 1, 1, 0]), 2),
    ("a layout", model("smallthinker", 4, sliding_window_size=512, sliding_window_layout=[1, 0, 1, 0]), 2),
    ("all", model("mistral", 4, sliding_window=512), 0),
    ("all, but it is switched off", model("mistral", 4, sliding_window=512, use_sliding_window=False), 4),
    ("no window", model("mistral", 4, sliding_window=None), 4),
    ("not asked for", model("qwen2", 4, sliding_window=512), 4),
    ("above the first", model("qwen2", 4, sliding_window=512, use_sliding_window=True, max_window_layers=3), 3),
    ("a class that has none by default", model("laguna", 4, sliding_window=512), 4),
]


@pytest.mark.parametrize(("why", "config", "whole"), WINDOWED, ids=[row[0] for row in WINDOWED])
def test_layers_with_a_window(why: str, config: dict[str, Any], whole: int) -> None:
    shape = geometry(config)
    local = config["num_hidden_layers"] - whole
    assert shape.cache_bytes(8192) == 2 * A_CELL * (whole * 8192 + local * WINDOW_CELLS)


ATTENDING = [
    # layers that attend over the whole context, of those that keep a state or nothing
    ("names", model("granitemoehybrid", 4, layer_types=["mamba", "attention", "mamba", "mamba"]), 1),
    ("names of transformers 5", model("nemotron_h", 4, layers_block_type=["mamba", "moe", "attention", "mlp"]), 1),
    ("letters", model("nemotron_h", 6, hybrid_override_pattern="M-*EM*"), 2),
    ("numbers", model("minimax_text_01", 4, attn_type_list=[0, 0, 1, 0]), 1),
    ("every second one", model("minimax", 4), 2),
    ("an interval", model("qwen3_next", 8, full_attention_interval=4), 2),
    ("the class's interval", model("qwen3_next", 8), 2),
    ("a period with an offset", model("jamba", 16, attn_layer_period=8, attn_layer_offset=4), 2),
    ("indices", model("bamba", 4, attn_layer_indices=[1, 3]), 2),
    ("indices of LFM2", model("lfm2", 4, full_attn_idxs=[2], conv_L_cache=3), 1),
    ("indices counted from 1", model("kimi_linear", 4, linear_attn_config={
        "full_attn_layers": [4], "kda_layers": [1, 2, 3], "num_heads": 2, "head_dim": 8, "short_conv_kernel_size": 4,
    }, kv_lora_rank=None), 1),
    ("the group's last, and what is behind the groups", model("bailing_moe_linear", 12, layer_group_size=5), 4),
    ("every second one of PLaMo 2", model("plamo2", 4, mamba_step=2, mamba_num_heads=64, hidden_size_per_head=128,
                                          mamba_d_state=64, mamba_d_conv=4), 2),
]  # fmt: skip


@pytest.mark.parametrize(("why", "config", "attending"), ATTENDING, ids=[row[0] for row in ATTENDING])
def test_layers_that_attend_beside_others_that_keep_a_state(why: str, config: dict[str, Any], attending: int) -> None:
    shape = geometry(config)
    assert shape.caches == (Cache(attending, A_CELL),)
    assert shape.cache_bytes(512) - shape.cache_bytes(256) == 2 * 256 * attending * A_CELL
    assert shape.state_bytes > 0


def test_a_repeated_pattern_with_its_own_window() -> None:
    """RecurrentGemma: two recurrent layers, then one that sees `attention_window_size`."""
    config = model("recurrent_gemma", 8, block_types=["recurrent", "recurrent", "attention"],
                   attention_window_size=512, lru_width=4096, conv1d_width=4)  # fmt: skip
    shape = geometry(config)
    assert shape.caches == (Cache(2, A_CELL, window=512),)
    assert shape.state_bytes == 6 * 4 * (3 * 4096 + 4096)


def test_layers_that_use_another_ones_cache() -> None:
    shared = model("gemma4_text", 6, num_kv_shared_layers=2, layer_types=["full_attention"] * 6)
    assert geometry(shared).caches == (Cache(4, A_CELL),)
    neighbours = model("hunyuan", 6, use_cla=True, cla_share_factor=2)
    assert geometry(neighbours).caches == (Cache(3, A_CELL),)
    assert geometry({**neighbours, "use_cla": False}).caches == (Cache(6, A_CELL),)


def test_layers_that_attend_and_keep_a_state() -> None:
    """Falcon-H1: `mamba_d_ssm` is the inner size, not `mamba_expand` times the embedding."""
    config = model("falcon_h1", 3, mamba_d_ssm=1024, mamba_d_state=64, mamba_n_groups=2, mamba_d_conv=4, mamba_expand=2)
    shape = geometry(config)
    assert shape.caches == (Cache(3, A_CELL),)
    assert shape.state_bytes == 3 * 4 * (3 * (1024 + 2 * 2 * 64) + 64 * 1024)


def test_images_and_the_encoders_output_do_not_grow_with_the_text() -> None:
    """Llama 3.2 Vision: 4 tiles of 40 x 40 patches and one more each. Whisper: 1,500 frames."""
    vision = {
        "model_type": "mllama", "text_config": model("mllama_text_model", 4, cross_attention_layers=[1]),
        "vision_config": {"image_size": 560, "patch_size": 14, "max_num_tiles": 4},
    }  # fmt: skip
    assert geometry(vision).cache_bytes(1024) == 2 * A_CELL * (3 * 1024 + 4 * 1601)
    whisper = {
        "model_type": "whisper", "d_model": 1280, "encoder_layers": 32, "num_hidden_layers": 32, "decoder_layers": 4,
        "decoder_attention_heads": 20,
    }  # fmt: skip
    assert geometry(whisper).cache_bytes(256) == 4 * 2 * 2 * 1280 * (256 + 1500)


def test_cross_attention_keeps_a_text_as_long_as_the_context() -> None:
    t5 = {"model_type": "t5", "d_model": 768, "num_layers": 12, "num_decoder_layers": 12, "num_heads": 12, "d_kv": 64}
    assert geometry(t5).cache_bytes(512) == 12 * 2 * 768 * 2 * (512 + 512)
    bart = {"model_type": "bart", "d_model": 1024, "encoder_layers": 3, "decoder_layers": 12,
            "decoder_attention_heads": 16}  # fmt: skip
    assert geometry(bart).cache_bytes(1024) == 12 * 2 * 1024 * 2 * (1024 + 1024)


def test_defaults_of_classes_that_no_key_states() -> None:
    """Llama 4: three of four layers in chunks of 8,192. Llama 3.2 Vision: of 40 layers 8 look at the image."""
    llama = geometry(model("llama4_text", 8))
    assert {cache.window: cache.layers for cache in llama.caches} == {8192: 6, None: 2}
    gemma = geometry(model("recurrent_gemma", 6, lru_width=4096))
    assert [(cache.layers, cache.window) for cache in gemma.caches] == [(2, 2048)]
    jamba = geometry(model("jamba", 16, mamba_d_state=16, mamba_expand=2, mamba_d_conv=4))
    assert [cache.layers for cache in jamba.caches] == [2]
    vision = geometry(model("mllama_text_model", 40))
    assert [cache.layers for cache in vision.caches if cache.image_tokens is None] == [32]


def test_encoders_keep_nothing_and_decoders_of_their_kind_do() -> None:
    bert = {"model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    assert geometry(bert).cache_bytes(512) == 0
    assert geometry({**bert, "is_decoder": True}).caches == (Cache(12, 2 * 768),)
    clip = {"model_type": "clip", "text_config": {"hidden_size": 512, "num_hidden_layers": 12}}
    assert geometry(clip).cache_bytes(512) == 0


# ---- Heads ----------------------------------------------------------------------------------------------------------

ELEMENTS = [
    # elements of one layer's cell
    ("Falcon 7B", {"model_type": "falcon", "hidden_size": 4544, "num_attention_heads": 71, "num_kv_heads": 71,
                   "multi_query": True}, 2 * 64),
    ("Falcon 40B", {"model_type": "falcon", "hidden_size": 8192, "num_attention_heads": 128, "num_kv_heads": 8,
                    "multi_query": True, "new_decoder_architecture": True}, 8 * 2 * 64),
    ("Falcon RW", {"model_type": "falcon", "hidden_size": 2048, "num_attention_heads": 32, "multi_query": False},
     32 * 2 * 64),
    ("StarCoder", {"model_type": "gpt_bigcode", "n_embd": 6144, "n_head": 48}, 2 * 128),
    ("ChatGLM", {"model_type": "chatglm", "hidden_size": 4096, "num_attention_heads": 32, "kv_channels": 128,
                 "multi_query_attention": True, "multi_query_group_num": 2}, 2 * 2 * 128),
    ("DBRX", {"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "attn_config": {"kv_n_heads": 8}}, 8 * 2 * 128),
    ("no KV heads stated", {"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32}, 2 * 4096),
    ("DeepSeek V3", {"model_type": "deepseek_v3", "hidden_size": 7168, "num_attention_heads": 128, "kv_lora_rank": 512,
                     "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}, 512 + 64),
    ("DeepSeek V3.2", {"model_type": "deepseek_v32", "hidden_size": 7168, "num_attention_heads": 128,
                       "kv_lora_rank": 512, "qk_rope_head_dim": 64, "index_head_dim": 128}, 512 + 64 + 128),
    ("MiniCPM3", {"model_type": "minicpm3", "hidden_size": 2560, "num_attention_heads": 40, "kv_lora_rank": 256,
                  "qk_rope_head_dim": 32, "qk_nope_head_dim": 64, "v_head_dim": 64}, 40 * (96 + 64)),
    ("Gemma 3's class", {"model_type": "gemma3_text", "hidden_size": 2560, "sliding_window": None}, 4 * 2 * 256),
    ("Mistral's own", {"params": {"dim": 5120, "n_layers": 2, "n_heads": 32, "n_kv_heads": 8, "head_dim": 128}},
     8 * 2 * 128),
]  # fmt: skip


@pytest.mark.parametrize(("why", "config", "elements"), ELEMENTS, ids=[row[0] for row in ELEMENTS])
def test_elements_of_a_cell(why: str, config: dict[str, Any], elements: int) -> None:
    config = config if "params" in config else {"num_hidden_layers": 2, **config}
    assert geometry(config).caches == (Cache(2, elements),)


def test_heads_that_differ_between_layers() -> None:
    elm = {"model_type": "openelm", "model_dim": 1280, "num_transformer_layers": 3, "head_dim": 64,
           "num_query_heads": [12, 12, 16], "num_kv_heads": [3, 3, 4]}  # fmt: skip
    assert geometry(elm).caches == (Cache(2, 3 * 128), Cache(1, 4 * 128))
    nas = {"model_type": "nemotron-nas", "hidden_size": 8192, "num_hidden_layers": 3, "num_attention_heads": 64,
           "block_configs": [{"attention": {"n_heads_in_group": 8}}, {"attention": {"no_op": True}},
                             {"attention": {"n_heads_in_group": 16}}]}  # fmt: skip
    assert geometry(nas).caches == (Cache(1, 8 * 256), Cache(1, 4 * 256))


def test_two_attentions_in_one_layer() -> None:
    longcat = {"model_type": "longcat_flash", "hidden_size": 6144, "num_layers": 28, "num_attention_heads": 64,
               "kv_lora_rank": 512, "qk_rope_head_dim": 64}  # fmt: skip
    assert geometry(longcat).caches == (Cache(56, 512 + 64),)


LOCAL_HEADS = [
    ("Gemma 4: global heads are fewer and longer", model(
        "gemma4_text", 2, sliding_window=512, layer_types=["sliding_attention", "full_attention"],
        num_global_key_value_heads=2, global_head_dim=256), 8 * 2 * 128, 2 * 2 * 256),
    ("MiMo: local heads are more", model(
        "mimo_v2_flash", 2, sliding_window=512, hybrid_layer_pattern=[1, 0], swa_num_key_value_heads=16,
        swa_head_dim=96, swa_v_head_dim=64, v_head_dim=64), 16 * (96 + 64), 8 * (128 + 64)),
    ("Step 3.5", {
        "model_type": "step3p5", "hidden_size": 4096, "num_hidden_layers": 2, "num_attention_heads": 64,
        "num_attention_groups": 8, "head_dim": 128, "sliding_window": 512,
        "layer_types": ["sliding_attention", "full_attention"],
        "attention_other_setting": {"num_attention_groups": 4, "head_dim": 64}}, 4 * 2 * 64, 8 * 2 * 128),
]  # fmt: skip


@pytest.mark.parametrize(("why", "config", "local", "whole"), LOCAL_HEADS, ids=[row[0] for row in LOCAL_HEADS])
def test_heads_of_layers_with_a_window_may_differ(why: str, config: dict[str, Any], local: int, whole: int) -> None:
    assert geometry(config).caches == (Cache(1, local, window=512), Cache(1, whole))


# ---- States ---------------------------------------------------------------------------------------------------------

STATES = [
    # bytes of one layer's state, in F32
    ("Qwen3-Next", model("qwen3_next", 1, layer_types=["linear_attention"], linear_conv_kernel_dim=4,
                         linear_key_head_dim=128, linear_num_key_heads=16, linear_num_value_heads=32,
                         linear_value_head_dim=128), 3 * (4096 + 2 * 16 * 128) + 128 * 4096),
    ("Falcon Mamba: intermediate_size, not expand", {
        "model_type": "falcon_mamba", "hidden_size": 4096, "num_hidden_layers": 1, "intermediate_size": 8192,
        "state_size": 16, "conv_kernel": 4, "expand": 16}, 3 * 8192 + 16 * 8192),
    ("Jamba", model("jamba", 1, attn_layer_period=8, attn_layer_offset=4, mamba_d_state=16, mamba_expand=2,
                    mamba_d_conv=4), 3 * 8192 + 16 * 8192),
    ("Kimi Linear", model("kimi_linear", 1, linear_attn_config={
        "full_attn_layers": [2], "num_heads": 32, "head_dim": 64, "short_conv_kernel_size": 4}),
     3 * 3 * 32 * 64 + 32 * 64 * 64),
    ("MiniMax-01", model("minimax_text_01", 1, attn_type_list=[0]), 32 * 128 * 128),
    ("RWKV 6", {"model_type": "rwkv6", "hidden_size": 2048, "num_hidden_layers": 1, "head_size": 64},
     2 * 2048 + 2048 * 64),
    ("LFM2", model("lfm2", 1, layer_types=["conv"], conv_L_cache=3), 2 * 4096),
    ("xLSTM 7B", {"model_type": "xlstm", "hidden_size": 4096, "num_hidden_layers": 1, "num_heads": 8},
     8 * (256 * 512 + 256 + 1)),
    ("xLSTM, other shares", {"model_type": "xlstm", "hidden_size": 1000, "num_hidden_layers": 1, "num_heads": 4,
                             "qk_dim_factor": 0.25, "v_dim_factor": 2}, 4 * (64 * 512 + 64 + 1)),
    ("RWKV 4", {"model_type": "rwkv", "hidden_size": 2048, "num_hidden_layers": 1}, 5 * 2048),
]  # fmt: skip


@pytest.mark.parametrize(("why", "config", "elements"), STATES, ids=[row[0] for row in STATES])
def test_the_state_of_a_layer(why: str, config: dict[str, Any], elements: int) -> None:
    assert geometry(config).cache_bytes(100_000) == 4 * elements


def test_deepseek_v4_keeps_a_window_and_two_compressions() -> None:
    """llama-kv-cache-dsv4.cpp: of 4 tokens one cell with an indexer key, of 128 tokens one cell; keys alone."""
    config = {"model_type": "deepseek_v4", "hidden_size": 4096, "num_hidden_layers": 3, "num_attention_heads": 64,
              "num_key_value_heads": 1, "head_dim": 512, "sliding_window": 128, "index_head_dim": 128,
              "compress_ratios": [0, 4, 128]}  # fmt: skip
    shape = geometry(config)
    cells = 3 * 512 * (128 + 512 + 128) + (512 + 128) * 65536 // 4 + 512 * 65536 // 128
    assert shape.cache_bytes(65536) == 2 * cells + 8 * (8 * 2 * (512 + 128) + 128 * 512)


# ---- What is not known ----------------------------------------------------------------------------------------------

UNKNOWN = [
    ({"model_type": "of_tomorrow", **HEADS, "num_hidden_layers": 4}, "of_tomorrow"),
    ({**HEADS, "num_hidden_layers": 4}, "does not name"),
    (model("olmo3", 4, layer_types=["full_attention", "quantum_attention"] * 2), "quantum_attention"),
    (model("olmo3", 4, layer_types=["full_attention"]), "lists 1 layers, not 4"),
    (model("nemotron_h", 4, hybrid_override_pattern="M-*?"), "hybrid_override_pattern"),
    (model("mimo_v2_flash", 7), "does not list"),
    ({"model_type": "chatglm", "num_layers": 4, "hidden_size": 4096}, "heads are not stated"),
]


@pytest.mark.parametrize(("config", "reason"), UNKNOWN)
def test_what_is_not_known_is_said(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownGeometry, match=reason):
        geometry(config)


def test_every_architecture_is_made_of_known_kinds() -> None:
    for name, architecture in load_architectures().items():
        assert set(architecture.kinds + architecture.exact) <= LAYER_KINDS.keys(), name
    assert set(KIND_BY_NAME.values()) <= LAYER_KINDS.keys()


values = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**40), st.floats(), st.text(max_size=4),
                   st.lists(st.integers(-3, 300), max_size=6),
                   st.lists(st.sampled_from([*KIND_BY_NAME]), max_size=6))  # fmt: skip
KEYS = [
    *HEADS, "num_hidden_layers", "layer_types", "sliding_window", "kv_lora_rank", "num_kv_shared_layers", "use_cla",
    "cla_share_factor", "hybrid_override_pattern", "attn_type_list", "compress_ratios", "full_attn_idxs",
    "linear_attn_config", "block_configs", "attn_layer_period", "attn_layer_offset", "global_head_dim", "rope_scaling",
]  # fmt: skip


@given(st.sampled_from(["llama", "gemma4_text", "deepseek_v4", "falcon", "lfm2", "mllama_text_model"]),
       st.dictionaries(st.sampled_from(KEYS), values, max_size=8))  # fmt: skip
def test_any_configuration_gives_a_geometry_or_a_reason(name: str, config: dict[str, Any]) -> None:
    try:
        shape = geometry({"model_type": name, **config})
    except UnknownGeometry as unknown:
        assert unknown.reason
    else:
        assert shape.cache_bytes(4096) >= 0
