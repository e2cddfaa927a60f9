"""models.toml: who is in it, and what happens to a word that is wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from samplehub.content.model_facts import InvalidFacts, load_built_in_facts, parse_built_in_facts

BUILT_IN = load_built_in_facts()
IDS = {facts.id for facts in BUILT_IN.repos}


def test_the_catalog_is_large_and_broad() -> None:
    assert len(IDS) >= 300
    stores = Counter(facts.store for facts in BUILT_IN.repos)
    assert stores["safetensors"] > 200 and stores["gguf"] > 100 and stores["adapter"] > 3 and stores["pipeline"] > 3
    owners = {name.partition("/")[0] for name in IDS}
    assert {"google", "meta-llama", "Qwen", "mistralai", "deepseek-ai", "openai", "microsoft", "allenai"} <= owners
    assert {"unsloth", "bartowski", "mradermacher", "TheBloke", "lmstudio-community", "mlx-community"} <= owners
    assert {facts.gated for facts in BUILT_IN.repos} == {"", "auto", "manual"}
    assert any(facts.private for facts in BUILT_IN.repos) and any(facts.disabled for facts in BUILT_IN.repos)


@pytest.mark.parametrize("size", ["1b", "4b", "12b", "27b"])
def test_gemma_3_is_whole(size: str) -> None:
    expected = {f"google/gemma-3-{size}-{kind}" for kind in ("pt", "it")}
    expected |= {f"google/gemma-3-{size}-{kind}-qat-q4_0-gguf" for kind in ("pt", "it")}
    expected |= {f"google/gemma-3-{size}-it-qat-{kind}-unquantized" for kind in ("q4_0", "int4")}
    assert expected <= IDS


def test_googles_four_bit_files_have_their_published_sizes() -> None:
    """1.00, 3.16, 8.07 and 17.2 GB: Google kept the embedding in sixteen bits."""
    from samplehub.content.build_repo import build

    for size, published in (("1b", 1.00), ("4b", 3.16), ("12b", 8.07), ("27b", 17.2)):
        facts = next(one for one in BUILT_IN.repos if one.id == f"google/gemma-3-{size}-it-qat-q4_0-gguf")
        content = build(facts, BUILT_IN).files[f"gemma-3-{size}-it-q4_0.gguf"]
        assert content.size / 1e9 == pytest.approx(published, rel=0.005)


def test_methods() -> None:
    methods = {facts.scheme.method for facts in BUILT_IN.repos if facts.scheme}
    assert methods >= {
        *("gptq", "awq", "auto-round", "bnb-4bit", "bnb-8bit", "fp8", "fbgemm_fp8", "mxfp4", "mlx", "hqq", "aqlm"),
        *("exl2", "exl3", "bitnet", "torchao", "higgs", "modelopt-nvfp4", "modelopt-fp8", "nvfp4-pack-quantized"),
        *("pack-quantized", "int-quantized", "float-quantized"),
    }
    assert {facts.scheme.bits for facts in BUILT_IN.repos if facts.scheme and facts.scheme.method == "mlx"} >= {
        3,
        4,
        6,
        8,
    }
    suffixes = {path.rpartition(".")[2] for facts in BUILT_IN.repos for path in facts.files}
    assert suffixes >= {"onnx", "tflite", "task", "bin", "nemo", "pth", "ot", "h5", "msgpack"}


def test_pairs_can_be_compared() -> None:
    """Quantized repos whose base publishes results on the same tasks."""
    by_id = {facts.id: facts for facts in BUILT_IN.repos}
    pairs = [
        (facts.id, base)
        for facts in BUILT_IN.repos
        for base in facts.base
        if facts.evals and base in by_id and by_id[base].evals.keys() & facts.evals.keys()
    ]
    assert len(pairs) >= 8


def test_everything_has_a_date_and_a_place() -> None:
    for facts in BUILT_IN.repos:
        assert facts.last_modified >= facts.created[:10], facts.id
        assert not facts.geometry or facts.geometry in BUILT_IN.geometries
    assert all(new in IDS for new in BUILT_IN.moved.values())


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"group": [{"repos": [{"id": "a/b", "created": "2025-01-01", "colour": "red"}]}]}, "colour"),
        ({"group": [{"repos": [{"id": "a/b", "created": "2025-01-01", "geometry": "none"}]}]}, "no geometry 'none'"),
        ({"group": [{"repos": [{"id": "a/b", "created": "2025-01-01", "store": "shelf"}]}]}, "store 'shelf'"),
        ({"group": [{"repos": [{"id": "a/b", "created": "2025-01-01", "like": "missing"}]}]}, "like 'missing'"),
        ({"group": [{"repos": [{"id": "a/b", "created": "2025-01-01", "scheme": {"method": "x"}}]}]}, "scheme 'x'"),
        ({"group": [{"repos": [{"id": "a/b", "created": "2025-01-01"}] * 2}]}, "twice"),
        ({"geometry": {"one": {"type": "t", "architecture": "A", "corners": 4}}}, "corners"),
        ({"geometry": {"one": {"type": "t", "architecture": "A", "plan": "cube"}}}, "plan 'cube'"),
        ({"geometry": {"one": {"like": "other"}}}, "like 'other'"),
    ],
)
def test_what_is_wrong_is_named(tables: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidFacts, match=says):
        parse_built_in_facts(tables)
