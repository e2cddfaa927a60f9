"""Parses what the Hub says of a repo: a row of the listing, or the response to a request for one repo.

Everything in it is untrusted. What identifies a repo must be valid, or the row is malformed; any other value of a wrong
type is unknown, and reported.
Blocks that repo owners write (card, config, safetensors, gguf, evaluations) are kept as far as they are valid, bounded
in size and never rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from analysis.untrusted import MAX_BASE_MODELS, MAX_TAGS, MAX_TEXT_LENGTH
from crawler.sources.huggingface.bounded_json import MAX_INT64, limit_object, parse_config_block, with_template_digest
from crawler.sources.huggingface.repo_types import TYPE_APIS
from crawler.sources.huggingface.response import json_type_name
from db.record_base import Gated, Json, Relation, RepoType
from db.records import EdgeRecord, EvalRecord, RepoRecord, Skipped

HUB_ID = re.compile(r"[0-9a-f]{24}")
REPO_ID = re.compile(r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.-]{1,96}(?:/(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,96})?")
OWN_ID_PREFIX = "id:"
"""Of what identifies a repo of a Hub whose repos have no `_id`: its id in lower case follows."""

SHORT_SHA_LENGTH = 40
"""Hexadecimal digits of a git commit."""

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

MAX_LINKS = 200
"""Models, and datasets, that a space says it uses and that are kept."""

FIELDS_OF_KEYS: Mapping[str, tuple[str, ...]] = {
    "author": ("author",),
    "baseModels": ("edges",),
    "cardData": ("card", "languages", "license"),
    "config": ("config",),
    "createdAt": ("created_at",),
    "evalResults": ("evaluations",),
    "gated": ("gated",),
    "gguf": ("gguf",),
    "lastModified": ("last_modified",),
    "library_name": ("library_name",),
    "model-index": ("evaluations",),
    "pipeline_tag": ("pipeline_tag",),
    "safetensors": ("safetensors",),
    "sha": ("sha",),
    "tags": ("tags",),
    "usedStorage": ("used_storage",),
}
"""What of a RepoRecord is unknown where the Hub refuses a key of `expand`."""

MAX_EVALUATIONS = 200
"""Evaluation results of one repo."""

MAX_DTYPES = 64
"""Data types that are kept of the counts of parameters."""

MAX_EXACT_FLOAT = 2**53
MAX_SCORE = 1e15

_PARSED_KEYS = (
    *("author", "cardData", "createdAt", "disabled", "downloads", "downloadsAllTime", "gated", "lastModified", "likes"),
    *("private", "sha", "tags", "trendingScore", "usedStorage"),
)

KNOWN_KEYS: Mapping[RepoType, frozenset[str]] = {
    "model": frozenset(
        (*TYPE_APIS["model"].info_keys, "_id", "id", "modelId", "widgetData", "spaces", "securityRepoStatus")
    ),
    "dataset": frozenset((*_PARSED_KEYS, "_id", "id", "siblings", "citation", "key")),
    "space": frozenset((*_PARSED_KEYS, "_id", "id", "siblings", "sdk", "models", "datasets", "subdomain", "region")),
}
"""Keys that are parsed, or ignored on purpose; any other is kept in `extra`."""


class WrongField(ValueError):
    """The value of `key` has a wrong type, or is out of bounds."""

    def __init__(self, key: str, value: Any) -> None:
        super().__init__(f"{key} is {describe_value(value)}")
        self.key = key


def parse_repo(
    row: Any,
    now: datetime | None = None,
    *,
    type_: RepoType = "model",
    has_hub_ids: bool = True,
    on_wrong_field: Callable[[str], None] = lambda key: None,
    digest: int | None = None,
) -> RepoRecord | Skipped:
    """The repo that a row describes, or why the row is skipped.

    Args:
        now: when it is skipped, if it is.
        type_: of the repo, which the row does not tell.
        has_hub_ids: whether this Hub's repos have an `_id`. Those of a Hub without are known by their id alone.
        on_wrong_field: called with the key of each value that is left out because it has a wrong type.
        digest: of the row; the record has it where an equal row says the same at any time.
    """
    try:
        hub_id = parse_ids(row, type_, has_hub_ids=has_hub_ids)
        while True:
            try:
                repo = _parse_row(row, hub_id, type_, digest)
                return repo if digest is None or is_told_in_full(repo) else replace(repo, row=None)
            except WrongField as error:
                digest = None
                on_wrong_field(error.key)
                row = {key: value for key, value in row.items() if key != error.key}
    except (WrongField, TypeError) as error:
        known = row if type(row) is dict else {}
        named = known["_id"] if is_hub_id(known.get("_id")) else None
        return Skipped(parse_repo_id(known) or "?", "malformed", str(error), now or datetime.now(UTC), named)


def parse_ids(row: Any, type_: RepoType, *, has_hub_ids: bool) -> str:
    """What identifies the repo of a row in the catalog: its `_id`, or its id on a Hub without.

    Raises WrongField, and TypeError for a row that is no object.
    """
    if type(row) is not dict:
        raise TypeError(f"a row is {json_type_name(row)}, not an object")
    hub_id, repo_id = row.get("_id"), row.get("id")
    if has_hub_ids and not is_hub_id(hub_id):
        raise WrongField("_id", hub_id)
    known = parse_repo_id(row)
    if known is None:
        raise WrongField("id", repo_id)
    if has_hub_ids:
        return str(hub_id)
    return f"{OWN_ID_PREFIX}{'' if type_ == 'model' else f'{type_}s/'}{known.lower()}"


def parse_repo_id(row: Mapping[str, Any]) -> str | None:
    """The id of a row's repo; None if it has no valid one."""
    repo_id = row.get("id")
    return repo_id if type(repo_id) is str and REPO_ID.fullmatch(repo_id) else None


