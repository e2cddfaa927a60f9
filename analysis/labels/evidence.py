"""Evidence: what each source says of a model, one small function a source.

A function takes one source's data (a name, the tags, the card, a block of the API, config.json, a header, sizes, the
base model's id) and returns pieces of evidence; analysis.labels.resolve weighs them. Everything but our own vocabulary
comes from strangers: each value's type and size is checked here, and what is not as it should be says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from analysis.errors import NotAName
from analysis.headers.quantization import METHODS
from analysis.labels import NameLabels, read_name
from analysis.labels.family import alike
from analysis.labels.vocabulary import vocabulary
from db.records import ArtifactRecord, EdgeRecord, Header, Json, LabelRecord, Relation, RepoRecord, Source

Pieces = tuple[LabelRecord, ...]

WEIGHT: Mapping[Source, int] = {
    "tensors": 100, "header": 95, "config": 90, "api": 80, "file": 70, "card": 60, "size": 55, "name": 50, "tag": 45,
    "lineage": 40, "owner": 30, "fuzzy": 20,
}  # fmt: skip
"""How far a source is believed: bytes before settings, settings before words, one's own words before the family's."""

MOST_TAGS = 300
MOST_PARENTS = 20
MOST_TEXT = 200
MOST_PARAMETERS = 10**15
MOST_CONTEXT = 10**9

CLAIMS = (
    "family", "version", "base_family", "base_version", "release", "size", "parameters", "active_parameters", "experts",
    "format", "quantized", "quant", "quant_method", "bits", "group_size", "context",
)  # fmt: skip
"""Labels that a name may claim, one value each."""
LISTS = ("tuning", "specialty", "languages")
FLAGS = ("approximate", "qat", "imatrix", "dynamic")
LINEAGE = (
    "family", "version", "base_family", "base_version", "release", "size", "parameters", "active_parameters", "experts",
)  # fmt: skip
"""What a copy takes from the model it is a copy of, where its own name is silent."""
SIDECARS = frozenset(("mmproj", "adapter", "imatrix", "draft"))
"""Roles whose names carry the size of the model that they belong to."""


_TOKEN = {
    "parameters": "size", "approximate": "size", "base_family": "family", "quantized": "quant", "quant_method": "quant",
    "bits": "quant", "qat": "how", "imatrix": "how", "dynamic": "how",
}  # fmt: skip
"""The label of the token that a field was read from, where it is another's."""


@lru_cache(maxsize=1 << 16)
def piece(field: str, value: str, source: Source, rule: str, weight: int, resolved: bool = False) -> LabelRecord:
    """One piece of evidence; equal ones are one object, for three million repos say much the same."""
    return LabelRecord(field, value, source, rule, weight, resolved)


def said(field: str, value: object, source: Source, rule: str, weight: int | None = None) -> LabelRecord:
    return piece(field, text(value), source, rule, WEIGHT[source] if weight is None else weight)


def text(value: object) -> str:
    """A value as evidence keeps it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


# ---- checked values of strangers ------------------------------------------------------------------------------------


def word(value: object, most: int = MOST_TEXT) -> str | None:
    """A short printable text."""
    return value if isinstance(value, str) and 0 < len(value) <= most and value.isprintable() else None


def count(value: object, most: int = MOST_PARAMETERS) -> int | None:
    """A whole number between 1 and `most`; JSON may have made it a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most:
        return None
    return int(value) if value == int(value) else None


def number(value: object, most: float) -> float | None:
    """A positive number up to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        return None
    return float(value)


def table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def words(value: object, most: int) -> Sequence[str]:
    """One text or a list of them."""
    items = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [item for item in items[:most] if word(item)]


# ---- names ----------------------------------------------------------------------------------------------------------


def name_evidence(labels: NameLabels, source: Source) -> Pieces:
    """What a repo's or a file's name claims (`source` name or file). A format that its owner lends is the owner's."""
    rules = {token.label: token.rule for token in labels.tokens if token.label}
    weight = WEIGHT[source]
    found = []
    for field in CLAIMS:
        value = getattr(labels, field)
        if value is not None:
            found.append(piece(field, text(value), source, rules.get(_TOKEN.get(field, field)) or "name", weight))
    for field in LISTS:
        values = getattr(labels, field)
        if values:
            rule = rules.get(field) or "name"
            found += [piece(field, value, source, rule, weight) for value in values]
    for field in FLAGS:
        if getattr(labels, field):
            found.append(piece(field, "true", source, rules.get(_TOKEN.get(field, field)) or "name", weight))
    lent = lent_format(labels.owner) if "format" not in rules else None
    if lent and lent == labels.format:
        found = [each for each in found if each.field != "format"]
        found.append(piece("format", lent, "owner", "publisher", WEIGHT["owner"]))
    return tuple(found)


