"""From files to artifacts, on the file lists of real repos."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.files.artifacts import group_artifacts, missing_parts
from analysis.files.roles import role_of
from analysis.files.select_headers import select_headers
from analysis.files.shards import part_of
from db.records import ArtifactRecord, EdgeRecord, FileRecord, RepoRecord

GB = 10**9


def repo(**facts: Any) -> RepoRecord:
    return RepoRecord(**{"hub_id": "65f0", "repo_id": "owner/name", **facts})


def grouped(paths: Iterable[str] | dict[str, int], of: RepoRecord | None = None) -> dict[str, ArtifactRecord]:
    sized = paths if isinstance(paths, dict) else dict.fromkeys(paths, GB)
    files = [FileRecord(path, size, sha256=f"{number:064x}") for number, (path, size) in enumerate(sized.items())]
    return {artifact.artifact: artifact for artifact in group_artifacts(files, of or repo())}


def primaries(*args: Any) -> list[str]:
    return [name for name, artifact in grouped(*args).items() if artifact.primary]


def test_quants_and_sidecars_of_a_gguf_repo_are_separate_artifacts() -> None:
    artifacts = grouped([
        ".gitattributes", "README.md", "config.json",
        "BF16/Qwen3-Coder-30B-A3B-BF16-00001-of-00002.gguf", "BF16/Qwen3-Coder-30B-A3B-BF16-00002-of-00002.gguf",
        "Qwen3-Coder-30B-A3B-UD-Q4_K_XL.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf", "imatrix_unsloth.gguf",
        "MTP/mtp-Qwen3-Coder-30B-A3B-Q4_0.gguf",
    ])  # fmt: skip
    assert {name: artifact.role for name, artifact in artifacts.items()} == {
        "BF16/Qwen3-Coder-30B-A3B-BF16.gguf": "weights",
        "Qwen3-Coder-30B-A3B-UD-Q4_K_XL.gguf": "weights",
        "mmproj-F16.gguf": "mmproj",
        "mmproj-BF16.gguf": "mmproj",
        "imatrix_unsloth.gguf": "imatrix",
        "MTP/mtp-Qwen3-Coder-30B-A3B-Q4_0.gguf": "draft",
    }
    joined = artifacts["BF16/Qwen3-Coder-30B-A3B-BF16.gguf"]
    assert len(joined.paths) == 2 and joined.total_size == 2 * GB and joined.format == "gguf" and joined.content
    assert artifacts["mmproj-F16.gguf"].primary and not artifacts["mmproj-BF16.gguf"].primary


@pytest.mark.parametrize(
    ("path", "whole", "number", "total"),
    [
        ("model-00001-of-00163.safetensors", "model.safetensors", 1, 163),
        ("model-00001-of-000163.safetensors", "model.safetensors", 1, 163),
        ("original/model--00002-of-00007.safetensors", "original/model.safetensors", 2, 7),
        ("model-1-of-62.safetensors", "model.safetensors", 1, 62),
        ("pytorch_model.fp16-00001-of-00002.bin", "pytorch_model.fp16.bin", 1, 2),
        ("xLAM-8x22b-r.Q3_K_L.gguf-00003-of-00005.gguf", "xLAM-8x22b-r.Q3_K_L.gguf", 3, 5),
        ("goliath-120b.Q6_K.gguf-split-b", "goliath-120b.Q6_K.gguf", 2, None),
        ("qwen1_5-72b-chat-q4_k_m.gguf.a", "qwen1_5-72b-chat-q4_k_m.gguf", 1, None),
        ("Bloom.Q4_K.gguf.part-ab", "Bloom.Q4_K.gguf", 2, None),
        ("GOAT-70B.i1-Q6_K.gguf.part1of2", "GOAT-70B.i1-Q6_K.gguf", 1, 2),
        ("consolidated.03.pth", "consolidated.pth", 3, None),
        ("params_shard_17.bin", "params_shard.bin", 17, None),
        ("model0-mp8.safetensors", "model.safetensors", 0, 8),
    ],
)
def test_names_of_shards(path: str, whole: str, number: int, total: int | None) -> None:
    assert part_of(path) == (whole, number, total)


@pytest.mark.parametrize(
    "path", ["Sparse-Llama-3.1-8B-2of4-Q2_K.gguf", "model.safetensors", "README.gguf.md", "x.Q8_0.gguf"]
)
def test_names_that_look_split_and_are_not(path: str) -> None:
    assert part_of(path) is None


def test_missing_shards_leave_the_size_unknown() -> None:
    artifact = grouped([f"X-Q8_0-0000{number}-of-00005.gguf" for number in (1, 2, 4)])["X-Q8_0.gguf"]
    assert missing_parts(artifact) == 2
    assert artifact.total_size is None and artifact.content is None
    assert select_headers(repo(), [artifact]) == ()


def test_a_split_file_is_a_copy_of_the_unsplit_one() -> None:
    artifacts = grouped(
        {"m-q8_0.gguf": 8 * GB, "m-q8_0-00001-of-00002.gguf": 5 * GB, "m-q8_0-00002-of-00002.gguf": 3 * GB}
    )
    assert {name: artifact.primary for name, artifact in artifacts.items()} == {
        "m-q8_0.gguf": True,
        "m-q8_0-of-00002.gguf": False,
    }


def test_gpt_oss_is_13_gigabytes_not_41() -> None:
    artifacts = grouped({
        "model-00000-of-00002.safetensors": 4792272488, "model-00001-of-00002.safetensors": 4798702184,
        "model-00002-of-00002.safetensors": 4170342232, "original/model.safetensors": 13761300984,
        "metal/model.bin": 13750886400, "model.safetensors.index.json": 36355, "tokenizer.json": 27868174,
        "config.json": 1806, "original/config.json": 376,
    })  # fmt: skip
    assert sum(artifact.total_size or 0 for artifact in artifacts.values() if artifact.primary) == 13761316904
    assert [name for name, artifact in artifacts.items() if artifact.primary] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("paths", "kept"),
    [
        ("model-1-of-2.safetensors model-2-of-2.safetensors consolidated.safetensors", "model.safetensors"),
        ("consolidated.safetensors params.json", "consolidated.safetensors"),
        ("model.safetensors pytorch_model.bin tf_model.h5 flax_model.msgpack onnx/model.onnx", "model.safetensors"),
        ("pytorch_model.bin tf_model.h5", "pytorch_model.bin"),
        ("model.safetensors model.fp32-1-of-2.safetensors model.fp32-2-of-2.safetensors", "model.safetensors"),
        ("model.safetensors checkpoint-500/model.safetensors checkpoint-500/optimizer.pt", "model.safetensors"),
        ("checkpoint-500/model.safetensors checkpoint-1000/model.safetensors", "checkpoint-1000/model.safetensors"),
        ("adapter_model.safetensors checkpoint-9/adapter_model.safetensors", "adapter_model.safetensors"),
        ("openvino_model.xml openvino_model.bin openvino_tokenizer.xml", "openvino_model.xml"),
        ("best.pt last.pt", "best.pt last.pt"),
        (
            "model.safetensors pytorch_model.bin tf_model.h5 rust_model.ot onnx/model.onnx onnx/model_O1.onnx "
            "onnx/model_qint8_avx512.onnx openvino/openvino_model.xml openvino/openvino_model.bin "
            "openvino/openvino_model_qint8_quantized.xml openvino/openvino_model_qint8_quantized.bin",
            "model.safetensors",
        ),
        ("adapter/adapter_model.bin checkpoints/checkpoint-9/adapter_model.bin", "adapter/adapter_model.bin"),
        ("model-1-of-1.safetensors merged/model-1-of-1.safetensors", "model.safetensors"),
        ("model.safetensors original/consolidated.00.pth original/consolidated.01.pth", "model.safetensors"),
        ("onnx/model.onnx onnx/model.onnx_data onnx/model_q4f16.onnx onnx/model_fp16.onnx", "onnx/model.onnx"),
        ("open_clip_pytorch_model.bin open_clip_model.safetensors pytorch_model.bin", "open_clip_model.safetensors"),
        ("a-000004.safetensors a-000008.safetensors a.safetensors b.safetensors", "a.safetensors b.safetensors"),
        ("rng_state_0.pth optimizer_1.bin scheduler.pt model.safetensors", "model.safetensors"),
        ("v1-5-pruned.ckpt v1-5-pruned.safetensors v1-5-pruned-emaonly.safetensors", "v1-5-pruned.safetensors"),
    ],
)
def test_the_primary_copy_is_the_one_that_a_loader_takes(paths: str, kept: str) -> None:
    assert primaries(paths.split()) == kept.split()


def test_a_pipelines_transformer_is_its_weights_and_its_other_parts_are_other() -> None:
    artifacts = grouped([
        "model_index.json", "sd_xl_base_1.0.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/model.onnx", "unet/model.onnx_data",
        "vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.safetensors", "text_encoder_2/model.fp16.safetensors", "text_encoder_2/model.safetensors",
        "tokenizer/vocab.json", "unet/config.json", "ae.safetensors", "vae_decoder/model.onnx",
    ])  # fmt: skip
    kept = {name: artifact.role for name, artifact in artifacts.items() if artifact.primary}
    assert kept == {
        "unet/diffusion_pytorch_model.safetensors": "weights",
        "vae/diffusion_pytorch_model.safetensors": "other",
        "text_encoder/model.safetensors": "other",
        "text_encoder_2/model.safetensors": "other",
    }
    assert artifacts["unet/model.onnx"].paths == ("unet/model.onnx", "unet/model.onnx_data")
    assert [a.artifact for a in select_headers(repo(), tuple(artifacts.values()))] == [
        "unet/diffusion_pytorch_model.safetensors"
    ]


def test_a_repo_of_parts_alone_has_them_as_weights() -> None:
    artifacts = grouped(["clip_l.safetensors", "t5xxl_fp16.safetensors", "t5xxl_fp8_e4m3fn.safetensors"])
    assert {artifact.role for artifact in artifacts.values()} == {"weights"}


def test_onnx_precisions_are_copies_and_a_merged_decoder_replaces_its_halves() -> None:
    kept = primaries([
        "onnx/encoder_model.onnx", "onnx/encoder_model_q4.onnx", "onnx/encoder_model_fp16.onnx",
        "onnx/decoder_model_merged.onnx", "onnx/decoder_model_merged_int8.onnx", "onnx/decoder_model.onnx",
        "onnx/decoder_with_past_model.onnx",
    ])  # fmt: skip
    assert kept == ["onnx/decoder_model_merged.onnx", "onnx/encoder_model.onnx"]


def test_folders_that_are_one_artifact() -> None:
    artifacts = grouped([
        "Llama.mlpackage/Manifest.json", "Llama.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        "saved_model/saved_model.pb", "saved_model/variables/variables.data-00000-of-00001",
        "saved_model/variables/variables.index", "params_shard_0.bin", "params_shard_1.bin", "ndarray-cache.json",
    ])  # fmt: skip
    assert {name: (artifact.format, len(artifact.paths)) for name, artifact in artifacts.items()} == {
        "Llama.mlpackage": ("coreml", 2),
        "saved_model": ("tensorflow", 3),
        "params_shard.bin": ("mlc", 2),
    }


def test_the_repo_names_the_format_of_its_safetensors_files() -> None:
    one = ["model.safetensors", "config.json"]
    assert grouped(one, repo(tags=("mlx",)))["model.safetensors"].format == "mlx"
    exl2 = repo(config={"quantization_config": {"quant_method": "exl2"}})
    assert grouped(["output.safetensors"], exl2)["output.safetensors"].format == "exl2"
    lora = repo(tags=("lora", "diffusers"), edges=(EdgeRecord("black-forest-labs/FLUX.1-dev", "adapter", "api"),))
    assert grouped(["flux-yarn-art.safetensors"], lora)["flux-yarn-art.safetensors"].role == "adapter"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("gemma-3-1b.imatrix.gguf", "imatrix"), ("imatrix.dat", "imatrix"), ("X-Q4_K_M-imatrix.gguf", "weights"),
        ("gemma-4-12B-it-qat-q4_0-unquantized.imatrix.gguf", "imatrix"), ("L3-8B-Q4_K_M-imat.gguf", "weights"),
        ("SmallThinker-21B-A3B-Instruct.Q3_K_S.imatrix.gguf", "weights"), ("ggml-vocab-gemma-3.gguf", "tokenizer"),
        ("Alpaca-Lora-30B.ggmlv3.q5_0.bin", "weights"), ("gemma-4-31B-it-assistant.Q4_K_S.gguf", "draft"),
        ("mmproj-model-f16.gguf", "mmproj"), ("Qwythos-9B-MTP.Q3_K_S.gguf", "weights"),
        ("mtp-gemma-4-12B-it.gguf", "draft"),
        ("eagle3-gpt-oss-20b-Q8_0.gguf", "draft"), ("TheBeagle-v2beta-32B-MGS-Q2_K.gguf", "weights"),
        ("llama-2-13b-guanaco-qlora.Q3_K_S.gguf", "weights"), ("Roleplay-9B-lora-800.i1-IQ1_M.gguf", "weights"),
        ("LoRA-phi-4-abliterated-f16.gguf", "adapter"), ("adapter_model.safetensors", "adapter"),
        ("pytorch_lora_weights.safetensors", "adapter"), ("model.safetensors.index.json", "index"),
        ("tokenizer.model", "tokenizer"), ("config.json", "config"), ("README.md", "card"), ("optimizer.pt", "other"),
        ("training_args.bin", "other"), ("LICENSE", "other"), ("t5xxl_fp16.safetensors", "other"),
        ("pytorch_model.bin", "weights"), ("baichuan-vicuna-7b.ggmlv3.q3_K_S.bin", "weights"),
    ],
)  # fmt: skip
def test_roles(path: str, role: str) -> None:
    assert role_of(path) == role


# ---- Which headers are worth opening --------------------------------------------------------------------------------

LLAMA_8B = {"Q2_K": 3.18, "Q4_K_M": 4.92, "Q5_K_M": 5.73, "Q8_0": 8.54, "F16": 16.07}  # GB, as published


def quants(**sizes: float) -> tuple[ArtifactRecord, ...]:
    return tuple(grouped({f"Llama-3.1-8B-{name}.gguf": int(size * GB) for name, size in sizes.items()}).values())


def test_one_gguf_header_is_read_for_its_siblings() -> None:
    artifacts = quants(**LLAMA_8B)
    (chosen,) = select_headers(repo(), artifacts)
    assert chosen.artifact == "Llama-3.1-8B-Q5_K_M.gguf"
    assert select_headers(repo(), artifacts, known={chosen.content or ""}) == ()
    assert len(select_headers(repo(), artifacts, known={chosen.content or ""}, every=True)) == len(LLAMA_8B) - 1


def test_a_header_is_read_if_size_and_name_disagree() -> None:
    artifacts = quants(**{**LLAMA_8B, "Q4_K_M": 8.5})
    assert "Llama-3.1-8B-Q4_K_M.gguf" in [a.artifact for a in select_headers(repo(), artifacts)]
    assert len(select_headers(repo(gguf={"total": 8_030_261_248}), quants(**LLAMA_8B))) == 1


def test_pickles_have_no_header_to_read() -> None:
    artifacts = tuple(grouped(["pytorch_model.bin", "model.pt", "archive.nemo", "x.ckpt"]).values())
    assert select_headers(repo(), artifacts, every=True) == ()


# ---- The whole Hub's names ------------------------------------------------------------------------------------------


def test_every_file_of_real_repos_belongs_to_one_artifact(shared: Path) -> None:
    """On every third of 4,541 real GGUF repos: nothing is lost or counted twice, few repos need a second header."""
    repos = read = 0
    with lzma.open(shared / "hub" / "models.jsonl.xz", "rt") as lines:
        for row in map(json.loads, islice(lines, 0, None, 3)):
            files = [FileRecord(file["path"], file["size"]) for file in row["files"]][:400]
            if not files:
                continue
            of = repo(repo_id=row["id"], tags=tuple(row["tags"]), library_name=row["library_name"])
            artifacts = group_artifacts(files, of)
            loaded = [file.path for file in files if role_of(file.path) != "tokenizer"]
            assert sorted(path for a in artifacts for path in a.paths) == sorted(loaded), row["id"]
            assert len({a.artifact for a in artifacts}) == len(artifacts)
            repos += 1
            read += len(select_headers(of, artifacts))
    assert repos > 1000
    assert read < 1.25 * repos


# ---- Laws -----------------------------------------------------------------------------------------------------------

STEMS = ["model", "consolidated", "pytorch_model", "x-Q4_K_M", "mmproj-F16", "adapter_model", "vae", "decoder_model"]
ENDINGS = [".safetensors", ".gguf", ".bin", ".onnx", ".onnx_data", ".xml", ".fp16.safetensors", ".gguf.part1of2", ".md"]
PATHS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "original/", "checkpoint-5/", "unet/", "a.mlpackage/", "onnx/", "Q8/", "saved_model/"]),
    st.sampled_from(STEMS) | st.text("ab-_.01", min_size=1, max_size=6),
    st.sampled_from(["", "-00001-of-00002", "-00002-of-00002", "-00001-of-00003", ".00", "_q4"]),
    st.sampled_from(ENDINGS) | st.just(".pb"),
)


@settings(max_examples=100, deadline=None)
@given(paths=st.lists(PATHS, max_size=14, unique=True), data=st.data())
def test_properties_of_artifacts_of_any_files(paths: list[str], data: st.DataObject) -> None:
    """Whatever the files: each belongs to one artifact at most, no two are named alike, their order is of no meaning,
    and of what there is to load something is primary."""
    sizes = {path: data.draw(st.sampled_from([None, 10**6, 4 * GB])) for path in paths}
    files = [FileRecord(path, size) for path, size in sizes.items()]
    artifacts = group_artifacts(files, repo())
    held = [path for artifact in artifacts for path in artifact.paths]
    assert len(held) == len(set(held)) and set(held) <= set(paths)
    assert len({artifact.artifact for artifact in artifacts}) == len(artifacts)
    assert all(artifact.artifact not in paths or artifact.artifact in artifact.paths for artifact in artifacts)
    assert group_artifacts(data.draw(st.permutations(files)), repo()) == artifacts
    for role in {artifact.role for artifact in artifacts} & {"weights", "adapter", "mmproj"}:
        assert any(artifact.primary for artifact in artifacts if artifact.role == role)
    assert {a.artifact for a in select_headers(repo(), artifacts)} <= {
        a.artifact for a in select_headers(repo(), artifacts, every=True)
    }
