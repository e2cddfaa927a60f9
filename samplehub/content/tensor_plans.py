"""From a model's geometry to its tensors: names and shapes as transformers and llama.cpp write them.

A plan lists each tensor once, in the order in which its file holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from samplehub.content.geometry import Geometry, Tensor, Vision


def plan_of(geometry: Geometry) -> tuple[Tensor, ...]:
    """All tensors of a model, in the order in which its file holds them."""
    return _plan(geometry)


@lru_cache(maxsize=256)
def _plan(geometry: Geometry) -> tuple[Tensor, ...]:
    return tuple(PLANS[geometry.plan](geometry))


@lru_cache(maxsize=1024)
def parameters_of(geometry: Geometry) -> int:
    return sum(tensor.elements for tensor in plan_of(geometry))


@lru_cache(maxsize=1024)
def converted_parameters(geometry: Geometry) -> int:
    """What of them a GGUF file holds: no vision tower, nothing that predicts more than one token."""
    return sum(tensor.elements for tensor in plan_of(geometry) if tensor.gguf)


# ---- decoders ------------------------------------------------------------------------------------------------------


def decoder(g: Geometry) -> Iterator[Tensor]:
    """Llama and what grew from it: Mistral, Qwen, Gemma, Phi, GLM, DeepSeek, gpt-oss ..."""
    if g.vision is not None:
        yield from vision_tower(g, g.vision)
    yield Tensor(f"{g.prefix}embed_tokens.weight", (g.vocab, g.hidden), "embedding", None, "token_embd.weight")
    for layer in range(g.layers):
        yield from block(g, layer, f"{g.prefix}layers.{layer}.", f"blk.{layer}.")
    yield from norm(g, f"{g.prefix}norm", "output_norm", None)
    if not g.tied or g.output_stored:
        head = g.prefix.removesuffix("model.") + "lm_head.weight" if g.prefix.endswith("model.") else "lm_head.weight"
        yield Tensor(head, (g.vocab, g.hidden), "output", None, None if g.tied else "output.weight")
        if "output" in g.bias:
            yield Tensor(head.replace("weight", "bias"), (g.vocab,), "bias", None, "output.bias")
    for layer in range(g.layers, g.layers + g.mtp):
        yield from (kept_multi_token if g.full_every else multi_token)(g, layer)
    for tensor in stacked(g):
        yield Tensor(tensor.name, tensor.shape, tensor.role, tensor.layer, converted_name(tensor))


FURTHER = {
    # tensors that only some models have beside the usual ones
    "embed_tokens_per_layer": "per_layer_token_embd",
    "per_layer_model_projection": "per_layer_model_proj",
    "per_layer_projection": "proj",
    "per_layer_input_gate": "inp_gate",
    "attn_sub_norm": "attn_sub_norm",
    "ffn_sub_norm": "ffn_sub_norm",
}


def converted_name(tensor: Tensor) -> str | None:
    """llama.cpp's name of a further tensor of a decoder; None where it keeps none (audio)."""
    name = FURTHER.get(tensor.name.removesuffix(".weight").rpartition(".")[2])
    if name is None:
        return None
    return f"{name}.weight" if tensor.layer is None else f"blk.{tensor.layer}.{name}.weight"


def block(g: Geometry, layer: int, hf: str, blk: str) -> Iterator[Tensor]:
    if g.norms in ("pre", "sandwich", "parallel"):
        yield from norm(g, f"{hf}input_layernorm", f"{blk}attn_norm", layer)
    if g.full_every and (layer + 1) % g.full_every and layer < g.layers:
        yield from linear_attention(g, layer, f"{hf}linear_attn.", blk)
    else:
        yield from (latent_attention if g.kv_lora else attention)(g, layer, f"{hf}self_attn.", blk)
    if g.norms == "pre":
        after = "post_attention_norm" if g.full_every else "ffn_norm"
        yield from norm(g, f"{hf}post_attention_layernorm", f"{blk}{after}", layer)
    elif g.norms in ("sandwich", "post"):
        yield from norm(g, f"{hf}post_attention_layernorm", f"{blk}post_attention_norm", layer)
        if g.norms == "sandwich":
            yield from norm(g, f"{hf}pre_feedforward_layernorm", f"{blk}ffn_norm", layer)
        yield from norm(g, f"{hf}post_feedforward_layernorm", f"{blk}post_ffw_norm", layer)
    mixed = g.experts and layer >= g.dense_layers and (layer + 1) % g.moe_every == 0
    if mixed:
        yield from mixture(g, layer, f"{hf}{g.moe_block}.", blk)
    if not mixed or g.dense_beside:
        yield from mlp(g, layer, f"{hf}mlp.", blk, 2 * g.ffn if g.wide_from and layer >= g.wide_from else g.ffn)