def lent_format(owner: str | None) -> str | None:
    """The one format that an account publishes."""
    known = vocabulary().owners.get(owner.lower()) if owner else None
    return known.facts.get("format") if known else None


QUANTIZERS = frozenset((
    "mradermacher", "bartowski", "thebloke", "lonestriker", "turboderp", "quantfactory", "cyankiwi", "casperhansen",
    "ista-daslab", "devquasar", "legraphista", "richarderkhov", "lmstudio-community", "second-state", "tensorblock",
    "mungert", "cognitivecomputations-gguf", "redhatai", "neuralmagic", "unsloth", "mlx-community", "maziyarpanahi",
    "ubergarm", "zeroww", "nightmedia", "artusdev", "bullerwins", "gaianet",
))  # fmt: skip
"""Accounts known for quantizing other people's models."""
NOTHING_ELSE = QUANTIZERS - {"redhatai", "neuralmagic", "unsloth", "mlx-community", "maziyarpanahi"}
"""Of these, the ones that publish hardly anything else."""


def owner_evidence(owner: str | None) -> Pieces:
    """Who published it: evidence of who quantized it, never of family, size or version."""
    low = owner.lower() if owner else ""
    if owner is None or low not in QUANTIZERS:
        return ()
    weight = WEIGHT["owner"]
    found = [piece("quantizer", owner, "owner", "publisher", weight)]
    if low in NOTHING_ELSE:
        found.append(piece("quantized", "true", "owner", "publisher", weight))
    return tuple(found)


# ---- tags -----------------------------------------------------------------------------------------------------------

# Containers by tag. The Hub tags every container that a repo holds, so the weights say which one speaks for it.
_CONTAINERS: Mapping[str, int] = {
    "mlx": 49, "exl2": 49, "exl3": 49, "mlc": 49, "gguf": 46, "ggml": 45, "safetensors": 47, "openvino": 44, "onnx": 44,
    "coreml": 44, "tflite": 44, "executorch": 44, "nemo": 43, "ctranslate2": 43, "tensorrt": 43, "rkllm": 43,
    "pytorch": 42, "paddle": 41, "tensorflow": 40, "flax": 40,
}  # fmt: skip
SAFETENSORS_API = 48
BITS_TAG = 25
"""Weight of `8-bit` and its like: NVFP4 repos carry it too."""
_TAGGED_TUNING = frozenset((
    "merge", "lora", "sft", "dpo", "orpo", "kto", "ppo", "grpo", "abliterated", "uncensored", "mergekit", "peft",
    "qlora", "heretic", "decensored", "distillation", "distill",
))  # fmt: skip
_BITS_TAG = re.compile(r"([1-8])-?bits?")
_TAG_NOISE = ("base_model:", "license:", "arxiv:", "dataset:", "region:", "doi:", "deploy:", "diffusers:")


@lru_cache(maxsize=1 << 15)
def tag_evidence(tag: str) -> Pieces:
    """What one tag says. `base_model:` tags are edges, see `tag_edges`."""
    low = tag.lower()
    if len(low) > MOST_TEXT or low.startswith(_TAG_NOISE):
        return ()
    weight = WEIGHT["tag"]
    bits = _BITS_TAG.fullmatch(low)
    if bits:
        return (piece("bits", bits[1], "tag", tag, BITS_TAG), piece("quantized", "true", "tag", tag, BITS_TAG))
    if low == "imatrix":
        return (piece("imatrix", "true", "tag", tag, weight),)
    if low in ("quantized", "quantization"):
        return (piece("quantized", "true", "tag", tag, weight),)
    if low in language_codes() and low == tag:
        return (piece("languages", tag, "tag", tag, weight),)
    known = vocabulary().words
    entry = known.get(low) or known.get(low.replace("-", "").replace("_", ""))
    if entry is None:
        return ()
    if entry.label == "format" and entry.value in _CONTAINERS:
        return (piece("format", entry.value, "tag", tag, _CONTAINERS[entry.value]),)
    if entry.label == "scheme":
        return scheme_pieces(entry.value, "tag", tag, weight)
    if entry.label == "tuning" and low in _TAGGED_TUNING:
        return (piece("tuning", entry.value, "tag", tag, weight),)
    return ()


