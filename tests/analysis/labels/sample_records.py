"""Records of repos, artifacts and headers for tests of labels, and what tests ask of the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.labels import Labels
from db.records import ArtifactRecord, Header, Labelled, RepoRecord

B = 10**9


def repo(repo_id: str, *tags: str, **values: Any) -> RepoRecord:
    return RepoRecord("1", repo_id, author=repo_id.partition("/")[0], tags=tags, **values)


def gguf(path: str, size: int | None = None, role: Any = "weights") -> ArtifactRecord:
    return ArtifactRecord(path, role, "gguf", (path,), size, content=f"sha of {path}")


def tensors(path: str = "model.safetensors", size: int | None = None, role: Any = "weights") -> ArtifactRecord:
    return ArtifactRecord(path, role, "safetensors", (path,), size)


def header(quant: str, parameters: int, bits: float, types: Mapping[str, int] | None = None, **values: Any) -> Header:
    """A verified GGUF header."""
    known: dict[str, Any] = {
        "format": "gguf", "version": 3, "architecture": "llama", "parameters": parameters,
        "active_parameters": parameters, "tensor_count": 200, "types": types or {quant: parameters}, "quant": quant,
        "quant_method": "gguf", "quant_share": 0.9, "bits_per_weight": bits, "context": 8192,
        "size": round(parameters * bits / 8), "size_verified": True,
    }  # fmt: skip
    return Header(**{**known, **values})


def fields(labels: Labels, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(labels, name) for name in names)


def conflicts(labelled: Labelled) -> dict[str, tuple[str, str, str, str]]:
    return {c.field: (c.claimed, c.claimed_by, c.measured, c.measured_by) for c in labelled.conflicts}


def basis(labelled: Labelled, field: str) -> tuple[str, ...]:
    """The sources of the evidence that gave a label its value."""
    return tuple(each.source for each in labelled.evidence if each.field == field and each.resolved)
