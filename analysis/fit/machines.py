"""The machine that a model should run on: memory, bandwidth, and what the system leaves of it for models."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from analysis.errors import UnknownPreset
from analysis.fit.cards import Card, find_card, parse_card_name, similar_cards
from analysis.fit.speed import Kind, Speed, estimate_speed
from analysis.units import GB as GB
from analysis.units import parse_size, size_text

PATH = Path(__file__).with_name("machines.toml")
DEFAULT_RAM_BANDWIDTH = 50 * GB  # bytes per second: DDR4-3200 in two channels
DEFAULT_VRAM_BANDWIDTH = 270 * GB  # bytes per second: a GeForce RTX 4060
MAX_CARDS = 64

APPLE_GPU_SHARES = ((36 * GB, 2 / 3), (None, 3 / 4))
"""Share of an Apple computer's memory that its GPU may use (Metal's recommendedMaxWorkingSetSize), below a size and
from it on; `sysctl iogpu.wired_limit_mb` raises it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes, bandwidth in bytes per second. None is absent or unknown.

    `vram` is the sum of `cards` graphics cards, `vram_bandwidth` that at which one after the other is read. `maker` is
    who made the GPU, as speed.toml names it. `found` says what was detected, `guessed` what had to be assumed for it.
    """

    ram: int | None = None
    vram: int | None = None
    ram_bandwidth: int | None = None
    vram_bandwidth: int | None = None
    unified: bool = False  # one memory for processor and GPU
    apple: bool = False
    title: str = "this much memory"
    cards: int = 1
    maker: str | None = None
    found: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()

    @property
    def ram_for_models(self) -> int:
        """RAM without the share of the system and other programs: a sixth, between 1 and 4 GB.

        An idle desktop with a browser holds 2 to 4 GB; on 16 GB that leaves 13.3 GB. Apple's GPU may use less:
        APPLE_GPU_SHARES.
        """
        if not self.ram:
            return 0
        left = max(0, self.ram - min(4 * GB, max(GB, self.ram // 6)))
        if not self.apple:
            return left
        share = next(share for size, share in APPLE_GPU_SHARES if size is None or self.ram < size)
        return min(left, int(self.ram * share))

    @property
    def vram_for_models(self) -> int:
        """VRAM without the share of the display and the driver: a twentieth, at most 1 GB, of each card."""
        return 0 if not self.vram else self.vram - min(self.cards * GB, self.vram // 20)

    def speed(self, gpu_bytes: float, cpu_bytes: float) -> float:
        """The most tokens per second if each token reads these bytes from VRAM and from RAM."""
        return self.estimate_speed(gpu_bytes, cpu_bytes).bound

    def estimate_speed(
        self,
        gpu_bytes: float,
        cpu_bytes: float = 0.0,
        *,
        kind: Kind = "dense",
        engine: str = "llama.cpp",
        cache_bytes: float = 0.0,
        drafts: bool = False,
    ) -> Speed:
        """The speed (analysis/fit/speed.py) of a model of which each token reads these bytes from VRAM and from RAM.

        On unified memory the GPU computes with what is in RAM.
        """
        ram = self.ram_bandwidth or DEFAULT_RAM_BANDWIDTH
        if self.unified:
            gpu_bytes, cpu_bytes = gpu_bytes + cpu_bytes, 0.0
        return estimate_speed(
            gpu_bytes,
            cpu_bytes,
            vram_bandwidth=ram if self.unified else self.vram_bandwidth or DEFAULT_VRAM_BANDWIDTH,
            ram_bandwidth=ram,
            kind=kind,
            engine=engine,
            maker=self.maker,
            cache_bytes=cache_bytes,
            drafts=drafts,
        )

    @property
    def assumed(self) -> tuple[str, ...]:
        """What was assumed because it is unknown, as text."""
        assumptions = list(self.guessed)
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
def presets() -> Mapping[str, Machine]:
    """Every preset by name."""
    machines = {}
    for name, entry in tomllib.loads(PATH.read_text(encoding="utf-8"))["presets"].items():
        sizes = {key: parse_size(entry[key]) for key in ("ram", "ram_bandwidth") if key in entry}
        card = find_card(entry["card"], sizes.get("ram")) if "card" in entry else None
        machines[name] = replace(
            add_cards(Machine(sizes.get("ram"), ram_bandwidth=sizes.get("ram_bandwidth")), [card] if card else []),
            title=entry["title"],
        )
    return machines


def find_preset(name: str) -> Machine:
    """A machine by the name of a preset, or of its card or chip: `RTX 4090`, `2x RTX 3090`, `M3 Max 36GB`.

    Raises UnknownPreset.
    """
    known = presets()
    requested = name.strip().lower().replace(" ", "-").replace("_", "-")
    if requested in known:
        return known[requested]
    card = find_card(name)
    if card is None:
        close = (*get_close_matches(requested, known, n=3, cutoff=0.4), *similar_cards(name))
        raise UnknownPreset(name, close, tuple(known))
    count = re.match(r"\s*(\d+)\s*x\s+", name.lower())
    cards = [card] * min(MAX_CARDS, max(1, int(count[1]))) if count else [card]
    stated = parse_card_name(name).gigabytes
    ram = round(stated * GB) if card.unified and stated else None
    return replace(add_cards(Machine(ram=ram), cards), title=name.strip())


def add_cards(machine: Machine, cards: Sequence[Card], memory: Sequence[int] = ()) -> Machine:
    """The machine with these cards; `memory`: bytes of each, where a driver reported them.

    A model is split by layers, in proportion to the memory of the cards, and a token passes through one after the
    other: their bandwidths are averaged by time.
    """
    if not cards:
        return machine
    guessed = tuple(f"{card.name}: {card.assumed}" for card in cards if card.assumed)
    first = cards[0]
    if first.unified:
        maker = first.maker if first.maker == "apple" else first.name.lower()
        return replace(machine, ram_bandwidth=first.bandwidth, unified=True, apple=first.maker == "apple", maker=maker,
                       guessed=machine.guessed + guessed)  # fmt: skip
    sizes = memory or [card.memory or 0 for card in cards]
    seconds = sum(size / card.bandwidth for size, card in zip(sizes, cards, strict=True))
    return replace(
        machine,
        vram=sum(sizes),
        vram_bandwidth=round(sum(sizes) / seconds) if seconds else None,
        cards=len(cards),
        maker=first.maker if len({card.maker for card in cards}) == 1 else None,
        guessed=machine.guessed + guessed,
    )
