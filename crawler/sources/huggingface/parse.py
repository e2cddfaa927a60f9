"""One row of the Hub's listing, or one answer about a repo, made sure of: everything in it is a stranger's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crawler.sources.huggingface.client import BASIC_EXPAND_KEYS, EXPENSIVE_EXPAND_KEYS
from crawler.sources.huggingface.response import json_type_name
from db.record_base import Gated, Json, Relation
from db.records import EdgeRecord, EvalRecord, RepoRecord, Skipped

HUB_ID = re.compile(r"[0-9a-f]{24}")
REPO_ID = re.compile(r"[A-Za-z0-9_.-]{1,96}(?:/[A-Za-z0-9_.-]{1,96})?")
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

MAX_TAGS = 1000
MAX_TAG_LENGTH = 300
MAX_TEXT_LENGTH = 300  # of one word: an author, a licence, a language
MAX_BASE_MODELS = 50
MAX_EVALUATIONS = 200
MAX_VALUE_BYTES = 4096  # of one value of a card or a config, as JSON
MAX_OBJECT_BYTES = 16384  # of a whole card or config, as JSON
MAX_INT64 = 2**63 - 1

IGNORED_KEYS = frozenset((
    "model-index", "widget", "extra_gated_prompt", "extra_gated_fields", "extra_gated_heading", "inference",
    "extra_gated_description", "extra_gated_button_content", "co2_eq_emissions", "chat_template", "chat_template_jinja",
    "tokenizer_config", "processor_config", "additional_chat_templates", "thumbnail",
))  # fmt: skip
"""Keys of cards, configs and the gguf block that are long, templates, or said elsewhere."""

KNOWN_KEYS = frozenset(
    (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS, "_id", "id", "modelId", "siblings", "gguf", "widgetData", "spaces")
)
"""Keys that have a place of their own or none on purpose; any other is kept in `extra`."""


class Malformed(ValueError):
    """A row is not what it must be; the message names the key."""


def parse_repo(row: Any, now: datetime | None = None) -> RepoRecord | Skipped:
    """One row of the listing, or one answer about a repo, made sure of: a RepoRecord, or why it is left out.

    What names a repo and what is counted must be of its type, else the row is malformed. Blocks that others write
    (card, config, safetensors, gguf, evaluations) are taken as far as they make sense, bounded, and never rendered.
    """
    try:
        return _repo(row)
    except Malformed as error:
        named, known = (row.get("id"), row.get("_id")) if isinstance(row, dict) else (None, None)
        repo_id = named if isinstance(named, str) and REPO_ID.fullmatch(named) else "?"
        hub_id = known if isinstance(known, str) and HUB_ID.fullmatch(known) else None
        return Skipped(repo_id, "malformed", str(error), now or datetime.now(UTC), hub_id)


def _repo(row: Any) -> RepoRecord:
    if type(row) is not dict:
        raise Malformed(f"a row is {json_type_name(row)}, no object")
    get = row.get
    hub_id, repo_id = get("_id"), get("id")
    if type(hub_id) is not str or not HUB_ID.fullmatch(hub_id):
        raise Malformed(f"_id is {describe_value(hub_id)}")
    if type(repo_id) is not str or not REPO_ID.fullmatch(repo_id):
        raise Malformed(f"id is {describe_value(repo_id)}")
    card, config, gguf = get("cardData"), get("config"), get("gguf")
    card = bounded(card) if type(card) is dict and card else {}
    tags = tags_of(get("tags"))
    return RepoRecord(
        hub_id=hub_id,
        repo_id=repo_id,
        author=parse_short_text(get("author")) or (repo_id.partition("/")[0] if "/" in repo_id else None),
        sha=sha_of(get("sha")),
        created_at=parse_time(get("createdAt"), "createdAt"),
        last_modified=parse_time(get("lastModified"), "lastModified"),
        downloads=parse_int(get("downloads"), "downloads"),
        downloads_all_time=parse_int(get("downloadsAllTime"), "downloadsAllTime"),
        likes=parse_int(get("likes"), "likes"),
        trending_score=score(get("trendingScore")),
        private=parse_bool(get("private"), "private"),
        gated=parse_gated(get("gated")),
        disabled=parse_bool(get("disabled"), "disabled"),
        pipeline_tag=parse_short_text(get("pipeline_tag")),
        library_name=parse_short_text(get("library_name")),
        license=license_of(card, tags),
        used_storage=parse_int(get("usedStorage"), "usedStorage"),
        tags=tags,
        languages=languages_of(card.get("language")),
        card=card,
        config=bounded(config) if type(config) is dict and config else {},
        safetensors=safetensors_of(get("safetensors")),
        gguf=bounded(gguf) if type(gguf) is dict and gguf else {},
        edges=parents_of(get("baseModels")),
        evaluations=evaluations_of(get("model-index"), get("cardData"), get("evalResults")),
        extra={} if KNOWN_KEYS.issuperset(row) else extra_of(row),
    )


def describe_value(value: Any) -> str:
    """A stranger's value in few, plain signs."""
    if isinstance(value, str):
        return ascii(value[:80])
    return json_type_name(value)


