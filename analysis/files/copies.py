"""Copies: of several artifacts with the same weights, the one that a loader would take is the primary one.

Copies differ in layout (split, consolidated), format (pickled, converted), precision or folder (original/,
checkpoint-500/). The sizes of the primary artifacts add up to what has to be downloaded. Quants of a GGUF repo are no
copies of each other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from analysis.files.roles import stem
from analysis.files.shards import missing_of
from analysis.formats.formats import find_format
from db.records import ArtifactRecord

CANONICAL_STEMS = frozenset({
    "model", "pytorch_model", "consolidated", "tf_model", "flax_model", "rust_model", "weights", "model_state",
    "diffusion_pytorch_model", "diffusion_flax_model", "adapter_model", "adapters", "pytorch_lora_weights",
    "open_clip_pytorch_model", "open_clip_model", "openvino_model", "saved_model", "params_shard", "model_optimized",
    "tf_model_weights", "flax_model_weights", "model-", "model_quantized", "model_merged", "output",
})  # fmt: skip
"""File names that say no more than that the file holds weights."""

_COPY_FOLDERS = frozenset({
    "original", "metal", "onnx", "openvino", "ov", "coreml", "tf", "flax", "tflite", "consolidated", "pytorch", "torch",
    "safetensors", "fp16", "fp32", "bf16", "tensorflow", "jax", "rust", "0_transformer", "ggml", "checkpoints",
    "merged", "merged_model", "hf", "hf_weights", "final", "final_model", "final_checkpoint", "model", "weights",
    "best_model",
})  # fmt: skip
_STEP = re.compile(r"(?:checkpoints?|ckpts?|steps?|epochs?|global_step|iter)[-_]?(\d+)$", re.I)
_PRECISION = re.compile(
    r"[-_.](fp16|f16|float16|half|bf16|bfloat16|fp32|f32|float32|non_ema|nonema|ema|emaonly|ema_only|pruned|full)(?=$|[-_.])",
    re.I,
)
_EXPORT_PRECISION = re.compile(
    r"[-_.](u?int8|q4f16|q8f16|q4|q8|q2f16|q2|bnb4|nf4|quantized|quant|u?int4|w?8a(?:8|16)|dynamic|optimized|o[1-4]|avx512_vnni"
    r"|avx512|avx2|arm64|qint8|quint8|float)(?=$|[-_.])",
    re.I,
)
_EPOCH = re.compile(r"[-_](?:(?=\d{6}$)|step|e|epoch[-_]?)(\d{1,6})$", re.I)  # LoRA trainers number what they save

_LAST_RANK = 100  # of formats that loaders take only where there is no other copy
_PIPELINE = ("transformer", "unet", "transformer_2", "unet_2", "prior", "decoder")
_PRECISION_RANK = {
    "": 0,
    "bf16": 1,
    "bfloat16": 1,
    "fp16": 2,
    "f16": 2,
    "float16": 2,
    "half": 2,
    "float32": 3,
    "fp32": 3,
    "f32": 3,
}


def mark_primary(artifacts: list[ArtifactRecord]) -> list[ArtifactRecord]:
    """The artifacts, with `primary` False for all but the one of each set of copies that a loader would take."""
    copies: defaultdict[tuple[str, ...], list[ArtifactRecord]] = defaultdict(list)
    for artifact in artifacts:
        copies[_identity(artifact)].append(artifact)
    further = {a.artifact for same in copies.values() for a in sorted(same, key=_preference)[1:]}
    further |= _conversions(a for a in artifacts if a.artifact not in further)
    further |= _same_bytes(a for a in artifacts if a.artifact not in further)
    return [replace(a, primary=False) if a.artifact in further else a for a in artifacts]


def _identity(artifact: ArtifactRecord) -> tuple[str, ...]:
    """What copies of the same weights have in common: role, folder and name, without what differs between copies."""
    format_ = find_format(artifact.format)
    if artifact.role in ("weights", "draft", "imatrix") and format_.holds_quants:
        # Split and unsplit, or once more in another folder: of one name, and of one size to two digits.
        rough = "" if not artifact.total_size else f"{artifact.total_size:.1e}"
        return artifact.role, "quant", re.sub(r"-of-\d{5}$", "", stem(artifact.artifact)), rough
    folder, _ = _split_folder(artifact.artifact)
    name = re.sub(r"-of-\d{5}$", "", stem(artifact.artifact).lower())
    if artifact.role == "mmproj":
        return artifact.role, folder, _PRECISION.sub("", _EXPORT_PRECISION.sub("", f"-{name}"))
    name = _PRECISION.sub("", name)
    if artifact.role == "adapter":
        folder = re.sub(r"(?:^|/)(?:adapters?|loras?)$", "", folder)
        name = _EPOCH.sub("", name)
    elif format_.original:
        name = re.sub(r"-\d{6}$", "", name)
    if format_.variants == "precisions":
        name = _EXPORT_PRECISION.sub("", name)
        return artifact.role, format_.name, folder, "" if name in CANONICAL_STEMS else name
    return artifact.role, folder, "" if name in CANONICAL_STEMS else name


def _split_folder(path: str) -> tuple[str, int]:
    """The folder without those that hold copies, and a rank: 0 no such folder, 1 one with copies, 2 a checkpoint's."""
    kept, rank = [], 0
    for folder in path.split("/")[:-1]:
        if _STEP.fullmatch(folder):
            rank = 2
        elif folder.lower() in _COPY_FOLDERS:
            rank = max(rank, 1)
        else:
            kept.append(folder)
    return "/".join(kept), rank


