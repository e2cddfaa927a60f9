"""Counts of parameters from the tensors of a GGUF file; the rules stand at the top of model.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from analysis.formats.gguf.file import GgufFile
from analysis.formats.gguf.tensor_sizes import Tensor

TABLES_WITHOUT_WEIGHTS = re.compile(r"(^|\.)(rope_freqs|rope_factors_long|rope_factors_short|attn_rot_embd)\.weight$")
"""Tables of rotary frequencies."""

TIED_ARCHITECTURES = frozenset({
    "gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma-embedding", "command-r", "cohere2",
})  # fmt: skip
"""Architectures whose output layer is their embeddings; some converters wrote it twice."""

STACKED_EXPERTS = re.compile(r"_(ch)?exps\.(weight|bias)$")
ONE_EXPERT = re.compile(r"^blk\.\d+\.ffn_(gate|up|down)\.\d+\.(weight|bias)$")
"""One expert in a tensor of its own: Mixtral as of 2023."""

LAYER = re.compile(r"^blk\.(\d{1,6})\.")


def count_gguf_parameters(tensors: Sequence[Tensor], architecture: str | None) -> int:
    """Parameters of a model: elements of all tensors but tables that hold no weights and a repeated output layer."""
    shapes = {tensor.name: tensor.shape for tensor in tensors if tensor.name in ("token_embd.weight", "output.weight")}
    same_shape = len(shapes) == 2 and shapes["token_embd.weight"] == shapes["output.weight"]
    written_twice = architecture in TIED_ARCHITECTURES and same_shape
    return sum(
        tensor.elements
        for tensor in tensors
        if not TABLES_WITHOUT_WEIGHTS.search(tensor.name) and not (written_twice and tensor.name == "output.weight")
    )


def count_active_gguf_parameters(
    tensors: Sequence[Tensor], parameters: int | None, file: GgufFile, architecture: str | None
) -> int | None:
    """Parameters that one token uses, by the rules of model.py; all of them if there are no experts."""
    if parameters is None:
        return None
    used = largest_count(file.keys.get(f"{architecture}.expert_used_count"))
    declared = largest_count(file.keys.get(f"{architecture}.expert_count"))
    layers = (file.integer(f"{architecture}.block_count") or 0) - (
        largest_count(file.keys.get(f"{architecture}.nextn_predict_layers")) or 0
    )
    idle = 0
    for tensor in tensors:
        layer = LAYER.match(tensor.name)
        if tensor.name == "per_layer_token_embd.weight" or (layer and 0 < layers <= int(layer[1])):
            idle += tensor.elements
            continue
        if STACKED_EXPERTS.search(tensor.name) and tensor.shape:
            experts = tensor.shape[-1]
        elif ONE_EXPERT.match(tensor.name):
            experts = declared or 0
        else:
            continue
        if not used or not experts or used > experts:
            return None
        idle += tensor.elements - tensor.elements * used // experts
    return parameters - idle


def largest_count(value: Any) -> int | None:
    """A count, the largest of a list of counts: some architectures state one per layer."""
    values = value if isinstance(value, list) else [value]
    counts = [item for item in values if isinstance(item, int) and not isinstance(item, bool)]
    return max(counts, default=None)
