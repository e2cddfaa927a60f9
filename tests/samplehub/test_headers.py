"""Headers are what the real writers make: read back by llama.cpp's own package and by the format's own rules."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import pytest

from samplehub.content.build_repo import Builder, count_parameters, count_stored_parameters
from samplehub.content.file_content import Content, SafetensorsFile
from samplehub.content.geometry import Geometry
from samplehub.content.gguf import GgufFile, Header, Info, Tensors, split
from samplehub.content.gguf_models import gguf_tensors, quant_tensors
from samplehub.content.model_facts import Facts, load_built_in_facts
from samplehub.content.quantization_config import quantization_config
from samplehub.content.quantization_mixes import MIXES, TYPES
from samplehub.content.safetensors import filler_file
from samplehub.content.tensor_plans import parameters_of, plan_of
from samplehub.content.tokenizers import Tokenizer, arrays, arrays_length, token_strings
from samplehub.content.weight_packing import BYTES, PACKS, Scheme

BUILT_IN = load_built_in_facts()
BY_ID = {facts.id: facts for facts in BUILT_IN.repos}


FEW_WORDS = replace(
    BUILT_IN,
    tokenizers={
        name: replace(tokenizer, vocab=3000, merges=min(tokenizer.merges, 2500))
        for name, tokenizer in BUILT_IN.tokenizers.items()
    },
)


def files_of(repo_id: str) -> dict[str, Content]:
    return Builder(BY_ID[repo_id], BUILT_IN).files()


# ---- GGUF ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repo", "name"),
    [
        ("unsloth/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct-Q4_K_M.gguf"),
        ("ggml-org/gpt-oss-20b-GGUF", "gpt-oss-20b-mxfp4.gguf"),
        ("bartowski/DeepSeek-Coder-V2-Lite-Instruct-GGUF", "DeepSeek-Coder-V2-Lite-Instruct-IQ2_M.gguf"),
        ("unsloth/Qwen3.8-27B-GGUF", "Qwen3.8-27B-UD-Q4_K_XL.gguf"),
        ("google/gemma-3-27b-it-qat-q4_0-gguf", "gemma-3-27b-it-q4_0.gguf"),
        ("CompendiumLabs/bge-base-en-v1.5-gguf", "bge-base-en-v1.5-q8_0.gguf"),
        ("city96/FLUX.1-dev-gguf", "flux1-dev-Q4_K_S.gguf"),
        ("unsloth/gemma-3-4b-it-GGUF", "mmproj-F16.gguf"),
        ("bartowski/google_gemma-3-4b-it-GGUF", "google_gemma-3-4b-it.imatrix.gguf"),
    ],
)
def test_llama_cpps_reader_reads_it(repo: str, name: str, tmp_path: Path) -> None:
    from gguf import GGUFReader

    content = Builder(BY_ID[repo], FEW_WORDS).files()[name]
    path = tmp_path / "model.gguf"
    path.write_bytes(content.head())
    os.truncate(path, content.size)  # what is behind the header is zeros that are not stored
    reader = GGUFReader(path)
    ends = [tensor.data_offset + tensor.n_bytes for tensor in reader.tensors]
    assert max(end + -end % 32 for end in ends) == content.size
    assert reader.data_offset == len(content.head())
    assert isinstance(content, GgufFile)
    made = {info.name: info.dims for info in content.header().tensors.list()}
    assert {tensor.name: tuple(int(n) for n in tensor.shape) for tensor in reader.tensors} == made


def walk(head: bytes) -> tuple[dict[str, Any], dict[str, tuple[tuple[int, ...], int, int]], int]:
    """A second reader of GGUF, as short as it can be: keys (arrays by length), tensors, and where data starts."""
    at = 4

    def take(kind: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", head, at)
        at += struct.calcsize(kind)
        return value

    def text() -> str:
        nonlocal at
        length = take("Q")
        at += length
        return head[at - length : at].decode()

    def value(kind: int) -> Any:
        nonlocal at
        if kind == 8:
            return text()
        if kind != 9:
            return take({2: "H", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q"}[kind])
        inner, count = take("I"), take("Q")
        if inner == 8:
            for _ in range(count):
                length = take("Q")
                at += length
        else:
            at += count * {5: 4, 6: 4, 7: 1}[inner]
        return count

    assert head[:4] == b"GGUF" and take("I") == 3
    tensors, keys = take("Q"), take("Q")
    found = {}
    for _ in range(keys):
        name = text()
        assert name not in found
        found[name] = value(take("I"))
    infos = {}
    for _ in range(tensors):
        name = text()
        dims = tuple(take("Q") for _ in range(take("I")))
        infos[name] = (dims, take("I"), take("Q"))
    return found, infos, at + -at % 32


NUMBERS = {kind.number: kind for kind in TYPES.values()}


def ggufs() -> Iterator[tuple[str, str, GgufFile]]:
    """One file of each GGUF repo, another one each time, and every file that is not a quant."""
    for number, facts in enumerate(facts for facts in BUILT_IN.repos if facts.store == "gguf"):
        files = Builder(facts, BUILT_IN).files()
        found = [(path, content) for path, content in files.items() if isinstance(content, GgufFile)]
        quants = [pair for pair in found if not any(word in pair[0] for word in ("mmproj", "imatrix", "eagle"))]
        for path, content in [quants[number % len(quants)], *(pair for pair in found if pair not in quants)]:
            yield facts.id, path, content


def test_every_gguf_is_as_long_as_its_header_says() -> None:
    for repo, path, content in ggufs():
        header = content.header()
        keys, infos, _ = walk(Header(header.tensors, header.before, header.after).encode())  # without a million words
        start = len(content.head())
        assert start == header.length, (repo, path)
        ends = [start]
        for name, (dims, number, offset) in infos.items():
            kind = NUMBERS[number]
            assert dims[0] % kind.block == 0 and offset % 32 == 0 and len(dims) <= 4 and len(name) < 64, (path, name)
            size = prod(dims) // kind.block * kind.bytes
            ends.append(start + offset + size + -size % 32)
        assert max(ends) == content.size, (repo, path)
        assert keys.get("general.type") or "split.no" in keys, (repo, path)


def test_the_tokenizer_is_as_long_as_the_real_one() -> None:
    content = files_of("google/gemma-3-1b-it-qat-q4_0-gguf")["gemma-3-1b-it-q4_0.gguf"]
    keys, _, _ = walk(content.head())
    assert keys["tokenizer.ggml.tokens"] == keys["tokenizer.ggml.scores"] == 262_144
    assert 6_000_000 < len(content.head()) < 8_000_000  # the real one: 6.5 MB
    names = list(keys)
    assert names.index("gemma3.block_count") < names.index("tokenizer.ggml.tokens") < names.index("general.file_type")


def test_siblings_share_their_tokenizer_byte_for_byte() -> None:
    words = []
    for repo in ("unsloth/Qwen3-4B-GGUF", "MaziyarPanahi/Qwen3-14B-GGUF"):
        head = next(content for path, content in files_of(repo).items() if "Q4_K_M" in path).head()
        start = head.index(b"tokenizer.ggml.tokens")
        words.append(head[start : head.index(b"tokenizer.ggml.eos_token_id")])
    assert words[0] == words[1]


@pytest.mark.parametrize("tokenizer", BUILT_IN.tokenizers.values(), ids=lambda tokenizer: tokenizer.name)
def test_the_length_of_arrays_is_known_before_they_are_made(tokenizer: Tokenizer) -> None:
    small = replace(tokenizer, vocab=min(tokenizer.vocab, 5000), merges=min(tokenizer.merges, 4100))
    assert arrays_length(small) == len(arrays(small)[0])


def test_words_differ() -> None:
    made, found, at = token_strings("some tokenizer", 50_000, ("<s>",), b""), set(), 0
    while at < len(made):
        (length,) = struct.unpack_from("<Q", made, at)
        found.add(made[at + 8 : at + 8 + length])
        at += 8 + length
    assert len(found) == 50_000 and b"<s>" in found


# Bits a weight of Llama 3.1 8B, from the README of llama.cpp's quantize tool (made without an importance matrix).
PUBLISHED = {
    "Q2_K_S": 2.9697,
    "Q2_K": 3.1593,
    "Q3_K_S": 3.6429,
    "Q3_K_L": 4.2979,
    "Q4_K_S": 4.6672,
    "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036,
    "Q6_K": 6.5633,
    "Q8_0": 8.5008,
    "F16": 16.0005,
    "IQ1_S": 2.0042,
    "IQ1_M": 2.1460,
    "IQ2_XXS": 2.3824,
    "IQ2_XS": 2.5882,
    "IQ2_S": 2.7403,
    "IQ2_M": 2.9294,
    "IQ3_XS": 3.4977,
    "IQ3_S": 3.6606,
    "IQ3_M": 3.7628,
    "IQ4_XS": 4.4597,
    "IQ4_NL": 4.6818,
}


@pytest.mark.parametrize("quant", PUBLISHED)
def test_bits_a_weight_are_the_published_ones(quant: str) -> None:
    geometry = BUILT_IN.geometries["llama-3_1-8b"]
    bits = sum(info.bytes for info in gguf_tensors(geometry, quant)) * 8 / geometry.parameters
    assert bits == pytest.approx(PUBLISHED[quant], abs=0.0001)


def test_a_real_file_is_met_to_the_byte() -> None:
    """DeepSeek-R1-Distill-Qwen-7B-Q4_K_M: 4,677,120,000 bytes of tensors in the published file."""
    geometry = BUILT_IN.geometries["qwen2-7b"]
    assert sum(info.bytes for info in gguf_tensors(geometry, "Q4_K_M")) == 4_677_120_000


def test_gpt_oss_keeps_its_experts() -> None:
    """Its quants hardly differ in size: 11.5 GB as Q2_K, 12.1 as Q8_0, 13.7 as F16."""
    geometry = BUILT_IN.geometries["gpt-oss-20b"]
    sizes = [quant_tensors(geometry, quant).data / 1e9 for quant in ("Q2_K", "Q8_0", "F16")]
    assert sizes == pytest.approx([11.5, 12.1, 13.74], abs=0.15)


def test_types_fall_back_where_blocks_do_not_fit() -> None:
    """SmolLM2's rows of 576 are no whole number of 256: its Q2_K holds no Q2_K."""
    kinds = {info.type for info in gguf_tensors(BUILT_IN.geometries["smollm2-135m"], "Q2_K")}
    assert "Q2_K" not in kinds and {"IQ4_NL", "Q8_0"} <= kinds


