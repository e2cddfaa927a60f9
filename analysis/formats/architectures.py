"""What is known of a model by its architecture: the rules and defaults of `architectures.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from db.record_base import Json

CLASS_PARTS = re.compile(r"(?:For[A-Z]\w*|LMHeadModel|Model)$")
"""What a class's name adds to that of its architecture."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What transformers' classes say of a model type. `defaults`: fields where a configuration is silent."""

    name: str
    defaults: Mapping[str, int]
    kinds: str = ""
    exact: str = ""
    sublayers: int = 1
    multi_query: bool = False
    optional_window: bool = False
    lightning: bool = False
    seq2seq: bool = False
    tied: bool | None = None
    keeps_cache: bool = True
    only_as_decoder: bool = False
    offset_positions: bool = False
    whole_heads: bool = False

    def kinds_of(self, layers: int) -> str:
        """The kinds of so many layers; empty where the class does not tell them."""
        if self.exact:
            return self.exact if len(self.exact) == layers else ""
        return (self.kinds * (layers // len(self.kinds) + 1))[:layers] if self.kinds else ""


SWITCHES = frozenset({"kinds", "exact", "sublayers", "multi_query", "optional_window", "lightning", "seq2seq", "tied"})
"""Keys of architectures.toml that are fields of Architecture; the others are defaults."""


@cache
def load_table() -> Mapping[str, Any]:
    """architectures.toml as it is."""
    return tomllib.loads(files("analysis.formats").joinpath("architectures.toml").read_text(encoding="utf-8"))


@cache
def load_mixtures() -> frozenset[str]:
    """llama.cpp's names of architectures that are mixtures of experts, but for those that say `moe`."""
    return frozenset(load_table()["mixtures"])


@cache
def load_architectures() -> Mapping[str, Architecture]:
    """Architectures by model type."""
    table = load_table()
    marked = {key: frozenset(table[key]) for key in ("encoders", "offset_positions", "whole_heads", "without_cache")}
    rows: dict[str, Mapping[str, Any]] = {**table["own_code"], **table["models"]}
    found = {}
    for name in {*rows, *marked["without_cache"]}:
        row = rows.get(name, {})
        found[name] = Architecture(
            name=name,
            defaults={key: value for key, value in row.items() if key not in SWITCHES},
            keeps_cache=name not in marked["without_cache"],
            only_as_decoder=name in marked["encoders"],
            offset_positions=name in marked["offset_positions"],
            whole_heads=name in marked["whole_heads"],
            **{key: value for key, value in row.items() if key in SWITCHES},
        )
    found.update({name: found[inner] for name, inner in table["language"].items() if inner in found})
    return found


@cache
def load_class_names() -> Mapping[str, str]:
    """Model types by their letters and digits alone, as names of classes have them."""
    return {squeeze_name(name): name for name in load_architectures()}


def squeeze_name(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def find_architecture(config: Json, inner: Mapping[str, Any]) -> Architecture | None:
    """The architecture of a configuration whose language model is described by `inner`; None where it is not known.

    By the model types of both, else by the names of their classes.
    """
    known = load_architectures()
    whole = config.get("model_type")
    for holder in (inner, config):
        found = known.get(str(holder.get("model_type")))
        if found is not None:
            return found
    if whole is not None:
        return None
    for name in (*read_class_names(inner), *read_class_names(config)):
        squeezed = squeeze_name(CLASS_PARTS.sub("", name))
        if squeezed in load_class_names():
            return known[load_class_names()[squeezed]]
    return known["llama"] if isinstance(config.get("params"), Mapping) else None


def read_class_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of classes in a configuration: `architectures`, or TensorRT-LLM's `architecture`."""
    listed = config.get("architectures")
    names = listed if isinstance(listed, list) else [config.get("architecture")]
    return tuple(name for name in names[:4] if isinstance(name, str))
