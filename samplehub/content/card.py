"""README.md with its YAML block, and the tags that the Hub makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from samplehub.content.repo import Json


def make_card(
    *,
    license_: str | None,
    license_name: str | None,
    languages: Sequence[str],
    library: str | None,
    pipeline: str | None,
    base: Sequence[str],
    relation: str | None,
    relation_said: bool,
    tags: Sequence[str],
    datasets: Sequence[str],
    quantizer: str | None,
    results: Sequence[Json],
    name: str,
) -> Json:
    """The card's data, in the order in which people write it; what is not known is not there."""
    card: Json = {}
    if base:
        card["base_model"] = base[0] if len(base) == 1 else list(base)
    if relation_said and relation:
        card["base_model_relation"] = relation
    if languages:
        card["language"] = list(languages)
    if library:
        card["library_name"] = library
    if license_:
        card["license"] = license_
    if license_name:
        card["license_name"] = license_name
    if pipeline:
        card["pipeline_tag"] = pipeline
    if datasets:
        card["datasets"] = list(datasets)
    if quantizer:
        card["quantized_by"] = quantizer
    if tags:
        card["tags"] = list(tags)
    if results:
        card["model-index"] = [{"name": name, "results": list(results)}]
    return card


def evaluation_result(task: str, dataset: str, metric: str, value: float) -> Json:
    """One entry of a card's model-index."""
    return {
        "task": {"type": "text-generation", "name": "Text Generation"},
        "dataset": {"name": dataset, "type": task},
        "metrics": [{"type": metric, "value": value, "name": metric, "verified": False}],
    }


def readme(card: Mapping[str, Any], repo_id: str, body: str = "") -> bytes:
    """README.md: the block between two lines of dashes, then a text."""
    title = repo_id.rpartition("/")[2]
    return f"---\n{yaml(card)}---\n\n# {title}\n\n{body or 'A sample of the model card.'}\n".encode()


def yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """The little of YAML that cards use: maps, lists and scalars."""
    lines = ""
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines += f"{indent}{key}:\n{yaml(item, indent + '  ')}"
        elif isinstance(item, list | tuple):
            lines += f"{indent}{key}:\n" + "".join(yaml_item(part, indent) for part in item)
        else:
            lines += f"{indent}{key}: {scalar(item)}\n"
    return lines


def yaml_item(item: Any, indent: str) -> str:
    if isinstance(item, Mapping):
        inner = yaml(item, indent + "  ")
        return f"{indent}- {inner[len(indent) + 2 :]}"
    return f"{indent}- {scalar(item)}\n"


def scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    plain = text.replace("-", "").replace("_", "").replace(".", "").replace("/", "").replace(" ", "")
    unclear = text.lower() in ("no", "yes", "true", "false", "null", "on", "off", "") or text[:1].isdigit()
    return text if plain.isalnum() and not unclear else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def make_tags(
    *,
    library: str | None,
    formats: Sequence[str],
    model_type: str | None,
    pipeline: str | None,
    extra: Sequence[str],
    languages: Sequence[str],
    datasets: Sequence[str],
    base: Sequence[str],
    relation: str | None,
    license_: str | None,
    automatic: Sequence[str],
) -> tuple[str, ...]:
    """The tags of a repo, in the Hub's order: what it is, what its card says, what the Hub adds."""
    tags = [library, *formats, model_type, pipeline, *extra, *languages]
    tags += [f"dataset:{name}" for name in datasets]
    for name in base:
        tags += [f"base_model:{name}", f"base_model:{relation or 'finetune'}:{name}"]
    tags += [f"license:{license_}" if license_ else None, *automatic, "region:us"]
    return tuple(dict.fromkeys(tag for tag in tags if tag))
