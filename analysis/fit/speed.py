"""How fast a model generates: an estimate with its range, and the bound that memory bandwidth sets.

Generating is limited by memory: every token reads each active weight once (the roofline of decoding, arXiv 2402.16363,
section 2). Runtimes reach a share of the bandwidth and add a fixed time per token:

    seconds per token = active bytes / (efficiency x bandwidth) + seconds

`efficiency` and `seconds` per engine, kind of model and maker are data (speed.toml), fitted by bench/speed.py on runs
that others published. Sizes in bytes, bandwidths in bytes per second, speeds in tokens per second.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

PATH = Path(__file__).with_name("speed.toml")
Kind = Literal["dense", "moe"]
ENGINES: Mapping[str, str] = {"ollama": "llama.cpp", "lmstudio": "llama.cpp", "llamacpp": "llama.cpp"}
"""Programs that run another's engine."""

DRAFTING_NOTE = "without its draft model (MTP, EAGLE), which makes it up to three times as fast or slower"


@dataclass(frozen=True, slots=True)
class SpeedFit:
    """One row of speed.toml: what was fitted, on how many runs and cards.

    Of the runs, 80 % lie between `low` and `high` times the estimate.
    """

    engine: str
    kind: Kind
    efficiency: float
    seconds: float
    low: float
    high: float
    runs: int
    cards: int
    maker: str | None = None  # of the card; None: any

    def seconds_per_token(self, gpu_bytes: float, bandwidth: float) -> float:
        return gpu_bytes / (self.efficiency * bandwidth) + self.seconds


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second of one sequence, one token a pass: 80 % of runs lie between `low` and `high`.

    `bound` is what bandwidth allows at most; `basis` says what the estimate was fitted on; `note` what it leaves out.
    """

    low: float
    expected: float
    high: float
    bound: float
    basis: str
    note: str | None = None

    @property
    def text(self) -> str:
        """The range in few words: `28-45`."""
        low, high = (f"{value:.0f}" if value >= 10 else f"{value:.1g}" for value in (self.low, self.high))
        return low if low == high else f"{low}-{high}"


@cache
def speed_fits() -> Sequence[SpeedFit]:
    """The rows of speed.toml."""
    rows = tomllib.loads(PATH.read_text(encoding="utf-8"))["fits"]
    return tuple(SpeedFit(**row) for row in rows)


def find_speed_fit(engine: str, kind: Kind, maker: str | None = None) -> SpeedFit:
    """The row that fits best: of the engine, the kind and the card's maker; without the maker; llama.cpp's."""
    name = ENGINES.get(engine.lower(), engine.lower())
    for wanted in ((name, kind, maker), (name, kind, None), ("llama.cpp", kind, maker), ("llama.cpp", kind, None)):
        for fit in speed_fits():
            if (fit.engine, fit.kind, fit.maker) == wanted:
                return fit
    raise LookupError(f"speed.toml lacks llama.cpp, {kind}")


def estimate_speed(
    gpu_bytes: float,
    cpu_bytes: float = 0.0,
    *,
    vram_bandwidth: float,
    ram_bandwidth: float,
    kind: Kind = "dense",
    engine: str = "llama.cpp",
    maker: str | None = None,
    cache_bytes: float = 0.0,
    drafts: bool = False,
) -> Speed:
    """The speed of a model of which one token reads `gpu_bytes` from the card and `cpu_bytes` from RAM.

    Layers on the card and in RAM are computed one after the other, so their times add up. `cache_bytes`: the whole KV
    cache, which attention reads too; the low end of the range is that of a full context. `drafts`: a draft model runs
    along, whose gain is unknown.
    """
    card = find_speed_fit(engine if gpu_bytes else "llama.cpp", kind, maker if gpu_bytes else "cpu")
    ram = find_speed_fit("llama.cpp", kind, "cpu")
    read = gpu_bytes + cpu_bytes
    in_ram = cpu_bytes / read if read else 0.0
    seconds = card.seconds_per_token(gpu_bytes, vram_bandwidth) + cpu_bytes / (ram.efficiency * ram_bandwidth)
    seconds_a_byte = (1 - in_ram) / (card.efficiency * vram_bandwidth) + in_ram / (ram.efficiency * ram_bandwidth)
    bound = 1 / max(gpu_bytes / vram_bandwidth + cpu_bytes / ram_bandwidth, 1e-12)
    expected = 1 / seconds
    where = f" on {card.maker} hardware" if card.maker not in (None, "cpu") else " on processors" if card.maker else ""
    return Speed(
        low=card.low / (seconds + cache_bytes * seconds_a_byte),
        expected=expected,
        high=max(expected, min(bound, card.high * expected)),
        bound=bound,
        basis=f"{card.engine}, {card.kind}{where}: {card.runs} runs on {card.cards} kinds of hardware",
        note=DRAFTING_NOTE if drafts else None,
    )


def active_bytes(weights: float, *, parameters: int | None, active: int | None, unread: int = 0) -> float:
    """Bytes of the weights that one token reads.

    `active` of `parameters` are computed with: a mixture sends a token to few experts, and embeddings per layer (Gemma
    3n, E2B and E4B) are looked up rather than read. `unread` parameters are left out besides.
    """
    if not parameters:
        return weights
    used = min(active or parameters, parameters - min(unread, parameters))
    return weights * max(0, used) / parameters


def tokens_per_second(weights: float, bandwidth: float, *, active_share: float = 1.0) -> float:
    """The most tokens per second: bandwidth / bytes of the active weights."""
    return bandwidth / max(1.0, weights * active_share)
