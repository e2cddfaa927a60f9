"""What the keys and tensors of a GGUF file say of the model: a Header.

Rules, stated once:

    parameters   elements of all tensors, but for tables that hold no weights (rotary frequencies) and an output layer
                 that repeats the embeddings of an architecture that ties them
    active       parameters but those of experts that a token is not sent to: of each tensor of experts the share
                 expert_used_count / experts is active, shared experts and leading dense layers wholly, embeddings too;
                 layers that only predict further tokens are not, nor is a table of per-layer embeddings (Gemma 3n)
    bits         bytes of all tensors' data over their elements
    scheme       what the file's name says, else what general.file_type says, where the tensors agree; else the type
                 that most elements of the layers' matrices are stored in
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.formats import SIDECAR_ROLES
from analysis.formats.gguf.array_lengths import Layouts, learn_lengths
from analysis.formats.gguf.reader import GgufFile, SkippedArray, Tensor, read_file
from analysis.formats.source import ByteSource
from analysis.schemes import tensor_types as ggml
from analysis.schemes.schemes import FULL_PRECISION
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

TEXT_LENGTH = 300  # characters of a text that are kept
LIST_LENGTH = 64  # elements of a list that are kept
NO_WEIGHTS = re.compile(r"(^|\.)(rope_freqs|rope_factors_long|rope_factors_short|attn_rot_embd)\.weight$")
TIED = frozenset({"gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma-embedding", "command-r", "cohere2"})
"""Architectures whose output layer is their embeddings; some converters wrote it twice."""
EXPERTS = re.compile(r"_(ch)?exps\.(weight|bias)$")
ONE_EXPERT = re.compile(r"^blk\.\d+\.ffn_(gate|up|down)\.\d+\.(weight|bias)$")  # Mixtral as of 2023
CLAIM = re.compile(
    r"(?<![a-z0-9])(i?q[1-8](?:_[a-z0-9]+)*|tq[12]_0|mxfp4(?:_moe)?|nvfp4|bf16|f16|f32|fp16|fp32)(?![a-z0-9])", re.I
)
SPLIT = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)", re.I)
LAYER = re.compile(r"^blk\.(\d{1,6})\.")
REPO_URL = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)/?$")

GEOMETRY: Mapping[str, str] = {
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
    "kv_lora_rank": "attention.kv_lora_rank",
    "q_lora_rank": "attention.q_lora_rank",
    "sliding_window": "attention.sliding_window",
    "sliding_window_pattern": "attention.sliding_window_pattern",
    "shared_kv_layers": "attention.shared_kv_layers",
    "recurrent_layers": "attention.recurrent_layers",
    "causal": "attention.causal",
    "rope_dim": "rope.dimension_count",
    "rope_base": "rope.freq_base",
    "rope_scaling": "rope.scaling.type",
    "original_context": "rope.scaling.original_context_length",
    "nextn_layers": "nextn_predict_layers",
    "full_attention_interval": "full_attention_interval",
    "ssm_conv_kernel": "ssm.conv_kernel",
    "ssm_inner_size": "ssm.inner_size",
    "ssm_state_size": "ssm.state_size",
    "ssm_group_count": "ssm.group_count",
    "wkv_head_size": "wkv.head_size",
    "token_shift_count": "token_shift_count",
}
"""Names that analysis/fit/memory.py reads, and the keys of an architecture that hold them."""

EXPERT_FACTS: Mapping[str, str] = {
    "count": "expert_count",
    "used": "expert_used_count",
    "shared": "expert_shared_count",
    "groups": "expert_group_count",
    "leading_dense": "leading_dense_block_count",
    "feed_forward": "expert_feed_forward_length",
}
GENERAL = (
    "name", "basename", "finetune", "size_label", "version", "author", "organization", "quantized_by", "license",
    "license.name", "repo_url", "url", "tags", "languages", "quantization_version",
)  # fmt: skip
IMATRIX: Mapping[str, str] = {
    "file": "quantize.imatrix.file",
    "dataset": "quantize.imatrix.dataset",
    "entries": "quantize.imatrix.entries_count",
    "chunks": "quantize.imatrix.chunks_count",
}


def read_gguf(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    layouts: Sequence[ArrayLength] | Layouts = (),
) -> tuple[Header, tuple[ArrayLength, ...]]:
    """The header of a GGUF artifact, its shards merged, and the layouts that reading it taught.

    The first shard holds the keys, the others their tensors alone: one small read each. Raises HeaderError and
    SourceError.
    """
    known = Layouts.of(layouts)
    paths = sorted(artifact.paths or (artifact.artifact,))
    if len(paths) > limits.SHARDS:
        raise HeaderBeyondLimits(artifact.artifact, 0, f"at most {limits.SHARDS:,} shards", f"{len(paths):,}")
    files: list[GgufFile] = []
    actual: list[int | None] = []
    requests = bytes_read = tensors = 0
    for path in paths:
        source = open_source(path)
        before = source.requests, source.bytes_read
        file = read_file(source, known, sizes.get(path))
        files.append(replace(file, keys={}) if files else file)  # the first holds the keys
        tensors += len(file.tensors)
        if tensors > limits.ALL_TENSORS:
            raise HeaderBeyondLimits(path, 0, f"at most {limits.ALL_TENSORS:,} tensors in all shards", f"{tensors:,}")
        size = sizes.get(path)
        actual.append(source.size if size is None else size)
        requests += source.requests - before[0]
        bytes_read += source.bytes_read - before[1]
    header = header_of(files, actual, artifact, requests, bytes_read)
    taught = learn_lengths(run for file in files for run in file.runs)
    return header, tuple(layout for layout in taught if not known.is_known(layout))


def header_of(
    files: Sequence[GgufFile], actual: Sequence[int | None], artifact: ArtifactRecord, requests: int, bytes_read: int
) -> Header:
    """The Header of an artifact from the headers of its files and the files' actual sizes."""
    first = files[0]
    architecture = clean(first.text("general.architecture"), 64)
    tensors = [tensor for file in files for tensor in file.tensors]
    weights = [size for file in files for size in file.sizes]
    names = [name for file in files for name in type_names(file)]
    types: Counter[str] = Counter()
    for name, tensor in zip(names, tensors, strict=True):
        types[name] += tensor.elements
    stored = sum(types.values())
    role = role_of(first, architecture, artifact)
    parameters = count_parameters(tensors, architecture) if tensors and role != "imatrix" else None
    total = None if None in weights else sum(size for size in weights if size is not None)
    quant, share = scheme_of(tensors, names, artifact.paths[0], first.whole("general.file_type"))
    return Header(
        format="gguf",
        version=first.version,
        architecture=architecture,
        parameters=parameters,
        active_parameters=count_active(tensors, parameters, first, architecture),
        tensor_count=len(tensors),
        types=dict(types.most_common()),
        quant=quant,
        quant_method="gguf" if quant and quant not in FULL_PRECISION else None,
        quant_share=share,
        bits_per_weight=8 * total / stored if total is not None and stored else None,
        context=first.whole(f"{architecture}.context_length"),
        size=implied_size(files, actual),
        size_verified=verified(files, actual),
        content=artifact.content,
        requests=requests,
        bytes_read=bytes_read,
        facts=facts_of(files, architecture, role),
    )


