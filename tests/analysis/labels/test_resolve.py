"""Labels of repos and artifacts from all evidence: who wins, what is rolled up, what can't be true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.labels.evidence.make import evidence_text
from analysis.labels.resolve import label_artifact, label_repo, label_repo_and_artifacts
from analysis.vocabulary.vocabulary import vocabulary
from db.labels import Labels
from db.records import ArtifactRecord, EdgeRecord, Header, Labelled, RepoRecord

B = 10**9


def repo(repo_id: str, *tags: str, **values: Any) -> RepoRecord:
    return RepoRecord("1", repo_id, author=repo_id.partition("/")[0], tags=tags, **values)


def gguf(path: str, size: int | None = None, role: Any = "weights") -> ArtifactRecord:
    return ArtifactRecord(path, role, "gguf", (path,), size, content=f"sha of {path}")


def tensors(path: str = "model.safetensors", size: int | None = None, role: Any = "weights") -> ArtifactRecord:
    return ArtifactRecord(path, role, "safetensors", (path,), size)


def header(quant: str, parameters: int, bits: float, types: Mapping[str, int] | None = None, **values: Any) -> Header:
    """A verified GGUF header."""
    known: dict[str, Any] = {
        "format": "gguf", "version": 3, "architecture": "llama", "parameters": parameters,
        "active_parameters": parameters, "tensor_count": 200, "types": types or {quant: parameters}, "quant": quant,
        "quant_method": "gguf", "quant_share": 0.9, "bits_per_weight": bits, "context": 8192,
        "size": round(parameters * bits / 8), "size_verified": True,
    }  # fmt: skip
    return Header(**{**known, **values})


def fields(labels: Labels, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(labels, name) for name in names)


def conflicts(labelled: Labelled) -> dict[str, tuple[str, str, str, str]]:
    return {c.field: (c.claimed, c.claimed_by, c.measured, c.measured_by) for c in labelled.conflicts}


def basis(labelled: Labelled, field: str) -> tuple[str, ...]:
    """The sources of the evidence that gave a label its value."""
    return tuple(each.source for each in labelled.evidence if each.field == field and each.resolved)


# ---- the listing alone ----------------------------------------------------------------------------------------------


def test_a_name_and_its_tags() -> None:
    base = "google/gemma-3-4b-it-qat-q4_0-unquantized"
    found = label_repo(
        repo("google/gemma-3-4b-it-qat-q4_0-gguf", "gguf", f"base_model:{base}", f"base_model:quantized:{base}")
    )
    labels = found.labels
    assert fields(labels, "family", "version", "size", "parameters") == ("gemma", "3", "4B", 4 * B)
    assert fields(labels, "format", "quantized", "quant", "bits", "qat") == ("gguf", True, "Q4_0", 4.0, True)
    assert fields(labels, "base_model", "base_model_relation") == (base, "quantized")
    assert labels.parameters_measured is None and labels.quant_measured is None
    assert found.vocabulary == vocabulary().digest
    assert EdgeRecord(base, "quantized", "tag") in found.edges
    assert basis(found, "family") == ("name",)


def test_claims_and_measurements_stand_side_by_side() -> None:
    found = label_repo(
        repo(
            "meta-llama/Llama-3.1-8B-Instruct",
            "safetensors",
            config={"model_type": "llama"},
            safetensors={"parameters": {"BF16": 8_030_261_248}, "total": 8_030_261_248},
        )
    )
    assert fields(found.labels, "parameters", "parameters_measured") == (8 * B, 8_030_261_248)
    assert fields(found.labels, "quantized", "quant", "quant_measured", "bits") == (False, "BF16", "BF16", 16.0)
    assert fields(found.labels, "architecture", "format") == ("llama", "safetensors")
    assert basis(found, "quantized") == ("api",) and not found.conflicts


def test_a_listing_that_says_nothing_leaves_everything_unknown() -> None:
    found = label_repo(repo("someone/thing"))
    assert found.labels == Labels()
    assert found.unclaimed == ("thing",)


@pytest.mark.parametrize(
    ("repo_id", "model_type", "family"),
    [
        ("someone/my-finetune-v2", "qwen3_moe", "qwen"),
        ("someone/another-one", "gemma3_text", "gemma"),
        ("someone/and-another", "a_type_nobody_knows", None),
    ],
)
def test_the_architecture_tells_the_family_where_the_name_is_silent(
    repo_id: str, model_type: str, family: str | None
) -> None:
    found = label_repo(repo(repo_id, config={"model_type": model_type}))
    assert fields(found.labels, "family", "architecture") == (family, model_type)
    assert basis(found, "family") == (("config",) if family else ())


def test_the_gguf_architecture_of_half_the_hub_tells_no_family() -> None:
    labels = label_repo(repo("someone/my-model-GGUF", "gguf", gguf={"architecture": "llama"})).labels
    assert fields(labels, "family", "architecture") == (None, "llama")
    labels = label_repo(repo("someone/my-model-GGUF", "gguf", gguf={"architecture": "gemma3"})).labels
    assert fields(labels, "family", "version", "architecture") == ("gemma", "3", "gemma3")


def test_a_misspelt_family_is_a_last_resort() -> None:
    found = label_repo(repo("someone/tinylama-chat"))
    assert found.labels.family == "tinyllama" and basis(found, "family") == ("fuzzy",)
    known = label_repo(repo("someone/tinylama-chat", config={"model_type": "qwen3"}))
    assert known.labels.family == "qwen" and basis(known, "family") == ("config",)


@pytest.mark.parametrize("word", ["stellar", "april", "thesis", "verse"])
def test_words_are_no_misspellings(word: str) -> None:
    assert label_repo(repo(f"someone/{word}")).labels.family is None


def test_a_brand_keeps_its_name_and_gets_its_foundation_from_the_base_model() -> None:
    found = label_repo(repo("NousResearch/Hermes-4", "base_model:finetune:meta-llama/Llama-3.1-8B"))
    assert fields(found.labels, "family", "version", "base_family", "base_version") == ("hermes", "4", "llama", "3.1")
    assert basis(found, "base_version") == ("lineage",)


@pytest.mark.parametrize(
    ("repo_id", "foundation"),
    [
        ("lmsys/vicuna-7b-v1.5", "llama"),
        ("WizardLM/WizardLM-2-8x22B", "mixtral"),
        ("WizardLM/WizardLM-2-7B", "mistral"),
        ("openchat/openchat-3.6-8b", "llama"),
        ("HuggingFaceH4/zephyr-7b-beta", "mistral"),
        ("someone/dolphin-9b", None),
    ],
)
def test_the_foundation_of_a_brand_is_known_by_version_or_size(repo_id: str, foundation: str | None) -> None:
    assert label_repo(repo(repo_id)).labels.base_family == foundation


def test_a_base_model_outweighs_what_is_known_of_a_brand() -> None:
    edges = (EdgeRecord("Qwen/Qwen2.5-7B", "finetune", "api"),)
    assert label_repo(repo("someone/vicuna-7b", edges=edges)).labels.base_family == "qwen"


@pytest.mark.parametrize(
    ("repo_id", "tuning"),
    [
        ("someone/Qwen3-8B-Instruct-GGUF", ("instruct",)),
        ("someone/Qwen3-Embedding-8B-GGUF", ()),
        ("someone/Qwen3-8B-GGUF", ("base",)),
    ],
)
def test_what_was_trained_further_does_not_inherit_that_its_parent_is_a_base(
    repo_id: str, tuning: tuple[str, ...]
) -> None:
    edges = (EdgeRecord("Qwen/Qwen3-8B-Base", "quantized", "api"),)
    assert label_repo(repo(repo_id, edges=edges)).labels.tuning == tuning


@pytest.mark.parametrize(
    ("parent", "architecture", "conflict"),
    [
        ("OpenGVLab/InternVL3-8B", "gemma3", True),
        ("google/gemma-3-4b-pt", "gemma3", False),
        ("someone/unknown-words", "gemma3", False),
        ("OpenGVLab/InternVL3-8B", "llama", False),
        ("OpenGVLab/InternVL3-8B", "qwen2", False),
    ],
)
def test_a_base_model_of_another_family_than_name_and_configuration_is_a_conflict(
    parent: str, architecture: str, conflict: bool
) -> None:
    edges = (EdgeRecord(parent, "finetune", "card"),)
    found = label_repo(repo("someone/gemma-3-4b-tuned", config={"model_type": architecture}, edges=edges))
    assert ("base_model" in conflicts(found)) is conflict


def test_a_silent_copy_takes_family_version_and_size_from_its_base() -> None:
    found = label_repo(repo("someone/roci-maxx-GGUF", "gguf", "base_model:quantized:mistralai/Mistral-Nemo-12B-v1.1"))
    assert fields(found.labels, "family", "parameters", "quantized") == ("mistral", 12 * B, True)
    assert basis(found, "family") == basis(found, "parameters") == ("lineage",)


def test_a_version_belongs_to_its_family() -> None:
    """`v1` is CardProjector's, a brand that nobody knows; the family is its base model's, of another version."""
    found = label_repo(repo("someone/CardProjector-24B-v1", "base_model:finetune:mistralai/Mistral-Small-3.1-24B-Base"))
    assert fields(found.labels, "family", "version") == ("mistral", "3.1")
    bare = label_repo(repo("someone/CardProjector-24B-v1", "base_model:finetune:mistralai/Mistral-Small-24B-Base"))
    assert fields(bare.labels, "family", "version") == ("mistral", None)


def test_a_size_that_only_the_base_model_lent_is_taken_back_where_the_tensors_refute_it() -> None:
    found = label_repo(
        repo("someone/test", "base_model:finetune:Qwen/Qwen2.5-7B", safetensors={"parameters": {"F32": 167_360_261}})
    )
    assert fields(found.labels, "parameters", "size", "parameters_measured") == (None, None, 167_360_261)
    assert conflicts(found)["parameters"] == ("7000000000", "lineage", "167360261", "api")


def test_an_adapter_takes_no_size_from_its_base() -> None:
    found = label_repo(repo("someone/style", "base_model:adapter:THUDM/CogVideoX-5b", library_name="peft"))
    assert fields(found.labels, "parameters", "base_model_relation") == (None, "adapter")
    assert "lora" in found.labels.tuning


def test_parents_of_a_merge_must_agree() -> None:
    tags = ("base_model:merge:Qwen/Qwen2.5-7B", "base_model:merge:meta-llama/Llama-3.1-8B")
    assert label_repo(repo("someone/mixture", *tags)).labels.family is None
    same = ("base_model:merge:Qwen/Qwen2.5-7B", "base_model:merge:Qwen/Qwen2.5-7B-Instruct")
    assert fields(label_repo(repo("someone/mixture", *same)).labels, "family", "version") == ("qwen", "2.5")


# ---- parents --------------------------------------------------------------------------------------------------------


def test_the_parent_with_a_relation_is_the_parent() -> None:
    """Quantizers copy the tags of their source, its base among them; the Hub writes the relation for theirs alone."""
    tags = (
        "base_model:mistralai/Mistral-7B-v0.1", "base_model:teknium/OpenHermes-2.5-Mistral-7B",
        "base_model:quantized:teknium/OpenHermes-2.5-Mistral-7B",
    )  # fmt: skip
    labels = label_repo(repo("MaziyarPanahi/OpenHermes-2.5-Mistral-7B-GGUF", "gguf", *tags)).labels
    assert fields(labels, "base_model", "base_model_relation") == ("teknium/OpenHermes-2.5-Mistral-7B", "quantized")


def test_the_order_of_the_apis_edges_does_not_matter() -> None:
    """Stored edges come back in another order than the Hub gave them."""
    edges = (EdgeRecord("b/two", "merge", "api"), EdgeRecord("a/one", "merge", "api"))
    card = {"base_model": ["b/two", "a/one"]}
    one = label_repo(repo("x/merged", card=card, edges=edges))
    other = label_repo(repo("x/merged", card=card, edges=edges[::-1]))
    assert one == other and one.labels.base_model == "b/two"


def test_a_relation_that_nobody_states_is_inferred_and_says_so() -> None:
    found = label_repo(repo("someone/Llama-3-8B-AWQ", card={"base_model": "meta-llama/Meta-Llama-3-8B"}))
    assert found.labels.base_model_relation == "quantized"
    rules = {each.rule for each in found.evidence if each.field == "base_model_relation"}
    assert rules == {"inferred"}


def test_a_name_that_holds_its_parents_id_infers_the_edge_where_none_is_declared() -> None:
    found = label_repo(repo("bartowski/ilsp_Llama-Krikri-8B-Instruct-GGUF", "gguf"))
    assert [(e.parent, e.source) for e in found.edges] == [("ilsp/Llama-Krikri-8B-Instruct", "name")]
    declared = label_repo(repo("bartowski/ilsp_Llama-Krikri-8B-Instruct-GGUF", "gguf", "base_model:quantized:a/b"))
    assert {edge.parent for edge in declared.edges} == {"a/b"}


def test_models_of_the_same_name_are_not_linked() -> None:
    assert label_repo(repo("TheBloke/Llama-2-7B-GGUF", "gguf")).edges == ()


def test_a_header_names_a_parent_where_nothing_else_does() -> None:
    file = gguf("model.gguf")
    read = header("Q4_0", 4 * B, 4.6, facts={"base_models": [{"repo": "google/gemma-3-4b-it"}]})
    whole, _ = label_repo_and_artifacts(repo("someone/thing", "gguf"), (file,), {file.artifact: read})
    assert whole.edges == (EdgeRecord("google/gemma-3-4b-it", "unknown", "header"),)
    assert fields(whole.labels, "family", "base_model_relation") == ("gemma", "unknown")


# ---- the Hub's summaries, held against the claim ---------------------------------------------------------------------


def test_words_that_the_hub_did_not_unpack_are_unpacked() -> None:
    packed = {"I32": 3_400_000_000, "BF16": 300_000_000}  # 27 billion at 4 bits, 8 in a word
    found = label_repo(
        repo(
            "someone/Qwen3.8-27B-int4-AutoRound",
            config={"quantization_config": {"quant_method": "auto-round", "bits": 4}},
            safetensors={"parameters": packed},
        )
    )
    assert found.labels.parameters_measured == 3_400_000_000 * 8 + 300_000_000
    assert not found.conflicts


def test_a_gguf_block_of_one_shard_does_not_count_as_the_model() -> None:
    found = label_repo(repo("unsloth/DeepSeek-R1-671B-GGUF", "gguf", gguf={"total": 29_600_000_000}))
    assert fields(found.labels, "parameters", "parameters_measured") == (671 * B, None)
    assert not found.conflicts
    kept = [each for each in found.evidence if each.field == "parameters_measured"]
    assert len(kept) == 1 and not kept[0].resolved


def test_a_projectors_block_does_not_count_as_the_model() -> None:
    found = label_repo(repo("someone/thing-GGUF", "gguf", gguf={"total": 420_000_000, "architecture": "clip"}))
    assert fields(found.labels, "parameters_measured", "architecture") == (None, None)


# ---- precedence of the scheme ---------------------------------------------------------------------------------------


def test_a_method_named_and_a_container_measured_agree() -> None:
    """AWQ weights come as compressed tensors too: both are true."""
    packing = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"g": {"weights": {"num_bits": 4}}},
    }  # fmt: skip
    found = label_repo(repo("cyankiwi/GLM-5.3-AWQ-INT4", config={"quantization_config": packing}))
    assert fields(found.labels, "quant", "quant_measured", "quant_method") == ("AWQ", "W4A16", "compressed-tensors")
    assert not found.conflicts


def test_config_json_refutes_a_name() -> None:
    found = label_repo(
        repo("someone/Llama-3-8B-AWQ", config={"quantization_config": {"quant_method": "gptq", "bits": 8}})
    )
    assert fields(found.labels, "quant", "quant_measured", "quant_method", "bits") == ("AWQ", "GPTQ", "gptq", 8.0)
    assert conflicts(found)["quant"] == ("AWQ", "name", "GPTQ", "config")
    assert conflicts(found)["bits"] == ("4", "name", "8", "config")


def test_a_name_that_claims_a_quantization_which_the_tensors_do_not_have() -> None:
    found = label_repo(repo("someone/Llama-3-8B-AWQ", safetensors={"parameters": {"BF16": 8_030_261_248}}))
    assert found.labels.quantized is False
    assert conflicts(found)["quantized"] == ("true", "name", "false", "api")
    assert conflicts(found)["quant"] == ("AWQ", "name", "BF16", "api")


def test_a_tag_gives_way_to_config_json() -> None:
    packing = {"quantization_config": {"quant_method": "awq", "bits": 4}}
    found = label_repo(repo("someone/Llama-3-8B", "fp8", config=packing))
    assert fields(found.labels, "quant", "quant_measured", "bits") == ("AWQ", "AWQ", 4.0)
    assert conflicts(found)["quant"] == ("FP8", "tag", "AWQ", "config")


def test_the_tag_8_bit_does_not_outweigh_nvfp4() -> None:
    found = label_repo(repo("nvidia/Gemma-4-26B-A4B-NVFP4", "safetensors", "8-bit", "modelopt"))
    assert fields(found.labels, "quant", "bits") == ("NVFP4", 4.0)


def test_tags_of_a_gguf_repo_are_about_one_of_its_quants() -> None:
    found = label_repo(repo("someone/gemma-4b-GGUF", "gguf", "quantized", "2-bit", "mxfp4"))
    assert fields(found.labels, "quantized", "quant", "quant_method", "bits") == (True, None, "gguf", None)


def test_mlx_is_known_by_its_config_where_no_tag_says_it() -> None:
    found = label_repo(repo("someone/gemma-4b", "safetensors", config={"quantization_config": {"bits": 4}}))
    assert fields(found.labels, "format", "quant", "quant_method") == ("mlx", "MLX-4BIT", "mlx")


# ---- artifacts ------------------------------------------------------------------------------------------------------


def test_one_artifact_with_its_header() -> None:
    file = gguf("gemma-3-4b-it-Q4_K_M.gguf", 2_489_894_016)
    found = label_artifact(repo("unsloth/gemma-3-4b-it-GGUF", "gguf"), file, header("Q4_K_M", 3_880_263_168, 5.13))
    assert fields(found.labels, "quant", "quant_measured", "quantized", "bits") == ("Q4_K_M", "Q4_K_M", True, 4.0)
    assert fields(found.labels, "parameters_measured", "bits_per_weight") == (3_880_263_168, 5.13)
    assert basis(found, "parameters_measured") == ("tensors",) and basis(found, "quant") == ("file",)
    assert not found.conflicts


def test_the_files_name_outranks_the_headers_file_type_where_the_tensors_allow_it() -> None:
    file = gguf("Qwen3-8B-UD-Q4_K_XL.gguf")
    mix = {"Q4_K": 5 * B, "Q5_K": 2 * B, "Q6_K": B}
    found = label_artifact(repo("unsloth/Qwen3-8B-GGUF"), file, header("Q4_K_M", 8 * B, 5.0, mix))
    assert fields(found.labels, "quant", "dynamic") == ("Q4_K_XL", True) and not found.conflicts


@pytest.mark.parametrize(
    ("claim", "mix", "bits", "measured"),
    [
        ("Q2_K", {"Q4_0": 80, "Q8_0": 40, "Q3_K": 14}, 5.14, "Q4_0"),
        ("MXFP4_MOE", {"Q8_0": 134}, 8.51, "Q8_0"),
        ("TQ1_0", {"Q4_0": 100, "Q6_K": 30}, 4.79, "Q4_0"),
        ("Q8_0", {"Q4_K": 100, "Q6_K": 30}, 4.9, "Q4_K"),
        ("F16", {"Q8_0": 130, "F32": 1}, 8.5, "Q8_0"),
    ],
)
def test_a_name_that_the_tensors_refute(claim: str, mix: dict[str, int], bits: float, measured: str) -> None:
    file = gguf(f"smollm2-135m-{claim}.gguf")
    found = label_artifact(repo("someone/smollm2-135m-GGUF"), file, header(measured, 134_515_008, bits, mix))
    assert fields(found.labels, "quant", "quant_measured") == (claim, measured)
    assert conflicts(found)["quant"] == (claim, "file", measured, "tensors")


def test_rows_that_do_not_fit_a_block_refute_nothing() -> None:
    """Gemma 3 270M: two thirds are embeddings at 8 bits, so that Q4_K_M comes to 7.36 bits per weight."""
    mix = {"Q8_0": 167_772_160, "Q5_0": 70_000_000, "Q4_K": 25_000_000, "Q6_K": 5_000_000}
    file = gguf("gemma-3-270m-q4_k_m.gguf", 253_113_024)
    assert not label_artifact(repo("a/b-GGUF"), file, header("Q4_K_M", 268_098_176, 7.36, mix)).conflicts


def test_bytes_refute_a_name_where_no_header_was_read() -> None:
    file = gguf("Llama-3.1-8B-Q2_K.gguf", 8_540_000_000)
    found = label_artifact(repo("a/b-GGUF", gguf={"total": 8_030_261_312}), file)
    assert conflicts(found)["quant"] == ("Q2_K", "file", "8.51 bits per weight", "size")
    assert found.labels.quant == "Q2_K" and found.labels.quant_measured is None


def test_a_siblings_header_counts_for_all_quants_of_one_model() -> None:
    read, other, small = (gguf(name, 5 * B) for name in ("M-8B-Q4_K_M.gguf", "M-8B-Q6_K.gguf", "M-1B-Q6_K.gguf"))
    every, headers = (read, other, small), {read.artifact: header("Q4_K_M", 8_030_261_312, 4.9)}
    found = label_artifact(repo("a/M-GGUF"), other, None, every, headers)
    assert found.labels.parameters_measured == 8_030_261_312
    assert found.labels.bits_per_weight == pytest.approx(4.98, abs=0.01)
    assert label_artifact(repo("a/M-GGUF"), small, None, every, headers).labels.parameters_measured is None


@pytest.mark.parametrize("role", ["mmproj", "draft", "adapter", "imatrix"])
def test_sidecars_carry_no_size_of_the_model_they_serve(role: Any) -> None:
    file = gguf(f"{role}-gemma-4-26B-A4B-it-F16.gguf", 10**9, role)
    found = label_artifact(repo("a/gemma-4-26B-A4B-it-GGUF", gguf={"total": 25 * B}), file)
    assert fields(found.labels, "parameters", "active_parameters", "parameters_measured") == (None, None, None)
    assert not found.conflicts


def test_a_repos_scheme_does_not_leak_into_files_that_say_otherwise() -> None:
    full, quant = gguf("model.fp16.gguf"), gguf("model.gguf")
    owner = repo("a/Llama-3-8B-Q2_K-GGUF", "gguf", "2-bit")
    assert label_artifact(owner, full, None, (full,)).labels.quant == "F16"
    assert label_artifact(owner, quant, None, (quant,)).labels.quant == "Q2_K"  # the only file, and silent
    assert label_artifact(owner, quant, None, (quant, full)).labels.quant is None


def test_a_path_too_long_for_a_name_still_ends_in_one() -> None:
    file = gguf("very/" * 120 + "Llama-3-8B-Q4_0.gguf")
    assert label_artifact(repo("a/b"), file).labels.quant == "Q4_0"


def test_tensors_of_mlx_are_in_its_format() -> None:
    owner = repo("mlx-community/Qwen3-8B-4bit", "mlx", "safetensors", config={"quantization_config": {"bits": 4}})
    found = label_artifact(owner, tensors(size=4_600_000_000))
    assert fields(found.labels, "format", "quant", "quantized") == ("mlx", "MLX-4BIT", True)
    again = label_artifact(owner, replace(tensors(size=4_600_000_000), format="mlx"))  # as the catalog keeps it
    assert again == found


@pytest.mark.parametrize(
    ("owner", "path", "container", "expected"),
    [
        ("mlc-ai/Llama-3-8B-q4f16_1-MLC", "params_shard.bin", "pytorch", "mlc"),
        ("Systran/faster-whisper-medium", "model.bin", "pytorch", "ctranslate2"),
        ("turboderp/Llama-3-8B-exl3", "model.safetensors", "safetensors", "exl3"),
        ("someone/Llama-3-8B", "pytorch_model.bin", "pytorch", "pytorch"),
    ],
)
def test_containers_of_others_files(owner: str, path: str, container: str, expected: str) -> None:
    file = ArtifactRecord(path, "weights", container, (path,), 5 * B)
    labelled, ((_, found),) = label_repo_and_artifacts(repo(owner), (file,))
    assert (labelled.labels.format, found.labels.format) == (expected, expected)


# ---- roll-up --------------------------------------------------------------------------------------------------------


def whole(owner: RepoRecord, files: Sequence[ArtifactRecord], **headers: Header) -> Labelled:
    return label_repo_and_artifacts(owner, files, {f"{name}.gguf": read for name, read in headers.items()})[0]


def test_a_repo_of_many_quants_has_none_of_its_own() -> None:
    files = [gguf(f"Llama-3-8B-{quant}.gguf", 5 * B) for quant in ("Q4_K_M", "Q6_K", "Q8_0", "F16")]
    files.append(gguf("mmproj-F16.gguf", 10**9, "mmproj"))
    read = header("Q4_K_M", 8_030_261_312, 4.9)
    found = label_repo_and_artifacts(repo("a/Llama-3-8B-GGUF", "gguf"), files, {files[0].artifact: read})[0]
    assert fields(found.labels, "format", "quantized", "quant", "bits") == ("gguf", True, None, None)
    assert fields(found.labels, "parameters_measured", "bits_per_weight") == (8_030_261_312, None)


def test_a_repo_of_one_quant_has_it() -> None:
    found = whole(repo("a/thing", "gguf"), [gguf("Llama-3-8B-Q4_0.gguf"), gguf("mmproj-F16.gguf", role="mmproj")])
    assert fields(found.labels, "quant", "quantized", "family", "parameters") == ("Q4_0", True, "llama", 8 * B)
    assert basis(found, "quant") == basis(found, "family") == ("file",)


def test_sidecars_are_never_counted() -> None:
    files = [gguf("a-8B-Q4_0.gguf", 5 * B), gguf("draft.gguf", role="draft"), gguf("mmproj.gguf", role="mmproj")]
    side = header("F16", 400_000_000, 16.0)
    found = label_repo_and_artifacts(repo("a/a-8B-GGUF"), files, {"draft.gguf": side, "mmproj.gguf": side})[0]
    assert found.labels.parameters_measured is None


def test_a_projector_that_its_path_hides_is_known_by_its_header() -> None:
    files = [gguf("model-8B.gguf", 5 * B), gguf("vision.gguf", 10**9)]
    read = {
        "model-8B.gguf": header("Q4_0", 8 * B, 4.6),
        "vision.gguf": header("F16", 400_000_000, 16.0, facts={"role": "mmproj"}),
    }
    labels = label_repo_and_artifacts(repo("a/model-8B"), files, read)[0].labels
    assert fields(labels, "parameters_measured", "quant") == (8 * B, None) or labels.parameters_measured == 8 * B


def test_the_full_precision_count_is_the_models() -> None:
    files = [tensors(size=16 * B), gguf("Llama-3-8B-Q4_0.gguf", 5 * B)]
    owner = repo("a/Llama-3-8B", "safetensors", "gguf", safetensors={"parameters": {"BF16": 8_030_261_248}})
    found = label_repo_and_artifacts(owner, files)[0]
    assert fields(found.labels, "format", "quantized", "quant") == ("safetensors", False, "BF16")
    assert found.labels.parameters_measured == 8_030_261_248


def test_a_repo_of_models_of_many_sizes_has_no_count() -> None:
    files = [gguf(f"whisper-{size}-Q8_0.gguf", 10**8) for size in ("tiny", "large")]
    read = {
        files[0].artifact: header("Q8_0", 39_000_000, 8.5),
        files[1].artifact: header("Q8_0", 1_550_000_000, 8.5),
    }
    assert label_repo_and_artifacts(repo("a/whisper-GGUF"), files, read)[0].labels.parameters_measured is None


def test_the_transformer_is_the_size_of_a_pipeline() -> None:
    files = [tensors(f"{part}/model.safetensors") for part in ("text_encoder", "transformer", "vae")]
    sizes = {"text_encoder": 8 * B, "transformer": 20_430_401_088, "vae": 127_000_000}
    read = {
        file.artifact: header("BF16", sizes[file.artifact.split("/")[0]], 16, format="safetensors", quant_method=None)
        for file in files
    }
    assert (
        label_repo_and_artifacts(repo("Qwen/Qwen-Image"), files, read)[0].labels.parameters_measured == 20_430_401_088
    )


def test_an_adapters_name_carries_its_targets_size() -> None:
    adapter = tensors("adapter_model.safetensors", 33_554_432, "adapter")
    read = header("F32", 8_388_608, 32, format="safetensors", quant_method=None, facts={"role": "adapter"})
    found = label_repo_and_artifacts(repo("FinGPT/forecaster_llama2-7b_lora"), (adapter,), {adapter.artifact: read})[0]
    assert fields(found.labels, "family", "parameters", "parameters_measured") == ("llama", None, 8_388_608)
    assert not found.conflicts
    folded = label_repo(repo("someone/llama2-7b_lora", safetensors={"parameters": {"F16": 6_738_415_616}}))
    assert fields(folded.labels, "parameters", "parameters_measured") == (7 * B, 6_738_415_616)


def test_effective_parameters_leave_embeddings_out() -> None:
    file = gguf("gemma-3n-E2B-it-Q4_0.gguf", 3 * B)
    read = header("Q4_0", 5_500_000_000, 4.6, active_parameters=4_285_796_352)
    found, artifacts = label_repo_and_artifacts(repo("google/gemma-3n-E2B-it-GGUF"), (file,), {file.artifact: read})
    assert fields(found.labels, "active_parameters", "active_parameters_measured") == (2 * B, 4_285_796_352)
    assert not found.conflicts and not artifacts[0][1].conflicts


def test_languages_of_the_card_are_told_once() -> None:
    found = label_repo(repo("a/b", "en", "de", "fr", languages=("en", "de")))
    assert found.labels.languages == ("en", "de") and basis(found, "languages") == ("card", "card")
    assert label_repo(repo("a/b", "en", "conversational")).labels.languages == ("en",)


def test_a_format_that_no_file_has() -> None:
    found = whole(repo("a/Llama-3-8B-GGUF", "safetensors"), [tensors()])
    assert conflicts(found)["format"] == ("gguf", "name", "safetensors", "file")


@pytest.mark.parametrize(
    ("name", "measured", "conflict"),
    [
        ("Llama-3-8B", 8_030_261_248, False),
        ("Llama-3-8B", 70_553_706_496, True),
        ("pythia-160m", 212_700_000, False),  # nominal sizes leave embeddings out
        ("Mixtral-8x7B", 46_702_792_704, False),  # experts share attention
        ("gemma-3n-E4B", 9_849_978_192, False),  # claims no total
        ("Qwen3-30B-A3B", 30_532_122_624, False),
    ],
)
def test_a_size_is_refuted_beyond_a_factor_of_two(name: str, measured: int, conflict: bool) -> None:
    found = label_repo(repo(f"a/{name}", safetensors={"parameters": {"BF16": measured}}))
    assert ("parameters" in conflicts(found)) is conflict
    assert found.labels.parameters_measured == measured


# ---- laws -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([
    "a/Llama-3-8B-GGUF", "mlx-community/Qwen3-8B-4bit", "a/b", "TheBloke/X-7B-AWQ", "a/Mixtral-8x7B-v0.1", "odd name/ü",
])  # fmt: skip
TAGS = st.lists(st.sampled_from([
    "gguf", "safetensors", "mlx", "4-bit", "8-bit", "awq", "fp8", "merge", "en", "base_model:a/b", "imatrix",
    "base_model:quantized:a/Llama-3-8B", "base_model:merge:c/d", "x" * 900,
]), max_size=6)  # fmt: skip
BLOCKS = st.sampled_from([
    {}, {"parameters": {"BF16": 8 * B}}, {"parameters": {"U8": 4 * B, "F8_E4M3": B}}, {"total": -5},
    {"parameters": 7}, {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    {"total": 8 * B, "architecture": "clip"},
    {"model_type": "qwen3", "architectures": [None]}, {"base_model": ["a/b", 7]}, {"quantization_config": {"bits": []}},
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(NAMES, TAGS, BLOCKS, BLOCKS, BLOCKS, BLOCKS)
def test_every_label_rests_on_evidence_and_the_same_input_gives_the_same_labels(
    name: str, tags: list[str], card: Any, config: Any, safetensors: Any, block: Any
) -> None:
    owner = repo(name, *tags, card=card, config=config, safetensors=safetensors, gguf=block)
    files = (gguf("x-Q4_K_M.gguf", 5 * B), tensors(size=16 * B), gguf("mmproj-F16.gguf", 10**9, "mmproj"))
    found, artifacts = label_repo_and_artifacts(owner, files)
    assert label_repo_and_artifacts(owner, files) == (found, artifacts)
    for labelled in (label_repo(owner), found, *(each for _, each in artifacts)):
        resolved = {(each.field, each.value) for each in labelled.evidence if each.resolved}
        resolved_fields = {
            field for field in Labels.__dataclass_fields__ if getattr(labelled.labels, field) not in (None, ())
        }
        for field in resolved_fields - {"qat", "imatrix", "dynamic", "approximate"}:
            value = getattr(labelled.labels, field)
            for each in value if isinstance(value, tuple) else (value,):
                assert (field, evidence_text(each)) in resolved
        assert len(labelled.evidence) == len(set(labelled.evidence))
