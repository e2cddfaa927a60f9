"""What each source says of a model, and that no untrusted text is believed unchecked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.labels.evidence.api_counts import count_parameters_from_dtypes, gguf_evidence, safetensors_evidence
from analysis.labels.evidence.card import card_edges, card_evidence
from analysis.labels.evidence.config import config_evidence
from analysis.labels.evidence.fuzzy import architecture_evidence
from analysis.labels.evidence.headers import header_edges, header_evidence
from analysis.labels.evidence.languages import iso_codes, language_code, language_evidence
from analysis.labels.evidence.lineage import lineage_evidence
from analysis.labels.evidence.make import WEIGHT
from analysis.labels.evidence.names import name_evidence
from analysis.labels.evidence.owners import owner_evidence
from analysis.labels.evidence.sizes import bits_per_weight_evidence, size_evidence
from analysis.labels.evidence.tags import tag_edge, tag_evidence
from analysis.labels.resolve import label_repo
from analysis.names import parse_name
from analysis.vocabulary.vocabulary import vocabulary
from db.records import EdgeRecord, Header, LabelRecord, RepoRecord


def says(pieces: tuple[LabelRecord, ...]) -> dict[str, str]:
    """Field -> value of the heaviest piece."""
    return {each.field: each.value for each in sorted(pieces, key=lambda each: each.weight)}


def header(**changes: Any) -> Header:
    values: dict[str, Any] = {
        "format": "gguf", "version": 3, "architecture": "llama", "parameters": 8_030_261_312,
        "active_parameters": 8_030_261_312, "tensor_count": 291, "types": {"Q4_K": 6 * 10**9, "Q6_K": 2 * 10**9},
        "quant": "Q4_K_M", "quant_method": "gguf", "quant_share": 0.75, "bits_per_weight": 4.894, "context": 131072,
        "size": 4_920_000_000, "size_verified": True,
    }  # fmt: skip
    return Header(**{**values, **changes})


# ---- names and owners -----------------------------------------------------------------------------------------------


def test_a_name_says_what_it_claims_and_by_which_rule() -> None:
    pieces = name_evidence(parse_name("google/gemma-3-4b-it-qat-q4_0-gguf"), "name")
    assert {(each.field, each.value) for each in pieces} >= {
        ("family", "gemma"), ("version", "3"), ("parameters", "4000000000"), ("tuning", "instruct"), ("format", "gguf"),
        ("quant", "Q4_0"), ("bits", "4"), ("quantized", "true"), ("qat", "true"),
    }  # fmt: skip
    assert {each.source for each in pieces} == {"name"}
    assert all(each.rule for each in pieces)


def test_a_format_that_only_the_owner_lends_is_the_owners_word() -> None:
    pieces = name_evidence(parse_name("mlx-community/whisper-large-v3"), "name")
    assert [(each.value, each.source, each.weight) for each in pieces if each.field == "format"] == [
        ("mlx", "owner", WEIGHT["owner"])
    ]


def test_an_owner_is_evidence_of_who_quantized_never_of_family_size_or_version() -> None:
    assert says(owner_evidence("TheBloke")) == {"quantizer": "TheBloke", "quantized": "true"}
    assert says(owner_evidence("unsloth")) == {"quantizer": "unsloth"}  # publishes full precision too
    assert owner_evidence("llama-3-70b-fans") == owner_evidence(None) == ()


# ---- tags and card --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("gguf", {"format": "gguf"}),
        ("mlx", {"format": "mlx"}),
        ("safetensors", {"format": "safetensors"}),
        ("imatrix", {"imatrix": "true"}),
        ("4-bit", {"bits": "4", "quantized": "true"}),
        ("nvfp4", {"quant": "NVFP4", "quant_method": "modelopt", "bits": "4", "quantized": "true"}),
        ("gptq", {"quant": "GPTQ", "quant_method": "gptq", "quantized": "true"}),
        ("dpo", {"tuning": "dpo"}),
        ("mergekit", {"tuning": "merge"}),
    ],
)
def test_a_tag_says(tag: str, expected: dict[str, str]) -> None:
    assert says(tag_evidence(tag)) == expected


@pytest.mark.parametrize(
    "tag", ["license:apache-2.0", "arxiv:2307.09288", "region:us", "dataset:gptq", "conversational", "", "x" * 5000]
)
def test_a_tag_says_nothing(tag: str) -> None:
    assert tag_evidence(tag) == ()


def test_a_tag_of_bits_weighs_less_than_any_name() -> None:
    """The Hub tags NVFP4 repos 8-bit, after their scales."""
    assert all(each.weight < WEIGHT["owner"] for each in tag_evidence("8-bit"))


def test_parents_by_tag_and_card() -> None:
    assert tag_edge("base_model:quantized:google/gemma-3-4b-it") == EdgeRecord(
        "google/gemma-3-4b-it", "quantized", "tag"
    )
    assert tag_edge("base_model:google/gemma-3-4b-it") == EdgeRecord("google/gemma-3-4b-it", "unknown", "tag")
    assert tag_edge("base_model:finetune:no-owner") is None
    card = {"base_model": ["a/one", "b/two", "no owner", 7, None], "base_model_relation": "merge"}
    assert card_edges(card) == (EdgeRecord("a/one", "merge", "card"), EdgeRecord("b/two", "merge", "card"))
    assert card_edges({"base_model": "a/one", "base_model_relation": "stolen"}) == (
        EdgeRecord("a/one", "unknown", "card"),
    )


def test_a_card_names_languages_in_any_spelling() -> None:
    written = (
        "en",
        "zh-CN",
        "German",
        "xyz-klingon",
        "eng_Latn",
        "ace_Arab",
        "ger",
        "Kabyle",
        "multilingual",
        "iw",
        "und",
    )
    card = RepoRecord("1", "a/b", languages=written, tags=("fr",))
    found = language_evidence(card)
    assert [each.value for each in found] == ["en", "zh", "de", "ace", "kab", "multilingual", "he"]
    assert {each.source for each in found} == {"card"}


def test_every_code_of_the_standard_is_known_and_mapped() -> None:
    assert len({code for code in iso_codes().values() if len(code) == 2}) == 184
    assert all(entry.value in iso_codes() for entry in vocabulary().entries if entry.label == "language")
    mapped = {"deu": "de", "ger": "de", "de": "de", "gsw": "gsw", "cmn": "cmn", "ber": "ber", "nob": "nb"}
    assert {code: language_code(code) for code in mapped} == mapped
    assert [language_code(each) for each in ("mul", "und", "zxx", "", "klingonian")] == ["multilingual", *[None] * 4]


@pytest.mark.parametrize(
    ("tags", "languages"),
    [
        (("mlx", "moe", "en", "text-generation"), ["en"]),
        (("tts", "asr", "license:mit"), []),
        (("multilingual", "en", "ace", "zxx", "bci", "dataset:x"), ["multilingual", "en", "ace", "bci"]),
        (("mlx", "eng", "jpn", "ceb", "gguf", "fil"), ["en", "ja", "ceb"]),
        (("ara", "gguf", "deu"), []),
        (("eng", "fr", "en"), ["en", "fr"]),
    ],
)
def test_three_letters_are_a_language_only_among_languages(tags: tuple[str, ...], languages: list[str]) -> None:
    found = language_evidence(RepoRecord("1", "a/b", tags=tags))
    assert [each.value for each in found] == languages
    assert all(each.source == "tag" and each.rule in tags for each in found)


@pytest.mark.parametrize(
    ("stated", "grams"),
    [
        (12.5, 12.5),
        ("0.03", 0.03),
        ({"emissions": 149200000, "source": "fp"}, 149200000.0),
        ({"emissions": "much"}, None),
        (-1, None),
        (0, None),
        (1e14, None),
        (True, None),
        ([7], None),
        (None, None),
    ],
)
def test_a_card_states_emissions_in_grams(stated: object, grams: float | None) -> None:
    labels = label_repo(RepoRecord("1", "a/b", card={"co2_eq_emissions": stated})).labels
    assert labels.co2_eq_emissions == grams


def test_all_licences_of_a_list_are_kept() -> None:
    card = RepoRecord("1", "a/b", license="mit", card={"license": ["mit", "Apache 2.0", "own-terms"]})
    assert label_repo(card).labels.licenses == ("MIT", "Apache-2.0", "LicenseRef-own-terms")
    tagged = RepoRecord("1", "a/b", license="mit", tags=("license:mit", "x", "license:gpl-3.0"))
    assert label_repo(tagged).labels.licenses == ("MIT", "GPL-3.0-only")
    assert label_repo(RepoRecord("1", "a/b", license="mit", card={"license": ["mit"]})).labels.licenses == ()


def test_a_quantizer_in_the_card() -> None:
    assert says(card_evidence(RepoRecord("1", "a/b", card={"quantized_by": "bartowski"}))) == {
        "quantizer": "bartowski",
        "quantized": "true",
    }


# ---- config.json ----------------------------------------------------------------------------------------------------

GROUP = {"weights": {"num_bits": 4, "group_size": 128, "type": "int"}, "targets": ["Linear"]}


@pytest.mark.parametrize(
    ("packing", "scheme", "method", "bits"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "GPTQ", "gptq", "4"),
        ({"quant_method": "awq", "bits": 4}, "AWQ", "awq", "4"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "BNB-NF4", "bitsandbytes", "4"),
        ({"quant_method": "bitsandbytes", "bnb_4bit_quant_type": "fp4"}, "BNB-FP4", "bitsandbytes", "4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "BNB-INT8", "bitsandbytes", "8"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "FP8", "fp8", "8"),
        ({"quant_method": "mxfp4"}, "MXFP4", "mxfp4", "4"),
        (
            {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": GROUP}},
            "W4A16", "compressed-tensors", "4",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {
                "a": {"format": "float-quantized", "weights": {"num_bits": 8}},
                "b": {"format": "nvfp4-pack-quantized", "weights": {"num_bits": 4}}}},
            "NVFP4", "compressed-tensors", "4",
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "NVFP4", "modelopt", "4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "FP8", "modelopt", "8"),
        ({"quant_method": "modelopt", "config_groups": {"g": {"weights": {"num_bits": 4}}}}, "NVFP4", "modelopt", "4"),
        ({"bits": 4, "group_size": 64}, "MLX-4BIT", "mlx", "4"),  # MLX names no method
        ({"bits": 4, "mode": "mxfp4"}, "MXFP4", "mlx", "4"),
        ({"quant_method": "auto-round", "bits": 4}, "AUTOROUND", "autoround", "4"),
        ({"quant_method": "intel/auto-round", "bits": 4}, "AUTOROUND", "autoround", "4"),
        ({"quant_method": "gptq_marlin", "bits": 8}, "GPTQ", "gptq", "8"),
        ({"quant_method": "fbgemm_fp8"}, "FP8", "fp8", "8"),
        ({"quant_method": "bitnet"}, "BITNET", "bitnet", "1.58"),
        ({"quant_method": "exl2", "bits": 4.65}, "EXL2", "exl2", "4.65"),
    ],
)  # fmt: skip
def test_config_tells_how_weights_are_packed(packing: dict[str, Any], scheme: str, method: str, bits: str) -> None:
    said = says(config_evidence({"model_type": "llama", "quantization_config": packing}))
    assert (said["quant_measured"], said["quant_method"], said["bits"]) == (scheme, method, bits)
    assert said["quantized"] == "true" and said["architecture"] == "llama"


def test_an_unknown_method_still_says_quantized_and_is_squeezed_into_no_scheme() -> None:
    said = says(config_evidence({"quantization_config": {"quant_method": "brandnew", "bits": 3}}))
    assert said == {"quantized": "true", "quant_method": "brandnew", "bits": "3"}


@pytest.mark.parametrize("packing", [None, [], "gptq", 4, {}, {"bits": "four"}, {"quant_method": ["gptq"]}])
def test_a_block_that_is_none_makes_up_no_scheme(packing: object) -> None:
    assert "quant" not in says(config_evidence({"quantization_config": packing}))


def test_context_is_that_of_the_text_model() -> None:
    config = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {"max_position_embeddings": 131072}}
    assert says(config_evidence(config)) == {
        "architecture": "Gemma3ForConditionalGeneration",
        "context_measured": "131072",
    }


# ---- the Hub's summaries --------------------------------------------------------------------------------------------


def test_the_histogram_counts_not_the_authors_total() -> None:
    said = says(safetensors_evidence({"parameters": {"BF16": 7_615_616_512}, "total": 333_312}, quantized=False))
    assert said["parameters_measured"] == "7615616512"
    assert (said["quant_measured"], said["quantized"], said["bits"]) == ("BF16", "false", "16")


@pytest.mark.parametrize(
    "held",
    [
        {"BF16": 1_322_505_806, "U8": 24_483_430_400},  # pairs counted as two by the Hub
        {"BF16": 1_322_505_806, "F8_E4M3": 1_530_214_400, "U8": 12_241_715_200},  # pairs and scales as they are stored
        {"F32": 23_220, "BF16": 1_322_841_226, "F8_E4M3": 2_571_008_000, "U8": 11_686_625_280},  # with FP8 attention
        {"U32": 25_235_685_376, "BF16": 570_250_830},  # MLX
        {"I32": 23_948_165_120, "F16": 1_857_771_086},  # compressed-tensors
    ],
)
def test_gemma_4_26b_has_as_many_parameters_however_it_is_packed(held: dict[str, int]) -> None:
    assert count_parameters_from_dtypes(held)[0] == pytest.approx(25_805_936_206, rel=0.001)


def test_packed_integers_say_quantized_but_not_how() -> None:
    said = says(safetensors_evidence({"parameters": {"I32": 6_525_288_448, "F16": 1_090_328_064}}, quantized=False))
    assert said["quantized"] == "true" and "quant" not in said
    assert says(safetensors_evidence({"parameters": {"F8_E4M3": 7 * 10**9, "BF16": 10**9}}, False))["quant"] == "FP8"


def test_the_gguf_block() -> None:
    block = {"total": 999_885_952, "architecture": "gemma3", "context_length": 32768, "totalFileSize": 2_006_573_568}
    assert says(gguf_evidence(block)) == {
        "parameters_measured": "999885952",
        "architecture": "gemma3",
        "context_measured": "32768",
        "format": "gguf",
    }


def test_the_gguf_blocks_one_file_tells_that_there_are_quants() -> None:
    assert says(gguf_evidence({"total": 8 * 10**9, "totalFileSize": 5 * 10**9}))["quantized"] == "true"
    assert "quantized" not in says(gguf_evidence({"total": 8 * 10**9, "totalFileSize": 16 * 10**9}))


# ---- headers, sizes, lineage ----------------------------------------------------------------------------------------


def test_a_header_counts_what_names_claim() -> None:
    facts = {"imatrix": {"file": "imatrix.dat"}, "quantized_by": "Unsloth", "name": "Llama 3.1 8B Instruct"}
    pieces = header_evidence(header(facts=facts))
    said = says(pieces)
    assert (said["parameters_measured"], said["quant_measured"], said["quantized"]) == ("8030261312", "Q4_K_M", "true")
    assert (said["imatrix"], said["quantizer"], said["family"]) == ("true", "Unsloth", "llama")
    named = next(each for each in pieces if each.field == "family")
    assert named.source == "header" and named.weight < WEIGHT["name"]  # what a file calls itself is no measurement


def test_a_count_taken_from_elsewhere_weighs_less() -> None:
    inferred = next(e for e in header_evidence(header(inferred=True)) if e.field == "parameters_measured")
    assert inferred.source == "lineage" and inferred.weight < WEIGHT["api"]


def test_parents_that_headers_name() -> None:
    facts = {"base_models": [{"name": "Gemma 3", "repo": "google/gemma-3-4b-it"}, {"name": "x"}, "junk"]}
    assert header_edges([header(facts=facts)]) == (EdgeRecord("google/gemma-3-4b-it", "unknown", "header"),)
    assert header_edges([header(facts={"base_models": "a/b"})]) == ()


def test_bits_a_weight_from_bytes() -> None:
    assert says(size_evidence(4_920_734_304, 8_030_261_312)) == {"bits_per_weight": "4.9022"}
    assert size_evidence(10, 8_030_261_312) == size_evidence(None, 5) == size_evidence(5, None) == ()


@pytest.mark.parametrize(("bits", "verdict"), [(4.9, "true"), (8.5, "true"), (16.0, "false"), (32.0, "false")])
def test_the_width_tells_quantized(bits: float, verdict: str) -> None:
    assert says(bits_per_weight_evidence(bits, certain=True)) == {"quantized": verdict}
    assert bits_per_weight_evidence(13.0, certain=True) == ()


def test_a_copy_takes_all_from_its_base_and_an_adapter_the_family_alone() -> None:
    base = "meta-llama/Llama-3.1-8B-Instruct"
    copy, adapter = says(lineage_evidence(base, "quantized")), says(lineage_evidence(base, "adapter"))
    assert (copy["family"], copy["version"], copy["parameters"]) == ("llama", "3.1", "8000000000")
    assert (copy["tuning"], copy["quantized"]) == ("instruct", "true")
    assert "tuning" not in says(lineage_evidence(base, "finetune"))
    assert set(adapter) <= {"family", "version", "base_family", "base_version"} and adapter["family"] == "llama"


def test_an_architecture_is_weak_evidence_of_a_family() -> None:
    pieces = architecture_evidence("qwen3_moe", "config")
    assert says(pieces)["family"] == "qwen"
    assert all(each.weight < WEIGHT["owner"] for each in pieces)
    assert architecture_evidence("SomethingNobodyKnows", "config") == ()


# ---- untrusted input ---------------------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "base_model", "base_model_relation", "quantized_by", "language", "model_type", "architectures", "text_config",
    "quantization_config", "quant_method", "bits", "config_groups", "weights", "num_bits", "format", "parameters",
    "total", "architecture", "context_length", "max_position_embeddings", "group_size", "BF16", "U8", "F8_E4M3", "I32",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JUNK | st.dictionaries(st.sampled_from(KEYS), JUNK), max_size=6))
def test_whatever_a_card_says_the_evidence_is_text_within_bounds(block: dict[str, Any]) -> None:
    repo = RepoRecord("1", "a/b", card=block)
    found = [
        *card_evidence(repo), *config_evidence(block), *gguf_evidence(block), *safetensors_evidence(block, False),
        *config_evidence({"quantization_config": block}),
    ]  # fmt: skip
    for each in found:
        assert each.value and each.value.isprintable() and len(each.value) <= 200
        assert 0 <= each.weight <= 100
    assert all("/" in edge.parent and len(edge.parent) <= 200 for edge in card_edges(block))
