"""What a GGUF header says of its model: parameters, scheme, bits, geometry, facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import pytest

from analysis.fit.geometry import Cache, parse_geometry
from analysis.formats.gguf.scheme import scheme_in_name
from analysis.formats.readers import read_artifact
from analysis.formats.source import BytesSource
from db.record_base import Role
from db.records import ArrayLength, ArtifactRecord, Header
from tests.analysis.formats.gguf_file import LAYERS, Tensor, Typed, f32, gguf, model, q4

BITS = {
    2: (32, 18),
    8: (32, 34),
    1: (1, 2),
    12: (256, 144),
    13: (256, 176),
    10: (256, 84),
    14: (256, 210),
    39: (32, 17),
    30: (1, 2),
    35: (256, 66),
}


def typed(name: str, kind: int, *shape: int) -> Tensor:
    """A tensor of one of the types above."""
    block, size = BITS[kind]
    elements = 1
    for length in shape:
        elements *= length
    return Tensor(name, shape, kind, elements // block * size)


def header(
    files: Mapping[str, bytes] | bytes, path: str = "model.gguf", role: Role = "weights", cut: int = 0
) -> tuple[Header, tuple[ArrayLength, ...]]:
    held = {path: files} if isinstance(files, bytes) else dict(files)
    sizes = {name: len(data) - cut for name, data in held.items()}
    artifact = ArtifactRecord(path, role, "gguf", tuple(held), sum(sizes.values()), "sha")
    return read_artifact(artifact, sizes, lambda name: BytesSource(held[name], name))


def test_a_whole_header() -> None:
    found, lengths = header(gguf(model(more={"general.file_type": 15}), LAYERS), "Small-Q4_K_M.gguf")
    elements = 3000 * 256 + 256 + 256 * 256 + 512 * 256
    held = elements - 256
    assert (found.format, found.version, found.architecture, found.tensor_count) == ("gguf", 3, "llama", 4)
    assert (found.parameters, found.active_parameters) == (elements, elements)
    assert found.types == {"Q4_K": held, "F32": 256}
    assert (found.quant, found.quant_method, found.quant_share) == ("Q4_K_M", "gguf", held / elements)
    assert found.bits_per_weight == 8 * (held // 256 * 144 + 1024) / elements
    assert (found.context, found.size_verified, found.content) == (4096, True, "sha")
    assert 2 <= found.requests <= 6
    assert 0 < found.bytes_read < 83_744  # of the header alone
    assert [layout.key for layout in lengths] == ["tokenizer.ggml.tokens", "tokenizer.ggml.tokens+2"]


def test_a_file_shorter_than_its_header_implies_is_not_verified() -> None:
    data = gguf(model(), LAYERS)
    found, _ = header(data, cut=64)
    assert found.size == len(data)
    assert found.size_verified is False


def test_a_file_of_unknown_size_is_neither_verified_nor_refuted() -> None:
    source = BytesSource(gguf({"general.architecture": "llama"}, LAYERS))
    source.size = None
    found, _ = read_artifact(ArtifactRecord("a.gguf", "weights", "gguf", ("a.gguf",), None), {}, lambda _: source)
    assert found.size_verified is None
    assert found.size == len(source.data)


# ---- parameters ----


def moe(**keys: Any) -> Header:
    tensors = [
        typed("token_embd.weight", 8, 256, 1000),
        typed("blk.0.ffn_up.weight", 12, 256, 512),  # a leading dense layer
        typed("blk.1.ffn_gate_inp.weight", 8, 256, 8),
        typed("blk.1.ffn_up_exps.weight", 12, 256, 512, 8),
        f32("blk.1.ffn_up_exps.bias", 512, 8),
        typed("blk.1.ffn_up_shexp.weight", 12, 256, 512),
    ]
    return header(gguf({"general.architecture": "deepseek2", **keys}, tensors), "model-Q4_K_M.gguf")[0]


def test_active_parameters_count_the_experts_that_a_token_is_routed_to() -> None:
    found = moe(**{"deepseek2.expert_count": 8, "deepseek2.expert_used_count": 2, "deepseek2.expert_shared_count": 1})
    everything = 256_000 + 131_072 + 2048 + 8 * 131_072 + 4096 + 131_072
    assert found.parameters == everything
    assert found.active_parameters == everything - (8 * 131_072 + 4096) * 6 // 8
    assert found.facts["experts"] == {"count": 8, "used": 2, "shared": 1}
    assert "experts" in found.facts["active_rule"]


@pytest.mark.parametrize("used", [None, 0, 9])
def test_active_parameters_are_unknown_without_a_plausible_count_of_used_experts(used: int | None) -> None:
    found = moe(**({} if used is None else {"deepseek2.expert_used_count": used}))
    assert found.parameters is not None
    assert found.active_parameters is None


def test_experts_in_tensors_of_their_own() -> None:
    """Mixtral as it was converted in 2023."""
    tensors = [typed(f"blk.0.ffn_up.{expert}.weight", 12, 256, 512) for expert in range(8)]
    keys = {"general.architecture": "llama", "llama.expert_count": 8, "llama.expert_used_count": 2}
    found, _ = header(gguf(keys, tensors))
    assert (found.parameters, found.active_parameters) == (8 * 131_072, 2 * 131_072)


def test_rotary_tables_hold_no_weights() -> None:
    found, _ = header(
        gguf({"general.architecture": "llama"}, [q4("blk.0.attn_q.weight", 4), f32("rope_freqs.weight", 64)])
    )
    assert (found.parameters, found.types) == (1024, {"Q4_K": 1024, "F32": 64})


@pytest.mark.parametrize(("architecture", "parameters"), [("gemma2", 256 * 100), ("llama", 2 * 256 * 100)])
def test_an_output_layer_that_repeats_the_embeddings_counts_once(architecture: str, parameters: int) -> None:
    tensors = [q4("token_embd.weight", 100), typed("output.weight", 14, 256, 100)]
    found, _ = header(gguf({"general.architecture": architecture}, tensors))
    assert found.parameters == parameters


def test_per_layer_embeddings_are_not_active() -> None:
    tensors = [q4("per_layer_token_embd.weight", 700), q4("blk.0.attn_q.weight", 100)]
    found, _ = header(gguf({"general.architecture": "gemma3n"}, tensors))
    assert (found.parameters, found.active_parameters) == (800 * 256, 100 * 256)


def test_a_vocabulary_alone_has_no_parameters() -> None:
    found, _ = header(gguf(model()))
    assert (found.parameters, found.quant, found.bits_per_weight, found.types) == (None, None, None, {})


# ---- scheme ----

Q4_LAYERS = [
    typed("token_embd.weight", 8, 256, 4000),
    typed("blk.0.a.weight", 12, 256, 900),
    typed("blk.0.b.weight", 14, 256, 100),
]
PLAIN = [typed("token_embd.weight", 30, 256, 4000), typed("blk.0.a.weight", 30, 256, 900)]
EIGHT = [typed("blk.0.a.weight", 8, 256, 900)]
FALLBACK = [typed("blk.0.a.weight", 2, 320, 800), typed("blk.0.b.weight", 12, 512, 200)]  # 256 does not divide 320
TERNARY = [typed("blk.0.a.weight", 2, 320, 800), typed("blk.0.b.weight", 35, 512, 200)]
FLUX = [
    typed("img_in.weight", 1, 64, 64),
    *(typed(f"double_blocks.{at}.img_mlp.0.weight", kind, 256, 900) for at, kind in enumerate((12, 12, 13))),
]
WAN = [typed(f"blocks.{at}.ffn.0.weight", kind, 256, 900) for at, kind in enumerate((13, 13, 14))]
ENCODER = [typed(f"enc.blk.{at}.ffn_up.weight", kind, 256, 900) for at, kind in enumerate((13, 13, 14, 14))]
EXPERTS = [typed("blk.0.a.weight", 8, 256, 90), typed("blk.0.ffn_up_exps.weight", 39, 256, 90, 8)]


@pytest.mark.parametrize(
    ("path", "file_type", "tensors", "quant"),
    [
        pytest.param("m-Q4_K_M.gguf", 15, Q4_LAYERS, "Q4_K_M", id="name and file type agree with the tensors"),
        pytest.param("m-UD-Q4_K_XL.gguf", 15, Q4_LAYERS, "Q4_K_XL", id="the name is finer than the file type"),
        pytest.param("m.gguf", 14, Q4_LAYERS, "Q4_K_S", id="no name: the file type"),
        pytest.param("m.gguf", 1024 + 15, Q4_LAYERS, "Q4_K_M", id="a guessed file type"),
        pytest.param("m-Q2_K.gguf", 10, Q4_LAYERS, "Q4_K", id="both lie: what most is stored in"),
        pytest.param("m-Q2_K.gguf", 15, Q4_LAYERS, "Q4_K_M", id="the name lies"),
        pytest.param("m-MXFP4_MOE.gguf", 38, EIGHT, "Q8_0", id="MXFP4 of a dense model is Q8_0"),
        pytest.param("m-MXFP4_MOE.gguf", 38, EXPERTS, "MXFP4_MOE", id="MXFP4 of a mixture of experts"),
        pytest.param("m-Q4_K_M.gguf", 15, FALLBACK, "Q4_K_M", id="rows that blocks do not fit fall back"),
        pytest.param("m-TQ2_0.gguf", 37, TERNARY, "Q4_0", id="a fallback that outweighs the scheme"),
        pytest.param("flux1-dev-Q4_K_S.gguf", 14, FLUX, "Q4_K_S", id="an image model's layers"),
        pytest.param("wan2.1-t2v-14b-Q5_K_M.gguf", 17, WAN, "Q5_K_M", id="a video model's layers"),
        pytest.param("t5.gguf", 17, ENCODER, "Q5_K_M", id="an encoder's layers"),
        pytest.param("wan-Q2_K.gguf", None, WAN, "Q5_K", id="an image model whose name lies"),
        pytest.param("m-BF16.gguf", 32, PLAIN, "BF16", id="full precision"),
        pytest.param("m-F16.gguf", 1, PLAIN, "BF16", id="another full precision"),
        pytest.param("m.gguf", None, PLAIN, "BF16", id="nothing said"),
        pytest.param("m.gguf", 4711, [Tensor("blk.0.a", (256, 4), 4711, 640), f32("x", 8)], None, id="a nameless type"),
        pytest.param("m-IQ4_K.gguf", 140, [Tensor("blk.0.a", (256, 4), 139, 576)], "IQ4_K", id="a fork's type"),
    ],
)  # fmt: skip
def test_the_scheme_is_the_claim_that_the_tensors_agree_with(
    path: str, file_type: int | None, tensors: Sequence[Tensor], quant: str | None
) -> None:
    keys = {"general.architecture": "llama"} | ({} if file_type is None else {"general.file_type": file_type})
    found, _ = header(gguf(keys, tensors), path)
    assert found.quant == quant
    assert found.quant_method == (None if quant in ("BF16", None) else "gguf")


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "Q4_K_XL"), ("gemma-3-4b-it-q4_0.gguf", "Q4_0"), ("BF16/m.gguf", "BF16"),
        ("model.IQ2_XXS.gguf", "IQ2_XXS"), ("model-fp16.gguf", "F16"), ("m.i1-IQ3_M.gguf", "IQ3_M"), ("m.gguf", None),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"), ("AVQ2.gguf", None), ("Q8_0/m-Q4_K_M-00001-of-00003.gguf", "Q4_K_M"),
    ],
)  # fmt: skip
def test_the_scheme_that_a_files_name_claims(path: str, scheme: str | None) -> None:
    assert scheme_in_name(path) == scheme


def test_unknown_types_keep_their_numbers() -> None:
    tensors = [Tensor("blk.0.a", (256, 4), 4711, 640), Tensor("blk.0.b", (256, 4), 36, 288), f32("c", 8)]
    found, _ = header(gguf({"general.architecture": "bitnet"}, tensors))
    assert found.types == {"4711": 1024, "I2_S": 1024, "F32": 8}
    assert found.bits_per_weight == 8 * (640 + 288 + 32) / 2056


# ---- shards ----


def shards(count: int = 2) -> dict[str, bytes]:
    parts = {"split.count": Typed("u16", 2), "split.tensors.count": Typed("i32", len(LAYERS))}
    first = gguf({"split.no": Typed("u16", 0), **parts, **model()}, LAYERS[:3])
    second = gguf({"split.no": Typed("u16", 1), **parts}, LAYERS[3:])
    files = {"m-Q4_K_M-00001-of-00002.gguf": first, "m-Q4_K_M-00002-of-00002.gguf": second}
    return dict(list(files.items())[:count])


def test_shards_are_merged() -> None:
    whole, _ = header(gguf(model(), LAYERS), "m-Q4_K_M.gguf")
    files = shards()
    found, _ = header(dict(reversed(files.items())), "m-Q4_K_M.gguf")
    assert (found.parameters, found.types, found.quant) == (whole.parameters, whole.types, whole.quant)
    assert (found.bits_per_weight, found.context) == (whole.bits_per_weight, whole.context)
    assert found.size == sum(len(data) for data in files.values())
    assert found.size_verified is True
    assert found.requests == whole.requests + 1
    assert found.facts["split"] == {"count": 2, "files": 2, "tensors": 4, "complete": True}


def test_a_single_shard_is_marked_incomplete() -> None:
    found, _ = header(shards(1), "m-Q4_K_M.gguf")
    assert found.facts["split"] == {"count": 2, "files": 1, "tensors": 4, "complete": False}


# ---- facts ----


def test_the_geometry_has_the_names_that_memory_estimates_read() -> None:
    keys = model(more={
        "llama.attention.key_length": 64, "llama.attention.value_length": 32, "llama.attention.sliding_window": 512,
        "llama.attention.sliding_window_pattern": Typed("bool", [1, 0]),
        "llama.attention.head_count_kv": Typed("i32", [2, 4]),
    })  # fmt: skip
    keys = {key.replace("llama.", "gemma3."): value for key, value in keys.items()}
    found, _ = header(gguf({**keys, "general.architecture": "gemma3"}, LAYERS))
    shape = parse_geometry(found.facts["geometry"], found.architecture)
    assert shape is not None
    assert shape.caches == (Cache(1, 2 * (64 + 32), window=512), Cache(1, 4 * (64 + 32)))
    assert (shape.heads, shape.vocabulary, shape.trained_context) == (8, 3000, 4096)


def test_base_models_data_sets_and_quantizer_are_read() -> None:
    found, _ = header(gguf(model(more={
        "general.quantized_by": "Some\x1b[31mbody", "general.license": "apache-2.0", "general.languages": ["en", "de"],
        "general.base_model.count": 2, "general.base_model.0.name": "Big", "general.base_model.0.organization": "Org",
        "general.base_model.0.repo_url": "https://huggingface.co/org/Big", "general.base_model.1.name": "Other",
        "general.base_model.1.repo_url": "javascript:alert(1)", "general.dataset.count": 1,
        "general.dataset.0.repo_url": "https://huggingface.co/org/data", "quantize.imatrix.file": "imatrix.dat",
        "quantize.imatrix.entries_count": Typed("i32", 200), "tokenizer.ggml.pre": "llama-bpe",
    })))  # fmt: skip
    facts = found.facts
    assert facts["quantized_by"] == "Some [31mbody"
    assert (facts["license"], facts["languages"], facts["datasets"]) == ("apache-2.0", ["en", "de"], ["org/data"])
    assert facts["base_models"] == [{"name": "Big", "organization": "Org", "repo": "org/Big"}, {"name": "Other"}]
    assert facts["imatrix"] == {"file": "imatrix.dat", "entries": 200}
    tokenizer = facts["tokenizer"]
    assert (tokenizer["model"], tokenizer["pre"], tokenizer["tokens"], tokenizer["bos"]) == (
        "llama",
        "llama-bpe",
        3000,
        1,
    )
    assert tokenizer["template"] == {"bytes": 14, "sha256": sha256(b"{{ messages }}").hexdigest()}


def test_facts_are_limited_in_size() -> None:
    more: dict[str, Any] = {
        f"general.{key}": "x" * 60_000 for key in ("name", "license", "organization", "quantized_by")
    }
    more |= {
        "general.tags": ["t" * 999] * 300,
        "general.base_model.count": 2**31,
        "tokenizer.chat_template": "{}" * 9000,
    }
    more |= {f"general.base_model.{n}.name": "y" * 9000 for n in range(40)}
    found, _ = header(gguf(model(more=more), LAYERS))
    assert len(json.dumps(found.facts)) < 32_000
    assert found.facts["tokenizer"]["template"]["bytes"] == 18_000
    assert len(found.facts["base_models"]) == 16


@pytest.mark.parametrize(
    ("keys", "path", "role", "found"),
    [
        ({"general.architecture": "clip", "clip.projector_type": "gemma3"}, "x.gguf", "weights", "mmproj"),
        ({"general.type": "adapter", "adapter.type": "lora"}, "x.gguf", "weights", "adapter"),
        ({"general.type": "imatrix"}, "x.gguf", "weights", "imatrix"),
        ({"general.architecture": "llama"}, "mtp-x.gguf", "draft", "draft"),
        ({"general.architecture": "llama", "general.type": "model"}, "x.gguf", "weights", "weights"),
    ],
)  # fmt: skip
def test_the_role_of_sidecars_is_read_from_the_header(keys: dict[str, Any], path: str, role: Role, found: str) -> None:
    read, _ = header(gguf(keys, [f32("blk.0.a.weight", 8, 8)]), path, role)
    assert read.facts["role"] == found
    assert (read.parameters is None) == (found == "imatrix")
