"""What a page of the catalog is: its address, what it reads, and how that becomes HTML, JSON, CSV or a feed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from analysis.fit.detect import detect_machine
from analysis.fit.machines import Machine, find_preset
from analysis.query.process import QueryRequest
from analysis.query.reader import CatalogReader
from analysis.units import parse_size, size_text
from crawler.web.answers import AnswerCache
from crawler.web.pool import Page as QueryResult
from crawler.web.query import BadRequest, Query

DEFAULT_MACHINE = "laptop-16gb"
THIS_MACHINE = "server"
"""The choice of the computer on which the pages are served."""

COMMIT = re.compile(r"[0-9a-f]{40}")

SIZE_HINT = "a size such as 16GB or 16GiB"


def change_text(value: str | None) -> str:
    """One side of a change as people read it: of a file its size, of a commit the begin of its id."""
    text = value or ""
    if text.startswith("{"):
        try:
            size = json.loads(text).get("size")
        except ValueError:
            return text
        return size_text(size) if isinstance(size, int) else "unknown size"
    return text[:12] if COMMIT.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a page. `parts`: what the address names, decoded; `machine`: the preset of config.toml, if any.

    `run_query` runs a statement in a process that can be killed; raises what QueryPool.run does.
    """

    reader: CatalogReader
    db: str
    path: str
    parts: Sequence[str]
    query: Query
    answers: AnswerCache
    run_query: Callable[[QueryRequest], QueryResult]
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a page shows. `data` is its JSON form; `context` holds what its template uses beside `data`."""

    title: str
    data: Any
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A form of a page that is neither HTML nor JSON."""

    body: str
    media_type: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Page:
    """One kind of page. `path` is a regular expression of its address without a suffix.

    `forms`: further forms of the page by suffix: `.atom`.
    """

    name: str
    path: str
    load: Callable[[Visit], Content]
    forms: Mapping[str, Callable[[Visit], TextFile]] = field(default_factory=dict)

    @property
    def template(self) -> str:
        return f"{self.name}.html"


@dataclass(frozen=True, slots=True)
class ChosenMachine:
    """The machine that the address names, with the texts of its fields for forms and links."""

    machine: Machine
    preset: str
    ram: str
    vram: str

    @property
    def room(self) -> int:
        """Bytes that are free for models."""
        return self.machine.ram_for_models + self.machine.vram_for_models

    @property
    def title(self) -> str:
        if self.ram or self.vram:
            return self.machine.describe()
        return title_of(self.machine)

    @property
    def fields(self) -> dict[str, str]:
        """The fields of an address that choose this machine."""
        found = {"machine": self.preset, "ram": self.ram, "vram": self.vram}
        return {name: text for name, text in found.items() if text}


def choose_machine(visit: Visit) -> ChosenMachine:
    """The memory that the address states, else its preset, else that of config.toml, else a laptop with 16 GB.

    Raises BadRequest, UnknownPreset.
    """
    ram = visit.query.parsed("ram", parse_size, SIZE_HINT)
    vram = visit.query.parsed("vram", parse_size, SIZE_HINT)
    if ram or vram:
        return ChosenMachine(Machine(ram=ram, vram=vram), "", visit.query.text("ram"), visit.query.text("vram"))
    preset = visit.query.text("machine") or visit.machine or DEFAULT_MACHINE
    machine = this_machine() if preset == THIS_MACHINE else find_preset(preset)
    if not machine.ram and not machine.vram:
        raise BadRequest("machine", preset, f"a chip with its memory: {preset} 16GB")
    return ChosenMachine(machine, preset, "", "")


def title_of(machine: Machine) -> str:
    """The title of a preset, which states its memory as it is sold, or what is known of another machine."""
    return machine.title if re.search(r"\d GB", machine.title) else f"{machine.title} ({machine.describe()})"


@cache
def this_machine() -> Machine:
    """The computer on which the pages are served."""
    return detect_machine()