def norm(g: Geometry, hf: str, gguf: str | None, layer: int | None, width: int = 0) -> Iterator[Tensor]:
    yield Tensor(f"{hf}.weight", (width or g.hidden,), "norm", layer, gguf and f"{gguf}.weight")
    if g.norm_bias:
        yield Tensor(f"{hf}.bias", (width or g.hidden,), "bias", layer, gguf and f"{gguf}.bias")


def matrix(
    g: Geometry, role: str, hf: str, gguf: str | None, layer: int | None, rows: int, columns: int, bias: str = ""
) -> Iterator[Tensor]:
    yield Tensor(f"{hf}.weight", (rows, columns), role, layer, gguf and f"{gguf}.weight")
    if bias in g.bias:
        yield Tensor(f"{hf}.bias", (rows,), "bias", layer, gguf and f"{gguf}.bias")


def attention(g: Geometry, layer: int, hf: str, blk: str) -> Iterator[Tensor]:
    everywhere = bool(g.global_head_dim) and (layer + 1) % g.sliding_pattern == 0
    width = g.global_head_dim if everywhere else g.head_dim
    q_dim, kv_dim = g.heads * width, (g.global_kv_heads if everywhere else g.kv_heads) * width
    if "qkv" in g.fused:
        yield from matrix(g, "qkv", f"{hf}qkv_proj", f"{blk}attn_qkv", layer, q_dim + 2 * kv_dim, g.hidden, "q")
    else:
        rows = 2 * q_dim if g.gated_query else q_dim
        yield from matrix(g, "q", f"{hf}q_proj", f"{blk}attn_q", layer, rows, g.hidden, "q")
        yield from matrix(g, "k", f"{hf}k_proj", f"{blk}attn_k", layer, kv_dim, g.hidden, "k")
        if g.global_values or not everywhere:
            yield from matrix(g, "v", f"{hf}v_proj", f"{blk}attn_v", layer, kv_dim, g.hidden, "v")
    yield from matrix(g, "o", f"{hf}o_proj", f"{blk}attn_output", layer, g.hidden, q_dim, "o")
    if g.qk_norm:
        widths = (width, width) if g.qk_norm == "head" else (q_dim, kv_dim)
        for letter, width in zip("qk", widths, strict=True):
            gguf = f"{blk}attn_{letter}_norm.weight"
            yield Tensor(f"{hf}{letter}_norm.weight", (width,), "norm", layer, gguf)
    if g.sinks:
        yield Tensor(f"{hf}sinks", (g.heads,), "norm", layer, f"{blk}attn_sinks.weight")


def latent_attention(g: Geometry, layer: int, hf: str, blk: str) -> Iterator[Tensor]:
    """DeepSeek's multi-head latent attention: low-rank queries, and keys and values from one latent vector."""
    q_rows = g.heads * (g.nope_dim + g.rope_dim)
    if g.q_lora:
        yield from matrix(g, "latent", f"{hf}q_a_proj", f"{blk}attn_q_a", layer, g.q_lora, g.hidden)
        yield Tensor(f"{hf}q_a_layernorm.weight", (g.q_lora,), "norm", layer, f"{blk}attn_q_a_norm.weight")
        yield from matrix(g, "latent", f"{hf}q_b_proj", f"{blk}attn_q_b", layer, q_rows, g.q_lora)
    else:
        yield from matrix(g, "q", f"{hf}q_proj", f"{blk}attn_q", layer, q_rows, g.hidden)
    yield from matrix(
        g, "latent", f"{hf}kv_a_proj_with_mqa", f"{blk}attn_kv_a_mqa", layer, g.kv_lora + g.rope_dim, g.hidden
    )
    yield Tensor(f"{hf}kv_a_layernorm.weight", (g.kv_lora,), "norm", layer, f"{blk}attn_kv_a_norm.weight")
    kv_rows = g.heads * (g.nope_dim + g.v_dim)
    yield from matrix(g, "latent", f"{hf}kv_b_proj", f"{blk}attn_kv_b", layer, kv_rows, g.kv_lora)
    yield from matrix(g, "o", f"{hf}o_proj", f"{blk}attn_output", layer, g.hidden, g.heads * g.v_dim)


