"""The rule for each module of a model, and what all its tensors stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from analysis.formats.safetensors.packing import codebooks, floats, integers
from analysis.formats.safetensors.packing.grouping import GroupedTensors, ModuleKind, group_by_module
from analysis.formats.safetensors.packing.modules import COMPANIONS, Rule, is_buffer, is_scale
from analysis.formats.safetensors.packing.names import ModuleNames
from analysis.formats.safetensors.tensors import BYTES, EIGHT, FLOATS, SCALES, Tensor
from analysis.schemes.quantization_config import QuantizationConfig

MAX_WEIGHTS_PER_BYTE = 64
"""Weights that a byte stands for at most: an eighth of a bit each. The densest layouts in use need a bit."""


class Module(NamedTuple):
    """One module of the model: its parameters, their scheme, and its leading dimension where it has three or more."""

    parameters: int
    scheme: str
    stacked: int


@dataclass(slots=True)
class Packed:
    """What all tensors stand for."""

    grouped: GroupedTensors
    modules: Counter[tuple[ModuleNames, Module]] = field(default_factory=Counter)  # how many there are of each
    schemes: Counter[str] = field(default_factory=Counter)  # parameters by scheme
    methods: Counter[str] = field(default_factory=Counter)  # parameters by the library whose layout it is
    stored: Counter[str] = field(default_factory=Counter)  # bytes of packed weights, scales aside, by scheme
    unresolved: dict[str, str] = field(default_factory=dict)  # modules whose shapes do not tell, and their schemes
    buffers: int = 0  # elements that are no weights: positions, masks, counters
    buffer_bytes: int = 0

    @property
    def parameters(self) -> int:
        return sum(self.schemes.values())


RULES: tuple[tuple[frozenset[str], Rule, str], ...] = (
    (frozenset({"trellis"}), codebooks.count_exl3, "exl3"),
    (frozenset({"q_weight"}), codebooks.count_exl2, "exl2"),
    (frozenset({"codes", "codebooks"}), codebooks.count_aqlm, "aqlm"),
    (frozenset({"indices", "centroids.weight"}), codebooks.count_vptq, "vptq"),
    (frozenset({"dense_weights", "row_offsets"}), codebooks.count_spqr, "spqr"),
    (frozenset({"SU", "SV"}), codebooks.count_quip, "quip"),
    (frozenset({"W_q"}), integers.count_hqq, "hqq"),
    (frozenset({"qweight"}), integers.count_gptq_or_awq, "gptq"),
    (frozenset({"quantized_weight_values"}), floats.count_four_over_six, "fouroversix"),
    (frozenset({"B", "s"}), integers.count_marlin, "gptq"),
    (frozenset({"B_24", "B_meta"}), integers.count_sparse_marlin, "gptq"),
    (frozenset({"weight_packed", "scale_packed", "meta"}), integers.count_sparse_marlin, "compressed-tensors"),
    (frozenset({"weight_packed"}), integers.count_compressed_tensors, "compressed-tensors"),
    (frozenset({"compressed", "bitmask"}), floats.count_bitmask, "compressed-tensors"),
    (frozenset({"_blocks", "_scales"}), floats.count_gpt_oss, "mxfp4"),
    (frozenset({"weight._data"}), integers.count_quanto, "quanto"),
    (frozenset({"weight._data._data"}), integers.count_quanto, "quanto"),
    (frozenset({"_weight_qdata"}), integers.count_torchao, "torchao"),
    (frozenset({"weight", "weight.absmax"}), integers.count_bitsandbytes_4_bit, "bitsandbytes"),
    (frozenset({"weight", "SCB"}), integers.count_bitsandbytes_8_bit, "bitsandbytes"),
    (frozenset({"weight", "tables"}), codebooks.count_higgs, "higgs"),
)
"""Tensors that must be there, the rule that counts, and the method whose layout it is. The first that fits counts."""
_TELLING_LEAVES = frozenset({
    *(leaf for needed, _, _ in RULES for leaf in needed), *integers.SCALE_LEAVES, "weight", "scales", "qbiases",
    "embedding_quantized", "weight_scale_inv", "weight_scale_2", "pre_quant_scale", "weight_sf", "weight_scales",
})  # fmt: skip
"""Endings that `find_rule` looks at."""


@lru_cache(maxsize=1024)
def find_rule(signature: frozenset[tuple[str, str]]) -> tuple[Rule, str] | None:
    """The rule for a module with these endings and dtypes; None for plain weights."""
    leaves = dict(signature)
    for needed, rule, method in RULES:
        if needed <= leaves.keys():
            return rule, method
    kind = leaves.get("weight")
    if kind == "U32" and "scales" in leaves:
        return integers.count_mlx, "metal" if "qbiases" in leaves else "mlx"
    if "embedding_quantized" in leaves:
        return integers.count_packed_embedding, "gemma"
    if kind in floats.NARROW_DTYPES:
        return floats.count_narrow_floats, ""
    if kind in EIGHT:
        return floats.count_float8, "mxfp8" if leaves.get("weight_scale_inv") in SCALES else "fp8"
    if kind is None or kind in FLOATS or kind == "BOOL":
        return None
    if leaves.keys() & set(integers.SCALE_LEAVES):
        return integers.count_bytes_with_scales, _byte_method(leaves)
    return (integers.count_bare_bytes, "") if kind in BYTES else None


def is_stack(tensor: Tensor) -> bool:
    """Whether a tensor stacks matrices: three dimensions or more, of which only the first may be 1."""
    return len(tensor.shape) >= 3 and min(tensor.shape[1:]) > 1


def _byte_method(leaves: Mapping[str, str]) -> str:
    """The library that writes bytes with these scales, where no configuration names it."""
    if "weight_scale_2" in leaves or "pre_quant_scale" in leaves:
        return "modelopt"
    if "weight_sf" in leaves:
        return "nvfp4"
    return "eetq" if "weight_scales" in leaves else ""


def measure(tensors: Mapping[str, Tensor], config: QuantizationConfig, artifact: str = "tensors") -> Packed:
    """The parameters of a model's tensors, by module and by scheme.

    Modules of one kind have the same parameters, unless the configuration has settings of single modules. Raises
    HeaderBeyondLimits, with the artifact's name.
    """
    packed = Packed(group_by_module(tensors, artifact))
    modules = packed.grouped.modules
    config = config.limit_patterns(len(modules))
    numbers = Counter(modules.values())
    if config.modules or config.tensor_classes:
        layouts = {kind: read_layout(kind) for kind in numbers}
        for module, kind in modules.items():
            layout = layouts[kind]
            number = 1 if layout.rule else numbers.pop(kind, 0)  # plain weights have no settings
            if number and (scheme := _add_modules(packed, module, layout, number, config)) is not None:
                packed.unresolved[module] = scheme
        return packed
    unresolved: dict[ModuleKind, str] = {}
    for kind, number in numbers.items():
        if (scheme := _add_modules(packed, kind.names.text, read_layout(kind), number, config)) is not None:
            unresolved[kind] = scheme
    if unresolved:
        packed.unresolved = {module: unresolved[kind] for module, kind in modules.items() if kind in unresolved}
    return packed


@dataclass(frozen=True, slots=True)
class ModuleLayout:
    """What the tensors of a module are, whatever the configuration says."""

    names: ModuleNames
    leaves: Mapping[str, Tensor]
    rule: Rule | None
    """Counts the weights that are packed; None where there are none."""
    method: str
    plain: tuple[tuple[str, int], ...]
    """Schemes and parameters of the tensors that are weights as they are."""
    stacked: int
    buffers: int
    buffer_bytes: int


def read_layout(kind: ModuleKind) -> ModuleLayout:
    """The layout of the modules of one kind."""
    leaves = kind.leaves
    found = find_rule(frozenset((leaf, t.dtype) for leaf, t in leaves.items() if leaf in _TELLING_LEAVES))
    plain = []
    buffers = buffer_bytes = 0
    for leaf, tensor in leaves.items():
        if is_scale(leaf, tensor) or (
            found and (leaf in COMPANIONS or leaf.startswith(("weight.", "W_q.", "meta.")) or leaf == "weight")
        ):
            continue
        if is_buffer(leaf, tensor):
            buffers += tensor.elements
            buffer_bytes += tensor.size
        else:
            plain.append((floats.float_scheme(tensor.dtype), tensor.elements))
    stacked = max((tensor.shape[0] for tensor in leaves.values() if is_stack(tensor)), default=0)
    rule, method = found or (None, "")
    return ModuleLayout(kind.names, leaves, rule, method, tuple(plain), stacked, buffers, buffer_bytes)


def _add_modules(
    packed: Packed, module: str, layout: ModuleLayout, number: int, config: QuantizationConfig
) -> str | None:
    """Adds so many modules with the parameters of this one. The scheme where shapes do not tell its parameters."""
    parameters, scheme, unresolved = 0, "", None
    if layout.rule is not None:
        counted, scheme, method = layout.rule(module, layout.leaves, config)
        sizes = [tensor.size for tensor in layout.leaves.values()]
        if counted is None or counted > MAX_WEIGHTS_PER_BYTE * sum(sizes):
            counted = 0  # a configuration or a shape that claims more than any packing holds
            unresolved = scheme
        parameters = counted
        packed.schemes[scheme] += number * parameters
        packed.methods[config.method or method or layout.method] += number * parameters
        packed.stored[scheme] += number * max(sizes)
    for kind, elements in layout.plain:
        parameters += elements
        packed.schemes[kind] += number * elements
        scheme = scheme or kind
    packed.buffers += number * layout.buffers
    packed.buffer_bytes += number * layout.buffer_bytes
    packed.modules[layout.names, Module(parameters, scheme, layout.stacked)] += number
    return unresolved
