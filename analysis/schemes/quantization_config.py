"""What a configuration says about a quantization: the one reader of `quantization_config`, for headers and for labels.

What each library writes is in its own source: transformers (utils/quantization_config.py, one class per method),
AutoGPTQ (quantize_config.json), AutoAWQ (quant_config.json), auto-round, compressed-tensors (quant_scheme.py), NVIDIA's
ModelOpt (hf_quant_config.json), AMD's Quark, MLX (mlx_lm/utils.py), torchao, HQQ, ExLlamaV2 and V3. Older files and MLX
name no method: then the keys tell whose block it is. The Hub's API leaves group_size, desc_act and version out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from analysis.schemes.module_settings import (
    find_mlx_packings,
    find_module_settings,
    find_wildcard_patterns,
    matches_pattern,
    parse_whole,
    read_mlx_packing,
    read_tensor_classes,
)
from analysis.schemes.schemes import MAX_BITS, find_method, find_scheme, scheme_table

MAX_GROUP_SIZE = 1 << 20
MAX_CONFIG_GROUPS = 16
"""Groups of compressed-tensors that are read; each is compared with each module."""

MAX_PATTERN_COMPARISONS = 500_000
"""Comparisons of a name with wildcards with the name of a module, for one header."""

MAX_METHOD_LENGTH = 40

INTEGER_SCHEMES = frozenset(("gptq", "awq", "autoround", "hqq", "sinq", "eetq", "quanto", "torchao", "bitnet"))
"""Methods whose integers are known by the method's name, whatever their bits."""
PACKING_SCHEMES = frozenset(("gptq", "awq", "autoround", "hqq", "sinq"))
"""Methods that are a way to find values and not a layout: of several that write one layout, which it was."""

ONLY_WRITTEN_BY: tuple[tuple[str, frozenset[str]], ...] = (
    ("modelopt", frozenset(("quant_algo",))),
    ("autoround", frozenset(("autoround_version", "packing_format"))),
    ("awq", frozenset(("w_bit", "q_group_size", "zero_point"))),
    ("bitsandbytes", frozenset(("load_in_4bit", "load_in_8bit", "_load_in_4bit", "_load_in_8bit"))),
    ("compressed-tensors", frozenset(("config_groups",))),
    ("gptq", frozenset(("desc_act", "damp_percent", "static_groups", "true_sequential", "checkpoint_format"))),
    ("hqq", frozenset(("weight_quant_params", "quant_config"))),
    ("fp8", frozenset(("weight_block_size", "activation_scheme"))),
    ("quark", frozenset(("global_quant_config",))),
    ("torchao", frozenset(("quant_type",))),
    ("aqlm", frozenset(("nbits_per_codebook",))),
    ("vptq", frozenset(("config_for_layers",))),
    ("quanto", frozenset(("activations",))),
)
"""Method -> keys that only its library writes, for blocks without `quant_method`; the first that fits counts."""
MLX_KEYS = frozenset(("bits", "group_size", "mode"))

_DIGITS = re.compile(r"(?:q?u?int|q?float|w|nf|fp|mxfp|nvfp)_?(\d)", re.I)


@dataclass(frozen=True, slots=True)
class ConfigGroup:
    """One of compressed-tensors' groups: how a part of the weights is packed, and their inputs."""

    bits: float | None
    group_size: int | None
    type: str  # int, float, or empty
    format: str  # nvfp4-pack-quantized ...
    activation_bits: int | None


