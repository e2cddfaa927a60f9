"""JSON objects that repo owners write (cards, configs, gguf blocks), bounded in size and depth, never rendered."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from analysis.security.templates import find_construct
from analysis.untrusted import MAX_TEXT_LENGTH
from db.record_base import Json

MAX_VALUE_BYTES = 4096
"""One value of a card or config, about as JSON."""

MAX_OBJECT_BYTES = 16384
"""A whole card or config, about as JSON."""

MAX_JSON_DEPTH = 6
"""Levels of nesting that are kept of a value."""

MAX_JSON_ITEMS = 1000
"""Items that are kept of one list or object."""

MAX_INT64 = 2**63 - 1
"""Of an integer that the database can hold."""

CHAT_TEMPLATE_DIGEST = "chat_template_digest"
"""Key of a parsed config or gguf block: sha256 of the chat template's text, in hexadecimal. The text is not kept."""

SUSPICIOUS_TEMPLATE = "suspicious_template"
"""Key beside it: the construct of the template that an honest one has no use for, where it has one."""

IGNORED_KEYS = frozenset((
    CHAT_TEMPLATE_DIGEST, SUSPICIOUS_TEMPLATE,  # set by this module alone
    "model-index", "widget", "extra_gated_prompt", "extra_gated_fields", "extra_gated_heading", "inference",
    "extra_gated_description", "extra_gated_button_content", "chat_template", "chat_template_jinja", "tokenizer_config",
    "processor_config", "additional_chat_templates", "thumbnail",
))  # fmt: skip
"""Keys of cards, configs and the gguf block that are long, templates, or stated elsewhere."""


# ---- config.json and chat templates ---------------------------------------------------------------------------------


def parse_config_block(config: Mapping[str, Any]) -> Json:
    """The Hub's `config` block: bounded, and the digest of the chat template instead of its text.

    The block holds tokenizer_config.json (`tokenizer_config`) and the text of chat_template.jinja
    (`chat_template_jinja`), which transformers prefers.
    """
    template = config.get("chat_template_jinja")
    if type(template) is not str:
        tokenizer = config.get("tokenizer_config")
        template = tokenizer.get("chat_template") if type(tokenizer) is dict else None
    return with_template_digest(limit_object(config), template)


def merge_config(known: Json, config: Json) -> Json:
    """A parsed config with the keys of the repo's own JSON files added, bounded again."""
    merged = dict(limit_object({**known, **config}))
    merged |= {key: known[key] for key in (CHAT_TEMPLATE_DIGEST, SUSPICIOUS_TEMPLATE) if key in known}
    return merged


def with_template_digest(block: Json, template: Any) -> Json:
    """The block with a chat template's digest: of the text, or of the default one of a list of `{name, template}`."""
    if type(template) is list:
        named = (each for each in template[:MAX_JSON_ITEMS] if type(each) is dict and each.get("name") == "default")
        template = next((each.get("template") for each in named), None)
    if type(template) is not str or not template:
        return block
    digest = sha256(template.encode("utf-8", "surrogatepass")).hexdigest()
    construct = find_construct(template)
    return {**block, CHAT_TEMPLATE_DIGEST: digest, **({SUSPICIOUS_TEMPLATE: construct} if construct else {})}


# ---- bounded objects -------------------------------------------------------------------------------------------------


def limit_object(value: Mapping[str, Any]) -> Json:
    """The object without unprintable strings, bounded in its values and as a whole.

    Values of more than MAX_VALUE_BYTES are dropped, then the largest ones until MAX_OBJECT_BYTES are left.
    """
    kept: dict[str, Any] = {}
    total = 0
    for key, item in value.items():
        if item is None or key in IGNORED_KEYS or not key.isprintable() or len(key) > MAX_TEXT_LENGTH:
            continue
        small, size = limit_json(item, MAX_JSON_DEPTH)
        if small is not None and size <= MAX_VALUE_BYTES:
            kept[key] = small
            total += size + len(key)
    if total > MAX_OBJECT_BYTES:
        for key in sorted(kept, key=lambda key: -limit_json(kept[key], MAX_JSON_DEPTH)[1]):
            total -= limit_json(kept.pop(key), MAX_JSON_DEPTH)[1] + len(key)
            if total <= MAX_OBJECT_BYTES:
                break
    return kept


def limit_json(value: Any, depth: int) -> tuple[Any, int]:
    """(value, size): a JSON value without unprintable strings, at most `depth` levels deep, and its bytes as JSON.

    (None, 0) for a value that is dropped as a whole.
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
        for item in value[:MAX_JSON_ITEMS]:
            small, size = limit_json(item, depth - 1)
            if small is not None:
                items.append(small)
                total += size + 2
        return items, total
    if kind is dict:
        pairs: dict[str, Any] = {}
        for key, item in value.items():
            if len(pairs) >= MAX_JSON_ITEMS:
                break
            if key in IGNORED_KEYS or not key.isprintable() or len(key) > MAX_TEXT_LENGTH:
                continue
            small, size = limit_json(item, depth - 1)
            if small is not None:
                pairs[key] = small
                total += size + len(key) + 4
        return pairs, total
    return None, 0
