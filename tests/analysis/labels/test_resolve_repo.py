"""Labels of repos from their listing: names, tags, base models and the Hub's summaries."""

from __future__ import annotations

import pytest

from analysis.labels.resolve import label_repo, label_repo_and_artifacts
from analysis.vocabulary.vocabulary import vocabulary
from db.labels import Labels
from db.records import EdgeRecord
from tests.analysis.labels.sample_records import B, basis, conflicts, fields, gguf, header, repo


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
    """`v1` is CardProjector's, a brand that is not known; the family is its base model's, of another version."""
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
