"""Evidence about file formats: what a tag or a library says of one, and what a format says of its weights."""

from __future__ import annotations

from analysis.formats.formats import find_container, find_format
from analysis.labels.evidence.make import Evidence, make_evidence
from db.record_base import Source
from db.records import ArtifactRecord, LabelRecord

API_SAFETENSORS_WEIGHT = 48
"""Weight of safetensors in the Hub's own count of the tensors: above its tag, below formats that are stored in it."""

QUANTIZED_ONLY_WEIGHT = 42


def format_evidence(name: str, source: Source, rule: str) -> Evidence:
    """That a tag or a library names a format; nothing for formats whose tags are no evidence."""
    weight = find_format(name).tag_weight
    return (make_evidence("format", name, source, rule, weight),) if weight is not None else ()


def quantized_only_evidence(record: LabelRecord) -> Evidence:
    """That weights are quantized, because the format that `record` names holds no others."""
    rule = f"framework of {record.value}"
    return (make_evidence("quantized", "true", record.source, rule, QUANTIZED_ONLY_WEIGHT),)


def artifact_container(artifact: ArtifactRecord) -> str | None:
    """The format of an artifact's files, whatever model format they hold."""
    return find_container(artifact.format)


def is_stored_in(record: LabelRecord, container: str) -> bool:
    """Whether evidence names a format whose models are stored in files of another one, `container`."""
    return record.field == "format" and find_format(record.value).stored_as == container