# ---- sizes ----------------------------------------------------------------------------------------------------------


def implied_size(files: Sequence[GgufFile], actual: Sequence[int | None]) -> int | None:
    """Bytes of all files, as their headers imply them; None where a tensor's bytes are unknown."""
    total = 0
    for file, size in zip(files, actual, strict=True):
        implied = file.file_sizes()
        if not implied:
            return None
        total += size if size in implied else implied[-1]
    return total


def verified(files: Sequence[GgufFile], actual: Sequence[int | None]) -> bool | None:
    """Whether each file ends where its last tensor does: the check of the whole parse. None where nobody can tell."""
    answers = [
        None if size is None or file.end_inferred or not file.file_sizes() else size in file.file_sizes()
        for file, size in zip(files, actual, strict=True)
    ]
    if False in answers:
        return False
    return None if None in answers else True


# ---- parameters -----------------------------------------------------------------------------------------------------


def count_parameters(tensors: Sequence[Tensor], architecture: str | None) -> int:
    """Parameters of a model; see the rules above."""
    shapes = {tensor.name: tensor.shape for tensor in tensors if tensor.name in ("token_embd.weight", "output.weight")}
    twice = (
        architecture in TIED and len(shapes) == 2 and shapes["token_embd.weight"] == shapes["output.weight"]
    )  # fmt: skip
    return sum(
        tensor.elements
        for tensor in tensors
        if not NO_WEIGHTS.search(tensor.name) and not (twice and tensor.name == "output.weight")
    )


