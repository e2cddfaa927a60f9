"""Evidence from the tags of a repo and from its task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from analysis.labels.evidence.formats import format_evidence
from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.labels.evidence.scheme import scheme_evidence
from analysis.untrusted import MAX_TEXT_LENGTH
from analysis.vocabulary.vocabulary import vocabulary
from db.records import EdgeRecord

BITS_TAG_WEIGHT = 25
"""Weight of tags such as `8-bit`, which NVFP4 repos have too."""

_TAGGED_TUNING = frozenset((
    "merge", "lora", "sft", "dpo", "orpo", "kto", "ppo", "grpo", "abliterated", "uncensored", "mergekit", "peft",
    "qlora", "heretic", "decensored", "distillation", "distill",
))  # fmt: skip
_BITS_TAG = re.compile(r"([1-8])-?bits?")
_TAG_NOISE = ("base_model:", "license:", "arxiv:", "dataset:", "region:", "doi:", "deploy:", "diffusers:")
_BASE_TAG = re.compile(r"base_model:(?:(finetune|quantized|adapter|merge):)?(\S+/\S+)")

_PIPELINES: Mapping[str, str] = {
    "automatic-speech-recognition": "asr", "text-to-speech": "tts", "text-to-audio": "audio", "audio-to-audio": "audio",
    "audio-classification": "audio", "image-text-to-text": "vision", "image-to-text": "vision",
    "visual-question-answering": "vision", "image-classification": "vision", "object-detection": "vision",
    "image-segmentation": "vision", "feature-extraction": "embedding", "sentence-similarity": "embedding",
    "text-ranking": "reranker", "translation": "translation", "text-to-image": "image", "image-to-image": "image",
    "text-to-video": "video", "image-to-video": "video",
}  # fmt: skip


@lru_cache(maxsize=1 << 15)
def tag_evidence(tag: str) -> Evidence:
    """What one tag says. `base_model:` tags are edges, see `tag_edge`; languages are `language_evidence`."""
    low = tag.lower()
    if len(low) > MAX_TEXT_LENGTH or low.startswith(_TAG_NOISE):
        return ()
    weight = WEIGHT["tag"]
    bits = _BITS_TAG.fullmatch(low)
    if bits:
        return (
            make_evidence("bits", bits[1], "tag", tag, BITS_TAG_WEIGHT),
            make_evidence("quantized", "true", "tag", tag, BITS_TAG_WEIGHT),
        )
    if low == "imatrix":
        return (make_evidence("imatrix", "true", "tag", tag, weight),)
    if low in ("quantized", "quantization"):
        return (make_evidence("quantized", "true", "tag", tag, weight),)
    known = vocabulary().words
    entry = known.get(low) or known.get(low.replace("-", "").replace("_", ""))
    if entry is None:
        return ()
    if entry.label == "format":
        return format_evidence(entry.value, "tag", tag)
    if entry.label == "scheme":
        return scheme_evidence(entry.value, "tag", tag, weight)
    if entry.label == "tuning" and low in _TAGGED_TUNING:
        return (make_evidence("tuning", entry.value, "tag", tag, weight),)
    return ()


@lru_cache(maxsize=1 << 13)
def tag_edge(tag: str) -> EdgeRecord | None:
    """The parent that a `base_model:` tag names."""
    found = _BASE_TAG.fullmatch(tag) if len(tag) <= MAX_TEXT_LENGTH else None
    return EdgeRecord(found[2], found[1] or "unknown", "tag") if found else None  # type: ignore[arg-type]


def task_evidence(task: str | None) -> Evidence:
    """What a model is for, by the Hub's task."""
    purpose = _PIPELINES.get(task) if task else None
    return (make_evidence("specialty", purpose, "tag", f"pipeline_tag {task}", WEIGHT["tag"]),) if purpose else ()
