"""The machine that a model should run on: described by options, by a preset, or detected."""

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
from analysis.units import MIB, parse_size, size_text

PATH = Path(__file__).with_name("machines.toml")
GB = 10**9
DEFAULT_RAM_BANDWIDTH = 50 * GB  # bytes per second: DDR4-3200 in two channels
DEFAULT_VRAM_BANDWIDTH = 270 * GB  # bytes per second: a GeForce RTX 4060
DETECT_TIMEOUT_SECONDS = 10  # for each of the system's own tools


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes, bandwidth in bytes per second. None is absent or unknown."""

    ram: int | None = None
    vram: int | None = None
    ram_bandwidth: int | None = None
    vram_bandwidth: int | None = None
    unified: bool = False  # one memory for processor and GPU
    apple: bool = False
    title: str = "this much memory"

    @property
    def ram_for_models(self) -> int:
        """RAM without the share of the system and other programs: a sixth, between 1 and 4 GB.

        An idle desktop with a browser holds 2 to 4 GB; on 16 GB that leaves 13.3 GB.
        """
        return 0 if not self.ram else max(0, self.ram - min(4 * GB, max(GB, self.ram // 6)))

    @property
    def vram_for_models(self) -> int:
        """VRAM without the share of the display and the driver: a twentieth, at most 1 GB."""
        return 0 if not self.vram else self.vram - min(GB, self.vram // 20)

    def speed(self, gpu_bytes: float, cpu_bytes: float) -> float:
        """The most tokens per second if each token reads these bytes from VRAM and from RAM (fit/speed.py)."""
        seconds = gpu_bytes / (self.vram_bandwidth or DEFAULT_VRAM_BANDWIDTH) + cpu_bytes / (
            self.ram_bandwidth or DEFAULT_RAM_BANDWIDTH
        )
        return 1 / seconds if seconds > 0 else 0.0

    @property
    def assumed(self) -> tuple[str, ...]:
        """The bandwidths that were assumed because they are unknown, as text."""
        assumptions = []
        if self.vram and not self.vram_bandwidth:
            assumptions.append(f"{size_text(DEFAULT_VRAM_BANDWIDTH)}/s for VRAM")
        if self.ram and not self.ram_bandwidth:
            assumptions.append(f"{size_text(DEFAULT_RAM_BANDWIDTH)}/s for RAM")
        return tuple(assumptions)

    def describe(self) -> str:
        """The machine's memory as text: `16 GB RAM, 8 GB VRAM`."""
        parts = [f"{size_text(self.ram)} RAM"] if self.ram else []
        parts += [f"{size_text(self.vram)} VRAM"] if self.vram else []
        return ", ".join(parts) or "no memory"


@cache
def load_machines() -> Mapping[str, Any]:
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


@cache
def presets() -> Mapping[str, Machine]:
    """Every preset by name."""
    machines = {}
    for name, entry in load_machines()["presets"].items():
        sizes = {key: parse_size(value) for key, value in entry.items() if key not in ("title", "unified")}
        unified, apple = bool(entry.get("unified")), entry["title"].startswith("Mac")
        machines[name] = Machine(**sizes, title=entry["title"], unified=unified, apple=apple)
    return machines


def find_preset(name: str) -> Machine:
    """One preset by name. Raises UnknownPreset."""
    known = presets()
    requested = name.strip().lower().replace(" ", "-").replace("_", "-")
    if requested not in known:
        raise UnknownPreset(name, tuple(get_close_matches(requested, known, n=3, cutoff=0.4)), tuple(known))
    return known[requested]


def find_bandwidth(name: str) -> int | None:
    """Bytes per second of a card or chip, by the name that its system reports; None if unknown."""
    known = sorted(load_machines()["bandwidth"].items(), key=lambda item: -len(item[0]))
    return next((parse_size(value) for part, value in known if part.lower() in name.lower()), None)


def detect_machine() -> Machine:
    """This computer as its system describes it; what the system does not state stays unknown."""
    chip = run_tool(["sysctl", "-n", "machdep.cpu.brand_string"]) if platform.system() == "Darwin" else ""
    ram = detect_ram()
    machine = Machine(ram=ram, title="this machine")
    if chip.startswith("Apple"):
        return replace(machine, ram_bandwidth=find_bandwidth(chip), unified=True, apple=True)
    return replace(machine, **parse_nvidia_smi(run_tool(NVIDIA_QUERY)))


def detect_ram() -> int | None:
    """Bytes of RAM, or the limit that a container has set if it is lower; None if unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return detect_windows_ram()
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


def detect_windows_ram() -> int | None:
    script = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory"
    text = run_tool(["powershell", "-NoProfile", "-Command", script]).strip()
    return int(text) if text.isdigit() else None


def parse_nvidia_smi(text: str) -> dict[str, Any]:
    """`vram` and `vram_bandwidth` from nvidia-smi's lines `name, MiB`: the sum of all cards, the slowest bandwidth."""
    cards = re.findall(r"^\s*(.+?)\s*,\s*(\d+)\s*$", text, re.MULTILINE)
    if not cards:
        return {}
    bandwidths = [find_bandwidth(name) for name, _ in cards]
    known = [each for each in bandwidths if each]
    return {
        "vram": sum(int(mib) for _, mib in cards) * MIB,
        "vram_bandwidth": min(known) if len(known) == len(cards) else None,
    }


def run_tool(command: list[str]) -> str:
    """The output of one of the system's tools; empty where the tool is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DETECT_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
