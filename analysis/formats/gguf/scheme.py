"""The quantization scheme of a GGUF file: what its name or its file type claims, if its tensors agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from analysis.formats.gguf.file import GgufFile
from analysis.formats.gguf.tensor_sizes import Tensor
from analysis.schemes import tensor_types as ggml
from analysis.schemes.schemes import FULL_PRECISION

SCHEME_IN_NAME = re.compile(
    r"(?<![a-z0-9])(i?q[1-8](?:_[a-z0-9]+)*|tq[12]_0|mxfp4(?:_moe)?|nvfp4|bf16|f16|f32|fp16|fp32)(?![a-z0-9])", re.I
)
NUMBERED = re.compile(r"(?:^|\.)\d{1,6}\.")
SHARD_NUMBER = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)", re.I)


def type_names(file: GgufFile) -> list[str]:
    """The type of each tensor by name. A number that forks use for another type is recognized by the tensor's bytes."""
    other = {
        tensor.type
        for tensor, size in zip(file.tensors, file.sizes, strict=True)
        if tensor.type in ggml.AMBIGUOUS_IDS and size is not None and not has_table_size(tensor, size, file.alignment)
    }
    names = {kind: ggml.type_name(kind) for kind in {tensor.type for tensor in file.tensors}}
    names |= {kind: ggml.REUSED.get(kind, str(kind)) for kind in other}
    return [names[tensor.type] for tensor in file.tensors]


def has_table_size(tensor: Tensor, size: int, alignment: int) -> bool:
    known = ggml.TYPES[tensor.type]
    expected = -(-tensor.elements // known.block) * known.size
    return expected <= size < expected + alignment


def find_gguf_scheme(
    tensors: Sequence[Tensor], names: Sequence[str], path: str, file_type: int | None
) -> tuple[str | None, float | None]:
    """The scheme of a file, canonical, and the share of all elements that its main types hold."""
    everything = sum(tensor.elements for tensor in tensors)
    if not everything:
        return None, None
    typed = list(zip(tensors, names, strict=True))
    layers = [(tensor, name) for tensor, name in typed if is_matrix(tensor)]
    layers = layers or [(tensor, name) for tensor, name in typed if len(tensor.shape) >= 2]
    for claim in (scheme_in_name(path), ggml.file_type_name(file_type)):
        if claim and agrees_with_layers(claim, layers):
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
    """A matrix of a layer: what a scheme is about. Embeddings and the output layer have types of their own.

    Layers are numbered: `blk.0.`, `enc.blk.0.`, and in image and video models `double_blocks.0.`, `blocks.0.`.
    """
    return len(tensor.shape) >= 2 and NUMBERED.search(tensor.name) is not None


def agrees_with_layers(claim: str, layers: Sequence[tuple[Tensor, str]]) -> bool:
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
    widths = [(tensor.elements, known.bits) for tensor, _ in layers if (known := ggml.tensor_type(tensor.type))]
    return sum(elements * bits for elements, bits in widths) / max(1, sum(elements for elements, _ in widths))


def scheme_in_name(path: str) -> str | None:
    """The scheme that a file's name claims, canonical; the last one where there are several."""
    found = SCHEME_IN_NAME.findall(SHARD_NUMBER.sub("", path))
    if not found:
        return None
    scheme = str(found[-1]).upper()
    return scheme.replace("FP", "F") if scheme in ("FP16", "FP32") else scheme