def count_active(
    tensors: Sequence[Tensor], parameters: int | None, file: GgufFile, architecture: str | None
) -> int | None:
    """Parameters that one token uses; see the rules above. All of them where there are no experts."""
    if parameters is None:
        return None
    used = most(file.keys.get(f"{architecture}.expert_used_count"))
    declared = most(file.keys.get(f"{architecture}.expert_count"))
    layers = (file.whole(f"{architecture}.block_count") or 0) - (
        most(file.keys.get(f"{architecture}.nextn_predict_layers")) or 0
    )
    idle = 0
    for tensor in tensors:
        layer = LAYER.match(tensor.name)
        if tensor.name == "per_layer_token_embd.weight" or (layer and 0 < layers <= int(layer[1])):
            idle += tensor.elements
            continue
        if EXPERTS.search(tensor.name) and tensor.shape:
            experts = tensor.shape[-1]
        elif ONE_EXPERT.match(tensor.name):
            experts = declared or 0
        else:
            continue
        if not used or not experts or used > experts:
            return None
        idle += tensor.elements - tensor.elements * used // experts
    return parameters - idle


def most(value: Any) -> int | None:
    """A count, the largest of a list of them: some architectures tell one a layer."""
    values = value if isinstance(value, list) else [value]
    counts = [item for item in values if isinstance(item, int) and not isinstance(item, bool)]
    return max(counts, default=None)


# ---- the scheme -----------------------------------------------------------------------------------------------------


def type_names(file: GgufFile) -> list[str]:
    """The types of a file's tensors by name. A number that a fork uses for another type is known by its bytes."""
    other = {
        tensor.type
        for tensor, size in zip(file.tensors, file.sizes, strict=True)
        if tensor.type in ggml.AMBIGUOUS_IDS and size is not None and not weighs_as_told(tensor, size, file.alignment)
    }
    names = {kind: ggml.type_name(kind) for kind in {tensor.type for tensor in file.tensors}}
    names |= {kind: ggml.REUSED.get(kind, str(kind)) for kind in other}
    return [names[tensor.type] for tensor in file.tensors]


