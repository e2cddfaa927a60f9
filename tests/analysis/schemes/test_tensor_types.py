"""The tables of ggml's types compared with those of llama.cpp's gguf package."""

from __future__ import annotations

import pytest

from analysis.schemes import tensor_types as ggml
from samplehub.content import quantization_mixes

gguf = pytest.importorskip("gguf")

STALE = {"Q8_1"}  # 40 bytes there, 36 in ggml-common.h; never in files
NEWER = {42, 4, 5, 31, 32, 33, 36, 37, 38}  # of ours: newer than the package, or gone before it


def test_tensor_types_are_those_of_the_package() -> None:
    for kind in gguf.GGMLQuantizationType:
        ours = ggml.TYPES[kind.value]
        assert ours.name == kind.name
        if kind.name not in STALE:
            assert (ours.block, ours.size) == gguf.GGML_QUANT_SIZES[kind], kind.name


def test_types_missing_in_the_package_are_newer_or_removed_ones() -> None:
    assert set(ggml.TYPES) - {kind.value for kind in gguf.GGMLQuantizationType} == NEWER
    assert sorted(ggml.TYPES) == list(range(43))


def test_file_types_are_those_of_the_package() -> None:
    for kind in gguf.LlamaFileType:
        if kind.name != "GUESSED":
            assert ggml.file_type_name(kind.value) == kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
    assert ggml.file_type_name(gguf.LlamaFileType.GUESSED | 15) == "Q4_K_M"


def test_every_file_type_has_tensor_types() -> None:
    names = {known.name for known in ggml.TYPES.values()}
    for scheme in ggml.FILE_TYPES.values():
        assert set(ggml.main_types(scheme)) and set(ggml.main_types(scheme)) <= names, scheme


@pytest.mark.parametrize(
    ("scheme", "types"),
    [
        ("Q4_K_M", ("Q4_K",)), ("Q4_K_XL", ("Q4_K",)), ("Q4_0_4_8", ("Q4_0_4_8",)), ("IQ3_M", ("IQ3_S",)),
        ("IQ4_XS", ("IQ4_XS",)), ("Q8_K_XL", ("Q8_0", "Q8_K")), ("MXFP4_MOE", ("MXFP4",)), ("F16", ("F16",)),
        ("IQ4_KS_R4", ("IQ4_KS_R4",)), ("AWQ", ()),
    ],
)  # fmt: skip
def test_main_types_of_a_scheme(scheme: str, types: tuple[str, ...]) -> None:
    assert ggml.main_types(scheme) == types


def test_an_unknown_type_number_stays_a_number() -> None:
    assert ggml.type_name(139) == "IQ4_K"
    assert ggml.type_name(4711) == "4711"
    assert ggml.tensor_type(4711) is None
    assert ggml.tensor_type(144) is None  # named, but its rows keep a scale of their own: offsets tell what it weighs


def test_interleaved_rows_have_the_blocks_of_plain_ones() -> None:
    assert ggml.tensor_type(212) == ggml.GgmlType("Q4_K_R4", 256, 144)
    assert ggml.tensor_type(339) == ggml.GgmlType("IQ4_K_R4", 256, 144)
    assert ggml.tensor_type(205) is None


def test_the_sample_hub_writes_the_same_types() -> None:
    """samplehub imports nothing of analysis, so its table is compared here."""
    for name, kind in quantization_mixes.TYPES.items():
        assert ggml.TYPES[kind.number] == ggml.GgmlType(name, kind.block, kind.bytes)
    for name, mix in quantization_mixes.MIXES.items():
        assert ggml.FILE_TYPES[mix.number] == name