@pytest.mark.parametrize("quant", [*MIXES, "UD-Q4_K_XL", "UD-IQ1_S", "Q6_K_L", "MXFP4"])
@pytest.mark.parametrize("name", ["qwen3-30b-a3b", "gemma-3-1b", "gpt-oss-20b"])
def test_what_is_measured_is_what_is_listed(name: str, quant: str) -> None:
    geometry = BUILT_IN.geometries[name]
    listed = Tensors(lambda: gguf_tensors(geometry, quant))
    measured = quant_tensors(geometry, quant)
    assert (measured.infos, measured.data) == (listed.infos, listed.data)


def test_split_files() -> None:
    tensors = [Info(f"blk.{number}.ffn_up.weight", (256, 64), "Q4_K") for number in range(10)]
    shards = split(Header(Tensors(lambda: tensors), {"general.architecture": "llama"}, {}), 3 * tensors[0].bytes)
    read = [walk(shard.encode()) for shard in shards]
    assert [len(infos) for _, infos, _ in read] == [3, 3, 3, 1]
    assert [keys["split.no"] for keys, _, _ in read] == [0, 1, 2, 3]
    assert all(keys["split.count"] == 4 and keys["split.tensors.count"] == 10 for keys, _, _ in read)
    assert ["general.architecture" in keys for keys, _, _ in read] == [True, False, False, False]


