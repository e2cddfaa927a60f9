"""What the name of a repo or a file claims."""

from __future__ import annotations

from functools import lru_cache

from analysis.errors import InvalidName
from analysis.labels.evidence.make import WEIGHT, Evidence, evidence_text, make_evidence
from analysis.labels.evidence.owners import owner_format
from analysis.names import NameLabels, parse_name
from db.labels import LABELS
from db.record_base import Source

_CLAIMED = tuple(each for each in LABELS if each.is_claimed_by_names)
_VALUES = tuple(each.name for each in _CLAIMED if each.default is None)
_LISTS = tuple(each.name for each in _CLAIMED if each.kind == "list")
_FLAGS = tuple(each.name for each in _CLAIMED if each.default is False)

_TOKEN = {
    "parameters": "size", "approximate": "size", "base_family": "family", "quantized": "quant", "quant_method": "quant",
    "bits": "quant", "qat": "how", "imatrix": "how", "dynamic": "how",
}  # fmt: skip
"""The label of the token that a field was read from, where it is another's."""


@lru_cache(maxsize=512)
def parse_name_or_none(name: str) -> NameLabels | None:
    """A name's labels; None for text that is no name. Cached while a repo's artifacts are labelled."""
    try:
        return parse_name(name)
    except InvalidName:
        return None


def name_evidence(labels: NameLabels, source: Source) -> Evidence:
    """Evidence from the name of a repo or file (`source`). A format known from the owner has the source owner."""
    rules = {token.label: token.rule for token in labels.tokens if token.label}
    weight = WEIGHT[source]
    found = []
    for field in _VALUES:
        value = getattr(labels, field)
        if value is not None:
            found.append(
                make_evidence(
                    field, evidence_text(value), source, rules.get(_TOKEN.get(field, field)) or "name", weight
                )
            )
    for field in _LISTS:
        values = getattr(labels, field)
        if values:
            rule = rules.get(field) or "name"
            found += [make_evidence(field, value, source, rule, weight) for value in values]
    for field in _FLAGS:
        if getattr(labels, field):
            found.append(make_evidence(field, "true", source, rules.get(_TOKEN.get(field, field)) or "name", weight))
    lent = owner_format(labels.owner) if "format" not in rules else None
    if lent and lent == labels.format:
        found = [each for each in found if each.field != "format"]
        found.append(make_evidence("format", lent, "owner", "publisher", WEIGHT["owner"]))
    return tuple(found)
