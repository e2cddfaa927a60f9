"""What a GGUF header says beside counts and scheme: geometry, experts, tokenizer, base models, importance matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from analysis.formats.facts import MAX_COUNT, MAX_COUNTS, clean_text, drop_missing
from analysis.formats.formats import SIDECAR_ROLES
from analysis.formats.gguf.file import GgufFile, SkippedArray
from analysis.formats.gguf.parameters import largest_count
from analysis.schemes import tensor_types as ggml
from analysis.security.templates import find_construct
from db.record_base import Json
from db.records import ArtifactRecord

MAX_LIST_LENGTH = 64
"""Elements of a list that are kept."""

MAX_BASES = 16
"""Base models and data sets that are kept."""

REPO_URL = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)/?$")

GEOMETRY_KEYS: Mapping[str, str] = {
    "layers": "block_count",
    "embedding": "embedding_length",
    "vocabulary": "vocab_size",
    "context": "context_length",
    "feed_forward": "feed_forward_length",
    "heads": "attention.head_count",
    "kv_heads": "attention.head_count_kv",
    "key_length": "attention.key_length",
    "value_length": "attention.value_length",
    "key_length_swa": "attention.key_length_swa",
    "value_length_swa": "attention.value_length_swa",
    "key_length_mla": "attention.key_length_mla",
    "value_length_mla": "attention.value_length_mla",
    "kv_lora_rank": "attention.kv_lora_rank",
    "q_lora_rank": "attention.q_lora_rank",
    "sliding_window": "attention.sliding_window",
    "sliding_window_pattern": "attention.sliding_window_pattern",
    "shared_kv_layers": "attention.shared_kv_layers",
    "recurrent_layers": "attention.recurrent_layers",
    "indexer_key_length": "attention.indexer.key_length",
    "indexer_layers": "attention.indexer.types",
    "compress_ratios": "attention.compress_ratios",
    "causal": "attention.causal",
    "rope_dim": "rope.dimension_count",
    "rope_base": "rope.freq_base",
    "rope_scaling": "rope.scaling.type",
    "original_context": "rope.scaling.original_context_length",
    "nextn_layers": "nextn_predict_layers",
    "leading_dense": "leading_dense_block_count",
    "loops": "num_loops",
    "full_attention_interval": "full_attention_interval",
    "ssm_conv_kernel": "ssm.conv_kernel",
    "ssm_inner_size": "ssm.inner_size",
    "ssm_state_size": "ssm.state_size",
    "ssm_group_count": "ssm.group_count",
    "kda_head_length": "kda.head_dim",
    "short_conv_length": "shortconv.l_cache",
    "wkv_head_size": "wkv.head_size",
    "token_shift_count": "token_shift_count",
}
"""Names that analysis/fit reads -> keys of an architecture that hold them."""

EXPERT_FACTS: Mapping[str, str] = {
    "count": "expert_count",
    "used": "expert_used_count",
    "shared": "expert_shared_count",
    "groups": "expert_group_count",
    "leading_dense": "leading_dense_block_count",
    "feed_forward": "expert_feed_forward_length",
}
GENERAL_KEYS = (
    "name", "basename", "finetune", "size_label", "version", "author", "organization", "quantized_by", "license",
    "license.name", "repo_url", "url", "tags", "languages", "quantization_version",
)  # fmt: skip
IMATRIX_FACTS: Mapping[str, str] = {
    "file": "quantize.imatrix.file",
    "dataset": "quantize.imatrix.dataset",
    "entries": "quantize.imatrix.entries_count",
    "chunks": "quantize.imatrix.chunks_count",
}


def find_header_role(file: GgufFile, architecture: str | None, artifact: ArtifactRecord) -> str:
    """The role of the file: what its header says, else what its path says."""
    stated = file.text("general.type")
    if stated == "mmproj" or architecture == "clip":
        return "mmproj"
    if stated in ("adapter", "imatrix"):
        return stated
    return artifact.role if artifact.role in SIDECAR_ROLES else "weights"


def collect_gguf_facts(files: Sequence[GgufFile], architecture: str | None, role: str) -> Json:
    """What else the header says, limited: texts of 300 characters, lists of 64 elements (of geometry, 1,024)."""
    file = files[0]
    facts: dict[str, Any] = {
        key.replace(".", "_"): limit_value(file.keys.get(f"general.{key}")) for key in GENERAL_KEYS
    }
    facts |= {
        "role": role,
        "file_type": file.integer("general.file_type"),
        "file_scheme": ggml.file_type_name(file.integer("general.file_type")),
        "geometry": read_gguf_geometry(file, architecture),
        "experts": read_gguf_experts(file, architecture),
        "tokenizer": read_tokenizer(file),
        "base_models": read_base_models(file),
        "datasets": read_datasets(file),
        "imatrix": drop_missing({name: limit_value(file.keys.get(key)) for name, key in IMATRIX_FACTS.items()}),
        "split": describe_split(files),
        "adapter": drop_missing({
            "type": limit_value(file.keys.get("adapter.type")),
            "alpha": limit_value(file.keys.get("adapter.lora.alpha")),
        }),
        "projector": clean_text(file.text("clip.projector_type") or file.text("clip.vision.projector_type")),
        "pooling": file.integer(f"{architecture}.pooling_type"),
        "endian": "big" if file.big_endian else "little",
        "alignment": file.alignment,
        "header_bytes": sum(each.data_start for each in files),
        "keys": file.key_count,
    }  # fmt: skip
    if facts["experts"]:
        facts["active_rule"] = "all but the experts a token is not sent to; embeddings and shared experts counted"
    return drop_missing(facts)


def read_gguf_experts(file: GgufFile, architecture: str | None) -> dict[str, Any]:
    """How many experts a layer has and uses; empty for models without."""
    counts = {name: largest_count(file.keys.get(f"{architecture}.{key}")) for name, key in EXPERT_FACTS.items()}
    return drop_missing(counts)


def read_gguf_geometry(file: GgufFile, architecture: str | None) -> dict[str, Any]:
    """Attention geometry, under the names that analysis/fit/memory.py reads."""
    found = {}
    for name, key in GEOMETRY_KEYS.items():
        value = file.keys.get(f"{architecture}.{key}")
        if isinstance(value, str):
            value = clean_text(value, 64)
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            value = value[0] if name != "sliding_window_pattern" else value
        if not isinstance(value, SkippedArray) and is_plausible(value, MAX_COUNTS.get(name, MAX_COUNT)):
            found[name] = value
    if not found.get("vocabulary"):
        tokens = file.keys.get("tokenizer.ggml.tokens")
        found["vocabulary"] = tokens.count if isinstance(tokens, SkippedArray) else None
    return drop_missing(found)


def is_plausible(value: Any, most: int) -> bool:
    """Whether a value of a model's geometry, or each of a list, can be one: no count is negative or beyond `most`."""
    items = value if isinstance(value, list) else [value]
    return all(0 <= item <= most for item in items if type(item) is int)