def scheme_pieces(scheme: str, source: Source, rule: str, weight: int, bits: float | None = None) -> Pieces:
    """A scheme with what the vocabulary knows of it: method, bits, and that it is a quantization."""
    found = [piece("quant", scheme, source, rule, weight)]
    entry = vocabulary().find("scheme", scheme)
    method = entry.facts.get("method") if entry else None
    bits = bits if bits is not None else scheme_bits(scheme)
    full = vocabulary().find("float", scheme) is not None
    if method:
        found.append(piece("quant_method", method, source, rule, weight))
    if bits is not None:
        found.append(piece("bits", text(bits), source, rule, weight))
    found.append(piece("quantized", "false" if full else "true", source, rule, weight))
    return tuple(found)


@lru_cache(maxsize=512)
def scheme_bits(scheme: str) -> float | None:
    """Nominal bits a weight of a canonical scheme: the digit of its name, or what its entry says."""
    for label in ("scheme", "float"):
        entry = vocabulary().find(label, scheme)
        if entry:
            bits = entry.facts.get("bits")
            return bits if bits is not None else None
    if scheme in ("F32", "F16", "BF16", "F64"):
        return {"F32": 32.0, "F64": 64.0}.get(scheme, 16.0)
    mlx = re.fullmatch(r"MLX-([0-9](?:\.[0-9])?)BIT", scheme)
    if mlx:
        return float(mlx[1])
    weights = re.fullmatch(r"W([0-9]{1,2})A[0-9]{1,2}", scheme)
    if weights:
        return float(weights[1])
    digit = re.match(r"(?:P?T?Q|D?Q|IQ|I|MXFP|NVFP|FP|INT|UINT|MXINT)([1-8])", scheme)
    return float(digit[1]) if digit else None


_BASE_TAG = re.compile(r"base_model:(?:(finetune|quantized|adapter|merge):)?(\S+/\S+)")


@lru_cache(maxsize=1 << 13)
def tag_edge(tag: str) -> EdgeRecord | None:
    """The parent that a `base_model:` tag names."""
    found = _BASE_TAG.fullmatch(tag) if len(tag) <= MOST_TEXT else None
    return EdgeRecord(found[2], found[1] or "unknown", "tag") if found else None  # type: ignore[arg-type]


# ---- card -----------------------------------------------------------------------------------------------------------

RELATIONS: frozenset[str] = frozenset(("finetune", "quantized", "adapter", "merge"))


def card_edges(card: Json) -> tuple[EdgeRecord, ...]:
    """The parents that the card names, in its order."""
    parents = card.get("base_model")
    if not parents:
        return ()
    stated = card.get("base_model_relation")
    relation: Relation = stated if isinstance(stated, str) and stated in RELATIONS else "unknown"  # type: ignore[assignment]
    named = words(parents, MOST_PARENTS)
    return tuple(EdgeRecord(parent, relation, "card") for parent in named if "/" in parent)


def card_evidence(repo: RepoRecord) -> Pieces:
    """Library, languages and quantizer, as the card says."""
    found: list[LabelRecord] = []
    weight = WEIGHT["card"]
    for language in repo.languages[:100] or words(repo.card.get("language"), 100):
        code = language_code(language)
        if code:
            found.append(piece("languages", code, "card", "language", weight))
    quantizer = word(repo.card.get("quantized_by"))
    if quantizer:
        found.append(piece("quantizer", quantizer, "card", "quantized_by", weight))
        found.append(piece("quantized", "true", "card", "quantized_by", 44))
    if repo.library_name:
        found += library_evidence(repo.library_name)
    return tuple(found)