@dataclass(frozen=True, slots=True)
class QuantizationConfig:
    """A quantization as configured. All of it may be missing or wrong: what tensors show counts more."""

    method: str | None = None  # canonical
    written_method: str | None = None  # as the configuration writes it, lower case; None where its keys tell
    scheme: str | None = None  # canonical
    bits: float | None = None  # nominal, of a weight
    group_size: int | None = None  # weights that share one scale
    activation_bits: int | None = None
    groups: tuple[ConfigGroup, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Any] = field(default_factory=dict)  # settings of single modules
    patterns: tuple[tuple[str, tuple[str, ...]], ...] = ()  # keys of `modules` with wildcards: the text between them
    tensor_classes: Mapping[str, tuple[str, tuple[int, ...] | None]] = field(default_factory=dict)  # torchao
    default_tensor_class: str = ""  # torchao: the class of all
    expert_bits: int | None = None  # DeepSeek V4: experts narrower than the rest
    packings: tuple[tuple[int, int, str], ...] = ()  # MLX: the different group sizes, bits and modes of all settings
    bits_by_key: dict[str, float | None] = field(default_factory=dict, compare=False)  # of `modules`, as they are asked

    def limit_patterns(self, modules: int) -> QuantizationConfig:
        """The configuration with as many patterns as can be compared with this number of modules."""
        most = MAX_PATTERN_COMPARISONS // max(1, modules)
        return self if len(self.patterns) <= most else replace(self, patterns=self.patterns[:most])

    def bits_of(self, module: str) -> float | None:
        """Nominal bits of one module, where it has its own, else of all."""
        key = self._key_of(module)
        if key is None:
            return self.bits
        if key not in self.bits_by_key:
            self.bits_by_key[key] = _written_bits(self.modules[key])
        bits = self.bits_by_key[key]
        return bits if bits is not None else self.bits

    def _key_of(self, module: str) -> str | None:
        """The key of `modules` under which the settings of a module stand; None where it has none of its own."""
        if not self.modules:
            return None
        if module in self.modules:
            return module
        parts = module.split(".")
        for at in range(1, min(len(parts), 8)):  # a name without the model's prefix
            if self.modules.get(name := ".".join(parts[at:])) is not None:
                return name
        return next((text for text, pieces in self.patterns if matches_pattern(pieces, module)), None)

    def _settings_of(self, module: str) -> Any:
        key = self._key_of(module)
        return None if key is None else self.modules[key]

    def packing_scheme(self, usual: str) -> str:
        """The scheme of packed integers: the method's, where it uses another's layout, else that of the layout."""
        return self._scheme_of_method() if self.method in PACKING_SCHEMES else usual

    def integer_scheme(self, bits: float) -> str:
        """The scheme of integers of this width: W4A16 if the library states the activations, otherwise INT4."""
        if self.method in ("compressed-tensors", "modelopt"):
            return f"W{bits:g}A{self.activation_bits or 16}"
        if self.method == "bitsandbytes":
            return "BNB-INT8"
        return self._scheme_of_method() if self.method in INTEGER_SCHEMES else f"INT{bits:g}"

    def _scheme_of_method(self) -> str:
        known = scheme_table().methods.get(self.method or "")
        return (known.scheme if known else None) or ""

    def text(self, key: str) -> str:
        """A short text of the configuration, lower case."""
        value = self.raw.get(key)
        return value[:100].lower() if isinstance(value, str) else ""

    def packed_bits(self, module: str, columns: int, groups: int | None) -> float:
        """Bits of int32 [N, K*b/32] with [N, groups] scales: of the configured groups the one that the shapes allow."""
        first = None
        for each in self.groups:
            bits, size = each.bits, each.group_size
            if bits:
                if groups and ((groups == 1 and not size) or (size and groups == -(-columns * 32 / bits // size))):
                    return bits
                first = first or bits
        if first:
            return first
        ratio = columns * 32 / groups if groups else 0
        usual = next((bits for bits, size in _USUAL_GROUPS if bits * size == ratio), 4)
        return self.bits_of(module) or usual

    def mlx_packing(self, module: str, columns: int, groups: int, scales: str) -> tuple[int, int, str]:
        """Group size, bits and mode of weight [N, K*b/32] with scales [N, K/g]: what b*g/32 = columns/groups allows."""
        ratio = columns * 32 / groups if groups else 0
        own = read_mlx_packing(self._settings_of(module))
        for size, bits, mode in (*([own] if own else ()), *self.packings):
            if size * bits == ratio:
                return size, bits, mode
        usual = ((32, 4, "mxfp4"), (16, 4, "nvfp4"), (32, 8, "mxfp8")) if scales == "U8" else _AFFINE
        for size, bits, mode in usual:
            if size * bits == ratio:
                return size, bits, mode
        return self.group_size or 64, int(self.bits or 4), "affine"

    def vptq_shape(self, module: str) -> tuple[int, int] | None:
        """VPTQ: input and output features of one layer."""
        own = self._settings_of(module)
        if not isinstance(own, Mapping):
            return None
        inputs, outputs = parse_whole(own.get("in_features")), parse_whole(own.get("out_features"))
        return (inputs, outputs) if inputs and outputs else None

    def tensor_class(self, module: str) -> tuple[str, tuple[int, ...] | None]:
        """torchao: the class of a module's weight and its shape, else the class of all."""
        if self.tensor_classes:
            return self.tensor_classes.get(f"{module}.weight", ("", None))
        return self.default_tensor_class, None


_USUAL_GROUPS = ((4, 128), (8, 128), (4, 32), (4, 64), (8, 32))
_AFFINE = tuple((size, bits, "affine") for size in (64, 32, 128) for bits in (4, 8, 6, 5, 3, 2))


# ---- Reading --------------------------------------------------------------------------------------------------------


def find_quantization_config(
    config: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> QuantizationConfig | None:
    """The quantization that a repo's configuration describes, None where it describes none.

    `config` is config.json with the quantizers' own files merged in (analysis.formats.model_config), `metadata` that of
    a safetensors header.
    """
    block = _find_block(config)
    modules = config.get("quanto_qmap")
    classes = read_tensor_classes(metadata or {})
    if block:
        found = read_quantization_config(block)
    elif isinstance(modules, Mapping) and modules:  # optimum-quanto's own file
        found = QuantizationConfig(
            method="quanto", scheme="QUANTO", bits=_written_bits(next(iter(modules.values()))), modules=modules
        )
    elif classes:
        found = QuantizationConfig(method="torchao", scheme="TORCHAO")
    else:
        return None
    narrow_experts = "fp4" in str(config.get("expert_dtype", ""))[:40].lower()
    return replace(found, tensor_classes=classes, expert_bits=4 if narrow_experts else None)


def read_quantization_config(block: Mapping[str, Any]) -> QuantizationConfig:
    """One `quantization_config` block, whatever library wrote it. Unknown or invalid values are skipped."""
    raw: Mapping[str, Any] = block
    inner = block.get("quantization")
    if isinstance(inner, Mapping) and inner.get("quant_algo"):  # hf_quant_config.json
        raw = {**block, **inner}
    written = next((name for key in ("quant_method", "method") if isinstance(name := raw.get(key), str) and name), None)
    written = written.lower()[:MAX_METHOD_LENGTH] if written else None
    method = find_method(written) if written else _method_by_keys(raw)
    groups = tuple(_config_groups(raw))
    narrowest = min((each for each in groups if each.bits), key=lambda each: each.bits or MAX_BITS, default=None)
    bits = _written_bits(raw)
    scheme = _stated_scheme(method, raw, narrowest, bits)
    if bits is None and scheme is not None and (known := find_scheme(scheme)) is not None:
        bits = known.nominal_bits or known.default_bits
    modules = find_module_settings(raw)
    return QuantizationConfig(
        method=method,
        written_method=written,
        scheme=scheme,
        bits=bits,
        group_size=_written_group_size(raw) or (narrowest.group_size if narrowest else None),
        activation_bits=_activation_bits(raw, narrowest),
        groups=groups,
        raw=raw,
        modules=modules,
        patterns=find_wildcard_patterns(modules),
        packings=find_mlx_packings(raw, modules),
        default_tensor_class=_torchao_class(raw) if method == "torchao" else "",
    )


def _find_block(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The block that describes the quantization, of the model or of the language model within it."""
    inner = ("text_config", "llm_config", "language_config", "thinker_config", "transformer", "unet")
    for where in (config, *(config.get(key) for key in inner)):
        if isinstance(where, Mapping):
            for key in ("quantization_config", "compression_config", "quantization"):
                found = where.get(key)
                if isinstance(found, Mapping) and found:
                    return found
    return None


def _method_by_keys(raw: Mapping[str, Any]) -> str | None:
    """The method of a block that names none, by the keys that only its library writes."""
    keys = {key for key, value in raw.items() if value is not None}
    producer = raw.get("producer")
    if isinstance(producer, Mapping) and producer.get("name") == "modelopt":
        return "modelopt"
    found = next((method for method, signs in ONLY_WRITTEN_BY if keys & signs), None)
    if found is None and isinstance(raw.get("bits"), int | float):
        settings = {key for key in keys if "." not in key and not isinstance(raw[key], Mapping | bool)}
        found = "mlx" if settings <= MLX_KEYS else "gptq" if "sym" in keys else None
    return found


# ---- The scheme -----------------------------------------------------------------------------------------------------


def _stated_scheme(
    method: str | None, raw: Mapping[str, Any], group: ConfigGroup | None, bits: float | None
) -> str | None:
    """The canonical scheme that a block states; None where the method leaves it open."""
    match method:
        case "bitsandbytes":
            return _bitsandbytes_scheme(raw)
        case "compressed-tensors":
            return _group_scheme(group, raw.get("format")) if group else None
        case "modelopt":
            stated = _modelopt_scheme(raw.get("quant_algo"))
            return stated or (_group_scheme(group, "float") if group else None)
        case "mlx":
            mode = str(raw.get("mode") or "affine").upper()
            return mode if mode in ("MXFP4", "MXFP8", "NVFP4") else f"MLX-{bits:g}BIT" if bits else None
        case "autoround":
            kind = str(raw.get("data_type") or "")
            if kind.startswith("mx_fp"):
                return "MXFP8" if bits == 8 else "MXFP4"
            return "NVFP4" if kind.startswith("nv_fp") else "FP8" if kind.startswith("fp8") else "AUTOROUND"
        case "fp_quant" | "fouroversix":
            kind = str(raw.get("forward_dtype") or raw.get("dtype") or "nvfp4").lower()
            return "MXFP4" if "mxfp4" in kind else "NVFP4"
        case "quark":
            return _quark_scheme(raw)
    known = scheme_table().methods.get(method or "")
    return known.scheme if known else None


def _bitsandbytes_scheme(raw: Mapping[str, Any]) -> str | None:
    """BitsAndBytesConfig: 8 bits, or 4 bits of one of two types, NF4 where a block was cut short before the type."""
    if raw.get("load_in_8bit") is True or raw.get("_load_in_8bit") is True:
        return "BNB-INT8"
    flags = [raw.get(key) for key in ("load_in_4bit", "_load_in_4bit") if key in raw]
    if True in flags or (not flags and "bnb_4bit_quant_type" in raw):
        return "BNB-FP4" if raw.get("bnb_4bit_quant_type") == "fp4" else "BNB-NF4"
    return None


def _group_scheme(group: ConfigGroup, default: object) -> str | None:
    """The scheme of compressed-tensors' weights: integers W4A16, floats by their width and the size of their groups."""
    bits = group.bits or 0
    packing = group.format or (default if isinstance(default, str) else "")
    if group.type == "int" or (not group.type and "float" not in packing and "fp" not in packing):
        return f"W{bits:g}A{group.activation_bits or 16}" if bits == int(bits) and bits <= 16 else None
    if bits == 8:
        return "MXFP8" if "mxfp8" in packing else "FP8"
    if bits == 4:
        return "MXFP4" if "mxfp4" in packing or (group.group_size == 32 and "nvfp4" not in packing) else "NVFP4"
    return None


def _modelopt_scheme(algorithm: object) -> str | None:
    """ModelOpt's quant_algo: NVFP4, FP8_PB_WO, W4A16_AWQ, INT8_SQ, MIXED_PRECISION ..."""
    name = algorithm.upper() if isinstance(algorithm, str) else ""
    for scheme in ("NVFP4", "MXFP4", "MXFP8"):
        if scheme in name:
            return scheme
    if found := re.search(r"W\dA\d{1,2}", name):
        return found[0]
    if "FP8" in name:
        return "FP8"
    return "W8A8" if name.startswith("INT8") else "W4A16" if name.startswith("INT4") else None


def _quark_scheme(raw: Mapping[str, Any]) -> str | None:
    """AMD's Quark: the dtype of weights, and for 4-bit floats the form of their scales."""
    settings = raw.get("global_quant_config")
    weight = settings.get("weight") if isinstance(settings, Mapping) else None
    if not isinstance(weight, Mapping):
        return None
    dtype = str(weight.get("dtype") or "").lower()
    if dtype.startswith("fp8"):
        return "FP8"
    if dtype == "fp4":
        return "MXFP4" if weight.get("scale_format") == "e8m0" or weight.get("group_size") == 32 else None
    bits = _written_bits(dtype)
    return f"INT{bits:g}" if bits and "int" in dtype else None


# ---- Single values --------------------------------------------------------------------------------------------------


def _written_bits(raw: Any) -> float | None:
    """Nominal bits that a configuration, or the settings of one module, write."""
    if isinstance(raw, str):
        found = _DIGITS.search(raw[:200])
        return float(found[1]) if found else None
    if not isinstance(raw, Mapping):
        return None
    for key in ("bits", "w_bit", "num_bits", "nbits", "wbits", "w_bits", "weight_bits"):
        value = raw.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_BITS:
            return float(value)
    if raw.get("load_in_8bit") is True or raw.get("_load_in_8bit") is True:
        return 8
    if raw.get("load_in_4bit") is True or raw.get("_load_in_4bit") is True:
        return 4
    if widths := [each.bits for each in _config_groups(raw) if each.bits]:
        return min(widths)
    books = [
        parse_whole(raw.get(key)) for key in ("num_codebooks", "nbits_per_codebook", "in_group_size", "out_group_size")
    ]
    if all(books):  # AQLM
        return books[0] * books[1] / (books[2] * books[3])  # type: ignore[operator]
    for key in (
        "weights", "quant_algo", "weight", "dtype", "weight_quant_params", "quant_config", "global_quant_config",
    ):  # fmt: skip
        inner = raw.get(key)
        if isinstance(inner, str | Mapping) and (bits := _written_bits(inner)) is not None:
            return bits
    return _torchao_bits(raw)


def _torchao_bits(raw: Mapping[str, Any]) -> float | None:
    if "quant_type" not in raw:
        return None
    text = repr(raw["quant_type"])[:4000].lower()
    for sign, bits in (("int4", 4.0), ("float8", 8.0), ("int8", 8.0), ("nvfp4", 4.0), ("mx", 4.0)):
        if sign in text:
            return bits
    return None


def _torchao_class(raw: Mapping[str, Any]) -> str:
    """Int4WeightOnlyConfig and the like; only a class of 4-bit weights that stay packed matters."""
    kind = raw.get("quant_type")
    kind = kind.get("default") if isinstance(kind, Mapping) else kind
    kind = kind.get("_type") if isinstance(kind, Mapping) else kind
    return "Int4" if isinstance(kind, str) and kind.lower().startswith("int4") else ""


def _config_groups(raw: Mapping[str, Any]) -> Iterator[ConfigGroup]:
    """compressed-tensors' groups, in their order."""
    groups = raw.get("config_groups")
    if not isinstance(groups, Mapping):
        return
    for group in islice(groups.values(), MAX_CONFIG_GROUPS):
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            bits, inputs = parse_whole(weights.get("num_bits")), group.get("input_activations")
            yield ConfigGroup(
                bits=float(bits) if bits and bits <= MAX_BITS else None,
                group_size=_group_size(weights.get("group_size")),
                type=str(weights.get("type") or "").lower()[:20],
                format=str(group.get("format") or "")[:100],
                activation_bits=parse_whole(inputs.get("num_bits")) if isinstance(inputs, Mapping) else None,
            )


def _written_group_size(raw: Mapping[str, Any]) -> int | None:
    """Weights that share one scale, as written; HQQ, Quark and torchao write it one level down."""
    nested: Any = [raw, raw.get("quant_config"), raw.get("global_quant_config")]
    nested += [inner.get("weight_quant_params") for inner in nested if isinstance(inner, Mapping)]
    nested += [inner.get("weight") for inner in nested if isinstance(inner, Mapping)]
    kind = raw.get("quant_type")
    kind = kind.get("default") if isinstance(kind, Mapping) else None
    nested += [kind.get("_data") if isinstance(kind, Mapping) else None, raw.get("quant_type_kwargs")]
    for settings in nested:
        if isinstance(settings, Mapping):
            for key in ("group_size", "q_group_size", "weight_group_size"):
                if size := _group_size(settings.get(key)):
                    return size
    return None


def _activation_bits(raw: Mapping[str, Any], group: ConfigGroup | None) -> int | None:
    if group is not None and group.activation_bits:
        return group.activation_bits
    found = re.match(r"W\d+A(\d{1,2})", str(raw.get("quant_algo", ""))[:100])
    return int(found[1]) if found else None


def _group_size(value: Any) -> int | None:
    size = parse_whole(value)
    return size if size and size <= MAX_GROUP_SIZE else None
