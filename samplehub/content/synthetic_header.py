"""Headers for files of which only name and size are known: a plain decoder that fills the size exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from samplehub.content import infer as guess
from samplehub.content.gguf import Header, Info, Tensors, Value, aligned
from samplehub.content.quantization_mixes import MIXES, TYPES, file_type
from samplehub.content.tokenizers import Tokenizer, arrays_length

FLOAT_TYPES = ("F32", "F16", "BF16")
TYPES_BY_BITS = ("IQ2_XXS", "IQ2_S", "IQ3_XXS", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0")
BLOCK_COLUMNS = 256  # columns, the block of the k-quants


@dataclass(frozen=True, slots=True)
class HeaderSpec:
    """What is known of a file.

    Args:
        path, size: its name, and its bytes, a multiple of 32.
        architecture: llama.cpp's name of it.
        facts: the `general.*` keys.
        words: its tokenizer.
        active: parameters at work at once, where the name tells of experts.
        number, count: which file of a split model this is, and of how many.
        before, whole: bytes of the files before it, and of all of them.
    """

    path: str
    size: int
    architecture: str
    facts: Mapping[str, Value]
    words: Tokenizer
    active: int | None = None
    number: int = 1
    count: int = 1
    before: int = 0
    whole: int = 0

    @property
    def quant(self) -> str | None:
        return guess.quant_of(self.path)


@dataclass(frozen=True, slots=True)
class Outline:
    """The shapes of a plain decoder; with experts, each of them is `width` wide."""

    layers: int
    hidden: int
    experts: int = 0
    used: int = 0
    width: int = 0

    def attention(self) -> int:
        """Parameters of one layer without its MLP."""
        return 2 * self.hidden * self.hidden


def outline(blank: HeaderSpec) -> Outline:
    total = guess.parameters(blank.whole or blank.size, blank.quant)
    if blank.active is None or blank.active > total / 2:
        return Outline(*guess.outline(total))
    found = Outline(*guess.outline(blank.active))
    width = 768 if found.hidden <= 2560 else 1536
    fixed = found.layers * found.attention() + blank.words.vocab * found.hidden
    each = found.layers * 3 * width * found.hidden
    experts = max(4, min(512, int(0.99 * (total - fixed) / each)))
    shared = total - fixed - experts * each  # what is left over goes into shared experts, which are always at work
    used = max(1, min(experts, round((blank.active - fixed - shared) / each)))
    return replace(found, experts=experts, used=used, width=width)


def fit_header(blank: HeaderSpec) -> Header:
    """A header whose file is exactly as long as the blank's; what is left over at the end goes into a last vector."""
    shapes = outline(blank)
    keys: dict[str, Value] = {}
    after: dict[str, Value] = {}
    a = blank.architecture
    if blank.number == 1:
        keys = {
            **blank.facts,
            f"{a}.block_count": shapes.layers,
            f"{a}.context_length": 32768,
            f"{a}.embedding_length": shapes.hidden,
            f"{a}.attention.head_count": shapes.hidden // 128 or 1,
            f"{a}.attention.head_count_kv": shapes.hidden // 512 or 1,
        }
        if shapes.experts:
            keys |= {f"{a}.expert_count": shapes.experts, f"{a}.expert_used_count": shapes.used}
        after = {"general.quantization_version": 2, "general.file_type": file_type(blank.quant or "Q8_0")}
    if blank.count > 1:
        place = {"split.no": blank.number - 1, "split.count": blank.count, "split.tensors.count": 12 * shapes.layers}
        after |= place
    speaks = blank.number == 1 and not guess.is_sidecar(blank.path) and blank.size > 4 * arrays_length(blank.words)
    words = blank.words if speaks else None
    edge = Header(Tensors(list), keys, after, words).unaligned
    tensors = layout(blank, edge, shapes, words.vocab if words else 0)
    return Header(Tensors(lambda: tensors), keys, after, words)


def layers_of(blank: HeaderSpec, layers: int) -> range:
    """The layers that lie in this file: as many of them as it holds of all bytes."""
    if blank.count == 1:
        return range(layers)
    whole = max(blank.whole, blank.size)
    return range(round(layers * blank.before / whole), round(layers * (blank.before + blank.size) / whole))