# ---- safetensors -----------------------------------------------------------------------------------------------------


def opened(content: Content) -> dict[str, Any]:
    """The header of a safetensors file, held to the format's rules."""
    head = content.head()
    length = int.from_bytes(head[:8], "little")
    assert length % 8 == 0 and len(head) == 8 + length
    header: dict[str, Any] = json.loads(head[8:])
    at = 0
    for name, tensor in header.items():
        if name == "__metadata__":
            assert all(isinstance(value, str) for value in tensor.values())
            continue
        start, end = tensor["data_offsets"]
        assert start == at and end - start == prod(tensor["shape"]) * BYTES[tensor["dtype"]], name
        at = end
    assert content.size == len(head) + at
    return header


GIANTS = 200e9  # parameters: the same code, and seconds of it


@pytest.mark.parametrize("method", [*PACKS, None])
def test_every_safetensors_file_keeps_the_rules(method: str | None) -> None:
    met = 0
    for facts in BUILT_IN.repos:
        here = facts.store in ("safetensors", "adapter", "pipeline")
        geometry = BUILT_IN.geometries.get(facts.geometry)
        large = geometry is not None and parameters_of(geometry) > GIANTS
        if not here or large or (facts.scheme.method if facts.scheme else None) != method or met > 3:
            continue
        met += 1
        builder = Builder(facts, BUILT_IN)
        files = builder.files() if facts.main else builder._branch(4.0)()
        for content in files.values():
            if isinstance(content, SafetensorsFile):
                opened(content)
    assert met or method in ("fbgemm_fp8", "quanto", "eetq", "mxfp4-pack-quantized", "mlx-mxfp4"), (
        "no repo has this method"
    )


