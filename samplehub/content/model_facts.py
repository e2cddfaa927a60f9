"""models.toml: real repos written as facts, and what is said once for many of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any

from samplehub.content.geometry import Geometry, Vision
from samplehub.content.repo import hub_time
from samplehub.content.tensor_plans import PLANS
from samplehub.content.tokenizers import Tokenizer
from samplehub.content.weight_packing import PACKS, Scheme

STORES = frozenset({"safetensors", "gguf", "adapter", "pipeline", "files"})


class InvalidFacts(ValueError):
    """models.toml says something that cannot be: the message names the table and the key."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One repo as models.toml states it. Empty and zero mean that nothing is said."""

    id: str
    created: str
    downloads: int = 0
    likes: int = 0
    modified: str = ""
    geometry: str = ""
    store: str = "safetensors"
    base: tuple[str, ...] = ()
    relation: str = ""
    relation_said: bool = False  # the card says base_model_relation
    license: str = ""
    license_name: str = ""
    gated: str = ""
    private: bool = False
    disabled: bool = False
    pipeline: str = ""
    library: str = ""
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # of the card
    automatic: tuple[str, ...] = ()  # of the Hub
    datasets: tuple[str, ...] = ()
    quantized_by: str = ""
    evals: Mapping[str, float] = field(default_factory=dict)  # of the card: task and name of a dataset
    results: Mapping[str, float] = field(default_factory=dict)  # of .eval_results/: id and task of a dataset
    # safetensors
    scheme: Scheme | None = None
    dtype: str = ""
    shard: float = 5.0  # GB
    copy_of: str = ""  # the repo whose very bytes these are
    consolidated: bool = False  # Mistral's own layout beside the sharded one
    folder: str = ""
    bin: bool = False  # pytorch_model.bin beside it, or instead where store is files
    branches: Mapping[str, float] = field(default_factory=dict)  # branch: bits per weight
    main: bool = True  # False: main holds no weights, branches do
    no_config: bool = False  # the API shows no config
    no_metadata: bool = False  # the API shows no safetensors block
    older_config: bool = False  # quantize_config.json beside config.json
    # gguf
    quants: tuple[str, ...] = ()
    file: str = "{name}-{quant}.gguf"
    name: str = ""  # what {name} is; default the repo's name without -GGUF
    split: float = 50.0  # GB of a shard
    ends: str = ""  # type of embedding and output where it is not llama.cpp's choice
    imatrix: bool = False
    imatrix_file: str = ""
    mmproj: tuple[str, ...] = ()  # files of the vision tower, by type: mmproj-model-f16.gguf = F16
    draft: str = ""  # geometry of a draft model kept beside
    draft_file: str = ""
    gguf_config: bool = False  # the API shows a config
    # adapter
    rank: int = 16
    targets: tuple[str, ...] = ("q", "k", "v", "o")
    # pipeline
    components: Mapping[str, str] = field(default_factory=dict)  # folder: geometry
    pipeline_class: str = ""
    # what an audit finds
    scans: Mapping[str, str] = field(default_factory=dict)  # file: status that the Hub's scanners give it
    pickles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # file: names that its pickle imports
    other_template: str = ""  # the quant whose chat template is another one than its siblings'
    later_license: str = ""  # the card's licence once the Hub has changed
    reused: bool = False  # once the Hub has changed, another repo has its name
    # any
    files: Mapping[str, int] = field(default_factory=dict)  # further files by size, whose bytes are zeros

    @property
    def last_modified(self) -> str:
        """When it was last changed; where nothing is said, some days after it was created."""
        if self.modified:
            return hub_time(parse_time(self.modified))
        days = sum(self.id.encode()) % 45
        return hub_time(parse_time(self.created) + timedelta(days=days, hours=days % 24))


@dataclass(frozen=True, slots=True)
class BuiltInFacts:
    """models.toml, read and checked."""

    repos: tuple[Facts, ...]
    geometries: Mapping[str, Geometry]
    tokenizers: Mapping[str, Tokenizer]
    moved: Mapping[str, str]


def parse_time(text: str) -> datetime:
    """A day or a moment, in UTC."""
    return datetime.fromisoformat(text if "T" in text else f"{text}T09:{len(text) * 7 % 60:02d}:00+00:00")


