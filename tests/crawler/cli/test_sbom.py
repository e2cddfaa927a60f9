"""`hf-catalog sbom` as its users call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.publish.test_sbom import check_cyclonedx, check_spdx
from tests.crawler.cli.conftest import Ask
from tests.local_models import COMMIT, FILES, LAYOUTS, digest, write

QUANTIZED = "acme/Tiny-1B-GGUF"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_CATALOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")


def test_a_model_is_described(hf_catalog: Ask, local_models: str) -> None:
    document = hf_catalog("sbom", QUANTIZED, "--db", local_models).json
    check_cyclonedx(document)
    [model] = document["components"]
    hashes = {each["name"]: each["hashes"][0]["content"] for each in model["components"] if "hashes" in each}
    assert hashes == {path: digest(data) for path, data in FILES[QUANTIZED].items()}
    assert [each["name"] for each in model["pedigree"]["ancestors"]] == ["Tiny-1B"]
    assert document["metadata"]["timestamp"].startswith("2026-05-28")


def test_pasted_references_and_several_models(hf_catalog: Ask, local_models: str) -> None:
    document = hf_catalog("sbom", f"hf.co/{QUANTIZED}:Q4_K_M", "acme/Tiny-1B", "--db", local_models).json
    assert [each["name"] for each in document["components"]] == ["Tiny-1B-GGUF", "Tiny-1B"]
    assert document["dependencies"][0]["dependsOn"] == [document["components"][1]["bom-ref"]]


def test_a_document_goes_to_a_file(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    answer = hf_catalog("sbom", QUANTIZED, "--format", "spdx", "--out", str(path), "--db", local_models)
    assert (answer.status, answer.out) == (0, "")
    check_spdx(json.loads(path.read_text()))


def test_local_files_are_listed_with_what_is_there(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    LAYOUTS["huggingface"](tmp_path / "hub")
    other = write(tmp_path / "hub" / "unknown.gguf", b"GGUF")
    document = hf_catalog("sbom", "--local", str(tmp_path / "hub"), "--db", local_models).json
    check_cyclonedx(document)
    base, quantized, unknown = document["components"]
    assert (base["name"], base["version"]) == ("Tiny-1B", COMMIT)
    assert [each["name"] for each in base["components"]] == ["model.safetensors"]
    assert [each["name"] for each in quantized["components"]] == sorted(FILES[QUANTIZED])
    assert (unknown["type"], unknown["name"]) == ("file", str(other))
    assert unknown["hashes"][0]["content"] == digest(b"GGUF")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "no model: name an id, or --local"),
        (["acme/Tiny-9B"], 1, "acme/Tiny-9B"),
        ([QUANTIZED, "--format", "swid"], 2, "'swid' is not one of"),
    ],
)
def test_wrong_use_is_refused(words: list[str], status: int, message: str, hf_catalog: Ask, local_models: str) -> None:
    answer = hf_catalog("sbom", *words, "--db", local_models)
    assert answer.status == status
    assert message in answer.err