@lru_cache(maxsize=1 << 10)
def library_evidence(library: str) -> Pieces:
    """The library that a repo is for, where it has a container of its own."""
    low = library.lower()
    entry = vocabulary().words.get(low)
    container = entry.value if entry and entry.label == "format" else ""
    if entry and container in _CONTAINERS and container not in ("pytorch", "safetensors"):
        return (piece("format", entry.value, "card", "library_name", _CONTAINERS[entry.value]),)
    if low == "peft":
        return (piece("tuning", "lora", "card", "library_name", WEIGHT["card"]),)
    return ()


@cache
def language_codes() -> frozenset[str]:
    """ISO 639-1 codes that the vocabulary knows."""
    return frozenset(entry.value for entry in vocabulary().entries if entry.label == "language")


@lru_cache(maxsize=1 << 10)
def language_code(written: str) -> str | None:
    """ISO 639-1 code of a language as a card writes it: `en`, `en-US`, `english`."""
    low = written.lower().replace("_", "-")
    for form in (low, low.partition("-")[0]):
        entry = vocabulary().words.get(form)
        if entry and entry.label == "language":
            return entry.value
        if form in language_codes():
            return form
    return None


_PIPELINES: Mapping[str, str] = {
    "automatic-speech-recognition": "asr", "text-to-speech": "tts", "text-to-audio": "audio", "audio-to-audio": "audio",
    "audio-classification": "audio", "image-text-to-text": "vision", "image-to-text": "vision",
    "visual-question-answering": "vision", "image-classification": "vision", "object-detection": "vision",
    "image-segmentation": "vision", "feature-extraction": "embedding", "sentence-similarity": "embedding",
    "text-ranking": "reranker", "translation": "translation", "text-to-image": "image", "image-to-image": "image",
    "text-to-video": "video", "image-to-video": "video",
}  # fmt: skip


def task_evidence(task: str | None) -> Pieces:
    """What a model is for, by the Hub's task."""
    purpose = _PIPELINES.get(task) if task else None
    return (piece("specialty", purpose, "tag", f"pipeline_tag {task}", WEIGHT["tag"]),) if purpose else ()


# ---- config.json ----------------------------------------------------------------------------------------------------

_SCHEMES: Mapping[str, str] = {
    # canonical method -> its scheme, where it has one of its own
    "gptq": "GPTQ", "awq": "AWQ", "aqlm": "AQLM", "vptq": "VPTQ", "quip": "QUIP", "spqr": "SPQR", "eetq": "EETQ",
    "hqq": "HQQ", "quanto": "QUANTO", "torchao": "TORCHAO", "autoround": "AUTOROUND", "exl2": "EXL2", "exl3": "EXL3",
    "bitnet": "BITNET", "fp8": "FP8", "mxfp4": "MXFP4", "mxfp8": "MXFP8", "nvfp4": "NVFP4", "sinq": "SINQ",
    "fouroversix": "NVFP4", "w8a8_int8": "W8A8",
}  # fmt: skip
_PACKINGS: Mapping[str, Mapping[int, str]] = {
    # compressed-tensors: format of the weights -> bits -> scheme
    "pack-quantized": {4: "W4A16", 8: "W8A16", 3: "W3A16", 2: "W2A16"}, "int-quantized": {8: "W8A8", 4: "W4A8"},
    "float-quantized": {8: "FP8"}, "nvfp4-pack-quantized": {4: "NVFP4"}, "mxfp4-pack-quantized": {4: "MXFP4"},
    "mxfp8-quantized": {8: "MXFP8"}, "marlin-24": {4: "W4A16", 8: "W8A16"}, "naive-quantized": {8: "FP8"},
}  # fmt: skip
_ALGORITHMS: Mapping[str, tuple[str, float]] = {
    # ModelOpt: quant_algo -> scheme, bits
    "NVFP4": ("NVFP4", 4), "NVFP4_AWQ": ("NVFP4", 4), "FP8": ("FP8", 8), "FP8_PB_WO": ("FP8", 8),
    "W4A16_AWQ": ("AWQ", 4), "W4A8_AWQ": ("W4A8", 4), "INT8_SQ": ("W8A8", 8), "W8A8_SQ_PER_CHANNEL": ("W8A8", 8),
    "MXFP4": ("MXFP4", 4), "FP8_PER_CHANNEL_PER_TOKEN": ("FP8", 8), "MXFP8": ("MXFP8", 8),
}  # fmt: skip
_USUAL_BITS: Mapping[str | None, float] = {
    "awq": 4, "gptq": 4, "fp8": 8, "mxfp4": 4, "eetq": 8, "bitnet": 1.58, "nvfp4": 4, "mxfp8": 8,
}  # fmt: skip


