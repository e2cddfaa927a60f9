"""What a user asks `fits` for, and which models generate text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from analysis.fit.llama_cpp import load_rules
from analysis.formats.architectures import load_architectures

TEXT_TASKS = frozenset({
    "text-generation", "text2text-generation", "conversational", "image-text-to-text", "audio-text-to-text",
    "video-text-to-text", "any-to-any",
})  # fmt: skip
"""The Hub's tasks of models that generate text."""

WITHOUT_TEXT = frozenset({
    "asr", "tts", "video", "image", "embedding", "reranker", "reward", "classification", "token-classification",
    "game", "robotics", "timeseries",
})  # fmt: skip
"""Specialties whose models answer with something else than text that a user reads."""

READING_SPEED = 3.0
"""Tokens per second at which a user can read along: 135 words per minute, as in speech, at 0.75 words per token."""


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What should run. None and empty do not limit; `context` in tokens, `min_speed` in tokens per second."""

    context: int = 8192
    kv_type: str = "f16"
    families: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    quants: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    repo_ids: tuple[str, ...] = ()
    bits: float | None = None  # nominal bits per weight, rounded
    task: str | None = None  # a specialty, a tuning or the Hub's task; None: models that generate text
    min_speed: float = READING_SPEED
    gated: bool = False  # True: also repos to which access must be requested
    gone: bool = False  # True: also repos that vanished from the Hub
    every_artifact: bool = False  # False: the best of each base model
    limit: int | None = None  # rows


def generates_text(
    task: str | None, specialty: Collection[str], tuning: Collection[str], architecture: str | None, context: int | None
) -> bool:
    """Whether a model generates text for users: by the Hub's task, else by what its labels say.

    Without a task something else must say that it works on text: a context length, or tuning for instructions.
    """
    if WITHOUT_TEXT & set(specialty):
        return False
    if task is not None:
        return task in TEXT_TASKS
    if is_encoder((architecture or "").lower()):
        return False
    return context is not None or bool({"instruct", "chat", "reasoning"} & set(tuning))


def is_encoder(architecture: str) -> bool:
    """Whether models of this architecture keep nothing between tokens, as models that generate do."""
    known = load_architectures().get(architecture)
    return architecture in load_rules().without_cache or (known is not None and not known.keeps_cache)


def matches_task(task: str, row: dict[str, Any]) -> bool:
    """Whether a model's specialty, tuning or task of the Hub is the one that was asked for."""
    return task.lower() in words_of(row)


def words_of(row: dict[str, Any]) -> set[str]:
    """A model's specialties, its tunings and the Hub's task, in lower case."""
    words = {*(row["specialty"] or []), *(row["tuning"] or []), row["pipeline_tag"]}
    return {str(word).lower() for word in words if word is not None}