def is_hub_id(value: Any) -> bool:
    """Whether a value is an `_id` of the Hub: 24 hexadecimal digits."""
    return type(value) is str and HUB_ID.fullmatch(value) is not None


def _parse_row(row: Mapping[str, Any], hub_id: str, type_: RepoType, digest: int | None) -> RepoRecord:
    get = row.get
    repo_id = row["id"]
    card, config, gguf = get("cardData"), get("config"), get("gguf")
    card = limit_object(card) if type(card) is dict and card else {}
    tags = parse_tags(get("tags"))
    return RepoRecord(
        hub_id=hub_id,
        repo_id=repo_id,
        author=parse_short_text(get("author")) or (repo_id.partition("/")[0] if "/" in repo_id else None),
        sha=parse_sha(get("sha"), is_short=hub_id.startswith(OWN_ID_PREFIX)),
        created_at=parse_timestamp(get("createdAt"), "createdAt"),
        last_modified=parse_timestamp(get("lastModified"), "lastModified"),
        downloads=parse_int(get("downloads"), "downloads"),
        downloads_all_time=parse_int(get("downloadsAllTime"), "downloadsAllTime"),
        likes=parse_int(get("likes"), "likes"),
        trending_score=parse_score(get("trendingScore")),
        private=parse_bool(get("private"), "private"),
        gated=parse_gated(get("gated")),
        disabled=parse_bool(get("disabled"), "disabled"),
        pipeline_tag=parse_short_text(get("pipeline_tag")),
        library_name=parse_short_text(get("sdk" if type_ == "space" else "library_name")),
        license=parse_license(card, tags),
        used_storage=parse_int(get("usedStorage"), "usedStorage"),
        tags=tags,
        languages=parse_languages(card.get("language")),
        card=card,
        config=parse_config_block(config) if type(config) is dict and config else {},
        safetensors=parse_safetensors(get("safetensors")),
        gguf=with_template_digest(limit_object(gguf), gguf.get("chat_template")) if type(gguf) is dict and gguf else {},
        edges=parse_base_models(get("baseModels")),
        evaluations=parse_evaluations(get("model-index"), get("cardData"), get("evalResults")),
        extra={} if KNOWN_KEYS[type_].issuperset(row) and type_ != "space" else parse_extra(row, type_),
        type=type_,
        row=digest,
    )


def is_told_in_full(repo: RepoRecord) -> bool:
    """Whether a listing needs nothing from elsewhere to store a repo: what may be left out is there, it is public and
    known by its `_id`."""
    told = repo.sha is not None and repo.created_at is not None and repo.last_modified is not None
    return told and not repo.private and not repo.hub_id.startswith(OWN_ID_PREFIX)