@lru_cache(maxsize=1)
def load_built_in_facts() -> BuiltInFacts:
    """The facts that come with the program. Raises BadFacts."""
    text = (resources.files("samplehub.content") / "models.toml").read_text("utf-8")
    return parse_built_in_facts(tomllib.loads(text))


def parse_built_in_facts(tables: Mapping[str, Any]) -> BuiltInFacts:
    tokenizers = {
        name: Tokenizer(name=name, **freeze_lists(table)) for name, table in tables.get("tokenizer", {}).items()
    }
    geometries: dict[str, Geometry] = {}
    shapes: dict[str, dict[str, Any]] = {}
    for name, table in tables.get("geometry", {}).items():
        if table.get("like", name) not in {*shapes, name}:
            raise InvalidFacts(f"geometry {name}: like {table['like']!r}, which no geometry above it is")
        inherited = {key: value for key, value in shapes.get(table.get("like"), {}).items() if key != "parameters"}
        shapes[name] = inherited | {key: value for key, value in table.items() if key != "like"}
        geometries[name] = parse_geometry(name, shapes[name])
    repos = []
    seen: set[str] = set()
    for table in merge_repo_tables(tables):
        facts = parse_facts(table)
        if facts.id in seen:
            raise InvalidFacts(f"repo {facts.id} is there twice")
        seen.add(facts.id)
        for geometry in [facts.geometry, *facts.components.values()]:
            if geometry and geometry not in geometries:
                raise InvalidFacts(f"repo {facts.id}: no geometry {geometry!r}")
        repos.append(facts)
    return BuiltInFacts(tuple(repos), geometries, tokenizers, dict(tables.get("moved", {})))


def merge_repo_tables(tables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each repo with all that is said of it: by what it is like, by its group, by itself, the last word counting."""
    habits = tables.get("like", {})
    for group in tables.get("group", ()):
        shared = {key: value for key, value in group.items() if key not in ("title", "repos")}
        for repo in group["repos"]:
            habit = repo.get("like", shared.get("like"))
            if habit is not None and habit not in habits:
                raise InvalidFacts(f"repo {repo.get('id')}: like {habit!r}, which nothing is")
            yield {key: value for key, value in {**habits.get(habit, {}), **shared, **repo}.items() if key != "like"}


def parse_geometry(name: str, table: Mapping[str, Any]) -> Geometry:
    values = freeze_lists(table)
    if "vision" in values:
        values["vision"] = Vision(**freeze_lists(table["vision"]))
    if "stack" in values:
        values["stack"] = tuple((str(row[0]), tuple(row[1]), int(row[2])) for row in table["stack"])
    try:
        geometry = Geometry(name=name, **values)
    except TypeError as trouble:
        raise InvalidFacts(f"geometry {name}: {trouble}") from None
    if geometry.plan not in PLANS:
        raise InvalidFacts(f"geometry {name}: plan {geometry.plan!r} is none of {', '.join(PLANS)}")
    return geometry


FIELDS = {one.name for one in fields(Facts)}


def parse_facts(table: Mapping[str, Any]) -> Facts:
    name = table.get("id", "a repo without an id")
    unknown = table.keys() - FIELDS
    if unknown:
        raise InvalidFacts(f"repo {name}: unknown key {', '.join(sorted(unknown))}")
    values = freeze_lists(table)
    if isinstance(values.get("base"), str):
        values["base"] = (values["base"],)
    if "scheme" in values:
        scheme = dict(table["scheme"])
        known = {key: scheme.pop(key) for key in ("method", "bits", "group", "dtype", "keep") if key in scheme}
        if known.get("method") not in PACKS:
            raise InvalidFacts(f"repo {name}: scheme {known.get('method')!r} is none of {', '.join(PACKS)}")
        values["scheme"] = Scheme(**freeze_lists(known), options=scheme)
    for key in ("created", "modified"):
        if key in values:
            values[key] = values[key].isoformat() if hasattr(values[key], "isoformat") else str(values[key])
    facts = Facts(**values)
    if facts.store not in STORES:
        raise InvalidFacts(f"repo {name}: store {facts.store!r} is none of {', '.join(sorted(STORES))}")
    return facts


def freeze_lists(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table whose lists can be hashed."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
