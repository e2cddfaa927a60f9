"""Where programs keep their models: by their environment variables, their settings, and the defaults of each system.

Sources: the documentation and source of each program; a program that shares the cache of huggingface_hub (MLX, vLLM,
SGLang, transformers, newer llama.cpp) needs no folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from analysis.untrusted import parse_json_text

Layout = Literal["any", "owner/repo"]
"""`owner/repo`: files lie in OWNER/REPO folders; `any`: whatever is recognized."""


class Root(NamedTuple):
    """One folder of a store."""

    store: str
    folder: Path


LAYOUTS: Mapping[str, Layout] = {
    "huggingface": "any",
    "ollama": "any",
    "lmstudio": "owner/repo",
    "llama.cpp": "any",
    "mlx": "any",
    "gpt4all": "any",
    "jan": "any",
    "comfyui": "any",
    "text-generation-webui": "any",
    "docker": "any",
    "modelscope": "owner/repo",
    "folder": "any",
}
"""The stores by name. `folder` is any other folder."""

MAX_SETTINGS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class System:
    """What decides where folders are."""

    home: Path = field(default_factory=Path.home)
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    kind: str = field(default_factory=platform.system)  # Linux, Darwin, Windows

    def named(self, variable: str) -> Path | None:
        """The folder that a variable of the environment names; None where it is not set."""
        value = self.variables.get(variable)
        return self.expand(value) if value else None

    def expand(self, text: str) -> Path:
        """A folder as a user writes it."""
        return self.home / text[2:] if text.startswith("~/") else Path(text)

    def data(self, mac: str, windows: str, *linux: str) -> list[Path]:
        """A program's data folders on this system: below Application Support, a variable of Windows, or home."""
        if self.kind == "Darwin":
            return [self.home / "Library" / mac]
        if self.kind == "Windows":
            variable, _, rest = windows.partition("/")
            base = self.named(variable)
            return [base / rest] if base else []
        return [self.home / each for each in linux]


def find_roots(system: System) -> list[Root]:
    """The folders of all stores that exist, each folder once: the first store that names it has it."""
    found: dict[Path, Root] = {}
    for root in candidate_roots(system):
        try:
            if root.folder.is_dir():
                found.setdefault(root.folder.resolve(), root)
        except (OSError, RuntimeError):
            continue
    return list(found.values())


def candidate_roots(system: System) -> Iterator[Root]:
    """The folders where stores may be, whether they exist or not."""
    for store, folders in (
        ("huggingface", huggingface_folders(system)),
        ("ollama", ollama_folders(system)),
        ("lmstudio", lmstudio_folders(system)),
        ("llama.cpp", llama_cpp_folders(system)),
        ("gpt4all", gpt4all_folders(system)),
        ("jan", jan_folders(system)),
        ("comfyui", comfyui_folders(system)),
        ("text-generation-webui", webui_folders(system)),
        ("docker", [system.named("MODELS_PATH") or system.home / ".docker" / "models"]),
        ("modelscope", modelscope_folders(system)),
    ):
        yield from (Root(store, folder) for folder in folders)


def huggingface_folders(system: System) -> list[Path]:
    """The cache as huggingface_hub finds it, and another program's if a variable names one."""
    cache = system.named("XDG_CACHE_HOME") or system.home / ".cache"
    home = system.named("HF_HOME") or cache / "huggingface"
    named = system.named("HF_HUB_CACHE") or system.named("HUGGINGFACE_HUB_CACHE")
    return [named or home / "hub"]


def ollama_folders(system: System) -> list[Path]:
    """The user's models, and those of the service that Linux packages install."""
    named = system.named("OLLAMA_MODELS")
    own = [named] if named else [system.home / ".ollama" / "models"]
    service = Path("/usr/share/ollama/.ollama/models")
    return [*own, service] if system.kind == "Linux" and not named else own