def parse_int(value: Any, key: str) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_INT64):
        return value
    if type(value) is float and value == value and 0 <= value <= 2**53 and value == int(value):
        return int(value)
    raise Malformed(f"{key} is {describe_value(value)}{'' if type(value) is not int else ' out of bounds'}")


def score(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) in (int, float) and abs(value) < 1e15:  # no NaN passes
        return float(value)
    raise Malformed(f"trendingScore is {describe_value(value)}")


def parse_bool(value: Any, key: str) -> bool:
    if value is None or type(value) is bool:
        return bool(value)
    raise Malformed(f"{key} is {describe_value(value)}")


def parse_gated(value: Any) -> Gated | None:
    if value in (None, False):
        return None
    if value == "manual":
        return "manual"
    if value in (True, "auto"):
        return "auto"
    raise Malformed(f"gated is {describe_value(value)}")


def sha_of(value: Any) -> str | None:
    if value is None or (type(value) is str and SHA.fullmatch(value)):
        return value
    raise Malformed(f"sha is {describe_value(value)}")


def parse_time(value: Any, key: str) -> datetime | None:
    """A time as the Hub writes it; one without a zone is UTC."""
    if value is None:
        return None
    if type(value) is str and len(value) <= 40:
        try:
            found = datetime.fromisoformat(value)
            if found.tzinfo is not UTC:
                found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
            if 2000 <= found.year < 2200:
                return found
        except (ValueError, OverflowError):
            pass
    raise Malformed(f"{key} is {describe_value(value)}")


def parse_short_text(value: Any) -> str | None:
    """A short text of printable signs; anything else is unknown."""
    return value if type(value) is str and 0 < len(value) <= MAX_TEXT_LENGTH and value.isprintable() else None


