"""The table of schemes: complete, consistent with llama.cpp's own package, and every figure derived from its layout."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType

from analysis.errors import UnknownScheme, VocabularyError
from analysis.schemes.schemes import (
    FULL_PRECISION,
    Scheme,
    SchemeKind,
    find_method,
    find_scheme,
    find_scheme_by_alias,
    is_full_precision,
    nominal_bits,
    parse_scheme,
    read_schemes,
    scheme_table,
    usual_file_bits,
)
from samplehub.content.infer import BITS as SAMPLE_WIDTHS
from samplehub.content.quantization_mixes import TYPES as SAMPLE_TYPES

INTEGERS = {"I8", "I16", "I32", "I64"}  # types of indices: no scheme of weights
OUTDATED = {"Q8_1"}  # 40 bytes in the package, 36 in ggml-common.h

CANONICAL = (
    "F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_S", "Q4_0", "Q4_1", "Q4_0_4_8", "Q3_K_XL", "Q2_K_L",
    "IQ4_NL", "IQ4_XS", "IQ3_XXS", "IQ2_M", "IQ1_S", "TQ1_0", "TQ2_0", "MXFP4", "MXFP4_MOE", "NVFP4", "Q1_0",
    "Q2_0", "Q4_K_L", "Q5_K_P", "Q4_K_XL", "AWQ", "GPTQ", "BNB-NF4", "BNB-FP4", "BNB-INT8", "FP8", "MXFP8", "W4A16",
    "W8A8", "W8A16", "W4A8", "INT4", "INT8", "UINT8", "INT3", "INT2", "EXL2", "EXL3", "HQQ", "AQLM", "QUIP", "SPQR",
    "VPTQ", "EETQ", "QUANTO", "TORCHAO", "AUTOROUND", "MLX-3BIT", "MLX-4BIT", "MLX-5BIT", "MLX-6BIT", "MLX-8BIT",
    "BITNET", "Q4F16", "Q4F16_1", "Q4F32_1",
)  # fmt: skip
"""Canonical schemes of the label `quant` (docs/labels.md)."""


def scheme(name: str) -> Scheme:
    found = find_scheme(name)
    assert found is not None, name
    return found


# ---- complete -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CANONICAL)
def test_every_canonical_scheme_is_in_the_table(name: str) -> None:
    assert scheme(name).name == name


@pytest.mark.parametrize("kind", [kind for kind in GGMLQuantizationType if kind.name not in INTEGERS])
def test_every_tensor_type_of_ggml_has_its_block(kind: GGMLQuantizationType) -> None:
    block = scheme(kind.name).block
    assert block is not None
    if kind.name not in OUTDATED:
        assert (block.weights, block.bytes) == GGML_QUANT_SIZES[kind]


@pytest.mark.parametrize("kind", [kind for kind in LlamaFileType if kind.name != "GUESSED"])
def test_every_file_type_of_llama_cpp_has_tensor_types(kind: LlamaFileType) -> None:
    found = scheme(kind.name.removeprefix("MOSTLY_").removeprefix("ALL_"))
    assert found.tensor_types and all(scheme(each).block for each in found.tensor_types)


def test_full_precision_is_the_same_set_in_code_and_table() -> None:
    assert {name for name, each in scheme_table().schemes.items() if not each.quantized} == FULL_PRECISION
    assert is_full_precision("BF16") and not is_full_precision("FP8") and not is_full_precision("nonsense")
    assert {each.kind for each in scheme_table().schemes.values()} == set(get_args(SchemeKind))


# ---- bits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nominal", "block", "file"),
    [
        ("Q4_K_M", 4, 144 * 8 / 256, 4.8944),  # llama.cpp: block_q4_K, tools/quantize/README.md
        ("Q4_0", 4, 18 * 8 / 32, 4.64),  # block_q4_0; 4.34 GiB of Llama 3 8B in tools/quantize/quantize.cpp
        ("Q3_K_M", 3, 110 * 8 / 256, 4.0),  # block_q3_K; 3.74 GiB of Llama 3 8B
        ("IQ1_S", 1.56, 50 * 8 / 256, 2.0042),
        ("TQ1_0", 1.69, 54 * 8 / 256, 2.0),
        ("Q1_0", 1, 1.125, None),  # quantize.cpp: 1.125 bpw
        ("Q2_0", 2, 2.25, None),  # quantize.cpp: 2.25 bpw, group 64
        ("IQ2_KS", 2, 2.1875, 2.38),  # ik_llama.cpp's quantize.cpp: 2.1875 bpw
        ("IQ4_KT", 4, 4.0, None),
        ("MXFP4", 4, 4 + 8 / 32, None),  # OCP MX 1.0: 32 elements share a scale of 8 bits
        ("MXFP6", 6, 6 + 8 / 32, None),
        ("MXFP8", 8, 8 + 8 / 32, None),
        ("NVFP4", 4, 4 + 8 / 16, None),  # 16 elements share an E4M3 scale
        ("AWQ", None, 4 + (16 + 4) / 128, None),  # groups of 128: a 16-bit scale and a 4-bit zero point
        ("GPTQ", None, 4 + (16 + 4) / 128, None),
        ("W4A16", 4, 4 + 16 / 128, None),  # compressed-tensors' preset, symmetric
        ("BNB-NF4", 4, 4 + 32 / 64, None),  # bitsandbytes: blocks of 64, a 32-bit scale
        ("MLX-4BIT", 4, 4 + (16 + 16) / 64, None),  # mlx: groups of 64, scale and offset of 16 bits
        ("MLX-6BIT", 6, 6.5, None),
        ("Q4F16_1", 4, 4 + 16 / 32, None),  # MLC LLM: groups of 32, a scale of the model's dtype
        ("Q4F32_1", 4, 4 + 32 / 32, None),
        ("BITNET", 1.58, 2.0, None),  # four weights to a byte
        ("F16", 16, 16.0, 16.0005),
        ("EXL2", None, None, None),
    ],
)
def test_the_three_quantities_of_a_scheme(
    name: str, nominal: float | None, block: float | None, file: float | None
) -> None:
    found = scheme(name)
    assert (found.nominal_bits, found.block_bits, found.file_bits) == (nominal, block, file)


@pytest.mark.parametrize("found", scheme_table().schemes.values(), ids=lambda each: each.name)
def test_bits_grow_from_name_to_block_to_file(found: Scheme) -> None:
    """Scales come on top of nominal bits, embeddings on top of blocks. IQ3_M and its like mix in narrower types."""
    if found.nominal_bits and found.block_bits:
        assert found.nominal_bits <= found.block_bits + 0.01 <= found.nominal_bits + 2.01
    if found.block_bits and found.file_bits:
        assert found.block_bits <= found.file_bits < 1.4 * found.block_bits
        assert found.measured_on is not None and found.measured_on.url.startswith("https://")


def test_packed_schemes_say_where_their_layout_is_from() -> None:
    without = [
        each.name
        for each in scheme_table().schemes.values()
        if each.kind == "packed" and each.block and not each.layout
    ]
    assert without == []


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("Q4_K_M", 4), ("Q4", 4), ("W3A16", 3), ("MLX-7BIT", 7), ("MLX-4.5BIT", 4.5), ("Q5_K_P", 5), ("IQ1_S", 1.56),
        ("IQ1_S_R4", 1.56), ("I32", None), ("AWQ", None), ("Q16", None), ("nonsense", None),
    ],
)  # fmt: skip
def test_nominal_bits_of_schemes_in_and_out_of_the_table(name: str, bits: float | None) -> None:
    assert nominal_bits(name) == bits


def test_files_of_packed_schemes_have_no_usual_width() -> None:
    assert usual_file_bits("Q4_K_M") == 4.8944 and usual_file_bits("BF16") == 16.0005
    assert usual_file_bits("IQ4_KT") == 4.0, "not measured: its blocks"
    assert usual_file_bits("AWQ") is None and usual_file_bits("nonsense") is None


# ---- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("q4km", "Q4_K_M"), ("Q4-K-M", "Q4_K_M"), ("iq2xxs", "IQ2_XXS"), ("fp16", "F16"), ("nf4", "BNB-NF4"),
        ("mxfp4", "MXFP4"), ("Auto-Round", "AUTOROUND"), ("q5_0_l", "Q5_0_L"), ("mlx-4bit", "MLX-4BIT"),
        ("w4a16", "W4A16"), ("avq2", None), ("", None),
    ],
)  # fmt: skip
def test_a_scheme_is_found_by_any_spelling(text: str, name: str | None) -> None:
    found = find_scheme_by_alias(text)
    assert (found.name if found else None) == name


def test_a_suffix_changes_the_name_and_not_the_values() -> None:
    stem, found = scheme("Q4_K"), scheme("Q4_K_P")
    assert (found.name, found.block, found.tensor_types) == ("Q4_K_P", stem.block, ("Q4_K",))
    assert scheme("IQ4_KS_R4").tensor_types == ("IQ4_KS_R4",), "interleaved rows are a tensor type of their own"
    assert find_scheme("AWQ_M") is None and find_scheme("F16_L") is None


@pytest.mark.parametrize(
    ("written", "method"),
    [("gptq_marlin", "gptq"), ("intel/auto-round", "autoround"), ("fbgemm_fp8", "fp8"), ("AWQ", "awq"), ("new", "new")],
)
def test_a_method_is_found_by_any_spelling(written: str, method: str) -> None:
    assert find_method(written) == method


def test_every_method_of_a_scheme_and_every_scheme_of_a_method_is_known() -> None:
    table = scheme_table()
    assert {each.method for each in table.schemes.values() if each.method} <= table.methods.keys()
    assert all(method.runtimes for method in table.methods.values())
    assert len(table.method_names) == sum(1 + len(method.aliases) for method in table.methods.values())


# ---- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("added", "entry", "reason"),
    [
        ("[gguf.NEW]\nnominal_bits = 4\n", "NEW", "about"),
        ('[gguf.NEW]\nabout = "x"\nnominal_bits = 99\n', "NEW", "bits per weight"),
        ('[gguf.NEW]\nabout = "x"\nfile_bits = 4.5\n', "NEW", "measured_on"),
        ('[gguf.NEW]\nabout = "x"\ntensor_types = ["Q9_K"]\n', "NEW", "Q9_K"),
        ('[packed.Q4_K]\nabout = "x"\n', "Q4_K", "two tables"),
        ('[packed.NEW]\nabout = "x"\nblock = { weights = 32 }\n', "NEW", "lacks a key"),
        ('[packed.NEW]\nabout = "x"\nquality = { source = "hearsay" }\n', "NEW", "none of"),
        ('[methods.new]\nscheme = "NEW"\n', "new", "not in the table"),
        ("[more]\nx = 1\n", "more", "no such table"),
        ("[gguf\n", "", "Expected"),
    ],
)
def test_a_fault_in_the_table_names_its_entry(added: str, entry: str, reason: str) -> None:
    data = (files("analysis.schemes") / "schemes.toml").read_bytes()
    with pytest.raises(VocabularyError, match=reason) as raised:
        read_schemes(data + b"\n" + added.encode())
    assert (raised.value.file, raised.value.entry) == ("schemes.toml", entry)


# ---- as a user types it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "name", "bits"),
    [
        ("q4km", "Q4_K_M", 4.8944), ("mxfp4", "MXFP4", 4.25), ("awq", "AWQ", 4.15625), ("EXL2", "EXL2", 4.0),
        ("EXL2-4.65bpw", "EXL2", 4.65), ("hqq 3bit", "HQQ", 3.0), ("GPTQ-8bit", "GPTQ", 8.15625),
        ("MoQ-7.55", "MOQ", 7.55), ("JANGTQ3", "JANG", 3.0),
    ],
)  # fmt: skip
def test_a_scheme_and_its_width_as_typed(typed: str, name: str, bits: float) -> None:
    found = parse_scheme(typed)
    assert (found.scheme.name, found.bits) == (name, bits)


@pytest.mark.parametrize("typed", ["", "nonsense", "EXL2-99bpw", "EXL2-0", "Q4_K_M-5bit", "x" * 1000])
def test_what_is_no_scheme_is_refused(typed: str) -> None:
    with pytest.raises(UnknownScheme):
        parse_scheme(typed)


def test_similar_schemes_are_proposed() -> None:
    with pytest.raises(UnknownScheme, match="Q4_K_M") as caught:
        parse_scheme("Q4_K_N")
    assert "Q4_K_M" in caught.value.close


@pytest.mark.parametrize("found", scheme_table().schemes.values(), ids=lambda each: each.name)
def test_every_scheme_has_bits_to_estimate_with_and_programs_that_run_it(found: Scheme) -> None:
    assert found.estimated_bits and found.runtimes
    assert parse_scheme(found.name).scheme is parse_scheme(found.name.lower().replace("_", "-")).scheme is found


# ---- one home -------------------------------------------------------------------------------------------------------

MAX_SCHEMES_WITH_NUMBERS = 2
"""Schemes that one literal outside the table may give numbers to, before it is a second table of bits."""


def numbers_by_scheme(node: ast.expr) -> set[str]:
    """Schemes that a dict display maps to numbers."""
    if not isinstance(node, ast.Dict):
        return set()
    return {
        key.value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and find_scheme_by_alias(key.value)
        and all(isinstance(each, ast.Constant | ast.BinOp | ast.operator) for each in ast.walk(value))
        and not (isinstance(value, ast.Constant) and not isinstance(value.value, int | float))
    }  # fmt: skip


def test_a_second_table_of_bits_is_recognized() -> None:
    assert numbers_by_scheme(ast.parse("{'q4_0': 18 / 32, 'F16': 2, 'AWQ': 'awq'}", mode="eval").body) == {
        "q4_0",
        "F16",
    }


OTHERS = {
    "analysis/fit/geometry.py",  # types of caches: tests/analysis/fit/test_memory.py compares them with the table
    "analysis/formats/safetensors/tensors.py",  # dtypes, as the container defines them
    "analysis/files/copies.py",  # an order of preference
}


def test_no_module_has_a_second_table_of_bits() -> None:
    """samplehub imports nothing of the program and has its own; the next test compares them."""
    root = Path(__file__).parents[3]
    second = {
        f"{path.relative_to(root)}:{node.lineno}"
        for package in ("analysis", "crawler", "db", "bench")
        for path in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict) and len(numbers_by_scheme(node)) > MAX_SCHEMES_WITH_NUMBERS
        if str(path.relative_to(root)) not in OTHERS
    }
    assert second == set()


def test_the_sample_hub_writes_files_of_the_same_types() -> None:
    for name, kind in SAMPLE_TYPES.items():
        found = find_scheme(name)
        assert name in INTEGERS or (found and found.block and (found.block.weights, found.block.bytes) == kind[1:]), (
            name
        )


@pytest.mark.parametrize("name", [name for name in SAMPLE_WIDTHS if find_scheme(name)])
def test_the_sample_hubs_files_have_the_usual_widths(name: str) -> None:
    bits = usual_file_bits(name)
    assert bits is None or SAMPLE_WIDTHS[name] == pytest.approx(bits, rel=0.2)
