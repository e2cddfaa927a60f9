"""Labels whose value a key of a header, of config.json or of the Hub's answer states as it is.

Which keys these are is declared with the labels (`stated_by`), so that such a label needs no code here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from analysis.labels.evidence.make import Evidence, make_measured
from analysis.untrusted import MAX_CONTEXT, MAX_PARAMETERS, check_count, check_text
from db.labels import LABEL_BY_NAME, LABELS, Label, StatedBy
from db.record_base import Source
from db.records import Header

_MAX_BY_UNIT = {"tokens": MAX_CONTEXT}


def stated_evidence(source: Source, *holders: Mapping[str, Any]) -> Evidence:
    """What the declared keys of this source state, each label once: of its keys the first that has a valid value, of
    that key the first holder."""
    found = []
    for label, keys in _declared(source):
        stated = _first_value(label, keys, holders)
        if stated is not None:
            found.append(make_measured(label.name, stated[0], source, stated[1]))
    return tuple(found)


def header_facts(header: Header) -> dict[str, Any]:
    """Every label that a fact of a header may state, None where it does not. Fields of `Header` are not repeated."""
    found = {each.field: each for each in stated_evidence("header", field_values(header))}
    names = [label.name for label, keys in _declared("header") if any(len(parts) > 1 for _, parts in keys)]
    return {name: LABEL_BY_NAME[name].parse(found[name].value) if name in found else None for name in names}


def field_values(header: Header) -> dict[str, Any]:
    """A header's fields by name: what keys of the source `header` begin with."""
    return {name: getattr(header, name) for name in Header.__slots__}


@cache
def _declared(source: Source) -> tuple[tuple[Label, tuple[tuple[StatedBy, tuple[str, ...]], ...]], ...]:
    """The labels that keys of this source state; each key with its parts."""
    keys = {label: [key for key in label.stated_by if key.source == source] for label in LABELS}
    return tuple((label, tuple((key, tuple(key.path.split("."))) for key in own)) for label, own in keys.items() if own)


def _first_value(
    label: Label, keys: Iterable[tuple[StatedBy, tuple[str, ...]]], holders: Iterable[Mapping[str, Any]]
) -> tuple[object, str] | None:
    """A label's value and the rule of its key."""
    for key, parts in keys:
        for holder in holders:
            value = _valid(label, _value_at(holder, parts))
            if value is not None:
                return value, key.rule
    return None


def _value_at(holder: Mapping[str, Any], parts: Iterable[str]) -> object:
    value: object = holder
    for part in parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _valid(label: Label, value: object) -> object:
    """The value if it is one that the label can have, else None."""
    if label.kind == "integer":
        return check_count(value, _MAX_BY_UNIT.get(label.unit or "", MAX_PARAMETERS))
    return check_text(value)
