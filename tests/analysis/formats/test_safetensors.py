"""Reading safetensors headers: few bytes, and every value checked."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import HeaderBeyondLimits, HeaderError, HeaderMalformed, HeaderTruncated, NotThisFormat
from analysis.formats import limits
from analysis.formats.model_config import merge_configs
from analysis.formats.safetensors.reader import read_safetensors, read_safetensors_metadata, read_shard
from analysis.formats.source import BytesSource
from db.records import Header
from tests.analysis.formats.safetensors_file import Shapes, artifact, entries, framed, header, written

SMALL: Shapes = {
    "embed_tokens.weight": ("BF16", (64, 8)),
    "q_proj.weight": ("BF16", (8, 8)),
    "norm.weight": ("F32", (8,)),
}


def many(count: int) -> Shapes:
    return {f"model.layers.{n}.mlp.experts.{n % 64}.down_proj.weight": ("BF16", (8, 4)) for n in range(count)}


# ---- What is read, and how much of it -------------------------------------------------------------------------------


def test_a_small_header_takes_one_read() -> None:
    found = header(SMALL)
    assert (found.parameters, found.tensor_count, found.requests) == (584, 3, 1)
    assert found.types == {"BF16": 576, "F32": 8}
    assert found.quant == "BF16" and found.quant_method is None and found.size_verified is True
    assert found.content == "c0ffee"


def test_of_a_larger_header_only_the_rest_is_fetched() -> None:
    head, size = written(many(2000))
    source = BytesSource(head + bytes(500_000), size=size)
    shard = read_shard(source, size)
    assert len(shard.tensors) == 2000 and shard.size == size
    assert source.requests == 2 and source.bytes_read == len(head) > limits.SAFETENSORS_FIRST_READ_BYTES


def test_shards_are_merged() -> None:
    first, second = (
        written({"a.weight": ("F16", (4, 4))}),
        written({"a.weight_scale": ("F16", (4,)), "b.weight": ("I8", (2, 2))}),
    )
    files = {"m-1-of-2.safetensors": first, "m-2-of-2.safetensors": second}
    found = read_safetensors(
        artifact(*files),
        {path: size for path, (_, size) in files.items()},
        lambda path: BytesSource(files[path][0], path),
    )
    assert found.tensor_count == 3 and found.requests == 2 and found.size == first[1] + second[1]
    assert found.size_verified is True


def test_the_hubs_answer_gives_the_same_header_as_the_files() -> None:
    _, size = written(SMALL)
    payload = {"index": {"metadata": {}}, "headers": {"model.safetensors": entries(SMALL)}}
    merged = read_safetensors_metadata(payload, artifact("model.safetensors"), {"model.safetensors": size})
    read = header(SMALL)
    assert (merged.parameters, merged.types, merged.size, merged.size_verified) == (
        read.parameters,
        read.types,
        size,
        True,
    )
    assert read_safetensors_metadata(payload, artifact("model.safetensors"), {}).size is None
    with pytest.raises(HeaderTruncated):
        read_safetensors_metadata(payload, artifact("other.safetensors"), {})
    assert read_safetensors_metadata(payload, artifact("model.safetensors"), {"model.safetensors": 9}).size is None


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"headers": 5},
        {"headers": {"m": 5}},
        {"headers": {"m": {"a": {"dtype": "F32"}}}},
        {"headers": {"m": {"a": None}}},
    ],
)
def test_a_malformed_answer_of_the_hub_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(HeaderError):
        read_safetensors_metadata(payload, artifact("m"), {})


def test_a_deeply_nested_answer_is_refused() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(HeaderError):
        read_safetensors_metadata({"headers": {"m": {"a": deep}}}, artifact("m"), {})


def test_an_incomplete_upload_is_not_verified() -> None:
    head, size = written(SMALL)
    found = read_safetensors(
        artifact("m.safetensors"), {"m.safetensors": size - 3}, lambda path: BytesSource(head, path)
    )
    assert found.size_verified is False and found.parameters == 584
    unknown = read_safetensors(artifact("m.safetensors"), {}, lambda path: BytesSource(head, path, None))
    assert unknown.size_verified is None


# ---- Invalid headers -------------------------------------------------------------------------------------------------

TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def of(found: dict[str, Any]) -> bytes:
    return framed(json.dumps(found).encode())


HOSTILE: dict[str, tuple[type[HeaderError], bytes]] = {
    "nothing": (NotThisFormat, b""),
    "a pointer": (NotThisFormat, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
    "a web page": (NotThisFormat, b"<!DOCTYPE html><html><body>503</body></html>"),
    "a pickle": (NotThisFormat, b"PK\x03\x04" + bytes(40)),
    "a GGUF": (NotThisFormat, b"GGUF" + bytes(40)),
    "a length beyond the file": (HeaderTruncated, (500).to_bytes(8, "little") + b"{}"),
    "a length beyond all files": (HeaderBeyondLimits, bytes(7) + b"\x7f" + b'{"a":' + bytes(50)),
    "no JSON": (HeaderMalformed, framed(b'{"a": ')),
    "a list": (NotThisFormat, framed(b"[1, 2]")),
    "no UTF-8": (HeaderMalformed, framed(b'{"\xff": 1}')),
    "NaN": (HeaderMalformed, framed(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 8]}}')),
    "endless digits": (HeaderMalformed, framed(b'{"a": {"dtype": "F32", "shape": [' + b"9" * 6000 + b"]}}")),
    "endless depth": (HeaderBeyondLimits, framed(b'{"a":' + b"[" * 100_000)),
    "endless lists": (HeaderBeyondLimits, framed(b'{"a":[' + b"[]," * 1_500_000 + b"[]]}")),
    "endless numbers": (HeaderBeyondLimits, framed(b'{"a":[' + b"0," * 3_000_000 + b"0]}")),
    "too many tensors": (HeaderBeyondLimits, framed(b'{"a":"' + b'"data_offsets"' * 100_001 + b'"}')),
    "no tensor": (HeaderMalformed, framed(b'{"a": 5}')),
    "half a tensor": (HeaderMalformed, framed(b'{"a": {"dtype": "F32", "shape": [2]}}')),
    "a shape of text": (HeaderMalformed, of({"a": {**TENSOR, "shape": ["2"]}})),
    "a shape of truth": (HeaderMalformed, of({"a": {**TENSOR, "shape": [True]}})),
    "a negative shape": (HeaderMalformed, of({"a": {**TENSOR, "shape": [-2]}})),
    "a shape that overflows": (HeaderBeyondLimits, of({"a": {**TENSOR, "shape": [2**40] * 3}})),
    "many dimensions": (HeaderBeyondLimits, of({"a": {**TENSOR, "shape": [1] * 50}})),
    "a span too short": (HeaderMalformed, of({"a": {**TENSOR, "data_offsets": [0, 4]}})),
    "a span turned round": (HeaderMalformed, of({"a": {**TENSOR, "data_offsets": [8, 0]}})),
    "a dtype that is no word": (HeaderMalformed, of({"a": {**TENSOR, "dtype": "\x1b[31m"}})),
    "a hole": (HeaderMalformed, of({"a": TENSOR, "b": {**TENSOR, "data_offsets": [16, 24]}})),
    "an overlap": (HeaderMalformed, of({"a": TENSOR, "b": {**TENSOR, "data_offsets": [4, 12]}})),
    "one name twice": (HeaderMalformed, framed(b'{"a": %s, "a": %s}' % ((json.dumps(TENSOR).encode(),) * 2))),
    "bytes behind the end": (HeaderMalformed, of({"a": TENSOR}) + bytes(9)),
    "a tensor without its dtype": (HeaderMalformed, of({"a": {"shape": [2], "data_offsets": [0, 8], "note": 1}})),
    "metadata that is a number": (HeaderMalformed, framed(b'{"__metadata__": 7}')),
    "a name without end": (HeaderBeyondLimits, of({"a" * 3000: TENSOR})),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_invalid_headers_end_in_a_typed_error(name: str) -> None:
    kind, data = HOSTILE[name]
    with pytest.raises(HeaderError) as caught:
        read_shard(BytesSource(data, "evil.safetensors"))
    assert type(caught.value) is kind, caught.value
    assert caught.value.name == "evil.safetensors" and caught.value.expected and caught.value.got
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


def test_long_texts_in_the_metadata_are_allowed() -> None:
    """LoRA trainers keep whole JSON documents in it, with brackets and commas."""
    tags = json.dumps({"ss_tag_frequency": [{"a": [1, 2]}] * 40_000})
    assert header(SMALL, metadata={"ss_tag_frequency": tags, "format": "pt"}).facts["metadata"] == {"format": "pt"}


@pytest.mark.parametrize("more", [{"a": {**TENSOR, "note": "x"}}, {"__metadata__": None, "a": TENSOR}])
def test_what_the_reference_takes_is_read(more: dict[str, Any]) -> None:
    """safetensors 0.8 ignores further fields of a tensor, and metadata that is null."""
    data = of(more)
    found = read_safetensors(artifact("a"), {"a": len(data) + 8}, lambda path: BytesSource(data, path, len(data) + 8))
    assert (found.parameters, found.size_verified) == (2, True)


def test_an_unknown_dtype_is_kept() -> None:
    data = framed(json.dumps({"a": {"dtype": "F12_E5M6", "shape": [4], "data_offsets": [0, 6]}}).encode())
    assert read_shard(BytesSource(data + bytes(6))).tensors["a"].dtype == "F12_E5M6"


def test_a_tensor_in_two_shards_is_refused() -> None:
    head, _ = written(SMALL)
    with pytest.raises(HeaderMalformed):
        read_safetensors(
            artifact("a-1-of-2.safetensors", "a-2-of-2.safetensors"), {}, lambda path: BytesSource(head, path)
        )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_mutation_gives_a_header_or_a_typed_error(data: st.DataObject) -> None:
    head, size = written(SMALL, {"format": "pt"})
    raw = bytearray(head)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not raw:
            break
    try:
        found = read_safetensors(artifact("m"), {"m": size}, lambda path: BytesSource(bytes(raw), path, size))
    except HeaderError:
        return
    assert found.parameters is None or 0 <= found.parameters <= 8 * limits.MAX_TENSOR_ELEMENTS


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "quantization_config", "bits", "group_size", "quant_method", "config_groups", "text_config",
        "num_hidden_layers", "num_attention_heads", "rope_scaling", "layer_types", "quantization",
        "num_experts", "quanto_qmap", "hidden_size", "head_dim", "factor", "rope_type",
        "max_position_embeddings", "num_experts_per_tok", "sliding_window", "model_type",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    config=st.recursive(
        st.dictionaries(KEYS, JSON_VALUES | st.sampled_from(["gptq", "yarn", "mlx"]), max_size=6),
        lambda inner: st.dictionaries(KEYS, inner | JSON_VALUES, max_size=6),
        max_leaves=6,
    )
)
def test_any_configuration_gives_a_header(config: dict[str, Any]) -> None:
    tensors: Shapes = {
        "a.qweight": ("I32", (4, 8)), "a.scales": ("F16", (1, 8)), "b.weight": ("U32", (4, 8)),
        "b.scales": ("F16", (4, 1)), "c.weight": ("U8", (4, 8)), "d.weight_packed": ("I32", (4, 8)),
        "d.weight_scale": ("F16", (4, 1)), "e.W_q": ("U8", (4, 8)), "f.weight": ("BF16", (4, 8)),
        "g.indices": ("I32", (1, 4, 4)), "g.centroids.weight": ("F16", (1, 64)),
    }  # fmt: skip
    found = header(tensors, merge_configs({"config.json": config}))
    assert found.parameters is None or found.parameters >= 0
    json.dumps(found.facts)


# ---- The recorded corpus --------------------------------------------------------------------------------------------


def recorded(shared: Path) -> list[tuple[dict[str, Any], bytes, dict[str, Any]]]:
    """Every recorded header with its true values and its config.json."""
    with tarfile.open(shared / "headers" / "safetensors.tar.xz") as archive:
        held = {one.name: kept.read() for one in archive.getmembers() if (kept := archive.extractfile(one))}
    rows = [json.loads(line) for line in (shared / "headers" / "index.jsonl").read_text().splitlines()]
    found = []
    for row in rows:
        if row["file"] in held:
            config = held.get(row["file"].replace(".hdr.safetensors", ".config.json"), b"{}")
            found.append((row, held[row["file"]], json.loads(config)))
    return found


def read(row: dict[str, Any], raw: bytes, config: dict[str, Any]) -> Header:
    path, size = "model.safetensors", row["full_size"]
    return read_safetensors(
        artifact(path),
        {path: size},
        lambda name: BytesSource(raw, name, size),
        config=merge_configs({"config.json": config}),
    )


def test_the_count_is_exact_on_every_recorded_header(shared: Path) -> None:
    """With its configuration, and from shapes alone."""
    rows = recorded(shared)
    assert len(rows) > 40
    for row, raw, config in rows:
        found = read(row, raw, config)
        assert found.parameters == row["true_params"], row["file"]
        assert found.tensor_count == row["n_tensors"] and found.size == row["full_size"] and found.size_verified
        if "elements_by_dtype" in row:
            assert found.types == row["elements_by_dtype"]
        assert read(row, raw, {}).parameters == row["true_params"], row["file"]


def test_only_vptq_and_spqr_are_inferred(shared: Path) -> None:
    inferred = {row["file"] for row, raw, config in recorded(shared) if read(row, raw, config).inferred}
    assert {name.partition("synth-")[2][:4] for name in inferred} == {"vptq", "spqr"}


def test_schemes_of_the_recorded_headers(shared: Path) -> None:
    found = {
        row["file"].partition("/")[2].removesuffix(".hdr.safetensors"): (found.quant, found.quant_method)
        for row, raw, config in recorded(shared)
        for found in [read(row, raw, config)]
    }
    expected = {
        "ar_autoround_w4": ("AUTOROUND", "autoround"), "ar_gptq_w8": ("GPTQ", "gptq"),
        "ar_mxfp4": ("MXFP4", "autoround"), "bnb_int8": ("BNB-INT8", "bitsandbytes"),
        "bnb_nf4_dq": ("BNB-NF4", "bitsandbytes"), "ct_fp8": ("FP8", "compressed-tensors"),
        "ct_nvfp4": ("NVFP4", "compressed-tensors"), "ct_w4a16": ("W4A16", "compressed-tensors"),
        "ct_w8a8": ("W8A8", "compressed-tensors"), "mlx_affine6_g64": ("MLX-6BIT", "mlx"),
        "mlx_mxfp4": ("MXFP4", "mlx"), "quanto_int8": ("QUANTO", "quanto"),
        "synth-modelopt_nvfp4": ("NVFP4", "modelopt"), "synth-exl2_4bpw": ("EXL2", "exl2"),
        "synth-gptoss_mxfp4": ("MXFP4", "mxfp4"), "synth-mxfp8_hf": ("MXFP8", "mxfp8"),
        "synth-fp8_block_deepseek": ("FP8", "fp8"), "synth-eetq_int8": ("EETQ", "eetq"),
        "tiny-qwen3_moe-bf16": ("BF16", None),
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
