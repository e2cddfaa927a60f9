"""What the names of tensors and modules say, looked up once for all names that differ in numbers only.

A model of 180,000 tensors has some hundred names apart from the numbers of its experts and blocks. Names are compared
by their components, the parts between dots, so that a name costs time that grows with its length alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from analysis.formats.safetensors.packing.modules import split_name

# ---- Words of modules ------------------------------------------------------------------------------------------------

_EMBEDDINGS = frozenset({
    "embed_tokens", "tok_embeddings", "wte", "word_embeddings", "embedding", "shared", "embed_in", "lm_head",
    "embed_out", "output",
})  # fmt: skip
_EXPERTS = frozenset({"experts", "local_experts", "routed_experts"})
_ROUTED = _EXPERTS | {"switch_mlp"}
_NOT_STACKED = ("conv", "attn", "attention", "router", "norm", "embed")
"""Parts of names of modules whose tensors of three dimensions are no experts."""
_PREDICTION = frozenset({"mtp", "mtp_layers", "nextn", "nextn_predict", "mtp_block"})
_PER_LAYER = "embed_tokens_per_layer"
_LAYERS = frozenset({"layers", "h", "blocks"})
_MODULE_WORDS = _EMBEDDINGS | _ROUTED | _PREDICTION | _LAYERS | {_PER_LAYER}

# ---- Words of tensors ------------------------------------------------------------------------------------------------

_HEADS = frozenset({
    "lm_head", "lm_head.decoder", "lm_head.out_proj", "proj_out", "embed_out", "output_projection",
    "generator_lm_head", "vocab_projector", "lm_loss", "pred_layer.proj", "predictions.decoder",
    "mlm_score.decoder", "head.decoder", "cls.decoder",
})  # fmt: skip
"""Output layers over a vocabulary: the last component or two before `.weight`."""
_WHOLE_HEADS = frozenset({"output", "decoder", "head"})
"""Output layers that are called so only where nothing stands before."""
_TABLES = frozenset({
    "embed_tokens", "wte", "word_embedding", "word_embeddings", "tok_embeddings", "tokens_embed", "embed_in",
    "shared", "vocab_embedding", "w", "backbone.embeddings", "rwkv.embeddings", "transformer.embeddings",
})  # fmt: skip
"""Embeddings of a vocabulary."""
_STACKS = frozenset({"encoder", "decoder", "text_encoder", "text_decoder"})
_LORA = frozenset(
    {"lora_A", "lora_B", "lora_up", "lora_down", "lora_embedding_A", "lora_embedding_B"}
    | {f"hada_w{at}_{side}" for at in range(10) for side in "ab"}
    | {f"lokr_w{at}" for at in range(10)}
)


@dataclass(slots=True, eq=False)
class ModuleNames:
    """The names of modules that differ in numbers only. Compared by identity; `text` is one of them."""

    text: str
    layer: int | None
    """The number of its layer; names of different layers are kept apart."""
    expert_at: int | None
    """The component that is the number of an expert."""
    embeddings: bool
    prediction: bool
    """Whether its name says that it predicts tokens beyond the next."""
    per_layer: bool
    """Whether it holds embeddings of each layer (Gemma 3n)."""
    routed: bool

    def is_routed_expert(self, stacked: int, count: int) -> bool:
        """Whether a module belongs to routed experts: by its name, or because it stacks one matrix per expert.

        JetMoE's experts are `mlp.input_linear` and `mlp.output_linear`: neither name says what they are.
        """
        if "shared" in self.text:
            return False
        return self.routed or (stacked == count and not any(word in self.text for word in _NOT_STACKED))

    def predicts(self, last: int | None) -> bool:
        """Whether a module predicts tokens beyond the next: by its name, or in the layers from number `last` on."""
        return self.prediction or (last is not None and self.layer is not None and self.layer >= last)


def classify_module(module: str) -> ModuleNames:
    """What the name of a module says."""
    parts = module.split(".")
    words = _MODULE_WORDS.intersection(parts)
    if not words:
        return ModuleNames(module, None, None, False, False, False, False)
    layer = next(_find_numbers(parts, _LAYERS, len(parts) - 2), None)
    expert = next(_find_numbers(parts, _EXPERTS, len(parts) - 1), None)
    return ModuleNames(
        module,
        layer=None if layer is None else int(parts[layer]),
        expert_at=expert,
        embeddings=parts[-1] in _EMBEDDINGS,
        prediction=not _PREDICTION.isdisjoint(words),
        per_layer=parts[-1] == _PER_LAYER,
        routed=not _ROUTED.isdisjoint(words),
    )


def _find_numbers(parts: list[str], words: frozenset[str], end: int) -> Iterator[int]:
    """Where a number of at most five digits follows one of the words, which stand before `end`."""
    for at in range(end):
        if parts[at] in words and len(number := parts[at + 1]) <= 5 and number.isdecimal():
            yield at + 1


@dataclass(slots=True, eq=False)
class TensorNames:
    """The names of tensors that differ in numbers only."""

    module: ModuleNames
    cut: int | None
    """Characters after the module's name; None where numbers stand among them."""
    leaf: str
    """What these names add to the module's."""
    head: bool
    table: bool
    shared_table: bool
    table_copy: bool
    """A table of an encoder or decoder, which is that of `shared` again."""
    lora: bool

    is_table: bool = field(init=False)
    """Whether they may be embeddings of a vocabulary or an output layer."""
    is_noted: bool = field(init=False)
    """Whether they are more than parts of a module."""

    def __post_init__(self) -> None:
        self.is_table = self.head or self.table or self.shared_table or self.table_copy
        self.is_noted = self.is_table or self.lora

    def split(self, name: str) -> tuple[str, str]:
        """One of these names into its module's and what it adds."""
        if self.cut is None:
            return split_name(name)
        return (name[: -self.cut] if self.cut else name), self.leaf


