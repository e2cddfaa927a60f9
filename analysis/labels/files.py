"""What a file is by its path: its container, its place among shards, and the part that it plays."""

from __future__ import annotations

import re

from analysis.labels.reading import Draft, Sheet

_EXTENSION = re.compile(
    r"\.(gguf|ggml|safetensors|bin|pt|pth|ckpt|onnx|onnx_data|pte|tflite|litertlm|task|nemo|h5|msgpack|mlmodel|mlpackage|engine|rkllm|dat"
    r"|llamafile|xml|npz|json|jinja|txt|md|model|pdparams|exl2|tiktoken|zip|yaml|yml|py|index\.json)\Z",
    re.I,
)
_SHARD = re.compile(r"[-_.]?(?:part[-_]?)?([0-9]{1,5})[-_]of[-_]([0-9]{1,5})(?=\.|\Z|[-_])", re.I)
FORMATS = {
    "gguf": "gguf",
    "ggml": "ggml",
    "safetensors": "safetensors",
    "bin": "pytorch",
    "pt": "pytorch",
    "pth": "pytorch",
    "ckpt": "pytorch",
    "onnx": "onnx",
    "onnx_data": "onnx",
    "pte": "executorch",
    "tflite": "tflite",
    "litertlm": "tflite",
    "task": "tflite",
    "nemo": "nemo",
    "h5": "tensorflow",
    "msgpack": "flax",
    "mlmodel": "coreml",
    "mlpackage": "coreml",
    "engine": "tensorrt",
    "rkllm": "rkllm",
    "llamafile": "llamafile",
    "pdparams": "paddle",
}


def is_file(text: str) -> bool:
    return _EXTENSION.search(text) is not None


def read(sheet: Sheet, draft: Draft) -> None:
    """Container and shard; claims their pieces."""
    found = _EXTENSION.search(sheet.text)
    if found is not None:
        draft.format = FORMATS.get(found[1].lower())
        claim(sheet, found.start(), len(sheet.text), "format", draft.format or found[1].lower(), "extension")
        if "ggml" in sheet.text.lower() and draft.format == "pytorch":
            draft.format = "ggml"
    shard = _SHARD.search(sheet.text)
    if shard is not None:
        draft.shard = f"{int(shard[1])}/{int(shard[2])}"
        claim(sheet, shard.start(), shard.end(), "shard", draft.shard, "shard")


def claim(sheet: Sheet, start: int, end: int, label: str, value: str, rule: str) -> None:
    for index, at in enumerate(sheet.starts):
        if start <= at < end:
            sheet.claims[index] = (label, value, rule)


_ROLES = (
    ("mmproj", re.compile(r"mm-?proj|projector", re.I)),
    ("draft", re.compile(r"(?:\A|[-_.])(?:mtp[-_]|draft|dflash|eagle|dspark|speculator|medusa|assistant[-_.](?=[bfq][0-9f]))", re.I)),
    ("adapter", re.compile(r"(?:\A|[-_.])(?:adapter|lora)(?=[-_.])", re.I)),
)


def role(sheet: Sheet, draft: Draft) -> None:
    text = sheet.text
    found = _EXTENSION.search(text)
    extension = found[1].lower() if found else ""
    stem = text[: found.start()].lower() if found else text.lower()
    if extension in ("json", "yaml", "yml", "jinja", "py", "xml"):
        draft.role = "index" if "index" in stem else "tokenizer" if "tokenizer" in stem or stem == "vocab" else "config"
        return
    if extension == "index.json":
        draft.role = "index"
        return
    if extension in ("md", "txt"):
        draft.role = "card" if stem == "readme" else "tokenizer" if stem in ("vocab", "merges") else "other"
        return
    if extension in ("model", "tiktoken"):
        draft.role = "tokenizer"
        return
    if draft.imatrix and draft.quant is None or extension == "dat":
        draft.role = "imatrix"
        return
    for name, pattern in _ROLES:
        if pattern.search(text):
            draft.role = name
            if name in ("draft", "mmproj"):
                draft.parameters, draft.active_parameters, draft.experts = None, None, None
                draft.approximate = False
            return
    draft.role = "weights" if draft.format else "other"


# What a folder or a repo says of a file that does not say it itself.
NAMING = ("family", "base_family", "base_version", "version", "release")
SIZING = ("size", "parameters", "approximate", "active_parameters", "experts")
SCHEME = ("quantized", "quant", "quant_method", "bits", "group_size")


def fill(draft: Draft, above: Draft) -> None:
    groups = [("tuning",), ("specialty",), ("languages",), ("context",)]
    groups.append(NAMING if draft.family is None else ())
    groups.append(SIZING if draft.size is None and draft.role not in ("draft", "mmproj", "imatrix") else ())
    groups.append(SCHEME if draft.quant is None and draft.bits is None and draft.role != "imatrix" else ())
    for group in groups:
        for field in group:
            if getattr(draft, field) in (None, (), False):
                setattr(draft, field, getattr(above, field))
    draft.qat = draft.qat or above.qat
    draft.dynamic = draft.dynamic or above.dynamic
    draft.imatrix = draft.imatrix or (above.imatrix and draft.quant is not None)