@pytest.mark.parametrize("method", PACKS)
def test_every_method_packs_a_small_model(method: str) -> None:
    """Each method's tensors are a valid file, and the Hub's count of them has one implementation."""
    plain = BUILT_IN.geometries["llama-3_2-1b"]
    geometry = replace(BUILT_IN.geometries["gpt-oss-20b"], name="t", layers=2) if method == "mxfp4" else plain
    bits = {"float-quantized": 8, "int-quantized": 8, "bnb-8bit": 8, "fp8": 8, "bitnet": 2, "aqlm": 2}.get(method, 4)
    scheme = Scheme(method, bits=bits, group=64)
    facts = Facts("owner/packed", "2025-01-01", geometry="t", scheme=scheme)
    builder = Builder(facts, replace(BUILT_IN, geometries={"t": replace(geometry, name="t", layers=2)}))
    weights = [content for content in builder.files().values() if isinstance(content, SafetensorsFile)]
    names = {name for content in weights for name in opened(content)}
    assert len(names) > 30
    assert builder.geometry is not None
    assert dict(count_stored_parameters(builder.geometry, scheme)) == count_parameters(builder.tensors())
    config = json.loads(builder.files()["config.json"].head())
    assert ("quantization_config" in config) is (method != "quanto")  # quanto writes none
    assert (quantization_config(scheme) is None) is (method == "quanto")


def test_shards_and_their_index_agree() -> None:
    for repo in (
        "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "mlx-community/Qwen3-30B-A3B-4bit",
        "Qwen/Qwen2.5-7B-Instruct",
    ):
        files = files_of(repo)
        index_file = files["model.safetensors.index.json"]
        index = json.loads(index_file.head())
        assert index_file.size == len(index_file.head())
        held = {
            name: path
            for path, content in files.items()
            if isinstance(content, SafetensorsFile) and path.startswith("model-")
            for name in opened(content)
            if name != "__metadata__"
        }
        assert index["weight_map"] == held
        data = sum(
            content.size - len(content.head()) for content in files.values() if isinstance(content, SafetensorsFile)
        )
        assert index["metadata"]["total_size"] == data
    assert index["metadata"].get("total_parameters") is None
    mlx = json.loads(files_of("mlx-community/Qwen3-30B-A3B-4bit")["model.safetensors.index.json"].head())
    assert mlx["metadata"]["total_parameters"] == 30_532_122_624


@pytest.mark.parametrize("size", [393_854_624, 335_304_388, 22_400_001])
def test_a_file_of_which_only_the_size_is_known(size: int) -> None:
    content = filler_file("some file", size, "F16")
    assert content.size == size
    header = opened(content)
    elements = sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    assert elements == pytest.approx(size / 2, rel=0.001)


# ---- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "geometry", [one for one in BUILT_IN.geometries.values() if one.parameters], ids=lambda geometry: geometry.name
)
def test_shapes_give_the_true_count(geometry: Geometry) -> None:
    assert parameters_of(geometry) == geometry.parameters


def test_experts_are_stacked_in_gguf_and_stand_alone_in_safetensors() -> None:
    geometry = BUILT_IN.geometries["qwen3-30b-a3b"]
    stacked = {info.name: info.dims for info in gguf_tensors(geometry, "Q4_K_M")}
    assert stacked["blk.0.ffn_gate_exps.weight"] == (2048, 768, 128)
    assert sum(prod(dims) for dims in stacked.values()) == 30_532_122_624
    names = [tensor.name for tensor in plan_of(geometry) if tensor.experts]
    assert "model.layers.0.mlp.experts.{e}.gate_proj.weight" in names
