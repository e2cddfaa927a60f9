"""What a file is by its name: its format, its number among shards, and its role."""

from __future__ import annotations

import re

from analysis.formats.formats import FORMAT_BY_EXTENSION, format_of_path
from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.tokens import ROLE, TUNING

_SHARD = re.compile(r"[-_.]?(?:part[-_]?)?([0-9]{1,6})[-_]of[-_]([0-9]{1,6})(?=\.|\Z|[-_])", re.I)
KNOWN_EXTENSIONS = frozenset({
    *FORMAT_BY_EXTENSION, "dat", "json", "jinja", "txt", "md", "model", "tiktoken", "yaml", "yml", "py", "xml",
})  # fmt: skip
"""Extensions of model formats, and of what else repos hold."""


def is_file(text: str) -> bool:
    """Whether a text with a dot ends in an extension of files that repos hold."""
    return text[text.rfind(".") + 1 :].lower() in KNOWN_EXTENSIONS


def split_extension(text: str) -> tuple[str, str]:
    """A file's stem and extension in lower case; an unknown extension belongs to the stem."""
    stem, dot, extension = text.lower().rpartition(".")
    if not dot or extension not in KNOWN_EXTENSIONS:
        return text.lower(), ""
    return (stem[:-6], "index.json") if extension == "json" and stem.endswith(".index") else (stem, extension)


def recognize_file(tokens: TokenSequence, labels: NameLabels) -> None:
    """Recognizes format and shard, and claims their tokens."""
    text = tokens.text
    stem, extension = split_extension(text)
    if extension:
        labels.format = format_of_path(text)
        claim(tokens, len(text) - len(extension) - 1, len(text), "format", labels.format or extension, "extension")
    if "of" in stem and (shard := _SHARD.search(text)) is not None:
        labels.shard = f"{int(shard[1])}/{int(shard[2])}"
        claim(tokens, shard.start(), shard.end(), "shard", labels.shard, "shard")


def claim(tokens: TokenSequence, start: int, end: int, label: str, value: str, rule: str) -> None:
    for index, at in enumerate(tokens.offsets):
        if start <= at < end:
            tokens.claims[index] = (label, value, rule)


_DRAFT = re.compile(
    r"\A(?:mtp|nextn)[-_.]|(?:\A|[-_.])(?:draft|drafter|dflash2?|eagle[23]?|dspark|speculator|medusa)(?=[-_.]|\Z)"
    r"|[-_.]assistant[-_.](?=i?q[0-9]|b?f16|f32)"
)
_PROJECTOR = re.compile(r"mm-?proj|(?:\A|[-_.])projector(?=[-_.]|\Z)")
_PART = re.compile(r"(?:audio|vision|image)[-_]?(?:de|en)coder[-_]|vocoder[-_]")
_ADAPTER = re.compile(r"(?:\A|[-_.])(?:adapter|lora)(?=[-_.]|\Z)")
ADAPTER_SCHEMES = {None, "F32", "F16", "BF16", "Q8_0"}  # adapters are not quantized further
PLAIN_ROLES = {"json": "config", "yaml": "config", "yml": "config", "jinja": "config", "py": "config", "xml": "config",
               "model": "tokenizer", "tiktoken": "tokenizer", "index.json": "index"}  # fmt: skip


def recognize_role(tokens: TokenSequence, labels: NameLabels) -> None:
    """Recognizes the role of a file. Sidecars are named after the model that they serve: its size is not theirs."""
    stem, extension = split_extension(tokens.text)
    labels.role = find_plain_role(stem, extension)
    if labels.role is None and (extension == "dat" or (labels.imatrix and labels.quant is None)):
        labels.role = "imatrix"
    if labels.role is None:
        labels.role = find_sidecar_role(stem, tokens.mask, labels.family)
    if labels.role in ("draft", "mmproj", "tokenizer") or (labels.role == "other" and labels.format):
        labels.parameters = labels.active_parameters = labels.experts = None
        labels.approximate = False
    if labels.role is None:
        plain = tokens.mask & (ROLE | TUNING) and labels.quant in ADAPTER_SCHEMES
        labels.role = "adapter" if plain and _ADAPTER.search(stem) else "weights" if labels.format else "other"


def find_sidecar_role(stem: str, mask: int, family: str | None) -> str | None:
    """The role of a file beside a model's weights; None for weights."""
    if "proj" in stem and _PROJECTOR.search(stem):
        return "mmproj"
    if "coder" in stem and _PART.match(stem):
        return "other"
    named = mask & (ROLE | TUNING) or ("eagle" in stem and family not in (None, "eagle", "valley"))
    if named and _DRAFT.search(stem):
        return "draft"
    return "tokenizer" if stem.startswith("ggml-vocab-") else None


def find_plain_role(stem: str, extension: str) -> str | None:
    """The role that the extension determines; None if it does not."""
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


def fill_from(labels: NameLabels, above: NameLabels) -> None:
    groups: list[tuple[str, ...]] = [("tuning",), ("specialty",), ("languages",), ("context",)]
    groups.append(NAMING if labels.family is None else ())
    groups.append(SIZING if labels.size is None and labels.role not in ("draft", "mmproj", "imatrix") else ())
    groups.append(SCHEME if labels.quant is None and labels.bits is None and labels.role != "imatrix" else ())
    for group in groups:
        for field in group:
            if getattr(labels, field) in (None, (), False):
                setattr(labels, field, getattr(above, field))
    labels.qat = labels.qat or above.qat
    labels.dynamic = labels.dynamic or above.dynamic
    labels.imatrix = labels.imatrix or (above.imatrix and labels.quant is not None)