def lmstudio_folders(system: System) -> list[Path]:
    """Below LM Studio's home, which a pointer file names; or the folder that its settings name."""
    pointer = read_settings_text(system.home / ".lmstudio-home-pointer").strip()
    home = Path(pointer) if pointer else system.home / ".lmstudio"
    settings: object = {}
    with contextlib.suppress(ValueError):
        settings = parse_json_text(read_settings_text(home / "settings.json").encode() or b"{}")
    moved = settings.get("downloadsFolder") if isinstance(settings, dict) else None
    return [*([Path(moved)] if isinstance(moved, str) and moved else []), home / "models",
            system.home / ".cache" / "lm-studio" / "models"]  # fmt: skip


def llama_cpp_folders(system: System) -> list[Path]:
    """LLAMA_CACHE and the cache of versions before 2026; newer ones use that of huggingface_hub."""
    named = system.named("LLAMA_CACHE")
    cache = system.named("XDG_CACHE_HOME")
    folders = system.data("Caches/llama.cpp", "LOCALAPPDATA/llama.cpp", ".cache/llama.cpp")
    return [*([named] if named else []), *([cache / "llama.cpp"] if cache else []), *folders]


def gpt4all_folders(system: System) -> list[Path]:
    """The desktop program's data and the Python package's cache."""
    folders = system.data(
        "Application Support/nomic.ai/GPT4All", "LOCALAPPDATA/nomic.ai/GPT4All", ".local/share/nomic.ai/GPT4All"
    )
    return [*folders, system.home / ".cache" / "gpt4all"]


def jan_folders(system: System) -> list[Path]:
    """Jan's data folder, newer and older."""
    folders = system.data(
        "Application Support/Jan/data", "APPDATA/Jan/data", ".config/Jan/data", ".local/share/Jan/data"
    )
    homes = [*folders, system.home / "jan"]
    return [folder / below for folder in homes for below in ("llamacpp/models", "models")]


def comfyui_folders(system: System) -> list[Path]:
    """`models` of usual installations and of COMFYUI_PATH, and what their extra_model_paths.yaml adds."""
    named = system.named("COMFYUI_PATH")
    usual = [system.home / each for each in ("ComfyUI", "comfy/ComfyUI", "Documents/ComfyUI")]
    found = []
    for install in [named] if named else usual:
        found += [install / "models", *extra_model_paths(install / "extra_model_paths.yaml", system)]
    return found


def extra_model_paths(path: Path, system: System) -> list[Path]:
    """The folders that ComfyUI's extra_model_paths.yaml names, of its simple form: sections of `category: folder`.

    Values may be blocks with a folder per line. Relative folders start at the section's base_path.
    """
    found: list[Path] = []
    base = path.parent
    for line in read_settings_text(path).splitlines():
        text = line.split(" #")[0].rstrip()
        if not text or text.lstrip().startswith("#"):
            continue
        if not text[0].isspace():
            base = path.parent
            continue
        key, _, value = (
            text.strip().partition(":") if re.match(r"\s+\w+\s*:(?:\s|\Z)", text) else ("", "", text.strip())
        )
        value = value.strip().strip("\"'")
        if key == "base_path":
            base = system.expand(value)
        elif value and value != "|" and key != "is_default":
            found.append(base / value)
    return found


def webui_folders(system: System) -> list[Path]:
    """Models and LoRAs of a usual installation or of TEXT_GENERATION_WEBUI_PATH; `models` before user_data."""
    install = system.named("TEXT_GENERATION_WEBUI_PATH") or system.home / "text-generation-webui"
    return [install / each for each in ("user_data/models", "user_data/loras", "user_data/image_models", "models")]


def modelscope_folders(system: System) -> list[Path]:
    """ModelScope's cache; MODELSCOPE_CACHE names the folder above its models."""
    named = system.named("MODELSCOPE_CACHE")
    return [named / "models"] if named else [system.home / ".cache" / "modelscope" / "hub" / "models"]


def read_settings_text(path: Path) -> str:
    """The text of a small settings file; empty where there is none."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_SETTINGS_BYTES:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