def linear_attention(g: Geometry, layer: int, hf: str, blk: str) -> Iterator[Tensor]:
    """Gated DeltaNet, as Qwen3-Next and Qwen3.5 alternate it with full attention."""
    wide = 2 * g.linear_keys + g.linear_values
    yield from matrix(g, "qkv", f"{hf}in_proj_qkv", f"{blk}attn_qkv", layer, wide, g.hidden)
    yield from matrix(g, "gate", f"{hf}in_proj_z", f"{blk}attn_gate", layer, g.linear_values, g.hidden)
    yield from matrix(g, "other", f"{hf}in_proj_b", f"{blk}ssm_beta", layer, g.linear_heads, g.hidden)
    yield from matrix(g, "other", f"{hf}in_proj_a", f"{blk}ssm_alpha", layer, g.linear_heads, g.hidden)
    yield Tensor(f"{hf}conv1d.weight", (wide, 1, 4), "norm", layer, f"{blk}ssm_conv1d.weight")
    yield Tensor(f"{hf}A_log", (g.linear_heads,), "norm", layer, f"{blk}ssm_a")
    yield Tensor(f"{hf}dt_bias", (g.linear_heads,), "norm", layer, f"{blk}ssm_dt.bias")
    head = g.linear_values // g.linear_heads
    yield Tensor(f"{hf}norm.weight", (head,), "norm", layer, f"{blk}ssm_norm.weight")
    yield from matrix(g, "o", f"{hf}out_proj", f"{blk}ssm_out", layer, g.hidden, g.linear_values)


def mlp(g: Geometry, layer: int, hf: str, blk: str, width: int, suffix: str = "") -> Iterator[Tensor]:
    if not g.gated:
        yield from matrix(g, "up", f"{hf}up_proj", f"{blk}ffn_up{suffix}", layer, width, g.hidden, "mlp")
    elif "gate_up" in g.fused:
        yield from matrix(g, "gate_up", f"{hf}gate_up_proj", f"{blk}ffn_up{suffix}", layer, 2 * width, g.hidden, "mlp")
    else:
        yield from matrix(g, "gate", f"{hf}gate_proj", f"{blk}ffn_gate{suffix}", layer, width, g.hidden, "mlp")
        yield from matrix(g, "up", f"{hf}up_proj", f"{blk}ffn_up{suffix}", layer, width, g.hidden, "mlp")
    yield from matrix(g, "down", f"{hf}down_proj", f"{blk}ffn_down{suffix}", layer, g.hidden, width, "mlp")


def mixture(g: Geometry, layer: int, hf: str, blk: str) -> Iterator[Tensor]:
    """A router and its experts; the shared expert, where there is one, behind them."""
    yield Tensor(f"{hf}{g.router}.weight", (g.experts, g.hidden), "router", layer, f"{blk}ffn_gate_inp.weight")
    if "router" in g.bias:
        yield Tensor(f"{hf}{g.router}.bias", (g.experts,), "bias", layer, f"{blk}ffn_gate_inp.bias")
    if g.router_correction:
        bias = f"{hf}{g.router}.e_score_correction_bias"
        yield Tensor(bias, (g.experts,), "bias", layer, f"{blk}exp_probs_b.bias")
    if "experts" in g.fused:
        yield from fused_experts(g, layer, f"{hf}experts.", blk)
    else:
        gate, up, down = g.expert_names
        for role, name, shape in (
            ("gate", gate, (g.expert_ffn, g.hidden)),
            ("up", up, (g.expert_ffn, g.hidden)),
            ("down", down, (g.hidden, g.expert_ffn)),
        ):
            gguf = f"{blk}ffn_{role}_exps.weight"
            yield Tensor(f"{hf}experts.{{e}}.{name}.weight", shape, role, layer, gguf, g.experts)
    if g.shared_ffn:
        yield from mlp(g, layer, f"{hf}{g.shared_name}.", blk, g.shared_ffn, "_shexp")
        if g.shared_gate:
            gguf = f"{blk}ffn_gate_inp_shexp.weight"
            yield Tensor(f"{hf}shared_expert_gate.weight", (1, g.hidden), "router", layer, gguf)