def config_evidence(config: Json) -> Pieces:
    """What config.json says: the architecture, the context it was made for, how its weights are packed."""
    found: list[LabelRecord] = []
    weight = WEIGHT["config"]
    architecture, rule = architecture_of(config)
    if architecture:
        found.append(piece("architecture", architecture, "config", rule, weight))
    inner = table(config.get("text_config"))
    for holder in (config, inner):
        context = count(holder.get("max_position_embeddings"), MOST_CONTEXT)
        if context:
            found.append(said("context_measured", context, "config", "max_position_embeddings"))
            break
    packing = config.get("quantization_config") or config.get("quantization") or inner.get("quantization_config")
    if isinstance(packing, Mapping) and packing:
        found += packing_evidence(packing)
    return tuple(found)


def architecture_of(config: Json) -> tuple[str | None, str]:
    """The architecture's name and the key that says it."""
    model_type = word(config.get("model_type"))
    if model_type:
        return model_type, "model_type"
    named = words(config.get("architectures"), 1)
    return (named[0] if named else None), "architectures"


def packing_evidence(packing: Mapping[str, Any]) -> Pieces:
    """`quantization_config`: scheme, method, bits, group size. A block that tells no scheme still says: quantized."""
    method = word(packing.get("quant_method"))
    low = method.lower() if method else ("mlx" if count(packing.get("bits"), 16) else None)
    scheme, bits, group, canonical = packed_scheme(low, packing)
    weight = WEIGHT["config"]
    rule = f"quant_method {method}" if method else "quantization_config"
    full = scheme in ("BF16", "F16", "F32")
    found = [piece("quantized", "false" if full else "true", "config", rule, weight)]
    if scheme:
        found.append(piece("quant", scheme, "config", rule, weight))
        found.append(piece("quant_measured", scheme, "config", rule, weight))
    if canonical:
        found.append(piece("quant_method", canonical, "config", rule, weight))
    if bits:
        found.append(piece("bits", text(bits), "config", rule, weight))
    if group:
        found.append(piece("group_size", str(group), "config", rule, weight))
    if low == "mlx":
        found.append(piece("format", "mlx", "config", rule, _CONTAINERS["mlx"]))
    return tuple(found)


def packed_scheme(
    method: str | None, packing: Mapping[str, Any]
) -> tuple[str | None, float | None, int | None, str | None]:
    """Scheme, bits, group size and canonical method of a quantization_config."""
    canonical = METHODS.get(method, method) if method else None
    scheme = _SCHEMES.get(canonical) if canonical else None
    bits = number(packing.get("bits"), 64) or number(packing.get("w_bit"), 64) or number(packing.get("nbits"), 64)
    group = count(packing.get("group_size") or packing.get("q_group_size"), 1 << 20)
    if canonical == "bitsandbytes":
        eight = packing.get("load_in_8bit") is True or packing.get("_load_in_8bit") is True
        kind = word(packing.get("bnb_4bit_quant_type"))
        scheme = "BNB-INT8" if eight else "BNB-FP4" if kind == "fp4" else "BNB-NF4"
        bits = 8.0 if eight else 4.0
    elif canonical == "compressed-tensors":
        scheme, bits, group = grouped_scheme(packing)
    elif canonical == "modelopt":
        algorithm = word(packing.get("quant_algo")) or word(table(packing.get("quantization")).get("quant_algo"))
        if algorithm and algorithm.upper() in _ALGORITHMS:
            scheme, bits = _ALGORITHMS[algorithm.upper()]
        else:
            _, bits, group = grouped_scheme(packing)
            scheme = "NVFP4" if bits == 4 else "FP8" if bits == 8 else None
    elif canonical == "mlx":
        mode = word(packing.get("mode"))
        scheme = mode.upper() if mode in ("mxfp4", "mxfp8", "nvfp4") else f"MLX-{text(bits)}BIT" if bits else None
    elif canonical == "autoround" and word(packing.get("data_type")) in ("mx_fp", "nv_fp"):
        scheme = "MXFP4" if packing.get("data_type") == "mx_fp" else "NVFP4"
    if bits is None:
        bits = _USUAL_BITS.get(canonical)
    return scheme, bits, group, canonical