def read_tokenizer(file: GgufFile) -> dict[str, Any]:
    """Model, size and digest of the tokenizer, and its chat template."""
    tokens = file.keys.get("tokenizer.ggml.tokens")
    digests = [array.digest for run in file.runs for array in run if array.key == "tokenizer.ggml.tokens"]
    return drop_missing({
        "model": clean_text(file.text("tokenizer.ggml.model"), 64),
        "pre": clean_text(file.text("tokenizer.ggml.pre"), 64),
        "tokens": tokens.count if isinstance(tokens, SkippedArray) else None,
        "digest": digests[0] if digests else None,
        "bos": file.integer("tokenizer.ggml.bos_token_id"),
        "eos": file.integer("tokenizer.ggml.eos_token_id"),
        "template": describe_template(file.keys.get("tokenizer.chat_template")),
    })  # fmt: skip


def describe_template(value: Any) -> dict[str, Any] | None:
    """A chat template by its length and digest: enough to tell two apart, without keeping an untrusted program."""
    if isinstance(value, SkippedArray):
        return {"bytes": value.size}
    if not isinstance(value, str):
        return None
    raw = value.encode()
    return drop_missing({"bytes": len(raw), "sha256": sha256(raw).hexdigest(), "suspicious": find_construct(value)})


def read_base_models(file: GgufFile) -> list[dict[str, Any]]:
    """The models that this one was made from, as the header states them: name, organization, version, repo."""
    found = []
    for number in range(min(file.integer("general.base_model.count") or 0, MAX_BASES)):
        prefix = f"general.base_model.{number}."
        found.append(drop_missing({
            "name": clean_text(file.text(f"{prefix}name")),
            "organization": clean_text(file.text(f"{prefix}organization")),
            "version": clean_text(file.text(f"{prefix}version"), 64),
            "repo": repo_from_url(file.text(f"{prefix}repo_url")),
        }))  # fmt: skip
    if not found and (source := repo_from_url(file.text("general.source.repo_url") or file.text("general.source.url"))):
        found.append({"repo": source})
    return [base for base in found if base]


def read_datasets(file: GgufFile) -> list[str]:
    """Repos or names of the data sets that the header states, at most `MAX_BASES`."""
    count = min(file.integer("general.dataset.count") or 0, MAX_BASES)
    names = [
        repo_from_url(file.text(f"general.dataset.{number}.repo_url"))
        or clean_text(file.text(f"general.dataset.{number}.name"))
        for number in range(count)
    ]
    listed = limit_value(file.keys.get("general.datasets")) or []
    return [name for name in names if name] or (listed if isinstance(listed, list) else [])


def repo_from_url(url: str | None) -> str | None:
    """`owner/name` of a Hub address; None for other addresses."""
    found = REPO_URL.match(url or "")
    return found[1][:200] if found else None


def describe_split(files: Sequence[GgufFile]) -> dict[str, Any]:
    """How a model is split: files it has, tensors it should have, whether the files that were read hold all of them."""
    first = files[0]
    count, tensors = first.integer("split.count"), first.integer("split.tensors.count")
    if not count or count < 2:
        return {}
    held = sum(len(file.tensors) for file in files)
    return {"count": count, "files": len(files), "tensors": tensors, "complete": held == tensors}


def limit_value(value: Any) -> Any:
    """A value of a key, small enough to keep; None if it was skipped."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [limit_value(item) for item in value[:MAX_LIST_LENGTH] if item is not None]
    return None if isinstance(value, SkippedArray) else value
