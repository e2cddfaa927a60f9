"""What can be inferred from names and sizes of models without a description: parameters, quant, architecture, a plain
outline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from samplehub.content.geometry import Geometry
from samplehub.content.quantization_mixes import BIGGER_ENDS, DYNAMIC, MIXES

ARCHITECTURES: Final[tuple[tuple[str, str], ...]] = (
    # a word of the id or the tags, without separators, and llama.cpp's name of the architecture
    ("gemma4", "gemma4"),
    ("gemma3n", "gemma3n"),
    ("embeddinggemma", "gemma-embedding"),
    ("gemma3", "gemma3"),
    ("gemma2", "gemma2"),
    ("gemma", "gemma"),
    ("qwen35moe", "qwen35moe"),
    ("qwen3next", "qwen3next"),
    ("qwen3codernext", "qwen3next"),
    ("qwen38", "qwen35"),
    ("qwen36", "qwen35"),
    ("qwen35", "qwen35"),
    ("qwen3vl", "qwen3vl"),
    ("qwen3moe", "qwen3moe"),
    ("qwen3", "qwen3"),
    ("qwen25vl", "qwen2vl"),
    ("qwen2", "qwen2"),
    ("qwq", "qwen2"),
    ("gptoss", "gpt-oss"),
    ("deepseekv3", "deepseek2"),
    ("deepseekv4", "deepseek4"),
    ("deepseekr1distillqwen", "qwen2"),
    ("deepseekr1distillllama", "llama"),
    ("deepseekr1", "deepseek2"),
    ("deepseekcoderv2", "deepseek2"),
    ("kimi", "deepseek2"),
    ("glm4moe", "glm4moe"),
    ("glm", "glm4"),
    ("minimax", "minimax-m2"),
    ("phi3", "phi3"),
    ("phi4", "phi3"),
    ("phi2", "phi2"),
    ("granite", "granite"),
    ("olmoe", "olmoe"),
    ("olmo", "olmo2"),
    ("starcoder2", "starcoder2"),
    ("falcon", "falcon"),
    ("commandr", "command-r"),
    ("cohere", "cohere2"),
    ("internlm", "internlm2"),
    ("lfm2", "lfm2"),
    ("nemotron", "nemotron_h"),
    ("exaone", "exaone4"),
    ("smollm3", "smollm3"),
    ("bert", "bert"),
    ("whisper", "whisper"),
    ("mistral3", "mistral3"),
)

SIZES: Final[tuple[tuple[float, int, int], ...]] = (
    # up to this number of parameters: layers, hidden
    (5e7, 6, 288),
    (1.2e8, 8, 512),
    (3e8, 16, 768),
    (9e8, 24, 1024),
    (2.5e9, 28, 2048),
    (5e9, 32, 2560),
    (1.1e10, 36, 4096),
    (2e10, 40, 5120),
    (5e10, 64, 5120),
    (1.5e11, 80, 8192),
    (5e11, 94, 12288),
    (9e12, 120, 16384),
)

BITS: Final[Mapping[str, float]] = {
    # bits per weight of a whole 8B model, measured
    "IQ1_S": 2.0,
    "IQ1_M": 2.15,
    "IQ2_XXS": 2.38,
    "IQ2_XS": 2.59,
    "IQ2_S": 2.74,
    "IQ2_M": 2.93,
    "Q2_K_S": 2.97,
    "Q2_K": 3.16,
    "IQ3_XXS": 3.25,
    "IQ3_XS": 3.5,
    "Q3_K_S": 3.64,
    "IQ3_S": 3.66,
    "IQ3_M": 3.76,
    "Q3_K_M": 4.0,
    "Q3_K_L": 4.3,
    "IQ4_XS": 4.46,
    "Q4_0": 4.65,
    "IQ4_NL": 4.68,
    "Q4_K_S": 4.67,
    "Q4_K_M": 4.89,
    "Q4_1": 5.1,
    "Q5_0": 5.55,
    "Q5_K_S": 5.57,
    "Q5_K_M": 5.7,
    "Q5_1": 6.0,
    "Q6_K": 6.56,
    "Q8_0": 8.5,
    "MXFP4_MOE": 4.6,
    "F16": 16.0,
    "BF16": 16.0,
    "F32": 32.0,
    "TQ1_0": 2.0,
    "TQ2_0": 2.4,
    "NVFP4": 4.8,
    "Q1_0": 1.3,
    "Q2_0": 2.5,
}

SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
SIZE_IN_NAME = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
ACTIVE_IN_NAME = re.compile(r"(?<![A-Za-z0-9])A(\d+(?:\.\d+)?)B(?![A-Za-z0-9])", re.IGNORECASE)
CONTEXT_IN_NAME = re.compile(r"(?<![\d.])(\d{1,4})([km])(?![a-z0-9])", re.IGNORECASE)
CONTEXT_TOKENS = range(2048, 16 * 1024 * 1024)
SIDECAR = re.compile(r"mmproj|imatrix|(?:^|[/\-_.])(?:mtp|draft|eagle\d?|vae|vocoder|tokenizer)[\-_.]", re.IGNORECASE)


def is_sidecar(path: str) -> bool:
    """Whether a file stands beside a model rather than being one."""
    return SIDECAR.search(path) is not None


def next_lower_quant(quant: str | None) -> str:
    """llama.cpp's own file type below a publisher's name for a quant; Q8_0 where there is no name."""
    if quant is None:
        return "Q8_0"
    name = quant.removeprefix("UD-")
    if name in MIXES:
        return name
    return DYNAMIC.get(name) or BIGGER_ENDS[name][0]


def parameters(size: int, quant: str | None) -> int:
    """Roughly how many parameters a file of this size holds."""
    return round(size * 8 / BITS[next_lower_quant(quant)])


def claimed_parameters(repo_id: str) -> int | None:
    """How many parameters a name speaks of."""
    found = SIZE_IN_NAME.search(repo_id.rpartition("/")[2])
    if found is None:
        return None
    count = float(found[1]) * (1e9 if found[2].lower() == "b" else 1e6)
    return round(count) if 1e7 <= count <= 2e12 else None


def claimed_active_parameters(repo_id: str) -> int | None:
    """How many of them a name says are at work at once: 30B-A3B."""
    found = ACTIVE_IN_NAME.search(repo_id.rpartition("/")[2])
    return round(float(found[1]) * 1e9) if found else None


def claimed_context(repo_id: str) -> int | None:
    """The tokens of context that a name speaks of: 128k, 1M."""
    for number, unit in CONTEXT_IN_NAME.findall(repo_id.rpartition("/")[2]):
        tokens = int(number) * (1024 if unit.lower() == "k" else 1024 * 1024)
        if tokens in CONTEXT_TOKENS:
            return tokens
    return None


def size(repo_id: str, quant: str | None) -> int:
    """Bytes of a file of which not even the size is known."""
    return round((claimed_parameters(repo_id) or 1e9) * BITS[next_lower_quant(quant)] / 8)


def outline(count: float) -> tuple[int, int]:
    """Layers and width of a model of a given number of parameters."""
    return next((layers, hidden) for most, layers, hidden in SIZES if count <= most or most == SIZES[-1][0])


@lru_cache(maxsize=256)
def geometry_of_architecture(architecture: str) -> Geometry:
    return Geometry(name=architecture, type=architecture, architecture="", gguf=architecture)


@lru_cache(maxsize=512)
def decoder(count: int, architecture: str, tokenizer: str) -> Geometry:
    """A decoder of about the given number of parameters: the width of its MLP makes up what is missing."""
    layers, hidden = outline(count)
    vocab = 32000 if count < 1e9 else 128256
    head = 64 if hidden < 2048 else 128
    heads = hidden // head
    attention = 2 * hidden * hidden + 2 * hidden * (hidden // 4)
    left = count - (2 if count > 3e9 else 1) * vocab * hidden - layers * attention
    ffn = max(256, round(left / (layers * 3 * hidden) / 256) * 256)
    return Geometry(
        name=f"{architecture} {count}",
        type=re.sub(r"\W", "_", architecture),
        architecture=f"{architecture.title().replace('-', '')}ForCausalLM",
        gguf=architecture,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=max(1, heads // 4),
        head_dim=head,
        ffn=ffn,
        vocab=vocab,
        context=32768,
        tied=count <= 3e9,
        tokenizer=tokenizer,
    )


QUANTS = sorted({*MIXES, *BIGGER_ENDS, *(f"UD-{name}" for name in DYNAMIC)}, key=len, reverse=True)
QUANT = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, QUANTS))})(?![A-Za-z0-9])", re.IGNORECASE)


@lru_cache(maxsize=4096)
def quant_of(path: str) -> str | None:
    """The quant that a file's name ends in, as llama.cpp writes it."""
    stem = SPLIT.sub("", path).removesuffix(".gguf").replace("fp16", "F16").replace("fp32", "F32")
    found = [match[1].upper() for match in QUANT.finditer(stem)]
    return found[-1] if found else None