def _step(path: str) -> int:
    """The training step that a folder names; 0 for none."""
    return max((int(found[1][:9]) for folder in path.split("/")[:-1] if (found := _STEP.fullmatch(folder))), default=0)


def _epoch(name: str) -> float:
    """The epoch that an adapter's name states; infinite, later than all, if it states none."""
    found = _EPOCH.search(name)
    return int(found[1]) if found else float("inf")


def _preference(artifact: ArtifactRecord) -> tuple[object, ...]:
    """Sort key of copies: complete before broken, by folder, format, precision and name as loaders prefer them."""
    name = stem(artifact.artifact).lower()
    precision = found[1].lower() if (found := _PRECISION.search(name)) else ""
    format_ = find_format(artifact.format)
    if artifact.role == "mmproj":
        precision = {"fp16": "", "f16": ""}.get(precision, precision)
    return (
        missing_of(artifact.paths) > 0,
        _split_folder(artifact.artifact)[1],
        -_step(artifact.artifact),
        _LAST_RANK if format_.load_rank is None else format_.load_rank,
        "consolidated" in name,
        _PRECISION_RANK.get(precision, 4),
        bool(_EXPORT_PRECISION.search(name)),
        -_epoch(name),
        len(artifact.paths) > 1 and format_.holds_quants,
        len(artifact.artifact),
        artifact.artifact,
    )


def _conversions(artifacts: Iterable[ArtifactRecord]) -> set[str]:
    """Further copies: weights in converted formats, whole pipelines in one file, halves of a merged ONNX decoder."""
    weights = [a for a in artifacts if a.role in ("weights", "other") and not find_format(a.format).holds_quants]
    whole = [a for a in weights if a.role == "weights" and find_format(a.format).original and missing_of(a.paths) == 0]
    homes = {_split_folder(a.artifact)[0] for a in whole}
    pipeline = any(home in _PIPELINE for home in homes)
    merged = {_split_folder(a.artifact)[0] for a in weights if "decoder_model_merged" in a.artifact}
    further = set()
    for artifact in weights:
        home, _ = _split_folder(artifact.artifact)
        converted = not find_format(artifact.format).original and (home in homes or pipeline)
        half = home in merged and re.search(r"decoder_(?:with_past_)?model(?!_merged)", artifact.artifact)
        if converted or half or (pipeline and not home):
            further.add(artifact.artifact)
    return further


def _same_bytes(artifacts: Iterable[ArtifactRecord]) -> set[str]:
    """Artifacts whose content another artifact has too."""
    first: dict[str, str] = {}
    further = set()
    for artifact in sorted(artifacts, key=_preference):
        if artifact.content is not None and first.setdefault(artifact.content, artifact.artifact) != artifact.artifact:
            further.add(artifact.artifact)
    return further
