"""What a local artifact is and in which state: the result of the comparison with the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from analysis.local.known import KnownArtifact, KnownRepo
from analysis.local.records import LocalArtifact
from analysis.units import size_text
from db.records import Header

State = Literal["current", "outdated", "modified", "gone", "unknown"]
Evidence = Literal["name", "size", "sha256", "tensors"]
"""What a verdict rests on: a name (of a file, or a sha256 as its store states it), the size alone, the sha256 of the
content, or the tensors that the header describes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one artifact is. None is unknown; times are ISO 8601 text; `confidence` is from 0 to 1."""

    state: State
    evidence: Evidence | None = None
    repo: KnownRepo | None = None
    file: str | None = None  # in the repo
    revision: str | None = None  # commit
    quant: str | None = None
    holders: tuple[KnownRepo, ...] = ()  # all repos with this content, the original publisher first
    since: str | None = None  # since when it is outdated or gone
    replacement: KnownArtifact | None = None  # what has its place now
    changes: tuple[str, ...] = ()  # what differs from the replacement, or from what it was made from
    detail: str = ""
    confidence: float | None = None
    base_model: str | None = None
    candidates: tuple[str, ...] = ()  # other repos that it may be from


@dataclass(frozen=True, slots=True)
class Advice:
    """Something better than a local file: what replaced it, what runs here, less loss, no more loss in fewer bytes."""

    kind: Literal["update", "fit", "quality", "size"]
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A local artifact with its verdict. `copies` are paths of the same content elsewhere on this machine."""

    artifact: LocalArtifact
    verdict: Verdict
    header: Header | None = None
    copies: tuple[str, ...] = ()
    savable_size: int = 0  # bytes that deleting this copy would free, with another one left
    advice: tuple[Advice, ...] = field(default=())


def describe_changes(size: int, header: Header | None, other: KnownArtifact) -> tuple[str, ...]:
    """How another artifact differs from a local one of `size` bytes with this header, in words.

    What either header does not say is not compared.
    """
    found = []
    if other.size is not None and other.size != size:
        found.append(f"size {size_text(size)} -> {size_text(other.size)} ({other.size - size:+,} bytes)")
    if header is None or (other.tensor_layout is None and not other.facts):
        return tuple(found)
    if header.quant != other.quant and header.quant and other.quant:
        found.append(f"quantization {header.quant} -> {other.quant}")
    if header.tensor_layout is not None and other.tensor_layout is not None:
        if header.tensor_layout == other.tensor_layout:
            found.append("tensors of the same names, shapes and types")
        elif header.tensor_shapes == other.tensor_shapes:
            found.append("other tensor types")
        else:
            found.append("other tensors")
    found += [f"{title} changed" for title in changed_facts(header, other)]
    return tuple(found)


COMPARED_FACTS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("name", ("name",)),
    ("base name", ("basename",)),
    ("fine-tune", ("finetune",)),
    ("organization", ("organization",)),
    ("quantized by", ("quantized_by",)),
    ("size label", ("size_label",)),
    ("license", ("license",)),
    ("base models", ("base_models",)),
    ("chat template", ("tokenizer", "template")),
    ("tokenizer", ("tokenizer", "digest")),
    ("tokenizer's tokens", ("tokenizer", "tokens")),
    ("importance matrix", ("imatrix",)),
    ("context", ("geometry", "context")),
    ("file type", ("file_type",)),
    ("metadata", ("metadata",)),
)
"""What is compared of two headers' facts: a title and the keys that lead to it."""


def fact(facts: object, keys: Sequence[str]) -> object:
    """The value of nested keys; None where there is none."""
    for key in keys:
        facts = facts.get(key) if isinstance(facts, dict) else None
    return facts


def changed_facts(header: Header, other: KnownArtifact) -> list[str]:
    """Titles of the facts in which two headers differ."""
    mine, theirs = dict(header.facts), dict(other.facts)
    return [title for title, keys in COMPARED_FACTS if fact(mine, keys) != fact(theirs, keys)]


def similarity(header: Header, other: KnownArtifact) -> float:
    """The share of the facts that either header states in which they agree, 0 to 1; 0 where neither states any."""
    mine, theirs = dict(header.facts), dict(other.facts)
    pairs = [(fact(mine, keys), fact(theirs, keys)) for _, keys in COMPARED_FACTS]
    stated = [(one, two) for one, two in pairs if one is not None or two is not None]
    return sum(one == two for one, two in stated) / len(stated) if stated else 0.0
