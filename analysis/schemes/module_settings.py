"""Settings of single modules in a quantization's configuration: their names, patterns of names, classes of tensors.

All of it is untrusted, and asked for each module of a model: what is asked is limited, so that the time grows with the
number of modules alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

MAX_COUNT = 2**40
"""Of a count in a configuration."""

MAX_MODULE_PATTERNS = 200
"""Names with wildcards that are read."""

MAX_PATTERN_PIECES = 8
"""Texts between the wildcards of one name."""

MAX_PACKINGS = 32
"""Different group sizes and bits of MLX that are read; each is compared with each module."""

_CLASS = re.compile(r'\{"_type": "(\w{1,60})"')
_SHAPE = re.compile(r'"shape": (?:\{[^{}]{0,80})?\[(\d{1,12}(?:, \d{1,12}){0,3})\]')
_WILDCARD = re.compile(r"\\d[+*]?|\[0-9\][+*]?|\.[*+]\??|\*")


def find_module_settings(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of single modules by their names. Patterns are untrusted regular expressions: they are not run."""
    for key in ("config_for_layers", "extra_config", "module_quant_configs", "modules", "quant_config"):
        found = raw.get(key)
        if isinstance(found, Mapping) and found:
            return found
    return {key: value for key, value in raw.items() if "." in key and isinstance(value, Mapping)}


def find_wildcard_patterns(modules: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names with wildcards, as the text between them. An expression of more than wildcards and text matches nothing."""
    found = []
    for text in islice(modules, MAX_MODULE_PATTERNS):
        plain = text.removeprefix("re:").strip("^$").replace("\\.", ".")
        if len(text) > 300 or not _WILDCARD.search(plain):
            continue
        pieces = tuple(piece for piece in _WILDCARD.split(plain) if piece)
        if 0 < len(pieces) <= MAX_PATTERN_PIECES and all(re.fullmatch(r"[\w.\-]+", piece) for piece in pieces):
            found.append((text, pieces))
    return tuple(found)


def parse_whole(value: Any) -> int | None:
    """A whole number from 1 on, below `MAX_COUNT`, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_COUNT else None


def find_mlx_packings(raw: Mapping[str, Any], modules: Mapping[str, Any]) -> tuple[tuple[int, int, str], ...]:
    """The different group sizes, bits and modes that MLX's settings hold: those of all first."""
    found: dict[tuple[int, int, str], None] = {}
    for settings in (raw, *modules.values()):
        if (packing := read_mlx_packing(settings)) is not None:
            found[packing] = None
        if len(found) == MAX_PACKINGS:
            break
    return tuple(found)


def read_mlx_packing(settings: Any) -> tuple[int, int, str] | None:
    """Group size, bits and mode of one block of settings; None where it holds none."""
    if not isinstance(settings, Mapping):
        return None
    size, bits = parse_whole(settings.get("group_size")), parse_whole(settings.get("bits"))
    mode = settings.get("mode")
    return (size, bits, mode[:20] if isinstance(mode, str) and mode else "affine") if size and bits else None


def matches_pattern(pieces: tuple[str, ...], module: str) -> bool:
    """Whether the pieces are in a name, in their order."""
    at = 0
    for piece in pieces:
        at = module.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def read_tensor_classes(metadata: Mapping[str, str]) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """torchao writes the class of each tensor into the metadata, and of 4-bit ones the shape."""
    found: dict[str, tuple[str, tuple[int, ...] | None]] = {}
    for name, text in metadata.items():
        match = _CLASS.match(text)
        if match and match[1] != "Tensor":
            shape = _SHAPE.search(text[:2000])
            found[name] = match[1], tuple(map(int, shape[1].split(", "))) if shape else None
    return found