def grouped_scheme(packing: Mapping[str, Any]) -> tuple[str | None, float | None, int | None]:
    """Scheme, bits and group size of `config_groups`: the group with the fewest bits, which holds the most weights."""
    best: tuple[float, str | None, int | None] | None = None
    groups = table(packing.get("config_groups"))
    for group in list(groups.values())[:64]:
        weights = table(table(group).get("weights"))
        bits = number(weights.get("num_bits"), 64)
        if bits is None or (best and bits >= best[0]):
            continue
        packed = word(table(group).get("format")) or word(packing.get("format")) or ""
        scheme = _PACKINGS.get(packed, {}).get(int(bits))
        if scheme is None and packed not in _PACKINGS:
            scheme = "FP8" if weights.get("type") == "float" and bits == 8 else None
        best = bits, scheme, count(weights.get("group_size"), 1 << 20)
    return (best[1], best[0], best[2]) if best else (None, None, None)


# ---- the API's summaries --------------------------------------------------------------------------------------------

_FULL = {"BF16": "BF16", "F16": "F16", "F32": "F32", "F64": "F64"}
_EIGHT = {"F8_E4M3": "FP8", "F8_E5M2": "FP8", "I8": "INT8"}
_BOOKKEEPING = frozenset(("BOOL", "I64", "I16", "U16", "U64", "F8_E8M0"))
_PACKED = frozenset(("I32", "U32", "U8", "I16"))


def histogram(safetensors: Json) -> dict[str, int]:
    """dtype -> parameters of the API's safetensors block, checked."""
    found = {}
    for dtype, held in list(table(safetensors.get("parameters")).items())[:64]:
        parameters = count(held)
        if parameters and isinstance(dtype, str) and len(dtype) <= 16:
            found[dtype.upper()] = parameters
    return found


def safetensors_evidence(safetensors: Json, quantized: bool) -> Pieces:
    """The Hub's own count of the tensors; `quantized` says that config.json speaks of a quantization.

    The Hub has already unpacked 4-bit integers when it counts, but not always NVFP4's pairs. `total` is partly what the
    author wrote and may be anything; the histogram is counted.
    """
    held = histogram(safetensors)
    if not held:
        total = count(safetensors.get("total"))
        return (said("parameters_measured", total, "api", "safetensors.total", 60),) if total else ()
    parameters, rule = counted(held)
    found = [
        said("parameters_measured", parameters, "api", rule),
        piece("format", "safetensors", "api", "safetensors", SAFETENSORS_API),
    ]
    weights = {dtype: n for dtype, n in held.items() if dtype not in _BOOKKEEPING}
    whole = sum(weights.values())
    if not whole or quantized:
        return tuple(found)
    dtype, most = max(weights.items(), key=lambda item: (item[1], item[0]))
    full = sum(n for kind, n in weights.items() if kind in _FULL) / whole
    rule = f"safetensors {dtype}"
    if full >= 0.99 or (full >= 0.9 and dtype in _FULL):
        scheme = dtype if dtype in _FULL else max((n, kind) for kind, n in weights.items() if kind in _FULL)[1]
        found += full_precision(scheme, "api", rule, WEIGHT["api"])
    elif dtype in _EIGHT and most >= whole / 2:
        found += [piece("quant_measured", _EIGHT[dtype], "api", rule, WEIGHT["api"])]
        found += scheme_pieces(_EIGHT[dtype], "api", rule, WEIGHT["api"])
    elif dtype in _PACKED or dtype in _EIGHT:
        found.append(piece("quantized", "true", "api", rule, 60))
    return tuple(found)


def full_precision(scheme: str, source: Source, rule: str, weight: int) -> Pieces:
    return (
        piece("quantized", "false", source, rule, weight),
        piece("quant", scheme, source, rule, weight),
        piece("quant_measured", scheme, source, rule, weight),
        piece("bits", text(scheme_bits(scheme)), source, rule, weight),
    )


