"""The machine that a model should run on: given by hand, by a preset, or read from the system itself."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from analysis.errors import UnknownPreset
from analysis.units import parse_size, size_text

PATH = Path(__file__).with_name("machines.toml")
GB = 10**9
MIB = 2**20
RAM_BANDWIDTH = 50 * GB  # DDR4-3200 in two channels, where nobody says
VRAM_BANDWIDTH = 270 * GB  # a GeForce RTX 4060, where nobody says
ASK_SECONDS = 10  # how long the system's own tools may take


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes, bandwidth in bytes a second. None is absent or unknown."""

    ram: int | None = None
    vram: int | None = None
    ram_bandwidth: int | None = None
    vram_bandwidth: int | None = None
    unified: bool = False  # one memory for processor and GPU
    apple: bool = False
    title: str = "this much memory"

    @property
    def ram_for_models(self) -> int:
        """What the system and other programs leave: a sixth stays theirs, between 1 and 4 GB.

        An idle desktop with a browser holds 2 to 4 GB; on 16 GB that leaves 13.3 GB.
        """
        return 0 if not self.ram else max(0, self.ram - min(4 * GB, max(GB, self.ram // 6)))

    @property
    def vram_for_models(self) -> int:
        """What a display and the driver leave of a card: all but a twentieth, at most 1 GB."""
        return 0 if not self.vram else self.vram - min(GB, self.vram // 20)

    def speed(self, gpu_bytes: float, cpu_bytes: float) -> float:
        """Tokens a second at most, where each token reads so many bytes from each memory."""
        seconds = gpu_bytes / (self.vram_bandwidth or VRAM_BANDWIDTH) + cpu_bytes / (
            self.ram_bandwidth or RAM_BANDWIDTH
        )
        return 1 / seconds if seconds > 0 else 0.0

    @property
    def assumed(self) -> tuple[str, ...]:
        """What was assumed of it, in words."""
        said = []
        if self.vram and not self.vram_bandwidth:
            said.append(f"{size_text(VRAM_BANDWIDTH)}/s for VRAM")
        if self.ram and not self.ram_bandwidth:
            said.append(f"{size_text(RAM_BANDWIDTH)}/s for RAM")
        return tuple(said)

    def describe(self) -> str:
        """The machine in a few words: `16 GB RAM, 8 GB VRAM`."""
        parts = [f"{size_text(self.ram)} RAM"] if self.ram else []
        parts += [f"{size_text(self.vram)} VRAM"] if self.vram else []
        return ", ".join(parts) or "no memory"


@cache
def table() -> Mapping[str, Any]:
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


@cache
def presets() -> Mapping[str, Machine]:
    """Every preset by name."""
    made = {}
    for name, entry in table()["presets"].items():
        sizes = {key: parse_size(value) for key, value in entry.items() if key not in ("title", "unified")}
        unified, apple = bool(entry.get("unified")), entry["title"].startswith("Mac")
        made[name] = Machine(**sizes, title=entry["title"], unified=unified, apple=apple)
    return made


def preset(name: str) -> Machine:
    """One preset by name. Raises UnknownPreset."""
    known = presets()
    asked = name.strip().lower().replace(" ", "-").replace("_", "-")
    if asked not in known:
        raise UnknownPreset(name, tuple(get_close_matches(asked, known, n=3, cutoff=0.4)), tuple(known))
    return known[asked]


def bandwidth_of(name: str) -> int | None:
    """Bandwidth of a card or chip by the name that its system reports."""
    known = sorted(table()["bandwidth"].items(), key=lambda item: -len(item[0]))
    return next((parse_size(value) for part, value in known if part.lower() in name.lower()), None)


def this_machine() -> Machine:
    """What this computer has, as its system says; what it does not say stays unknown."""
    chip = run(["sysctl", "-n", "machdep.cpu.brand_string"]) if platform.system() == "Darwin" else ""
    ram = installed_ram()
    machine = Machine(ram=ram, title="this machine")
    if chip.startswith("Apple"):
        return replace(machine, ram_bandwidth=bandwidth_of(chip), unified=True, apple=True)
    return replace(machine, **nvidia_memory(run(NVIDIA_QUERY)))


def installed_ram() -> int | None:
    """Bytes of memory, within the limit that a container may have set."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return windows_ram()
    limits = [read_number(path) for path in CGROUP_LIMITS]
    return min([total, *(limit for limit in limits if limit)])


CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
NVIDIA_QUERY = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]


def read_number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def windows_ram() -> int | None:
    script = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory"
    text = run(["powershell", "-NoProfile", "-Command", script]).strip()
    return int(text) if text.isdigit() else None


def nvidia_memory(text: str) -> dict[str, Any]:
    """`vram` and `vram_bandwidth` from nvidia-smi's lines `name, MiB`: cards add up, the slowest sets the pace."""
    cards = re.findall(r"^\s*(.+?)\s*,\s*(\d+)\s*$", text, re.MULTILINE)
    if not cards:
        return {}
    speeds = [bandwidth_of(name) for name, _ in cards]
    known = [speed for speed in speeds if speed]
    return {
        "vram": sum(int(mib) for _, mib in cards) * MIB,
        "vram_bandwidth": min(known) if len(known) == len(cards) else None,
    }


def run(command: list[str]) -> str:
    """What a tool of the system prints, empty where there is no such tool or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
