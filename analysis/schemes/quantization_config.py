"""What a repo's configuration says of its quantization, one reading for all the ways in which it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS: Mapping[str, str] = {
    "auto-round": "autoround", "auto_round": "autoround", "intel/auto-round": "autoround", "auto_gptq": "gptq",
    "gptq_marlin": "gptq", "gptqmodel": "gptq", "awq_marlin": "awq", "fbgemm_fp8": "fp8", "modelopt_fp4": "modelopt",
    "modelopt_mixed": "modelopt", "compressed_tensors": "compressed-tensors", "quip_sharp": "quip", "quip#": "quip",
    "bitsandbytes_4bit": "bitsandbytes", "bitsandbytes_8bit": "bitsandbytes", "bnb": "bitsandbytes", "ao": "torchao",
}  # fmt: skip
"""quant_method as configurations write it -> canonical, where they differ."""

_NAMES_SCHEME = {"gptq": "GPTQ", "awq": "AWQ", "autoround": "AUTOROUND", "hqq": "HQQ", "sinq": "SINQ"}
"""Methods that are schemes: what they do to weights is known by their name, not by a number format."""

_OWN_BITS: Mapping[str, float] = {
    "fp8": 8, "eetq": 8, "mxfp8": 8, "mxfp4": 4, "nvfp4": 4, "fouroversix": 4, "fp_quant": 4, "bitnet": 1.58,
}  # fmt: skip
_DIGITS = re.compile(r"(?:q?u?int|q?float|w|nf|fp|mxfp|nvfp)_?(\d)", re.I)


@dataclass(frozen=True, slots=True)
class Quantization:
    """A quantization as configured. All of it may be missing, or wrong: shapes are asked first."""

    method: str | None = None  # canonical
    named: str | None = None  # as the configuration writes it
    bits: float | None = None  # nominal
    group_size: int | None = None
    activation_bits: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, Any] = field(default_factory=dict)  # what is said of single modules
    patterns: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of `modules`, those that stand for many
    kinds: Mapping[str, tuple[str, tuple[int, ...] | None]] = field(default_factory=dict)  # torchao: class and shape
    default_kind: str = ""  # torchao: the class that all become
    expert_bits: int | None = None  # DeepSeek V4: experts narrower than the rest

    def bits_of(self, module: str) -> float | None:
        """Bits of one module, where it has its own, else of all."""
        own = self._own(module)
        bits = _bits(own) if own is not None else None
        return bits if bits is not None else self.bits

    def _own(self, module: str) -> Any:
        if not self.modules:
            return None
        if module in self.modules:
            return self.modules[module]
        parts = module.split(".")
        for at in range(1, min(len(parts), 8)):  # a name without the model's prefix
            if (own := self.modules.get(".".join(parts[at:]))) is not None:
                return own
        return next((self.modules[text] for text, pieces in self.patterns if _fits(pieces, module)), None)

    def scheme(self, usual: str) -> str:
        """The scheme of packed integers: the method's name where that is one, else what the layout usually is."""
        return _NAMES_SCHEME.get(self.method or "", usual)

    def integers(self, bits: float) -> str:
        """The scheme of integers of so many bits: W4A16 where a library says what activations are, else INT4."""
        if self.method in ("compressed-tensors", "modelopt"):
            return f"W{bits:g}A{self.activation_bits or 16}"
        own = {"eetq": "EETQ", "quanto": "QUANTO", "torchao": "TORCHAO", "bitsandbytes": "BNB-INT8", "bitnet": "BITNET"}
        return own.get(self.method or "") or _NAMES_SCHEME.get(self.method or "") or f"INT{bits:g}"

    def text(self, key: str) -> str:
        """A short text of the configuration, lower-case."""
        value = self.raw.get(key)
        return value[:100].lower() if isinstance(value, str) else ""

    def packed_bits(self, module: str, columns: int, groups: int | None) -> float:
        """Bits of int32 [N, K*b/32] with [N, groups] scales: of the configured groups the one that shapes allow."""
        offers = [(bits, size) for bits, size in _group_offers(self.raw) if bits]
        for bits, size in offers:
            inner = columns * 32 / bits
            if groups and ((groups == 1 and not size) or (size and groups == -(-inner // size))):
                return bits
        if offers and offers[0][0]:
            return offers[0][0]
        ratio = columns * 32 / groups if groups else 0
        usual = next((bits for bits, size in _USUAL_GROUPS if bits * size == ratio), 4)
        return self.bits_of(module) or usual

    def mlx(self, module: str, columns: int, groups: int, scales: str) -> tuple[int, int, str]:
        """Group size, bits and mode of weight [N, K*b/32] with scales [N, K/g]: what b*g/32 = columns/groups allows."""
        ratio = columns * 32 / groups if groups else 0
        own = self._own(module)
        offers = [own] if isinstance(own, Mapping) else []
        offers += [self.raw, *(value for value in self.modules.values() if isinstance(value, Mapping))]
        for offer in offers[:1000]:
            size, bits = _whole(offer.get("group_size")), _whole(offer.get("bits"))
            if size and bits and size * bits == ratio:
                return size, bits, str(offer.get("mode") or "affine")
        usual = ((32, 4, "mxfp4"), (16, 4, "nvfp4"), (32, 8, "mxfp8")) if scales == "U8" else _AFFINE
        for size, bits, mode in usual:
            if size * bits == ratio:
                return size, bits, mode
        return self.group_size or 64, int(self.bits or 4), "affine"

    def layer_shape(self, module: str) -> tuple[int, int] | None:
        """VPTQ: what one layer takes in and puts out."""
        own = self._own(module)
        if not isinstance(own, Mapping):
            return None
        taken, out = _whole(own.get("in_features")), _whole(own.get("out_features"))
        return (taken, out) if taken and out else None

    def tensor_kind(self, module: str) -> tuple[str, tuple[int, ...] | None]:
        """torchao: the class of a module's weight and its shape, else what all were to become."""
        return self.kinds.get(f"{module}.weight", ("", None)) if self.kinds else (self.default_kind, None)


_USUAL_GROUPS = ((4, 128), (8, 128), (4, 32), (4, 64), (8, 32))
_AFFINE = tuple((size, bits, "affine") for size in (64, 32, 128) for bits in (4, 8, 6, 5, 3, 2))


def read_quantization_config(config: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> Quantization:
    """The quantization that a configuration (config.config_of) and a header's metadata tell of."""
    raw, named = _raw(config)
    kinds = _tensor_kinds(metadata or {})
    qmap = config.get("quanto_qmap")
    if named is None and isinstance(qmap, Mapping) and qmap:
        named = "quanto"
    if named is None and kinds:
        named = "torchao"
    method = METHODS.get(named, named) if named else None
    modules = _modules(raw, qmap)
    return Quantization(
        method=method,
        named=named,
        bits=_bits(raw, method)
        if raw
        else (_bits(next(iter(qmap.values()))) if isinstance(qmap, Mapping) and qmap else None),
        group_size=_group_size(raw),
        activation_bits=_activation_bits(raw),
        raw=raw,
        modules=modules,
        patterns=_patterns(modules),
        kinds=kinds,
        default_kind=_torchao_kind(raw) if method == "torchao" else "",
        expert_bits=4 if "fp4" in str(config.get("expert_dtype", ""))[:40].lower() else None,
    )


def _raw(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The object that describes the quantization, and the method's name in it."""
    for where in _places(config):
        for key in ("quantization_config", "compression_config", "quantization"):
            found = where.get(key)
            if isinstance(found, Mapping) and found:
                return _named(found)
    return {}, None


def _places(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configuration, then those of the language model within it."""
    yield config
    for key in ("text_config", "llm_config", "language_config", "thinker_config", "transformer", "unet"):
        inner = config.get(key)
        if isinstance(inner, Mapping):
            yield inner


def _named(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    name = raw.get("quant_method") or raw.get("method")
    if isinstance(name, str) and name:
        return raw, name.lower()[:40]
    producer = raw.get("producer")
    inner = raw.get("quantization")
    if isinstance(inner, Mapping) and inner.get("quant_algo"):  # hf_quant_config.json
        return inner, "modelopt"
    if raw.get("quant_algo") or (isinstance(producer, Mapping) and producer.get("name") == "modelopt"):
        return raw, "modelopt"
    if "w_bit" in raw or str(raw.get("version", "")).lower() in ("gemm", "gemv"):
        return raw, "awq"
    if raw.get("load_in_4bit") or raw.get("load_in_8bit"):
        return raw, "bitsandbytes"
    if "config_groups" in raw:
        return raw, "compressed-tensors"
    if "desc_act" in raw or "damp_percent" in raw:
        return raw, "gptq"
    if "weight_quant_params" in raw or "quant_config" in raw:
        return raw, "hqq"
    if "bits" in raw and "group_size" in raw:
        return raw, "mlx"
    return raw, None


def _bits(raw: Any, method: str | None = None) -> float | None:
    """Nominal bits of a configuration, or of what is said of one module."""
    if isinstance(raw, str):
        found = _DIGITS.search(raw)
        return float(found[1]) if found else None
    if not isinstance(raw, Mapping):
        return None
    for key in ("bits", "w_bit", "num_bits", "nbits", "wbits", "w_bits", "weight_bits"):
        value = raw.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 32:
            return float(value)
    if raw.get("load_in_4bit"):
        return 4
    if raw.get("load_in_8bit"):
        return 8
    offers = [bits for bits, _ in _group_offers(raw) if bits]
    if offers:
        return offers[0]
    codebooks = [
        _whole(raw.get(key)) for key in ("num_codebooks", "nbits_per_codebook", "in_group_size", "out_group_size")
    ]
    if all(codebooks):  # AQLM
        return codebooks[0] * codebooks[1] / (codebooks[2] * codebooks[3])  # type: ignore[operator]
    for key in (
        "weights",
        "quant_algo",
        "weight",
        "dtype",
        "weight_quant_params",
        "quant_config",
        "global_quant_config",
    ):
        inner = raw.get(key)
        if isinstance(inner, str | Mapping) and (bits := _bits(inner)) is not None:
            return bits
    if method == "torchao":
        return _torchao_bits(raw)
    return _OWN_BITS.get(method or "")


def _torchao_bits(raw: Mapping[str, Any]) -> float | None:
    text = repr(raw.get("quant_type"))[:4000].lower()
    for sign, bits in (("int4", 4.0), ("float8", 8.0), ("int8", 8.0), ("nvfp4", 4.0), ("mx", 4.0)):
        if sign in text:
            return bits
    return None


def _torchao_kind(raw: Mapping[str, Any]) -> str:
    """Int4WeightOnlyConfig and the like; only a class of 4-bit weights that stay packed matters."""
    kind = raw.get("quant_type")
    kind = kind.get("default") if isinstance(kind, Mapping) else kind
    kind = kind.get("_type") if isinstance(kind, Mapping) else kind
    return "Int4" if isinstance(kind, str) and kind.lower().startswith("int4") else ""


def _group_offers(raw: Mapping[str, Any]) -> Iterator[tuple[float | None, int | None]]:
    """Bits and group size of each of compressed-tensors' groups."""
    groups = raw.get("config_groups")
    if not isinstance(groups, Mapping):
        return
    for group in list(groups.values())[:100]:
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            bits = _whole(weights.get("num_bits"))
            yield (float(bits) if bits else None), _whole(weights.get("group_size"))


def _group_size(raw: Mapping[str, Any]) -> int | None:
    for key in ("group_size", "q_group_size", "weight_group_size"):
        if size := _whole(raw.get(key)):
            return size
    return next((size for _, size in _group_offers(raw) if size), None)


def _activation_bits(raw: Mapping[str, Any]) -> int | None:
    groups = raw.get("config_groups")
    if isinstance(groups, Mapping):
        for group in list(groups.values())[:100]:
            inputs = group.get("input_activations") if isinstance(group, Mapping) else None
            if isinstance(inputs, Mapping) and (bits := _whole(inputs.get("num_bits"))):
                return bits
    found = re.match(r"W\d+A(\d+)", str(raw.get("quant_algo", "")))
    return int(found[1]) if found else None


def _modules(raw: Mapping[str, Any], qmap: Any) -> Mapping[str, Any]:
    """What is said of single modules, by their names. Patterns are strangers' regular expressions: they are not run."""
    if isinstance(qmap, Mapping) and qmap:
        return qmap
    for key in ("config_for_layers", "extra_config", "module_quant_configs", "modules", "quant_config"):
        found = raw.get(key)
        if isinstance(found, Mapping) and found:
            return found
    return {key: value for key, value in raw.items() if "." in key and isinstance(value, Mapping)}


_CLASS = re.compile(r'\{"_type": "(\w{1,60})"')
_SHAPE = re.compile(r'"shape": (?:\{[^{}]{0,80})?\[(\d{1,12}(?:, \d{1,12}){0,3})\]')


_WILD = re.compile(r"\\d[+*]?|\[0-9\][+*]?|\.[*+]\??|\*")


def _patterns(modules: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names with wildcards, as the pieces between them. A stranger's regular expression is not run: one of more than
    wildcards and literals fits nothing."""
    found = []
    for text in list(modules)[:200]:
        plain = text.removeprefix("re:").strip("^$").replace("\\.", ".")
        if len(text) > 300 or not _WILD.search(plain):
            continue
        pieces = tuple(piece for piece in _WILD.split(plain) if piece)
        if pieces and all(re.fullmatch(r"[\w.\-]+", piece) for piece in pieces):
            found.append((text, pieces))
    return tuple(found)


def _fits(pieces: tuple[str, ...], module: str) -> bool:
    """Whether the pieces stand in a name, one behind the other."""
    at = 0
    for piece in pieces:
        at = module.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _tensor_kinds(metadata: Mapping[str, str]) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """torchao keeps in the metadata of which class each tensor is, and of 4-bit ones the shape."""
    kinds: dict[str, tuple[str, tuple[int, ...] | None]] = {}
    for name, text in metadata.items():
        told = _CLASS.match(text)
        if told and told[1] != "Tensor":
            shape = _SHAPE.search(text[:2000])
            kinds[name] = told[1], tuple(map(int, shape[1].split(", "))) if shape else None
    return kinds


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else None