def counted(held: Mapping[str, int]) -> tuple[int, str]:
    """Parameters behind a histogram, and how they were counted.

    NVFP4 keeps two weights a byte and one F8 scale for 16 of them: where U8 and F8 stand so, pairs were not unpacked.
    """
    whole = sum(n for dtype, n in held.items() if dtype not in _BOOKKEEPING) or sum(held.values())
    bytes_, eight = held.get("U8", 0), held.get("F8_E4M3", 0)
    if bytes_ and eight >= bytes_ / 8 * 0.98:
        return whole + bytes_ - round(bytes_ / 8), "safetensors.parameters, pairs unpacked"
    return whole, "safetensors.parameters"


def gguf_evidence(gguf: Json) -> Pieces:
    """The API's gguf block: one file's facts, perhaps a shard's or a projector's."""
    found = []
    weight = WEIGHT["api"]
    total = count(gguf.get("total"))
    architecture = word(gguf.get("architecture"))
    context = count(gguf.get("context_length"), MOST_CONTEXT)
    if total:
        found.append(said("parameters_measured", total, "api", "gguf.total", 75))
    if architecture and architecture not in ("clip", "imatrix"):
        found.append(piece("architecture", architecture, "api", "gguf.architecture", weight))
    if context:
        found.append(said("context_measured", context, "api", "gguf.context_length"))
    size = count(gguf.get("totalFileSize"))
    if total and size and size * 8 / total < QUANTIZED_BELOW:
        found.append(piece("quantized", "true", "size", "gguf.totalFileSize", 41))
    if found:
        found.append(piece("format", "gguf", "api", "gguf", 46))
    return tuple(found)


# ---- files and headers ----------------------------------------------------------------------------------------------


def header_evidence(header: Header) -> Pieces:
    """What the bytes say. `tensors` is counted in shapes, `header` is written in keys."""
    found = []
    counted_by: Source = "lineage" if header.inferred else "tensors"
    weight = 70 if header.inferred else WEIGHT["tensors"]
    if header.parameters:
        found.append(said("parameters_measured", header.parameters, counted_by, "shapes", weight))
    if header.active_parameters:
        found.append(said("active_parameters_measured", header.active_parameters, counted_by, "shapes", weight))
    if header.quant:
        found.append(said("quant_measured", header.quant, "tensors", "types"))
    if header.quant_method:
        found.append(said("quant_method", header.quant_method, "tensors", "types"))
    if header.bits_per_weight:
        found.append(said("bits_per_weight", round(header.bits_per_weight, 4), "tensors", "types"))
    packing = table(header.facts.get("quantization"))
    width, group = number(packing.get("bits"), 64), count(packing.get("group_size"), 1 << 20)
    if width and header.quant:
        found.append(said("bits", width, "header", "quantization"))
    if group and header.quant:
        found.append(said("group_size", group, "header", "quantization"))
    if header.architecture:
        found.append(said("architecture", header.architecture, "header", "architecture"))
    if header.context:
        found.append(said("context_measured", header.context, "header", "context_length"))
    if header.quant:
        full = vocabulary().find("float", header.quant) is not None
        found.append(said("quantized", not full, "tensors", "types"))
    if table(header.facts.get("imatrix")):
        found.append(said("imatrix", True, "header", "quantize.imatrix"))
    quantizer = word(header.facts.get("quantized_by"))
    if quantizer:
        found.append(said("quantizer", quantizer, "header", "general.quantized_by"))
    return (*found, *titled(header))


TITLE = 42
"""Weight of the name that a header gives its model: below file and repo, above lineage."""


def titled(header: Header) -> Pieces:
    """What `general.name` claims, for files that are called `model.gguf`."""
    title = word(header.facts.get("name"))
    labels = named(title.replace(" ", "-")) if title else None
    if labels is None or labels.kind != "repo":
        return ()
    values = ((field, getattr(labels, field)) for field in LINEAGE)
    return tuple([said(field, value, "header", "general.name", TITLE) for field, value in values if value is not None])


def header_edges(headers: Iterable[Header]) -> tuple[EdgeRecord, ...]:
    """Repos that headers name as what their model was made from: perhaps the parent, perhaps its parent."""
    found: dict[EdgeRecord, None] = {}
    for header in headers:
        bases = header.facts.get("base_models")
        for base in bases[:MOST_PARENTS] if isinstance(bases, list | tuple) else ():
            parent = word(table(base).get("repo"))
            if parent and "/" in parent:
                found[EdgeRecord(parent, "unknown", "header")] = None
    return tuple(found)


