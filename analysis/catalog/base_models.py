"""What a copy takes over from the model it was made from: a value that it lacks itself, with the source `base`.

Quantization changes neither shapes nor what a model was trained for. So where a quantized copy does not state its
context, its active parameters or its architecture, those of its base model hold for it, and so does the licence. Of a
finetune only the shapes are those of its base.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values

MAX_GENERATIONS = 3
"""Base models that are followed upwards: a copy of a quantized copy of a finetune."""

IDS_PER_QUERY = 500

SHAPES = (
    "parameters_measured", "parameters", "active_parameters_measured", "active_parameters", "experts",
    "context_measured", "architecture",
)  # fmt: skip
"""What a finetune shares with its base model."""

INHERITED: Mapping[str, Sequence[str]] = {
    "quantized": (*SHAPES, "license", "pipeline_tag", "tuning", "specialty"),
    "finetune": SHAPES,
}
"""By the relation to the base model: what a repo takes over where it lacks it."""

REPO_COLUMNS = ("repo_id", "author", "downloads", "created_at", "license", "pipeline_tag")
LABEL_COLUMNS = ("family", "version", *SHAPES, "tuning", "specialty", "base_model", "base_model_relation")
BASE_COLUMNS = (*REPO_COLUMNS, *LABEL_COLUMNS)
"""What is read of a base model."""

BASES = f"""
select {", ".join(f"r.{name}" for name in REPO_COLUMNS)}, {", ".join(f"l.{name}" for name in LABEL_COLUMNS)}
from repos r join repo_labels l on l.repo = r.id
where r.type = 'model' and lower(r.repo_id) in ({{ids}})
"""


@dataclass(frozen=True, slots=True)
class BaseModels:
    """The base models of some repos, and theirs, by repo id in lower case."""

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def chain(self, row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """(relation, row) of each base model upwards, the nearest first; ends at one that the catalog lacks."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        seen = {str(row.get("repo_id") or "").lower()}
        while (above := (row.get("base_model") or "").lower()) and above not in seen and above in self.rows:
            seen.add(above)
            found.append((row["base_model_relation"] or "unknown", self.rows[above]))
            row = self.rows[above]
        return found

    def original(self, row: Mapping[str, Any]) -> str:
        """The id of the model that a repo holds a quantized copy of, or its own id; perhaps not in the catalog."""
        current: Mapping[str, Any] = row
        for relation, base in self.chain(row):
            if relation != "quantized":
                break
            current = base
        if current["base_model"] and current["base_model_relation"] == "quantized":
            return str(current["base_model"])
        return str(current["repo_id"])

    def inherit(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The row with what it lacks taken from its base models, and the names of these values."""
        whole, taken = dict(row), []
        allowed: Sequence[str] = ()
        for at, (relation, base) in enumerate(self.chain(row)):
            names = INHERITED.get(relation, ())
            allowed = names if at == 0 else [name for name in allowed if name in names]
            for name in allowed:
                if name in whole and whole[name] in (None, [], ()) and base.get(name) not in (None, [], ()):
                    whole[name] = base[name]
                    taken.append(name)
        return whole, tuple(taken)


def load_base_models(reader: CatalogReader, rows: Iterable[Mapping[str, Any]]) -> BaseModels:
    """The base models of rows with `base_model`, and theirs, with few queries."""
    found: dict[str, Mapping[str, Any]] = {}
    level: Iterable[Mapping[str, Any]] = rows
    for _ in range(MAX_GENERATIONS):
        wanted = sorted({row["base_model"].lower() for row in level if row["base_model"]} - found.keys())
        loaded = [
            row
            for at in range(0, len(wanted), IDS_PER_QUERY)
            for row in load_bases(reader, wanted[at:][:IDS_PER_QUERY])
        ]
        found.update((row["repo_id"].lower(), row) for row in loaded)
        level = loaded
    return BaseModels(found)


def load_bases(reader: CatalogReader, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of repos by their ids in lower case."""
    listed, values = name_values("id", ids)
    return reader.all(BASES.format(ids=listed), values)
