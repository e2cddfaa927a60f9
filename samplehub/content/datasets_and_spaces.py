"""A few datasets and spaces beside the models of the sample Hub, made by rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from samplehub.content.catalog import Catalog, as_content
from samplehub.content.repo import RepoParts

BEGUN = datetime(2025, 2, 1, tzinfo=UTC)
LANGUAGES = ("en", "de", "fr", "zh")
TASKS = ("text-generation", "question-answering", "translation")
SDKS = ("gradio", "docker", "static")
MODELS = ("google/gemma-3-1b-it", "ggml-org/gemma-3-1b-it-GGUF", "nobody/no-such-model")
COUNT = 24

BENCHMARK = "acme/grade-school-math"
"""The dataset that is a benchmark, with a leaderboard."""


def sample_datasets() -> Catalog:
    """Two dozen datasets; one is a benchmark, one is gated, one has the name of a model."""
    catalog = Catalog()
    for at in range(COUNT):
        language, task = LANGUAGES[at % len(LANGUAGES)], TASKS[at % len(TASKS)]
        name = {0: BENCHMARK, 1: MODELS[0]}.get(at, f"borealis/{task}-{language}-{at}")
        card: dict[str, Any] = {"license": ("mit", "cc-by-4.0")[at % 2], "language": [language]}
        card |= {
            "task_categories": [task],
            "description": f"Examples of {task} in {language}.",
            "mainSize": 10**at % 997,
        }
        tags = [f"task_categories:{task}", f"language:{language}", f"license:{card['license']}"]
        if name == BENCHMARK:
            tags.append("benchmark:official")
            card["leaderboard"] = [
                {"rank": 1, "modelId": MODELS[0], "value": 61.5, "verified": True, "source": {"url": "https://hf.co"}},
                {"rank": 2, "modelId": MODELS[2], "value": 12.25, "verified": False},
                {"rank": 3, "modelId": 17, "value": "many"},
            ]
        _add(catalog, at, name, card, tags, {"data/train.parquet": bytes([at]) * 40, "README.md": b"# A dataset\n"})
        if at == 2:
            catalog.modify(name, gated="auto")
    return catalog


def sample_spaces() -> Catalog:
    """Two dozen spaces, each with the models and datasets that it uses."""
    catalog = Catalog()
    for at in range(COUNT):
        sdk = SDKS[at % len(SDKS)]
        card = {"sdk": sdk, "license": "apache-2.0", "runtime": {"stage": ("RUNNING", "SLEEPING")[at % 2]}}
        card |= {"models": list(MODELS[: at % 4]), "datasets": [BENCHMARK] if at % 5 == 0 else []}
        files = {"app.py": b"import gradio\n", "README.md": b"# A space\n"}
        _add(catalog, at, f"corvid/chat-{sdk}-{at}", card, [sdk, "region:us"], files)
    return catalog


def _add(catalog: Catalog, at: int, name: str, card: Any, tags: list[str], files: dict[str, bytes]) -> None:
    """A repo, made an hour after the one before, and changed in another order."""
    contents = {path: as_content(content) for path, content in files.items()}
    created = BEGUN + timedelta(hours=at)
    modified = BEGUN + timedelta(days=1, minutes=7 * at % COUNT)
    catalog.add(
        name,
        created=created,
        modified=f"{modified:%Y-%m-%dT%H:%M:%S}.000Z",
        downloads=31 * at % 100,
        likes=at % 7,
        tags=tuple(tags),
        parts=RepoParts(files=lambda: contents, card=lambda: card),
    )