def fused_experts(g: Geometry, layer: int, hf: str, blk: str) -> Iterator[Tensor]:
    """All experts of a layer in one tensor: (experts, in, out), as gpt-oss and Llama 4 store them."""
    width = g.expert_ffn
    for name, shape, gguf in (
        ("gate_up_proj", (g.experts, g.hidden, 2 * width), "ffn_gate_up_exps"),
        ("down_proj", (g.experts, width, g.hidden), "ffn_down_exps"),
    ):
        role = "gate_up" if name == "gate_up_proj" else "down"
        yield Tensor(f"{hf}{name}", shape, role, layer, f"{blk}{gguf}.weight")
        if "experts" in g.bias:
            yield Tensor(f"{hf}{name}_bias", (shape[0], shape[2]), "bias", layer, f"{blk}{gguf}.bias")


def multi_token(g: Geometry, layer: int) -> Iterator[Tensor]:
    """A layer that predicts a further token; converters leave it out."""
    hf = f"{g.prefix}layers.{layer}."
    yield Tensor(f"{hf}embed_tokens.weight", (g.vocab, g.hidden), "embedding", layer)
    yield Tensor(f"{hf}enorm.weight", (g.hidden,), "norm", layer)
    yield Tensor(f"{hf}hnorm.weight", (g.hidden,), "norm", layer)
    yield Tensor(f"{hf}eh_proj.weight", (g.hidden, 2 * g.hidden), "other", layer)
    for tensor in block(g, layer, hf, ""):
        yield Tensor(tensor.name, tensor.shape, tensor.role, layer, None, tensor.experts)
    yield Tensor(f"{hf}shared_head.norm.weight", (g.hidden,), "norm", layer)
    yield Tensor(f"{hf}shared_head.head.weight", (g.vocab, g.hidden), "output", layer)


def kept_multi_token(g: Geometry, layer: int) -> Iterator[Tensor]:
    """Qwen's: it shares the embeddings, and converters keep it."""
    blk = f"blk.{layer}."
    yield Tensor("mtp.fc.weight", (g.hidden, 2 * g.hidden), "other", layer, f"{blk}nextn.eh_proj.weight")
    yield from block(g, layer, "mtp.layers.0.", blk)
    for name, gguf in (
        ("pre_fc_norm_embedding", "enorm"),
        ("pre_fc_norm_hidden", "hnorm"),
        ("norm", "shared_head_norm"),
    ):
        yield Tensor(f"mtp.{name}.weight", (g.hidden,), "norm", layer, f"{blk}nextn.{gguf}.weight")


# ---- vision --------------------------------------------------------------------------------------------------------


