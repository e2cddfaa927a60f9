"""The table of file formats: formats.toml as records, and the format of a file by its path.

Headers are read by the modules that `readers.py` registers; this module opens no file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from analysis.errors import VocabularyError
from analysis.schemes.schemes import scheme_table
from db.record_base import Role

FORMATS_FILE = "formats.toml"

SIDECAR_ROLES: frozenset[Role] = frozenset({"mmproj", "adapter", "imatrix", "draft"})
"""Roles of files that serve a model and are none: their names carry the size of the model that they belong to."""

Quantized = Literal["only", "either", "no"]
Variants = Literal["quants", "precisions"]
Machines = Literal["any", "apple"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format. The comment at the top of formats.toml says what each field means."""

    name: str
    about: str
    words: tuple[str, ...]
    extensions: tuple[str, ...] = ()
    shared_extensions: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    tagged_files: re.Pattern[str] | None = None
    stored_as: str | None = None
    folders: tuple[str, ...] = ()
    folder_file: str | None = None
    joined_files: tuple[re.Pattern[str], ...] = ()
    paired_extensions: tuple[str, ...] = ()
    variants: Variants | None = None
    original: bool = False
    load_rank: int | None = None
    repo_rank: int | None = None
    quant_method: str | None = None
    quantized: Quantized | None = None
    tag_weight: int | None = None
    described_by_config: bool = False
    mixed_types: bool = False
    imatrix: bool = False
    always_tagged: bool = False
    own_runtimes: tuple[str, ...] = ()
    machines: Machines | None = None
    runs_code: str | None = None

    @property
    def container(self) -> str:
        """The format of its files: safetensors for MLX models, its own for most."""
        return self.stored_as or self.name

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Programs that load it, the best known first: its own, or those of its method."""
        method = scheme_table().methods.get(self.quant_method or "")
        return self.own_runtimes or (method.runtimes if method is not None else ())

    @property
    def holds_quants(self) -> bool:
        """Whether one repo usually holds several quants in it, so that the repo's tags are about some of them."""
        return self.variants == "quants"


# ---- Reading the table ----------------------------------------------------------------------------------------------

_TEXTS = frozenset({"about", "stored_as", "folder_file", "quant_method", "runs_code"})
_LISTS = frozenset({"words", "extensions", "folders", "paired_extensions", "runtimes"})
_FLAGS = frozenset({"original", "described_by_config", "mixed_types", "imatrix", "always_tagged"})
_NUMBERS = frozenset({"load_rank", "repo_rank", "tag_weight"})
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "variants": ("quants", "precisions"), "quantized": ("only", "either", "no"), "machines": ("any", "apple"),
}  # fmt: skip


@lru_cache(maxsize=2)
def read_formats(data: bytes) -> Mapping[str, Format]:
    """The table from the bytes of formats.toml, by name, in its order.

    Raises VocabularyError, naming the entry, for an unknown key, a value of another type, an extension that two
    formats have, or a `stored_as` that is no format.
    """
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VocabularyError(FORMATS_FILE, "", str(error)) from error
    formats = {name: _read_format(name, row) for name, row in tables.items()}
    owners: dict[str, str] = {}
    for each in formats.values():
        for extension in each.extensions:
            if owners.setdefault(extension, each.name) != each.name:
                raise VocabularyError(FORMATS_FILE, each.name, f"{extension!r} already belongs to {owners[extension]}")
        if each.container not in formats:
            raise VocabularyError(FORMATS_FILE, each.name, f"`stored_as` names no format: {each.stored_as!r}")
    return formats


def _read_format(name: str, row: Any) -> Format:
    if not isinstance(row, dict) or not row.get("about") or "words" not in row:
        raise VocabularyError(FORMATS_FILE, name, "a format is a table with `about`, a line, and `words`, a list")
    values = {key: _read_value(name, key, value) for key, value in row.items()}
    return Format(name, own_runtimes=values.pop("runtimes", ()), **values)


def _read_value(name: str, key: str, value: Any) -> Any:
    """A value of the table as the field of Format that it fills."""
    if key in _TEXTS and isinstance(value, str):
        return value
    if key in _LISTS and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if (key in _FLAGS and isinstance(value, bool)) or (key in _NUMBERS and type(value) is int):
        return value
    if value in _CHOICES.get(key, ()):
        return value
    try:
        if key == "tagged_files" and isinstance(value, str):
            return re.compile(value)
        if key == "joined_files" and isinstance(value, list):
            return tuple(re.compile(item) for item in value)
        if key == "shared_extensions" and isinstance(value, dict):
            return {extension: re.compile(pattern) for extension, pattern in value.items()}
    except (re.error, TypeError) as error:
        raise VocabularyError(FORMATS_FILE, name, f"`{key}` is no regular expression: {error}") from None
    raise VocabularyError(FORMATS_FILE, name, f"`{key}` is not a key of a format, or its value is of another type")


FORMATS = read_formats((files("analysis.formats") / FORMATS_FILE).read_bytes())
"""All formats by name, in the order of the table."""

FORMAT_BY_EXTENSION: Mapping[str, str] = {
    extension: each.name for each in FORMATS.values() for extension in each.extensions
}
"""Extension (lower case, no dot) -> format. Paths may say otherwise: see `format_of_path`."""

FOLDER_FORMATS: Mapping[str, str] = {folder: each.name for each in FORMATS.values() for folder in each.folders}
"""Ending of a folder that is one artifact -> its format."""

_SHARED: Mapping[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    extension: tuple(
        (each.name, each.shared_extensions[extension])
        for each in FORMATS.values()
        if extension in each.shared_extensions
    )
    for extension in {extension for each in FORMATS.values() for extension in each.shared_extensions}
}


# ---- Formats by path and name ---------------------------------------------------------------------------------------


def extension_of(path: str) -> str:
    """The lower-case extension of a path without its dot; empty where there is none."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def format_of_path(path: str) -> str | None:
    """The format that a path tells; None for files that hold no model."""
    for folder, name in FOLDER_FORMATS.items():
        if f"{folder}/" in path:
            return name
    extension = extension_of(path)
    for name, pattern in _SHARED.get(extension, ()):
        if pattern.search(path.lower()):
            return name
    return FORMAT_BY_EXTENSION.get(extension)


UNKNOWN = Format("", "", ())
"""What is known of a format that the table does not hold: nothing."""


def find_format(name: str | None) -> Format:
    """The format of this name; `UNKNOWN` for None and for names that the table does not hold."""
    return FORMATS.get(name or "", UNKNOWN)


def find_container(name: str | None) -> str | None:
    """The format of the files that a format's models are stored in: safetensors for MLX, its own for most."""
    return find_format(name).container or name
