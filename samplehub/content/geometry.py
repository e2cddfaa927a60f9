"""A model's geometry and its tensors: the dimensions that a config states, and one record a tensor.

One `Tensor` stands for experts of one layer that differ in nothing but their number, so that the plan of a model of a
hundred thousand tensors stays a short list until a header is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

Shape = tuple[int, ...]

LINEAR = frozenset({"q", "k", "v", "o", "qkv", "gate", "up", "down", "gate_up", "latent"})
"""Roles of the matrices that quantizers pack; embeddings, routers, norms and biases stay as they are."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor, or one for each of `experts` experts, whose number replaces `{e}` in the name."""

    name: str
    shape: Shape  # rows first, as PyTorch has it
    role: str
    layer: int | None = None
    gguf: str | None = None  # None where the converter leaves it out
    experts: int = 0

    @property
    def elements(self) -> int:
        return prod(self.shape) * max(1, self.experts)

    @property
    def linear(self) -> bool:
        return self.role in LINEAR and len(self.shape) == 2


@dataclass(frozen=True, slots=True)
class Vision:
    """A vision tower of plain transformer blocks, and the projector behind it."""

    layers: int
    hidden: int
    ffn: int
    patch: int = 14
    image: int = 448
    projector: tuple[int, ...] = ()  # shapes of its matrices, flattened: rows, columns, rows, columns ...
    gated: bool = False
    type: str = "siglip_vision_model"


@dataclass(frozen=True, slots=True)
class Geometry:
    """What all shapes of a model follow from. Zero means that it has none of it."""

    name: str
    type: str  # model_type of config.json
    architecture: str  # of config.json
    plan: str = "decoder"
    gguf: str = ""  # llama.cpp's name of the architecture
    layers: int = 0
    hidden: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    ffn: int = 0
    vocab: int = 0
    context: int = 0
    tied: bool = False
    tokenizer: str = ""
    dtype: str = "BF16"
    prefix: str = "model."
    bias: tuple[str, ...] = ()  # of q, k, v, o, mlp, output, experts, router
    qk_norm: str = ""  # head, or full
    norms: str = "pre"  # pre, sandwich, post, parallel
    norm_bias: bool = False
    gated: bool = True
    fused: tuple[str, ...] = ()  # of qkv, gate_up, experts
    sinks: bool = False
    sliding_window: int = 0
    sliding_pattern: int = 0
    rope_theta: float = 10000.0
    experts: int = 0
    experts_used: int = 0
    expert_ffn: int = 0
    expert_names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    moe_block: str = "mlp"
    router: str = "gate"
    shared_ffn: int = 0
    shared_gate: bool = False
    shared_name: str = "shared_expert"
    dense_layers: int = 0  # number of first layers without experts
    moe_every: int = 1  # experts in each n-th layer only
    dense_beside: bool = False  # the plain MLP stands beside the experts (Gemma 4)
    router_correction: bool = False
    q_lora: int = 0
    kv_lora: int = 0
    rope_dim: int = 0
    nope_dim: int = 0
    v_dim: int = 0
    mtp: int = 0  # further layers that predict more than one token
    global_head_dim: int = 0  # of the layers that see everything, where theirs differ (Gemma 4)
    global_kv_heads: int = 0
    global_values: bool = True  # False: those layers use their keys as values
    wide_from: int = 0  # from this layer on the MLP is twice as wide (Gemma 4 E2B)
    full_every: int = 0  # full attention in each n-th layer, linear attention in the others (Qwen3-Next)
    linear_keys: int = 0  # width of keys, over all heads
    linear_values: int = 0
    linear_heads: int = 0  # heads of values
    gated_query: bool = False  # queries come with a gate as wide as they
    output_stored: bool = False  # tied, but the file holds it all the same
    rope_freqs: bool = False  # llama.cpp's converter adds the factors of long contexts
    vision: Vision | None = None
    stack: tuple[tuple[str, Shape, int], ...] = ()
    parameters: int = 0  # the true count, where it is known: checked by a test
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)  # further keys of config.json

    @property
    def q_dim(self) -> int:
        return self.heads * self.head_dim
