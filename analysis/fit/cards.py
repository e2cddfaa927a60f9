"""Graphics cards and chips by the names that drivers report and people type (cards.toml): memory and bandwidth.

A name is a set of words. A card is found only if every word of the name belongs to it and every word that tells it from
others is in the name: `RTX 3060 Ti` is not `RTX 3060`, `L40` is not `L4`. What no card is called stays unknown: another
card's bandwidth would be worse than none.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from analysis.units import GB, GIB

PATH = Path(__file__).with_name("cards.toml")

SERIES: Mapping[str, frozenset[str]] = {
    "nvidia": frozenset({"rtx", "gtx", "gt", "blackwell"}),
    "amd": frozenset({"rx", "pro", "ai"}),
    "intel": frozenset({"arc", "pro"}),
    "unified": frozenset({"arc", "ai"}),
    "apple": frozenset(),
}
"""Words of a card's name that people leave out; a wrong one still excludes it."""

MAKERS_WORDS: Mapping[str, frozenset[str]] = {
    "nvidia": frozenset({"tesla", "quadro"}),
    "amd": frozenset({"radeon", "instinct"}),
    "intel": frozenset(),
    "unified": frozenset({"radeon", "pro"}),
    "apple": frozenset({"macbook", "mac", "studio", "mini", "air", "imac"}),
}
"""Words that a name may have besides its card's own."""

NOISE = frozenset({
    "nvidia", "geforce", "amd", "ati", "intel", "apple", "qualcomm", "corporation", "inc", "tm", "oryon", "cpu",
    "graphics", "card", "gpu", "processor", "chip", "series", "edition", "generation", "gen", "workstation", "founders",
    "design", "with", "vram", "unified", "memory", "accelerator", "ram", "adreno", "desktop", "reference",
    "asus", "msi", "gigabyte", "evga", "zotac", "palit", "gainward", "pny", "sapphire", "powercolor", "xfx", "asrock",
    "galax", "gaming", "oc", "ventus", "tuf", "rog", "eagle", "trio", "suprim", "windforce", "trinity", "pulse",
    "nitro",
})  # fmt: skip
"""Words that tell no card from another: makers, sellers' brands."""

SYNONYMS: Mapping[str, str] = {
    r"\bmobile\b|\bnotebook\b|(?<=\b\d{4})m\b": " laptop ",
    r"\bmaxq\b": " max q ",
    r"\bpci e\b": " pcie ",
    r"\bsxm ?\d\b": " sxm ",
    r"\bdgx spark\b": " gb10 ",
    r"\bmac ?book pro\b|\bmac pro\b|^ *\d+ ?x\s": " ",  # a count: 2x RTX 3090
    r"(?<=\bsuprim) x\b|(?<=\btrio) x\b|\bg?ddr\d\w*|\bhbm\d\w*|\bx16\b": " ",
}
"""Spellings -> what a card's name in cards.toml has instead."""
MAX_NAME_CHARACTERS = 200
MAX_CPU_CORES = 19  # of a chip that comes with several GPUs; the smallest of these has 30 cores
KEYS = ("gb", "gbs", "named")
RELATIVE_SIZE_TOLERANCE = 0.15  # what a driver reports of the memory is up to 7 % less than the size sold


@dataclass(frozen=True, slots=True)
class Card:
    """A card or chip. `bandwidth` in bytes a second; `memory` in bytes, None for chips that share the computer's.

    `assumed`: the name fits several models of it; this one was taken.
    """

    name: str
    maker: str
    bandwidth: int
    memory: int | None = None
    assumed: str | None = None

    @property
    def unified(self) -> bool:
        return self.memory is None


@dataclass(frozen=True, slots=True)
class Named:
    """A name taken apart: its words, and what it says of memory (GB) and cores."""

    words: frozenset[str]
    gigabytes: float | None = None
    gpu_cores: int | None = None
    cpu_cores: int | None = None


@lru_cache(maxsize=512)
def find_card(name: str, memory: int | None = None) -> Card | None:
    """The card of this name; None if it is unknown. `memory` (bytes), if known, tells models of one name apart."""
    named = parse_card_name(name)
    if memory is not None:
        named = Named(named.words, memory / GIB, named.gpu_cores, named.cpu_cores)
    fitting = [entry for entry in card_table() if entry.fits(named.words)]
    if not fitting:
        return None
    fitting.sort(key=lambda entry: len(entry.words ^ named.words))
    best = [entry for entry in fitting if len(entry.words ^ named.words) == len(fitting[0].words ^ named.words)]
    found = {card for entry in best if (card := entry.choose(named)) is not None}
    return found.pop() if len(found) == 1 else None


def find_bandwidth(name: str, memory: int | None = None) -> int | None:
    """Bytes per second of a card or chip, by the name that its system reports; None if unknown."""
    card = find_card(name, memory)
    return None if card is None else card.bandwidth


def similar_cards(name: str) -> tuple[str, ...]:
    """Names of known cards that resemble an unknown one."""
    names = {entry.name.lower(): entry.name for entry in card_table()}
    return tuple(names[each] for each in get_close_matches(name.lower(), names, n=3, cutoff=0.5))