def layout(blank: HeaderSpec, edge: int, shapes: Outline, vocab: int) -> list[Info]:
    """Tensors that fill the file, whose header has `edge` bytes besides the table of tensors."""
    layers = layers_of(blank, shapes.layers)
    if not layers:
        return smallest(blank.size, edge)
    hidden = shapes.hidden
    kind, other = kinds(guess.next_lower_quant(blank.quant), hidden)
    tensors = [Info("token_embd.weight", (hidden, vocab), kind)] if vocab else []
    for layer in layers:
        tensors.append(Info(f"blk.{layer}.attn_norm.weight", (hidden,), "F32"))
        tensors.append(Info(f"blk.{layer}.attn_q.weight", (hidden, hidden), kind))
        tensors.append(Info(f"blk.{layer}.attn_output.weight", (hidden, hidden), kind))
    rest = Info("rope_freqs.weight" if vocab else f"blk.{layers[0]}.rope_freqs.weight", (8,), "F32")
    suffix = "_shexp" if shapes.experts else ""
    thin = [mlp(layer, hidden, BLOCK_COLUMNS, kind, other, suffix) for layer in layers]
    mixed = [experts(layer, shapes, 1, kind, other) for layer in layers] if shapes.experts else []
    every = [*tensors, *flatten(thin), *flatten(mixed), rest]
    space = (
        blank.size
        - aligned(edge + table_bytes(every))
        - data_bytes(tensors)
        - aligned(rest.bytes)
        - data_bytes(flatten(thin))
    )
    if space < 0:
        return smallest(blank.size, edge)
    if mixed:
        count = min(shapes.experts, space // (len(mixed) * (data_bytes(mixed[0]) + 64)))
        if count < 1:
            return smallest(blank.size, edge)
        more_experts = flatten(experts(layer, shapes, count, kind, other) for layer in layers)
        tensors += more_experts
        space -= data_bytes(more_experts)
    each, more = divmod(space // data_bytes(thin[0]), len(thin))
    space += data_bytes(flatten(thin))
    for at, layer in enumerate(layers):
        wide = mlp(layer, hidden, BLOCK_COLUMNS * (1 + each + (at < more)), kind, other, suffix)
        tensors += wide
        space -= data_bytes(wide)
    return [*tensors, Info(rest.name, (8 + space // 4,), "F32")]


def flatten(groups: Iterable[Sequence[Info]]) -> list[Info]:
    return [tensor for group in groups for tensor in group]


def mlp(layer: int, hidden: int, width: int, kind: str, other: str, suffix: str = "") -> list[Info]:
    return [
        Info(f"blk.{layer}.ffn_gate{suffix}.weight", (hidden, width), kind),
        Info(f"blk.{layer}.ffn_up{suffix}.weight", (hidden, width), kind),
        Info(f"blk.{layer}.ffn_down{suffix}.weight", (width, hidden), other),
    ]


def experts(layer: int, shapes: Outline, count: int, kind: str, other: str) -> list[Info]:
    """The router and the stacked experts of a layer."""
    return [
        Info(f"blk.{layer}.ffn_gate_inp.weight", (shapes.hidden, count), "F32"),
        Info(f"blk.{layer}.ffn_gate_exps.weight", (shapes.hidden, shapes.width, count), kind),
        Info(f"blk.{layer}.ffn_up_exps.weight", (shapes.hidden, shapes.width, count), kind),
        Info(f"blk.{layer}.ffn_down_exps.weight", (shapes.width, shapes.hidden, count), other),
    ]


def kinds(quant: str, hidden: int) -> tuple[str, str]:
    """The types of most matrices and of the MLP's way back, so that together they have a quant's bits per weight."""
    main = MIXES[quant].main
    if quant == "MXFP4_MOE":
        main = "MXFP4"
    if main not in FLOAT_TYPES and hidden % TYPES[main].block:
        main = "Q8_0"
    if main in (*FLOAT_TYPES, "Q8_0", "MXFP4"):
        return main, main
    wanted = 3 * guess.BITS[quant] - 2 * bits_per_weight(main)
    return main, min(TYPES_BY_BITS, key=lambda name: abs(bits_per_weight(name) - wanted))


def bits_per_weight(name: str) -> float:
    return TYPES[name].bytes * 8 / TYPES[name].block


def smallest(size: int, edge: int) -> list[Info]:
    """One vector that fills a file too small for anything else."""
    name = "data.weight"
    space = size - aligned(edge + table_bytes([Info(name, (8,), "F32")]))
    return [Info(name, (max(8, space // 4),), "F32")]


def table_bytes(tensors: Sequence[Info]) -> int:
    """Bytes of the tensors' entries in the header."""
    return sum(24 + len(tensor.name) + 8 * len(tensor.dims) for tensor in tensors)


def data_bytes(tensors: Sequence[Info]) -> int:
    """Bytes of the tensors' data."""
    return sum(aligned(tensor.bytes) for tensor in tensors)