def vision_tower(g: Geometry, v: Vision, hf: str = "vision_tower.vision_model.") -> Iterator[Tensor]:
    """A SigLIP-like tower. llama.cpp keeps it in a file of its own (mmproj), so no tensor has a GGUF name here."""

    def with_bias(name: str, *shape: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", shape, "vision")
        yield Tensor(f"{name}.bias", shape[:1], "vision")

    positions = (v.image // v.patch) ** 2
    yield from with_bias(f"{hf}embeddings.patch_embedding", v.hidden, 3, v.patch, v.patch)
    yield Tensor(f"{hf}embeddings.position_embedding.weight", (positions, v.hidden), "vision")
    for layer in range(v.layers):
        at = f"{hf}encoder.layers.{layer}."
        yield from with_bias(f"{at}layer_norm1", v.hidden)
        yield from with_bias(f"{at}layer_norm2", v.hidden)
        for letter in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from with_bias(f"{at}self_attn.{letter}", v.hidden, v.hidden)
        if v.gated:
            yield from with_bias(f"{at}mlp.gate_proj", v.ffn, v.hidden)
        yield from with_bias(f"{at}mlp.fc1", v.ffn, v.hidden)
        yield from with_bias(f"{at}mlp.fc2", v.hidden, v.ffn)
    yield from with_bias(f"{hf}post_layernorm", v.hidden)
    shapes = list(zip(v.projector[::2], v.projector[1::2], strict=True))
    for number, shape in enumerate(shapes):
        name = "multi_modal_projector.mm_input_projection_weight" if len(shapes) == 1 else f"projector.linear_{number}"
        yield Tensor(name, shape, "vision")
    if shapes:
        yield Tensor("multi_modal_projector.mm_soft_emb_norm.weight", (v.hidden,), "vision")


def projector_plan(g: Geometry) -> Iterator[Tensor]:
    """What an mmproj file holds: the tower and the projector, under llama.cpp's names."""
    if g.vision is None:
        return
    for tensor in vision_tower(g, g.vision):
        name = tensor.name
        for old, new in MMPROJ_NAMES:
            name = name.replace(old, new)
        yield Tensor(tensor.name, tensor.shape, tensor.role, None, name)


MMPROJ_NAMES = (
    ("vision_tower.vision_model.encoder.layers.", "v.blk."),
    ("vision_tower.vision_model.embeddings.patch_embedding", "v.patch_embd"),
    ("vision_tower.vision_model.embeddings.position_embedding", "v.position_embd"),
    ("vision_tower.vision_model.post_layernorm", "v.post_ln"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.out_proj", "attn_out"),
    ("layer_norm1", "ln1"),
    ("layer_norm2", "ln2"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.fc1", "ffn_up"),
    ("mlp.fc2", "ffn_down"),
    ("multi_modal_projector.mm_input_projection_weight", "mm.input_projection.weight"),
    ("multi_modal_projector.mm_soft_emb_norm", "mm.soft_emb_norm"),
    ("projector.linear_", "mm."),
)


# ---- everything else -----------------------------------------------------------------------------------------------


def encoder(g: Geometry) -> Iterator[Tensor]:
    """BERT and its kin: learnt positions, a pooler, biases everywhere."""
    p = g.prefix

    def with_bias(name: str, gguf: str | None, role: str, layer: int | None, *shape: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", shape, role, layer, gguf and f"{gguf}.weight")
        yield Tensor(f"{name}.bias", shape[:1], "bias", layer, gguf and f"{gguf}.bias")

    e = f"{p}embeddings."
    types = int(g.extra.get("type_vocab_size", 2))
    yield Tensor(f"{e}word_embeddings.weight", (g.vocab, g.hidden), "embedding", None, "token_embd.weight")
    positions = int(g.extra.get("max_position_embeddings", g.context))
    yield Tensor(f"{e}position_embeddings.weight", (positions, g.hidden), "other", None, "position_embd.weight")
    yield Tensor(f"{e}token_type_embeddings.weight", (types, g.hidden), "other", None, "token_types.weight")
    yield from with_bias(f"{e}LayerNorm", "token_embd_norm", "norm", None, g.hidden)
    for layer in range(g.layers):
        at, blk = f"{p}encoder.layer.{layer}.", f"blk.{layer}."
        for letter, name in (("q", "query"), ("k", "key"), ("v", "value")):
            yield from with_bias(f"{at}attention.self.{name}", f"{blk}attn_{letter}", letter, layer, g.hidden, g.hidden)
        yield from with_bias(f"{at}attention.output.dense", f"{blk}attn_output", "o", layer, g.hidden, g.hidden)
        yield from with_bias(f"{at}attention.output.LayerNorm", f"{blk}attn_output_norm", "norm", layer, g.hidden)
        yield from with_bias(f"{at}intermediate.dense", f"{blk}ffn_up", "up", layer, g.ffn, g.hidden)
        yield from with_bias(f"{at}output.dense", f"{blk}ffn_down", "down", layer, g.hidden, g.ffn)
        yield from with_bias(f"{at}output.LayerNorm", f"{blk}layer_output_norm", "norm", layer, g.hidden)
    yield from stacked(g)


def stacked(g: Geometry) -> Iterator[Tensor]:
    """Tensors written out one by one: (name, shape, times), `{}` in the name stands for the number."""
    for name, shape, times in g.stack:
        for number in range(times):
            full = name.replace("{}", str(number))
            role = "norm" if len(shape) == 1 else "other"
            matrix_role = "up" if len(shape) == 2 and "embed" not in name and name.endswith(".weight") else role
            yield Tensor(full, shape, matrix_role, number if "{}" in name else None, full)


def speech(g: Geometry) -> Iterator[Tensor]:
    """Whisper: an encoder over spectra and a decoder that listens to it. `layers` are the encoder's."""
    p, d = g.prefix, g.hidden
    mels, decoders = int(g.extra.get("num_mel_bins", 80)), int(g.extra.get("decoder_layers", g.layers))

    def with_bias(name: str, *shape: int) -> Iterator[Tensor]:
        yield Tensor(f"{name}.weight", shape, "up" if len(shape) == 2 else "norm")
        yield Tensor(f"{name}.bias", shape[:1], "bias")

    def attend(name: str) -> Iterator[Tensor]:
        yield Tensor(f"{name}.k_proj.weight", (d, d), "k")
        for letter in ("v_proj", "q_proj", "out_proj"):
            yield from with_bias(f"{name}.{letter}", d, d)

    def rest(name: str) -> Iterator[Tensor]:
        yield from with_bias(f"{name}fc1", g.ffn, d)
        yield from with_bias(f"{name}fc2", d, g.ffn)
        yield from with_bias(f"{name}final_layer_norm", d)

    yield from with_bias(f"{p}encoder.conv1", d, mels, 3)
    yield from with_bias(f"{p}encoder.conv2", d, d, 3)
    yield Tensor(f"{p}encoder.embed_positions.weight", (1500, d), "other")
    for layer in range(g.layers):
        yield from attend(f"{p}encoder.layers.{layer}.self_attn")
        yield from with_bias(f"{p}encoder.layers.{layer}.self_attn_layer_norm", d)
        yield from rest(f"{p}encoder.layers.{layer}.")
    yield from with_bias(f"{p}encoder.layer_norm", d)
    yield Tensor(f"{p}decoder.embed_tokens.weight", (g.vocab, d), "embedding")
    yield Tensor(f"{p}decoder.embed_positions.weight", (448, d), "other")
    for layer in range(decoders):
        for name in ("self_attn", "encoder_attn"):
            yield from attend(f"{p}decoder.layers.{layer}.{name}")
            yield from with_bias(f"{p}decoder.layers.{layer}.{name}_layer_norm", d)
        yield from rest(f"{p}decoder.layers.{layer}.")
    yield from with_bias(f"{p}decoder.layer_norm", d)


def text_to_text(g: Geometry) -> Iterator[Tensor]:
    """T5: an encoder and, unless `decoder_layers` is 0, a decoder; relative positions in the first layers."""
    decoders = int(g.extra.get("decoder_layers", g.layers))
    yield Tensor("shared.weight", (g.vocab, g.hidden), "embedding", None, "token_embd.weight")
    for side, count in (("encoder", g.layers), ("decoder", decoders)):
        for layer in range(count):
            at, blk = f"{side}.block.{layer}.layer.", f"{side[:3]}.blk.{layer}."
            kinds = [("SelfAttention", "attn")] + ([("EncDecAttention", "cross_attn")] if side == "decoder" else [])
            for number, (kind, gguf) in enumerate(kinds):
                for letter in "qkv":
                    name = f"{at}{number}.{kind}.{letter}.weight"
                    yield Tensor(name, (g.q_dim, g.hidden), letter, layer, f"{blk}{gguf}_{letter}.weight")
                yield Tensor(f"{at}{number}.{kind}.o.weight", (g.hidden, g.q_dim), "o", layer, f"{blk}{gguf}_o.weight")
                if layer == 0 and number == 0:
                    name = f"{at}0.{kind}.relative_attention_bias.weight"
                    yield Tensor(name, (32, g.heads), "other", layer, f"{blk}attn_rel_b.weight")
                yield Tensor(f"{at}{number}.layer_norm.weight", (g.hidden,), "norm", layer, f"{blk}{gguf}_norm.weight")
            dense = f"{at}{len(kinds)}."
            inner = ("wi_0", "wi_1") if g.gated else ("wi",)
            for name in inner:
                gguf = f"{blk}ffn_{'gate' if name == 'wi_0' else 'up'}.weight"
                yield Tensor(f"{dense}DenseReluDense.{name}.weight", (g.ffn, g.hidden), "up", layer, gguf)
            yield Tensor(f"{dense}DenseReluDense.wo.weight", (g.hidden, g.ffn), "down", layer, f"{blk}ffn_down.weight")
            yield Tensor(f"{dense}layer_norm.weight", (g.hidden,), "norm", layer, f"{blk}ffn_norm.weight")
        if count:
            name = f"{side}.final_layer_norm.weight"
            yield Tensor(name, (g.hidden,), "norm", None, f"{side[:3]}.output_norm.weight")
    if not g.tied and decoders:
        yield Tensor("lm_head.weight", (g.vocab, g.hidden), "output", None, "output.weight")


PLANS: dict[str, Callable[[Geometry], Iterator[Tensor]]] = {
    "decoder": decoder,
    "encoder": encoder,
    "speech": speech,
    "text-to-text": text_to_text,
    "stack": stacked,
    "projector": projector_plan,
}
