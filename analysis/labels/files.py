"""What a file is by its path: its container, its place among shards, and the part that it plays."""

from __future__ import annotations

import re

from analysis.labels.reading import Draft, Sheet

_SHARD = re.compile(r"[-_.]?(?:part[-_]?)?([0-9]{1,6})[-_]of[-_]([0-9]{1,6})(?=\.|\Z|[-_])", re.I)
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


# Containers by extension, and what else repos hold.
EXTENSIONS = {*FORMATS, "dat", "npz", "json", "jinja", "txt", "md", "model", "tiktoken", "yaml", "yml", "py", "xml"}
_EXTENSION = re.compile(rf"\.(index\.json|{'|'.join(sorted(EXTENSIONS, key=len, reverse=True))})\Z", re.I)


def is_file(text: str) -> bool:
    dot = text.rfind(".")
    return dot >= 0 and text[dot + 1 :].lower() in EXTENSIONS


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


_DRAFT = re.compile(
    r"\A(?:mtp|nextn)[-_.]|(?:\A|[-_.])(?:draft|drafter|dflash2?|eagle[23]?|dspark|speculator|medusa)(?=[-_.]|\Z)"
    r"|[-_.]assistant[-_.](?=i?q[0-9]|b?f16|f32)",
    re.I,
)
_ROLES = (
    ("mmproj", re.compile(r"mm-?proj|(?:\A|[-_.])projector(?=[-_.]|\Z)", re.I)),
    ("draft", _DRAFT),
    ("tokenizer", re.compile(r"\Aggml-vocab-", re.I)),
)
_ADAPTER = re.compile(r"(?:\A|[-_.])(?:adapter|lora)(?=[-_.]|\Z)", re.I)
ADAPTER_SCHEMES = {None, "F32", "F16", "BF16", "Q8_0"}  # adapters are not quantized further
PLAIN_ROLES = {"json": "config", "yaml": "config", "yml": "config", "jinja": "config", "py": "config", "xml": "config",
               "model": "tokenizer", "tiktoken": "tokenizer", "index.json": "index"}  # fmt: skip


def role(sheet: Sheet, draft: Draft) -> None:
    """The part that a file plays. Sidecars are named after the model they serve: its size is not theirs."""
    found = _EXTENSION.search(sheet.text)
    extension = found[1].lower() if found else ""
    stem = sheet.text[: found.start()] if found else sheet.text
    draft.role = plain_role(stem.lower(), extension)
    if draft.role is None and (extension == "dat" or (draft.imatrix and draft.quant is None)):
        draft.role = "imatrix"
    if draft.role is None:
        draft.role = next((name for name, pattern in _ROLES if pattern.search(stem)), None)
    if draft.role in ("draft", "mmproj", "tokenizer"):
        draft.parameters = draft.active_parameters = draft.experts = None
        draft.approximate = False
    if draft.role is None:
        adapts = draft.quant in ADAPTER_SCHEMES and _ADAPTER.search(stem) is not None
        draft.role = "adapter" if adapts else "weights" if draft.format else "other"


def plain_role(stem: str, extension: str) -> str | None:
    """Roles that the extension decides."""
    if extension == "json":
        return (
            "index" if stem.endswith("index") else "tokenizer" if stem.startswith(("tokenizer", "vocab")) else "config"
        )
    if extension in ("md", "txt"):
        return "card" if stem == "readme" else "tokenizer" if stem in ("vocab", "merges") else "other"
    return PLAIN_ROLES.get(extension)


# What a folder or a repo says of a file that does not say it itself.
NAMING = ("family", "base_family", "base_version", "version", "release")
SIZING = ("size", "parameters", "approximate", "active_parameters", "experts")
SCHEME = ("quantized", "quant", "quant_method", "bits", "group_size")


def fill(draft: Draft, above: Draft) -> None:
    groups: list[tuple[str, ...]] = [("tuning",), ("specialty",), ("languages",), ("context",)]
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