def size_evidence(size: int | None, parameters: int | None) -> Pieces:
    """Bits a weight from bytes and parameters, where the figure is one that weights can have."""
    if not size or not parameters:
        return ()
    bits = size * 8 / parameters
    return (said("bits_per_weight", round(bits, 4), "size", "bytes over parameters"),) if 0.8 <= bits <= 66 else ()


QUANTIZED_BELOW = 12.0  # bits a weight: 8-bit schemes with their scales and unquantized embeddings stay under it
FULL_FROM = 14.0  # half precision is 16 bits; a few 8-bit tensors may be among them


def width_evidence(bits: float, *, certain: bool) -> Pieces:
    """What the bits a weight tell of `quantized`; it decides nothing where parameters were not counted in this file."""
    if QUANTIZED_BELOW <= bits < FULL_FROM:
        return ()
    return (said("quantized", bits < QUANTIZED_BELOW, "size", "bits a weight", WEIGHT["size"] if certain else 15),)


ONLY_QUANTIZED = frozenset(("exl2", "exl3", "rkllm"))
"""Containers that hold nothing else: the programs that load them take quantized weights alone."""


def framework_evidence(container: LabelRecord) -> Pieces:
    """That such a container holds quantized weights."""
    return (piece("quantized", "true", container.source, f"framework of {container.value}", 42),)


# ---- lineage --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 13)
def lineage_evidence(parent: str, relation: Relation) -> Pieces:
    """What the base model's name claims, for a model that says nothing itself.

    A quantized copy is its base; a finetune keeps family and size; an adapter or a merge keeps the family alone.
    """
    labels = named(parent)
    if labels is None:
        return ()
    fields = LINEAGE if relation in ("quantized", "finetune") else LINEAGE[:4]
    weight = WEIGHT["lineage"]
    rule = "base_model"
    found = []
    for field in fields:
        value = getattr(labels, field)
        if value is not None:
            found.append(piece(field, text(value), "lineage", rule, weight))
    if relation == "quantized":
        for field in ("tuning", "specialty"):
            found += [piece(field, value, "lineage", rule, weight) for value in getattr(labels, field)]
        found.append(piece("quantized", "true", "lineage", "relation quantized", weight))
    if labels.approximate and "parameters" in fields:
        found.append(piece("approximate", "true", "lineage", rule, weight))
    return tuple(found)


@lru_cache(maxsize=512)
def named(name: str) -> NameLabels | None:
    """A name's labels; None where it is none. Remembered while a repo's artifacts are labelled."""
    try:
        return read_name(name)
    except NotAName:
        return None


@lru_cache(maxsize=1 << 11)
def architecture_evidence(architecture: str, source: Source) -> Pieces:
    """The family that an architecture was made for: `qwen3_moe` is qwen 3. Worth little: many build on llama's."""
    labels = named(architecture.replace("ForCausalLM", "").replace("ForConditionalGeneration", "").replace("_", "-"))
    if labels is None or labels.family is None:
        return ()
    rule = f"architecture {architecture}"
    claims = {
        "family": labels.family,
        "version": labels.version,
        "base_family": labels.base_family or labels.family,
        "base_version": labels.base_version,
    }
    return tuple([piece(field, value, source, rule, 22) for field, value in claims.items() if value])


CLOSE = 93.0  # of 100: a letter in eight
LONG = 7  # letters: `stellar` is close to stella, `tinylama` only to tinyllama


def fuzzy_evidence(unclaimed: Iterable[str]) -> Pieces:
    """The family that a word which no rule knows nearly spells, where nothing at all tells the family."""
    for word in unclaimed:
        family = nearly(word.lower()) if len(word) >= LONG and word.isalpha() else None
        if family:
            return (piece("family", family, "fuzzy", f"nearly {family}: {word[:40]}", WEIGHT["fuzzy"]),)
    return ()


@lru_cache(maxsize=1 << 14)
def nearly(word: str) -> str | None:
    found = alike((word,), CLOSE)
    return found.family if found else None


def artifact_weights(artifacts: Iterable[ArtifactRecord]) -> list[ArtifactRecord]:
    """The artifacts that are the model itself, one copy each."""
    return [artifact for artifact in artifacts if artifact.role == "weights" and artifact.primary]