def tags_of(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if type(value) is not list:
        raise Malformed(f"tags is {json_type_name(value)}")
    try:
        if (
            all(map(str.isprintable, value))
            and len(value) <= MAX_TAGS
            and all(value)
            and limit_text(value) <= MAX_TAG_LENGTH
        ):
            return tuple(dict.fromkeys(value))
    except TypeError:
        pass  # not all of them are texts
    kept = [tag for tag in value if type(tag) is str and 0 < len(tag) <= MAX_TAG_LENGTH and tag.isprintable()]
    return tuple(dict.fromkeys(kept[:MAX_TAGS]))


def limit_text(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)


def license_of(card: Json, tags: Sequence[str]) -> str | None:
    said = card.get("license")
    if type(said) is list and said:
        said = said[0]
    if said == "other":
        said = card.get("license_name") or said
    return parse_short_text(said) or next(
        (parse_short_text(tag[8:]) for tag in tags if tag.startswith("license:")), None
    )


def languages_of(said: Any) -> tuple[str, ...]:
    if type(said) is str:
        said = [said]
    return (
        tuple(dict.fromkeys(each for each in said[:MAX_TAGS] if parse_short_text(each))) if type(said) is list else ()
    )


def safetensors_of(said: Any) -> Json:
    """{"parameters": {dtype: n}, "total": n} of what is in it and makes sense."""
    if type(said) is not dict:
        return {}
    found: dict[str, Any] = {}
    counted = said.get("parameters")
    if type(counted) is dict:
        kept = {
            dtype: n
            for dtype, n in list(counted.items())[:64]
            if parse_short_text(dtype) and len(dtype) <= 32 and type(n) is int and 0 <= n <= MAX_INT64
        }
        if kept:
            found["parameters"] = kept
    total = said.get("total")
    if type(total) is int and 0 <= total <= MAX_INT64:
        found["total"] = total
    return found


def parents_of(said: Any) -> tuple[EdgeRecord, ...]:
    """`baseModels`: {"relation": ..., "models": [{"_id", "id"}, ...]}."""
    if type(said) is not dict or type(said.get("models")) is not list:
        return ()
    stated = said.get("relation")
    relation: Relation = stated if stated in ("finetune", "quantized", "adapter", "merge") else "unknown"
    names = (model.get("id") for model in said["models"][:MAX_BASE_MODELS] if type(model) is dict)
    known = (name for name in names if type(name) is str and REPO_ID.fullmatch(name))
    return tuple(EdgeRecord(name, relation, "api") for name in dict.fromkeys(known))


def evaluations_of(index: Any, card: Any, results: Any) -> tuple[EvalRecord, ...]:
    """Of the card's model-index and of the repo's own evaluation files; at most MOST_RESULTS."""
    if index is None and type(card) is dict:
        index = card.get("model-index")
    if not index and not results:
        return ()
    found = [*_index_results(index), *_file_results(results)]
    return tuple(dict.fromkeys(found[:MAX_EVALUATIONS]))


def _index_results(index: Any) -> Iterator[EvalRecord]:
    for model in objects(index):
        for result in objects(model.get("results")):
            task, dataset = of_object(result.get("task")), of_object(result.get("dataset"))
            task_name = parse_short_text(task.get("name")) or parse_short_text(task.get("type")) or ""
            dataset_name = parse_short_text(dataset.get("name")) or parse_short_text(dataset.get("type")) or ""
            for metric in objects(result.get("metrics")):
                value = parse_float(metric.get("value"))
                if value is not None:
                    name = parse_short_text(metric.get("name")) or parse_short_text(metric.get("type")) or ""
                    yield EvalRecord(task_name, dataset_name, name, value, "card")


def _file_results(results: Any) -> Iterator[EvalRecord]:
    for result in objects(results):
        dataset, value = of_object(result.get("dataset")), parse_float(result.get("value"))
        name = parse_short_text(dataset.get("id")) or parse_short_text(result.get("dataset_id"))
        if value is not None and name:
            task = parse_short_text(dataset.get("task_id")) or parse_short_text(result.get("task_id")) or ""
            yield EvalRecord(task, name, "", value, "api")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if type(value) is list:
        yield from (each for each in value[:MAX_EVALUATIONS] if type(each) is dict)


def of_object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def parse_float(value: Any) -> float | None:
    """A number, or a text that is one: `71.3`, `71.3%`."""
    if type(value) is str and len(value) < 24:
        try:
            value = float(value.removesuffix("%"))
        except ValueError:
            return None
    return float(value) if type(value) in (int, float) and abs(value) < 1e15 else None


def extra_of(row: Mapping[str, Any]) -> Json:
    """Keys of a later Hub, so that nothing it says is lost."""
    return bounded({key: value for key, value in row.items() if key not in KNOWN_KEYS and value is not None})


# ---- a stranger's object, bounded ----------------------------------------------------------------------------------


def bounded(value: Mapping[str, Any]) -> Json:
    """An object whose texts hold no control signs, whose values are small and which is small itself.

    What is too large is left out: each value by itself, then, if the whole is still too large, the largest.
    """
    kept: dict[str, Any] = {}
    total = 0
    for key, item in value.items():
        if item is None or key in IGNORED_KEYS or not key.isprintable() or len(key) > MAX_TEXT_LENGTH:
            continue
        small, size = limit_json(item, 6)
        if small is not None and size <= MAX_VALUE_BYTES:
            kept[key] = small
            total += size + len(key)
    if total > MAX_OBJECT_BYTES:
        for key in sorted(kept, key=lambda key: -limit_json(kept[key], 6)[1]):
            total -= limit_json(kept.pop(key), 6)[1] + len(key)
            if total <= MAX_OBJECT_BYTES:
                break
    return kept


def limit_json(value: Any, depth: int) -> tuple[Any, int]:
    """A JSON value without what is not printable, at most so deep and 1,000 items wide, and how many signs it takes.

    None for what is left out whole.
    """
    kind = type(value)
    if kind is str:
        return (value, len(value)) if len(value) <= MAX_VALUE_BYTES and value.isprintable() else (None, 0)
    if kind is bool or (
        (kind is int or kind is float) and -MAX_INT64 <= value <= MAX_INT64
    ):  # neither NaN nor infinity
        return value, 8
    if depth == 0:
        return None, 0
    total = 0
    if kind is list:
        items = []
        for item in value[:1000]:
            small, size = limit_json(item, depth - 1)
            if small is not None:
                items.append(small)
                total += size + 2
        return items, total
    if kind is dict:
        pairs: dict[str, Any] = {}
        for key, item in value.items():
            if key in IGNORED_KEYS or not key.isprintable() or len(key) > MAX_TEXT_LENGTH or len(pairs) >= 1000:
                continue
            small, size = limit_json(item, depth - 1)
            if small is not None:
                pairs[key] = small
                total += size + len(key) + 4
        return pairs, total
    return None, 0
