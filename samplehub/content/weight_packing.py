"""How quantizers store a matrix: the tensors that stand in a safetensors file in its place.

Each method is one function from a matrix of N rows and K columns to the tensors that its writer makes. `counted` is how
many parameters the Hub's own counter sees in a tensor: it unpacks containers of small integers and leaves out scales
where it knows the method, and takes elements as they are where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any, Final

from samplehub.content.geometry import Geometry, Shape, Tensor

BYTES: Final[Mapping[str, int]] = {
    "F64": 8,
    "I64": 8,
    "F32": 4,
    "I32": 4,
    "U32": 4,
    "F16": 2,
    "BF16": 2,
    "I16": 2,
    "F8_E4M3": 1,
    "F8_E8M0": 1,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a safetensors file, or one for each of `experts` experts (`{e}` in the name)."""

    name: str
    dtype: str
    shape: Shape
    experts: int = 0
    counted: int | None = None  # per tensor; None: its elements

    @property
    def bytes(self) -> int:
        return prod(self.shape) * BYTES[self.dtype]

    @property
    def parameters(self) -> int:
        """What the Hub counts, over all experts."""
        each = prod(self.shape) if self.counted is None else self.counted
        return each * max(1, self.experts)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a repo's weights are quantized."""

    method: str
    bits: int = 4
    group: int = 128
    dtype: str = "BF16"  # of what stays as it is
    keep: tuple[str, ...] = ()  # roles and parts of names that stay as they are
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


Pack = Callable[[Tensor, Scheme, str], Iterator[StoredTensor]]


def store_tensors(
    tensors: Iterator[Tensor] | tuple[Tensor, ...], g: Geometry, scheme: Scheme | None
) -> Iterator[StoredTensor]:
    """What the file holds: each matrix packed by the scheme, the rest in the model's own type."""
    for tensor in tensors:
        if scheme is None or not is_packed(tensor, scheme):
            dtype = scheme.dtype if scheme else g.dtype
            yield StoredTensor(tensor.name, dtype, tensor.shape, tensor.experts)
            continue
        yield from pack(tensor, scheme)


def pack(tensor: Tensor, scheme: Scheme) -> Iterator[StoredTensor]:
    """The tensors that stand in the file for one matrix, or for one of each expert."""
    stem = tensor.name.removesuffix(".weight")
    for part in PACKS[scheme.method](tensor, scheme, stem):
        if not tensor.experts:
            yield part
        elif scheme.method.startswith("mlx"):
            yield stacked(part, tensor.experts)
        else:
            yield StoredTensor(part.name, part.dtype, part.shape, tensor.experts, part.counted)


def stacked(part: StoredTensor, experts: int) -> StoredTensor:
    """The experts of a layer in one tensor, as MLX keeps them."""
    name = part.name.replace("experts.{e}", "switch_mlp")
    counted = None if part.counted is None else part.counted * experts
    return StoredTensor(name, part.dtype, (experts, *part.shape), 0, counted)


def is_packed(tensor: Tensor, scheme: Scheme) -> bool:
    if any(word == tensor.role or word in tensor.name for word in scheme.keep):
        return False
    if scheme.method == "mxfp4":
        return len(tensor.shape) == 3 and tensor.role in ("gate_up", "down")
    if scheme.method in ("mlx", "mlx-mxfp4") and tensor.role in ("embedding", "output", "router"):
        return tensor.role != "router" or scheme.method == "mlx"
    if scheme.method in ("exl2", "exl3") and tensor.role == "output":
        return True
    return tensor.linear


def packed_words(count: int, bits: int) -> int:
    """32-bit words that hold a number of small integers, without gaps."""
    return ceil(count * bits / 32)


# ---- the methods ---------------------------------------------------------------------------------------------------