def parse_known_row(row: Mapping[str, Any], digest: int, type_: RepoType) -> RepoRecord | None:
    """The ids, dates and counters of a row that was parsed before; None where a counter is malformed."""
    get = row.get
    try:
        return RepoRecord(
            hub_id=row["_id"],
            repo_id=row["id"],
            sha=get("sha"),
            created_at=parse_timestamp(get("createdAt"), "createdAt"),
            last_modified=parse_timestamp(get("lastModified"), "lastModified"),
            downloads=parse_int(get("downloads"), "downloads"),
            downloads_all_time=parse_int(get("downloadsAllTime"), "downloadsAllTime"),
            likes=parse_int(get("likes"), "likes"),
            trending_score=parse_score(get("trendingScore")),
            type=type_,
            row=digest,
        )
    except WrongField:
        return None


def describe_value(value: Any) -> str:
    """An untrusted value in a few ASCII characters."""
    if isinstance(value, str):
        return ascii(value[:80])
    return json_type_name(value)


def parse_int(value: Any, key: str) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_INT64):
        return value
    if type(value) is float and value == value and 0 <= value <= MAX_EXACT_FLOAT and value == int(value):
        return int(value)
    raise WrongField(key, value)


def parse_score(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) in (int, float) and abs(value) < MAX_SCORE:  # which NaN is not
        return float(value)
    raise WrongField("trendingScore", value)


def parse_bool(value: Any, key: str) -> bool:
    if value is None or type(value) is bool:
        return bool(value)
    raise WrongField(key, value)


def parse_gated(value: Any) -> Gated | None:
    if value is None or value is False:
        return None
    if value == "manual":
        return "manual"
    if value is True or value == "auto":
        return "auto"
    raise WrongField("gated", value)


def parse_sha(value: Any, *, is_short: bool = False) -> str | None:
    """A commit. With `is_short` its first 40 digits: KohakuHub lists 64, of which requests for single repos give 40."""
    if value is None or (type(value) is str and SHA.fullmatch(value)):
        return value[:SHORT_SHA_LENGTH] if is_short and value is not None else value
    raise WrongField("sha", value)


def parse_timestamp(value: Any, key: str) -> datetime | None:
    """A time in ISO 8601; one without a zone is UTC."""
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
    raise WrongField(key, value)


def parse_created_at(row: Any) -> datetime | None:
    """When a listed repo was created; None if the row does not tell."""
    try:
        return parse_timestamp(row.get("createdAt"), "createdAt") if type(row) is dict else None
    except WrongField:
        return None


def row_key(row: Any) -> str | None:
    """What identifies the repo of a listed row: its `_id`, else its id; None for a row without either."""
    if type(row) is not dict:
        return None
    key = row.get("_id") or row.get("id")
    return key if type(key) is str else None


def parse_short_text(value: Any) -> str | None:
    """A short printable text; None for anything else."""
    return value if type(value) is str and 0 < len(value) <= MAX_TEXT_LENGTH and value.isprintable() else None