def weighs_as_told(tensor: Tensor, size: int, alignment: int) -> bool:
    known = ggml.TYPES[tensor.type]
    told = -(-tensor.elements // known.block) * known.size
    return told <= size < told + alignment


def scheme_of(
    tensors: Sequence[Tensor], names: Sequence[str], path: str, file_type: int | None
) -> tuple[str | None, float | None]:
    """The scheme of a file, canonical, and the share of all elements that its main types hold."""
    everything = sum(tensor.elements for tensor in tensors)
    if not everything:
        return None, None
    layers = [(tensor, name) for tensor, name in zip(tensors, names, strict=True) if is_matrix(tensor)]
    for claim in (claimed(path), ggml.file_type_name(file_type)):
        if claim and agrees(claim, layers):
            main = ggml.main_types(claim)
            held = sum(tensor.elements for tensor, name in zip(tensors, names, strict=True) if name in main)
            return claim, held / everything
    mix: Counter[str] = Counter()
    for tensor, name in layers or zip(tensors, names, strict=True):
        mix[name] += tensor.elements
    dominant = mix.most_common(1)[0][0]
    held = sum(tensor.elements for tensor, name in zip(tensors, names, strict=True) if name == dominant)
    return (None if dominant.isdigit() else dominant), held / everything


def is_matrix(tensor: Tensor) -> bool:
    """A matrix of a layer: what a scheme is about. Embeddings and the output layer have types of their own."""
    return len(tensor.shape) >= 2 and tensor.name.startswith(("blk.", "v.blk.", "a.blk.", "mm."))


def agrees(claim: str, layers: Sequence[tuple[Tensor, str]]) -> bool:
    """Whether the matrices are of the scheme that a name claims.

    A tenth of those whose rows its blocks fit must be of its main types: mixes of several types are usual, and where
    rows do not fit (a hidden size that 256 does not divide) llama-quantize falls back to another type. All together
    must not take half as many bits again as that type: then little is left of the scheme. Full precision mixes with
    nothing, so half of all must be of it.
    """
    main = ggml.main_types(claim)
    if not main:
        return False
    types = [known for known in ggml.TYPES.values() if known.name in main]
    fitting, least = layers, 0.5
    if claim not in FULL_PRECISION:
        if types and layer_bits(layers) > 1.5 * max(known.bits for known in types):
            return False
        block = max((known.block for known in types), default=256)
        fitting, least = [(tensor, name) for tensor, name in layers if tensor.shape[0] % block == 0], 0.1
    total = sum(tensor.elements for tensor, _ in fitting)
    return total > 0 and sum(tensor.elements for tensor, name in fitting if name in main) >= least * total


def layer_bits(layers: Sequence[tuple[Tensor, str]]) -> float:
    """Bits a weight of those matrices whose types are known; 0 where none is."""
    known = [(tensor.elements, told.bits) for tensor, _ in layers if (told := ggml.tensor_type(tensor.type))]
    return sum(elements * bits for elements, bits in known) / max(1, sum(elements for elements, _ in known))


def claimed(path: str) -> str | None:
    """The scheme that a file's name claims, canonical; the last one where there are several."""
    found = CLAIM.findall(SPLIT.sub("", path))
    if not found:
        return None
    scheme = str(found[-1]).upper()
    return scheme.replace("FP", "F") if scheme in ("FP16", "FP32") else scheme


# ---- facts ----------------------------------------------------------------------------------------------------------


def role_of(file: GgufFile, architecture: str | None, artifact: ArtifactRecord) -> str:
    """What the file is: by its own word, else by what its path says."""
    said = file.text("general.type")
    if said == "mmproj" or architecture == "clip":
        return "mmproj"
    if said in ("adapter", "imatrix"):
        return said
    return artifact.role if artifact.role in SIDECAR_ROLES else "weights"


def facts_of(files: Sequence[GgufFile], architecture: str | None, role: str) -> Json:
    """What else the header says, bounded: texts of 300 characters, lists of 64 elements (of geometry, 1,024)."""
    file = files[0]
    facts: dict[str, Any] = {key.replace(".", "_"): bounded(file.keys.get(f"general.{key}")) for key in GENERAL}
    facts |= {
        "role": role,
        "file_type": file.whole("general.file_type"),
        "file_scheme": ggml.file_type_name(file.whole("general.file_type")),
        "geometry": geometry_of(file, architecture),
        "experts": present({name: most(file.keys.get(f"{architecture}.{key}")) for name, key in EXPERT_FACTS.items()}),
        "tokenizer": tokenizer_of(file),
        "base_models": base_models(file),
        "datasets": datasets(file),
        "imatrix": present({name: bounded(file.keys.get(key)) for name, key in IMATRIX.items()}),
        "split": split_of(files),
        "adapter": present({
            "type": bounded(file.keys.get("adapter.type")), "alpha": bounded(file.keys.get("adapter.lora.alpha"))
        }),
        "projector": clean(file.text("clip.projector_type") or file.text("clip.vision.projector_type")),
        "pooling": file.whole(f"{architecture}.pooling_type"),
        "endian": "big" if file.big_endian else "little",
        "alignment": file.alignment,
        "header_bytes": sum(one.data_start for one in files),
        "keys": file.key_count,
    }  # fmt: skip
    if facts["experts"]:
        facts["active_rule"] = "all but the experts a token is not sent to; embeddings and shared experts counted"
    return present(facts)


def geometry_of(file: GgufFile, architecture: str | None) -> dict[str, Any]:
    """Attention geometry, under the names that analysis/fit/memory.py reads."""
    found = {}
    for name, key in GEOMETRY.items():
        value = file.keys.get(f"{architecture}.{key}")
        if isinstance(value, str):
            value = clean(value, 64)
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            value = value[0] if name != "sliding_window_pattern" else value
        if not isinstance(value, SkippedArray):
            found[name] = value
    if not found.get("vocabulary"):
        tokens = file.keys.get("tokenizer.ggml.tokens")
        found["vocabulary"] = tokens.count if isinstance(tokens, SkippedArray) else None
    return present(found)


def tokenizer_of(file: GgufFile) -> dict[str, Any]:
    tokens = file.keys.get("tokenizer.ggml.tokens")
    digests = [big.digest for run in file.runs for big in run if big.key == "tokenizer.ggml.tokens"]
    return present({
        "model": clean(file.text("tokenizer.ggml.model"), 64),
        "pre": clean(file.text("tokenizer.ggml.pre"), 64),
        "tokens": tokens.count if isinstance(tokens, SkippedArray) else None,
        "digest": digests[0] if digests else None,
        "bos": file.whole("tokenizer.ggml.bos_token_id"),
        "eos": file.whole("tokenizer.ggml.eos_token_id"),
        "template": template_of(file.keys.get("tokenizer.chat_template")),
    })  # fmt: skip


def template_of(value: Any) -> dict[str, Any] | None:
    """A chat template by its length and digest: enough to tell two apart, and no program of a stranger's."""
    if isinstance(value, SkippedArray):
        return {"bytes": value.size}
    if not isinstance(value, str):
        return None
    raw = value.encode()
    return {"bytes": len(raw), "digest": sha256(raw).hexdigest()[:16]}


def base_models(file: GgufFile) -> list[dict[str, Any]]:
    """What the model was made from, as the header tells it: name, organization, repo."""
    found = []
    for number in range(min(file.whole("general.base_model.count") or 0, 16)):
        prefix = f"general.base_model.{number}."
        found.append(present({
            "name": clean(file.text(f"{prefix}name")),
            "organization": clean(file.text(f"{prefix}organization")),
            "version": clean(file.text(f"{prefix}version"), 64),
            "repo": repo_of(file.text(f"{prefix}repo_url")),
        }))  # fmt: skip
    if not found and (source := repo_of(file.text("general.source.repo_url") or file.text("general.source.url"))):
        found.append({"repo": source})
    return [base for base in found if base]


def datasets(file: GgufFile) -> list[str]:
    count = min(file.whole("general.dataset.count") or 0, 16)
    names = [
        repo_of(file.text(f"general.dataset.{number}.repo_url")) or clean(file.text(f"general.dataset.{number}.name"))
        for number in range(count)
    ]
    listed = bounded(file.keys.get("general.datasets")) or []
    return [name for name in names if name] or (listed if isinstance(listed, list) else [])


def repo_of(url: str | None) -> str | None:
    """`owner/name` of a Hub address."""
    found = REPO_URL.match(url or "")
    return found[1][:200] if found else None


def split_of(files: Sequence[GgufFile]) -> dict[str, Any]:
    """How a model is split: files it has, tensors it should have, whether all that were read add up to it."""
    first = files[0]
    count, tensors = first.whole("split.count"), first.whole("split.tensors.count")
    if not count or count < 2:
        return {}
    held = sum(len(file.tensors) for file in files)
    return {"count": count, "files": len(files), "tensors": tensors, "complete": held == tensors}


# ---- pieces ---------------------------------------------------------------------------------------------------------


def clean(text: str | None, length: int = TEXT_LENGTH) -> str | None:
    """A stranger's text, short, on one line and without control characters; None where nothing is left."""
    if not text:
        return None
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * length])
    return " ".join(kept.split())[:length] or None


def bounded(value: Any) -> Any:
    """A value of a key, small enough to keep; None where it was passed over."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [bounded(item) for item in value[:LIST_LENGTH] if item is not None]
    return None if isinstance(value, SkippedArray) else value


def present(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are there."""
    return {key: value for key, value in facts.items() if value is not None and value != {} and value != []}