def parse_card_name(name: str) -> Named:
    """The words of a name in lower case, letters apart from digits, without what tells no card from another."""
    text = re.sub(r"\((?:r|tm|c)\)", " ", name.lower()[:MAX_NAME_CHARACTERS])
    text = re.split(r" w/ | - ", text)[0]  # a processor "w/ Radeon 8060S", a chip's part number
    text = re.sub(r"[^a-z0-9.]+", " ", text)
    for spelling, meant in SYNONYMS.items():
        text = re.sub(spelling, meant, text)
    text, gigabytes = take_number(text, r"\b(\d{1,3})(?:\.\d+)?\s*(?:gb|gib|g)\b")
    text, gpu_cores, cpu_cores = take_cores(text)
    words = re.findall(r"[a-z]+|\d+", text)
    return Named(frozenset(word for word in words if word not in NOISE), gigabytes, gpu_cores, cpu_cores)


def take_cores(text: str) -> tuple[str, int | None, int | None]:
    """The text without its numbers of cores, and those of the GPU and of the processor.

    `12P+4E+40GPU`, `16-core CPU 40-core GPU`; of a number alone only a GPU's can exceed MAX_CPU_CORES.
    """
    text, gpu = take_number(text, r"\b(\d{1,2})\s*(?:c\s+|cores?\s+)?gpu\b(?:\s*cores?)?")
    text, performance = take_number(text, r"\b(\d{1,2})p(?=\s+\d{1,2}e\b)")
    text, efficiency = take_number(text, r"\b(\d{1,2})e\b") if performance else (text, None)
    text, cpu = take_number(text, r"\b(\d{1,2})\s*(?:c\s+|cores?\s+)?cpu\b(?:\s*cores?)?")
    text, cores = take_number(text, r"\b(\d{1,2})\s*cores?\b")
    if performance and efficiency:
        cpu = performance + efficiency
    if cores is not None and cores > MAX_CPU_CORES:
        gpu = gpu or cores
    return text, gpu, cpu or (cores if cores is not None and cores <= MAX_CPU_CORES else None)


def take_number(text: str, pattern: str) -> tuple[str, int | None]:
    """The number that a pattern finds, and the text without it."""
    found = re.search(pattern, text)
    return (text, None) if found is None else (text[: found.start()] + " " + text[found.end() :], int(found[1]))


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of cards.toml."""

    name: str
    maker: str
    words: frozenset[str]
    models: tuple[Mapping[str, Any], ...]

    def fits(self, words: frozenset[str]) -> bool:
        distinctive = self.words - SERIES[self.maker]
        return words <= self.words | MAKERS_WORDS[self.maker] and distinctive <= words

    def choose(self, named: Named) -> Card | None:
        """The model that the name means; None if it names a memory that no model has, and they differ in bandwidth."""
        if any("gpu" in model for model in self.models):
            return self.choose_chip(named)
        asked = named.gigabytes
        if asked is None or "gb" not in self.models[0]:
            return self.card(self.models[0])
        sizes = [model.get("named", model["gb"]) for model in self.models]
        at = min(range(len(sizes)), key=lambda index: abs(sizes[index] - asked))
        if abs(sizes[at] - asked) <= RELATIVE_SIZE_TOLERANCE * sizes[at]:
            return self.card(self.models[at])
        if len({model["gbs"] for model in self.models}) > 1:
            return None
        return self.card({**self.models[0], "gb": round(asked)})  # a card whose memory was exchanged

    def choose_chip(self, named: Named) -> Card | None:
        asked = {"gpu": named.gpu_cores, "cpu": named.cpu_cores}
        for key, cores in asked.items():
            if cores is not None and any(key in model for model in self.models):
                found = [model for model in self.models if model.get(key) == cores]
                return self.card(found[0]) if found else None
        asked_size = named.gigabytes
        if asked_size is not None:
            sizes = [(abs(size / asked_size - 1), model) for model in self.models for size in model.get("gb", ())]
            off, nearest = min(sizes, key=lambda each: each[0], default=(1.0, self.models[0]))
            if off <= RELATIVE_SIZE_TOLERANCE:
                return self.card(nearest)
        return self.card(self.models[0], f"the {self.models[0]['gpu']}-core GPU")

    def card(self, model: Mapping[str, Any], assumed: str | None = None) -> Card:
        memory = model.get("gb") if self.maker not in ("apple", "unified") else None
        return Card(self.name, self.maker, round(model["gbs"] * GB), memory and memory * GIB, assumed)


@cache
def card_table() -> Sequence[Entry]:
    """The cards of cards.toml."""
    entries = []
    for maker, rows in tomllib.loads(PATH.read_text(encoding="utf-8")).items():
        for name, value in rows.items():
            models: Any = value if isinstance(value, list) else [{"gbs": value}]
            rows_of = tuple(dict(zip(KEYS, each, strict=False)) if isinstance(each, list) else each for each in models)
            entries.append(Entry(name, maker, parse_card_name(name).words, rows_of))
    return tuple(entries)