def parse_tags(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if type(value) is not list:
        raise WrongField("tags", value)
    try:
        if (
            all(map(str.isprintable, value))
            and len(value) <= MAX_TAGS
            and all(value)
            and max_length(value) <= MAX_TEXT_LENGTH
        ):
            return tuple(dict.fromkeys(value))
    except TypeError:
        pass  # not all of them are strings
    kept = [tag for tag in value if type(tag) is str and 0 < len(tag) <= MAX_TEXT_LENGTH and tag.isprintable()]
    return tuple(dict.fromkeys(kept[:MAX_TAGS]))


def max_length(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)


def parse_license(card: Json, tags: Sequence[str]) -> str | None:
    value = card.get("license")
    if type(value) is list and value:
        value = value[0]
    if value == "other":
        value = card.get("license_name") or value
    return parse_short_text(value) or next(
        (parse_short_text(tag[8:]) for tag in tags if tag.startswith("license:")), None
    )


def parse_languages(value: Any) -> tuple[str, ...]:
    if type(value) is str:
        value = [value]
    return (
        tuple(dict.fromkeys(each for each in value[:MAX_TAGS] if parse_short_text(each))) if type(value) is list else ()
    )


def parse_safetensors(value: Any) -> Json:
    """{"parameters": {dtype: n}, "total": n}, of the values that are valid."""
    if type(value) is not dict:
        return {}
    found: dict[str, Any] = {}
    counted = value.get("parameters")
    if type(counted) is dict:
        kept = {
            dtype: n
            for dtype, n in list(counted.items())[:MAX_DTYPES]
            if parse_short_text(dtype) and len(dtype) <= 32 and type(n) is int and 0 <= n <= MAX_INT64
        }
        if kept:
            found["parameters"] = kept
    total = value.get("total")
    if type(total) is int and 0 <= total <= MAX_INT64:
        found["total"] = total
    return found


def parse_base_models(value: Any) -> tuple[EdgeRecord, ...]:
    """`baseModels`: {"relation": ..., "models": [{"_id", "id"}, ...]}."""
    if type(value) is not dict or type(value.get("models")) is not list:
        return ()
    stated = value.get("relation")
    relation: Relation = stated if stated in ("finetune", "quantized", "adapter", "merge") else "unknown"
    names = (model.get("id") for model in value["models"][:MAX_BASE_MODELS] if type(model) is dict)
    known = (name for name in names if type(name) is str and REPO_ID.fullmatch(name))
    return tuple(EdgeRecord(name, relation, "api") for name in dict.fromkeys(known))


def parse_evaluations(index: Any, card: Any, results: Any) -> tuple[EvalRecord, ...]:
    """Results of the card's model-index and of the repo's evaluation files; at most MAX_EVALUATIONS."""
    if index is None and type(card) is dict:
        index = card.get("model-index")
    if not index and not results:
        return ()
    found = [*_index_results(index), *_file_results(results)]
    return tuple(dict.fromkeys(found[:MAX_EVALUATIONS]))


def _index_results(index: Any) -> Iterator[EvalRecord]:
    for model in iter_objects(index):
        for result in iter_objects(model.get("results")):
            task, dataset = object_or_empty(result.get("task")), object_or_empty(result.get("dataset"))
            task_name = parse_short_text(task.get("name")) or parse_short_text(task.get("type")) or ""
            dataset_name = parse_short_text(dataset.get("name")) or parse_short_text(dataset.get("type")) or ""
            for metric in iter_objects(result.get("metrics")):
                value = parse_float(metric.get("value"))
                if value is not None:
                    name = parse_short_text(metric.get("name")) or parse_short_text(metric.get("type")) or ""
                    yield EvalRecord(task_name, dataset_name, name, value, "card")


def _file_results(results: Any) -> Iterator[EvalRecord]:
    for result in iter_objects(results):
        dataset, value = object_or_empty(result.get("dataset")), parse_float(result.get("value"))
        name = parse_short_text(dataset.get("id")) or parse_short_text(result.get("dataset_id"))
        if value is not None and name:
            task = parse_short_text(dataset.get("task_id")) or parse_short_text(result.get("task_id")) or ""
            yield EvalRecord(task, name, "", value, "api")


def iter_objects(value: Any) -> Iterator[dict[str, Any]]:
    if type(value) is list:
        yield from (each for each in value[:MAX_EVALUATIONS] if type(each) is dict)


def object_or_empty(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def parse_float(value: Any) -> float | None:
    """A number, or a string that is one: `71.3`, `71.3%`."""
    if type(value) is str and len(value) < 24:
        try:
            value = float(value.removesuffix("%"))
        except ValueError:
            return None
    return float(value) if type(value) in (int, float) and abs(value) < MAX_SCORE else None


def parse_extra(row: Mapping[str, Any], type_: RepoType) -> Json:
    """Values of keys that a later Hub added, so that they are not lost; and what a space says it uses."""
    known = KNOWN_KEYS[type_]
    extra = limit_object({key: value for key, value in row.items() if key not in known and value is not None})
    if type_ != "space":
        return extra
    links = {key: parse_links(row.get(key)) for key in ("models", "datasets")}
    return {**extra, **{key: found for key, found in links.items() if found}}


def parse_links(value: Any) -> list[str]:
    """Ids of repos that a space says it uses, each once."""
    listed = value[:MAX_LINKS] if type(value) is list else []
    return list(dict.fromkeys(each for each in listed if type(each) is str and REPO_ID.fullmatch(each)))