class NameTable(dict[str, TensorNames]):
    """The names of one header, by their text without numbers; those of `layers`, `h` and `blocks` are kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: dict[str, ModuleNames] = {}

    def look_up(self, names: Iterable[str]) -> Iterator[TensorNames]:
        """What each name says, in their order."""
        rest = iter(names)
        batches = iter(lambda: list(islice(rest, _NAMES_AT_ONCE)), [])
        return map(self.__getitem__, chain.from_iterable(map(drop_numbers, batches)))

    def __missing__(self, text: str) -> TensorNames:
        module, leaf = split_name(text)
        cut: int | None = len(text) - len(module)
        if not text.startswith(module) or (cut and ".0." in f"{text[-cut:]}."):
            cut = None
        made = self[text] = classify_tensor(text, self._find_module(module), cut, leaf)
        return made

    def _find_module(self, module: str) -> ModuleNames:
        found = self.modules.get(module)
        if found is None:
            found = self.modules[module] = classify_module(module)
        return found


_NAMES_AT_ONCE = 10_000
_NUMBER = re.compile(
    r"\.(?=[0-9])(?<!layers\.)(?<!blocks\.)(?<!h\.)[0-9]{1,5}+(?=\.)"
)  # what is seldom true comes first


def drop_numbers(names: list[str]) -> list[str]:
    """The names with 0 for each component that is a number, but for those of layers and the last."""
    texts = _NUMBER.sub(".0", "\n".join(names)).split("\n")
    return texts if len(texts) == len(names) else [_NUMBER.sub(".0", name) for name in names]


def classify_tensor(name: str, module: ModuleNames, cut: int | None, leaf: str) -> TensorNames:
    """What the name of a tensor says of it, which stands in `module`."""
    stem, dot, ending = name.rpartition(".")
    head = table = shared = copy = False
    if ending == "weight" and dot:
        before, _, last = stem.rpartition(".")
        both = f"{before.rpartition('.')[2]}.{last}"
        head = last in _HEADS or both in _HEADS or stem in _WHOLE_HEADS
        table = last in _TABLES or both in _TABLES
        shared = last == "shared"
        copy = last == "embed_tokens" and before.rpartition(".")[2] in _STACKS
    lora = not _LORA.isdisjoint(name.split(".")) or any(pair in f".{name}." for pair in (".lora.up.", ".lora.down."))
    return TensorNames(module, cut, leaf, head, table, shared, copy, lora)