def gptq(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    groups = k // s.group if s.group > 0 else 1
    yield StoredTensor(f"{stem}.qweight", "I32", (packed_words(k, s.bits), n), counted=n * k)
    yield StoredTensor(f"{stem}.qzeros", "I32", (groups, packed_words(n, s.bits)), counted=0)
    yield StoredTensor(f"{stem}.scales", "F16", (groups, n), counted=0)
    if s.method == "gptq":
        yield StoredTensor(f"{stem}.g_idx", "I32", (k,), counted=0)


def awq(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.qweight", "I32", (k, packed_words(n, s.bits)), counted=n * k)
    yield StoredTensor(f"{stem}.qzeros", "I32", (k // s.group, packed_words(n, s.bits)), counted=0)
    yield StoredTensor(f"{stem}.scales", "F16", (k // s.group, n), counted=0)


def bnb4(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    blocks = n * k // 64
    kind = s.options.get("bnb_4bit_quant_type", "nf4")
    yield StoredTensor(f"{stem}.weight", "U8", (n * k // 2, 1), counted=n * k)
    yield StoredTensor(f"{stem}.weight.absmax", "U8", (blocks,))
    yield StoredTensor(f"{stem}.weight.quant_map", "F32", (16,))
    yield StoredTensor(f"{stem}.weight.nested_absmax", "F32", (ceil(blocks / 256),))
    yield StoredTensor(f"{stem}.weight.nested_quant_map", "F32", (256,))
    yield StoredTensor(f"{stem}.weight.quant_state.bitsandbytes__{kind}", "U8", (len(str((n, k))) + 120,))


def bnb8(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "I8", (n, k))
    yield StoredTensor(f"{stem}.SCB", "F32", (n,))
    yield StoredTensor(f"{stem}.weight_format", "U8", ())


def pack_quantized(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    groups = k // s.group if s.group > 0 else 1
    yield StoredTensor(f"{stem}.weight_packed", "I32", (n, packed_words(k, s.bits)), counted=n * k)
    yield StoredTensor(f"{stem}.weight_scale", s.dtype, (n, groups), counted=0)
    yield StoredTensor(f"{stem}.weight_shape", "I64", (2,), counted=0)


def int_quantized(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    yield StoredTensor(f"{stem}.weight", "I8", t.shape)
    yield StoredTensor(f"{stem}.weight_scale", s.dtype, (t.shape[0], 1))


def float_quantized(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    yield StoredTensor(f"{stem}.weight", "F8_E4M3", t.shape)
    yield StoredTensor(f"{stem}.weight_scale", s.dtype, (t.shape[0], 1) if s.options.get("dynamic", True) else (1,))
    if not s.options.get("dynamic", True):
        yield StoredTensor(f"{stem}.input_scale", s.dtype, (1,))


def fp8_block(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "F8_E4M3", (n, k))
    yield StoredTensor(f"{stem}.weight_scale_inv", s.options.get("scale_dtype", "F32"), (ceil(n / 128), ceil(k / 128)))


def fbgemm_fp8(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    yield StoredTensor(f"{stem}.weight", "F8_E4M3", t.shape)
    yield StoredTensor(f"{stem}.weight_scale", "F32", (t.shape[0], 1))


def nvfp4_pack_quantized(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight_packed", "U8", (n, k // 2), counted=n * k)
    yield StoredTensor(f"{stem}.weight_scale", "F8_E4M3", (n, k // 16))
    yield StoredTensor(f"{stem}.weight_global_scale", "F32", (1,))
    yield StoredTensor(f"{stem}.input_global_scale", "F32", (1,))


def mxfp4_pack_quantized(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight_packed", "U8", (n, k // 2), counted=n * k)
    yield StoredTensor(f"{stem}.weight_scale", "U8", (n, k // 32), counted=0)


def modelopt_nvfp4(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "U8", (n, k // 2))
    yield StoredTensor(f"{stem}.weight_scale", "F8_E4M3", (n, k // 16))
    yield StoredTensor(f"{stem}.weight_scale_2", "F32", ())
    yield StoredTensor(f"{stem}.input_scale", "F32", ())


def modelopt_fp8(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    yield StoredTensor(f"{stem}.weight", "F8_E4M3", t.shape)
    yield StoredTensor(f"{stem}.weight_scale", "F32", ())
    yield StoredTensor(f"{stem}.input_scale", "F32", ())


def mxfp4(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    """gpt-oss: all experts of a layer together, in blocks of 32; the matrix is (experts, in, out) before packing."""
    experts, columns, rows = t.shape
    yield StoredTensor(f"{stem}_blocks", "U8", (experts, rows, columns // 32, 16), counted=experts * rows * columns)
    yield StoredTensor(f"{stem}_scales", "U8", (experts, rows, columns // 32), counted=0)


def mlx(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "U32", (n, k * s.bits // 32), counted=n * k)
    yield StoredTensor(f"{stem}.scales", s.dtype, (n, k // s.group), counted=0)
    yield StoredTensor(f"{stem}.biases", s.dtype, (n, k // s.group), counted=0)


def mlx_mxfp4(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "U32", (n, k * s.bits // 32), counted=n * k)
    yield StoredTensor(f"{stem}.scales", "U8", (n, k // 32), counted=0)


def hqq(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    group = s.group if s.group > 0 else 64
    yield StoredTensor(f"{stem}.W_q", "U8", (n * k // group * s.bits // 8, group))
    yield StoredTensor(f"{stem}.scale", "F16", (n * k // group, 1))
    yield StoredTensor(f"{stem}.zero", "F16", (n * k // group, 1))
    yield StoredTensor(f"{stem}.nbits", "I64", ())
    yield StoredTensor(f"{stem}.group_size", "I64", ())
    yield StoredTensor(f"{stem}.shape", "I64", (2,))


def aqlm(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    width = int(s.options.get("in_group_size", 8))
    books = int(s.options.get("num_codebooks", 1))
    bits = int(s.options.get("nbits_per_codebook", 16))
    yield StoredTensor(f"{stem}.codes", "I16" if bits > 8 else "I8", (n, k // width, books), counted=n * k)
    yield StoredTensor(f"{stem}.codebooks", "F16", (books, 2**bits, 1, width))
    yield StoredTensor(f"{stem}.scales", "F16", (n, 1, 1, 1))


def exl2(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    bits = float(s.options.get("head_bits" if t.role == "output" else "bits", s.bits))
    groups = max(1, k // 128)
    yield StoredTensor(f"{stem}.q_weight", "I32", (round(k * bits / 32), n))
    yield StoredTensor(f"{stem}.q_scale", "I32", (groups, n // 8))
    yield StoredTensor(f"{stem}.q_scale_max", "F16", (groups,))
    yield StoredTensor(f"{stem}.q_groups", "I16", (2 * groups,))
    yield StoredTensor(f"{stem}.q_invperm", "I16" if k < 1 << 15 else "I32", (k,))


def exl3(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    bits = int(s.options.get("head_bits", 6)) if t.role == "output" else s.bits
    n = ceil(n / 128) * 128
    yield StoredTensor(f"{stem}.trellis", "I16", (k // 16, n // 16, 16 * bits))
    yield StoredTensor(f"{stem}.suh", "F16", (k,))
    yield StoredTensor(f"{stem}.svh", "F16", (n,))
    yield StoredTensor(f"{stem}.mcg", "I32", ())


def bitnet(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "U8", (n // 4, k))
    yield StoredTensor(f"{stem}.weight_scale", "BF16", (1,))


def eetq(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "I8", (k, n))
    yield StoredTensor(f"{stem}.weight_scales", "F16", (n,))


def quanto(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    if s.bits == 4:
        yield StoredTensor(f"{stem}.weight._data._data", "U8", (n * k // s.group // 2, s.group))
        yield StoredTensor(f"{stem}.weight._scale", s.dtype, (n * k // s.group, 1))
        yield StoredTensor(f"{stem}.weight._shift", s.dtype, (n * k // s.group, 1))
    else:
        yield StoredTensor(f"{stem}.weight._data", "I8", (n, k))
        yield StoredTensor(f"{stem}.weight._scale", s.dtype, (n, 1))
    yield StoredTensor(f"{stem}.input_scale", s.dtype, ())
    yield StoredTensor(f"{stem}.output_scale", s.dtype, ())


def torchao(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    if s.bits == 8:
        dtype = "F8_E4M3" if s.options.get("float") else "I8"
        yield StoredTensor(f"{stem}._weight_qdata", dtype, (n, k))
        yield StoredTensor(f"{stem}._weight_scale", "F32", (n, 1))
    else:
        yield StoredTensor(f"{stem}._weight_qdata", "U8", (n, k // 2))
        yield StoredTensor(f"{stem}._weight_scale", s.dtype, (n, k // s.group))
        yield StoredTensor(f"{stem}._weight_zero_point", s.dtype, (n, k // s.group))


def higgs(t: Tensor, s: Scheme, stem: str) -> Iterator[StoredTensor]:
    n, k = t.shape
    yield StoredTensor(f"{stem}.weight", "I16", (n * s.bits // 16, k))
    yield StoredTensor(f"{stem}.scales", "F16", (n * k // 1024 // 4, 4))
    yield StoredTensor(f"{stem}.tables", "F16", (2 ** (2 * s.bits), 2))
    yield StoredTensor(f"{stem}.tables2", "F32", (2 ** (2 * s.bits), 2 ** (2 * s.bits), 1))


PACKS: Final[Mapping[str, Pack]] = {
    "gptq": gptq,
    "auto-round": gptq,
    "awq": awq,
    "bnb-4bit": bnb4,
    "bnb-8bit": bnb8,
    "pack-quantized": pack_quantized,
    "int-quantized": int_quantized,
    "float-quantized": float_quantized,
    "nvfp4-pack-quantized": nvfp4_pack_quantized,
    "mxfp4-pack-quantized": mxfp4_pack_quantized,
    "fp8": fp8_block,
    "fbgemm_fp8": fbgemm_fp8,
    "modelopt-nvfp4": modelopt_nvfp4,
    "modelopt-fp8": modelopt_fp8,
    "mxfp4": mxfp4,
    "mlx": mlx,
    "mlx-mxfp4": mlx_mxfp4,
    "hqq": hqq,
    "aqlm": aqlm,
    "exl2": exl2,
    "exl3": exl3,
    "bitnet": bitnet,
    "eetq": eetq,
    "quanto": quanto,
    "torchao": torchao,
    "higgs": higgs,
}
