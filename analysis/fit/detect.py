"""This computer, as its system and its drivers describe it: RAM, graphics cards, chip.

Tools are run with a time limit and may be missing. What none of them states stays unknown, and `Machine.found` says
what came from where.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.fit.cards import Card, find_card
from analysis.fit.machines import Machine, add_cards
from analysis.units import GIB, MIB, size_text

DETECT_TIMEOUT_SECONDS = 10  # for each of the system's own tools
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
MIN_CARD_BYTES = 2 * GIB  # a GPU with less is part of a processor and uses its memory
CPUINFO = Path("/proc/cpuinfo")
DRM_CARDS = Path("/sys/class/drm")
NVIDIA_QUERY = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
ROCM_QUERY = ["rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json"]
APPLE_QUERY = ["system_profiler", "SPDisplaysDataType", "-json"]
WINDOWS_RAM = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory"
WINDOWS_CARDS = "(Get-CimInstance Win32_VideoController).Name"


@dataclass(frozen=True, slots=True)
class ReportedCard:
    """A graphics card as a driver reports it; `memory` in bytes, None where it does not say."""

    name: str
    memory: int | None
    source: str


def detect_machine() -> Machine:
    """This computer as its system describes it; what the system does not state stays unknown."""
    ram, source = detect_ram()
    found = (f"{size_text(ram)} RAM ({source})",) if ram else ()
    machine = Machine(ram=ram, title="this machine", found=found)
    if platform.system() == "Darwin":
        return add_apple_chip(machine)
    reported = parse_nvidia_smi(run_tool(NVIDIA_QUERY)) or parse_rocm_smi(run_tool(ROCM_QUERY)) or read_drm_cards()
    if not reported and platform.system() == "Windows":
        reported = parse_windows_cards(run_powershell(WINDOWS_CARDS))
    if reported:
        return add_reported_cards(machine, reported)
    chip = find_card(read_processor_name())
    if chip is None or not chip.unified:
        return machine
    return replace(add_cards(machine, [chip]), found=(*found, describe_chip(chip, "/proc/cpuinfo")))


def add_apple_chip(machine: Machine) -> Machine:
    """The chip by sysctl's name and system_profiler's number of GPU cores."""
    name = run_tool(["sysctl", "-n", "machdep.cpu.brand_string"]).strip()
    cores = parse_apple_cores(run_tool(APPLE_QUERY))
    chip = find_card(f"{name} {cores}-core GPU" if cores else name, machine.ram)
    if chip is None:
        return replace(machine, unified=True, apple=name.startswith("Apple"), maker="apple")
    return replace(add_cards(machine, [chip]), found=(*machine.found, describe_chip(chip, "sysctl, system_profiler")))


def add_reported_cards(machine: Machine, reported: Sequence[ReportedCard]) -> Machine:
    """The machine with the cards that a driver reported; bandwidths by their names, unknown if one name is."""
    cards = [find_card(card.name, card.memory) for card in reported]
    known = [card for card in cards if card is not None]
    found = tuple(describe_card(each, card) for each, card in zip(reported, cards, strict=True))
    found = (*machine.found, *found)
    if len(known) == len(cards) and any(card.unified for card in known):
        return replace(add_cards(machine, [card for card in known if card.unified][:1]), found=found)
    sizes = [each.memory or (card.memory if card else None) or 0 for each, card in zip(reported, cards, strict=True)]
    if len(known) == len(cards):
        return replace(add_cards(machine, known, sizes), found=found)
    unknown = tuple(each.name for each, card in zip(reported, cards, strict=True) if card is None)
    guessed = tuple(f"the bandwidth of {name}, which is not known" for name in unknown)
    return replace(machine, vram=sum(sizes) or None, cards=len(cards), found=found, guessed=guessed)


def describe_card(reported: ReportedCard, card: Card | None) -> str:
    size = reported.memory or (card.memory if card else None)
    parts = [reported.name, size_text(size)] if size else [reported.name]
    parts += [f"{size_text(card.bandwidth)}/s by its name"] if card else []
    return f"{', '.join(parts)} ({reported.source})"


def describe_chip(chip: Card, source: str) -> str:
    return f"{chip.name}, {size_text(chip.bandwidth)}/s by its name ({source})"


# ---- RAM and processor ----------------------------------------------------------------------------------------------


def detect_ram() -> tuple[int | None, str]:
    """Bytes of RAM, or the limit that a container has set if it is lower, and where they are from; None if unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        text = run_powershell(WINDOWS_RAM).strip()
        return (int(text), "Windows") if text.isdigit() else (None, "")
    limits = [limit for path in CGROUP_LIMITS if (limit := read_number(path))]
    limit = min(limits, default=total)
    return (limit, "the container's limit") if limit < total else (total, "the system")


def read_number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def read_processor_name(path: Path = CPUINFO) -> str:
    """The processor's name by Linux; empty if unknown."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


# ---- Cards ----------------------------------------------------------------------------------------------------------


def parse_nvidia_smi(text: str) -> list[ReportedCard]:
    """Cards from nvidia-smi's lines `name, MiB`; a chip with unified memory reports `[N/A]`."""
    lines = re.findall(r"^\s*(.+?)\s*,\s*(\d+|\[?N/A\]?)\s*$", text, re.MULTILINE)
    return [ReportedCard(name, int(mib) * MIB if mib.isdigit() else None, "nvidia-smi") for name, mib in lines]


def parse_rocm_smi(text: str) -> list[ReportedCard]:
    """Cards from rocm-smi's JSON; names by `Card Series`, which older versions call `Card series`."""
    try:
        answer = json.loads(text or "{}")
    except ValueError:
        return []
    cards = []
    for name, row in sorted(answer.items()) if isinstance(answer, dict) else ():
        if not name.startswith("card") or not isinstance(row, dict):
            continue
        values = {str(key).lower(): str(value) for key, value in row.items()}
        title = values.get("card series") or values.get("card model") or values.get("device name") or "AMD card"
        memory = values.get("vram total memory (b)", "")
        cards.append(ReportedCard(title, int(memory) if memory.isdigit() else None, "rocm-smi"))
    return cards


def read_drm_cards(folder: Path = DRM_CARDS) -> list[ReportedCard]:
    """Cards of AMD's Linux driver, which states their memory and not their names."""
    sizes = [read_number(path) for path in sorted(folder.glob("card[0-9]/device/mem_info_vram_total"))]
    return [ReportedCard("AMD card", size, "amdgpu") for size in sizes if size and size >= MIN_CARD_BYTES]


def parse_apple_cores(text: str) -> int | None:
    """Cores of the GPU from system_profiler's JSON."""
    try:
        displays: Any = json.loads(text or "{}")
    except ValueError:
        return None
    found = re.search(r'"sppci_cores"\s*:\s*"(\d{1,3})"', json.dumps(displays))
    return int(found[1]) if found else None


def parse_windows_cards(text: str) -> list[ReportedCard]:
    """Cards by name; Windows states no memory above 4 GB. Only those that are known have a size."""
    names = [line.strip() for line in text.splitlines() if line.strip()]
    return [ReportedCard(name, None, "Windows") for name in names if find_card(name) is not None]


def run_powershell(script: str) -> str:
    return run_tool(["powershell", "-NoProfile", "-Command", script])


def run_tool(command: list[str]) -> str:
    """The output of one of the system's tools; empty where the tool is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DETECT_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
