"""Bills of materials: what they say of a model, valid by the schemas and shapes of CycloneDX and SPDX themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_python_model import v3_0_1 as spdx

from analysis.publish.sbom.cyclonedx import Version, build_cyclonedx
from analysis.publish.sbom.facts import (
    Ancestor,
    BillFile,
    BillModel,
    Said,
    ScanFinding,
    load_bill_model,
    parse_findings,
    purl,
)
from analysis.publish.sbom.spdx import build_spdx
from analysis.query.reader import CatalogReader

AT = datetime(2026, 11, 28, tzinfo=UTC)
SHA, SHA256 = "a" * 40, "b" * 64
ROW: Mapping[str, Any] = {
    "repo_id": "acme/Tiny-GGUF", "sha": SHA, "status": "available", "gated": None, "license": "apache-2.0",
    "license_spdx": "Apache-2.0", "pipeline_tag": "image-text-to-text", "family": "tiny", "base_family": "llama",
    "version": "3", "architecture": "llama", "format": "gguf", "quant": "Q4_K_M", "bits_per_weight": 4.85,
    "parameters_measured": 1_000_000_000, "context_measured": 4096, "tuning": ["instruct", "chat"],
    "custom_code": True, "chat_template_digest": None,
}  # fmt: skip
MODEL = BillModel(
    model=ROW,
    files=[BillFile("LICENSE", 11, None, "c" * 40), BillFile("sub dir/tiny-Q4_K_M.gguf", 5, SHA256, "d" * 40)],
    ancestors=[
        Ancestor("acme/Tiny", "acme/Tiny-GGUF", "quantized", "card", True, "e" * 40, "mit"),
        Ancestor("big/Base", "acme/Tiny", "finetune", "name", False),
    ],
    datasets=["acme/data"],
    evaluations=[{"task": "text-generation", "dataset": "MMLU", "metric": "accuracy", "value": 61.5, "source": "card"}],
    findings=[ScanFinding("sub dir/tiny-Q4_K_M.gguf", "unsafe", "JFrog", "runs os.system", "https://jfrog.example/1")],
    evidence=[Said("architecture", "llama", "header", "general.architecture"), Said("size", "1B", "name", "size")],
    read_at="2026-11-27T12:00:00.000Z",
)


def check_cyclonedx(document: Mapping[str, Any]) -> None:
    version = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}[document["specVersion"]]
    error = JsonStrictValidator(version).validate_str(json.dumps(document))
    assert error is None, str(error)[:500]
    refs = [part["bom-ref"] for each in document["components"] for part in (each, *each.get("components", ()))]
    assert len(set(refs)) == len(refs)
    affected = {each["ref"] for found in document.get("vulnerabilities", ()) for each in found["affects"]}
    assert affected <= set(refs)


def check_spdx(document: Mapping[str, Any]) -> Any:
    """The document's objects as SPDX's own bindings read them, which checks shapes and resolves references."""
    found = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(io.BytesIO(json.dumps(document).encode()), found)
    assert found.link() == set()
    spdx.JSONLDSerializer().write(found, io.BytesIO())  # checks which properties are required
    return found


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_a_cyclonedx_document_is_valid_and_says_what_is_known(version: Version) -> None:
    document = build_cyclonedx([MODEL], version, "1.0", AT, [BillFile("/m/other.gguf", 3, "f" * 64)])
    check_cyclonedx(document)
    component, other = document["components"]
    assert component["purl"] == component["bom-ref"] == f"pkg:huggingface/acme/Tiny-GGUF@{SHA}"
    assert (component["group"], component["name"], component["version"]) == ("acme", "Tiny-GGUF", SHA)
    license_url = f"https://huggingface.co/acme/Tiny-GGUF/blob/{SHA}/LICENSE"
    assert component["licenses"] == [
        {"license": {"id": "Apache-2.0", "acknowledgement": "declared", "url": license_url}}
    ]
    assert [each["purl"] for each in component["pedigree"]["ancestors"]] == [
        f"pkg:huggingface/acme/Tiny@{'e' * 40}",
        "pkg:huggingface/big/Base",
    ]
    assert component["components"][1]["hashes"] == [{"alg": "SHA-256", "content": SHA256}]
    assert component["modelCard"]["modelParameters"] == {
        "task": "image-text-to-text",
        "architectureFamily": "llama",
        "modelArchitecture": "llama",
        "datasets": [
            {"type": "dataset", "name": "acme/data", "contents": {"url": "https://huggingface.co/datasets/acme/data"}}
        ],
        "inputs": [{"format": "image"}, {"format": "text"}],
        "outputs": [{"format": "text"}],
    }
    [metric] = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metric == {"type": "accuracy", "value": "61.5", "slice": "MMLU (text-generation)"}
    properties = {each["name"]: each["value"] for each in component["properties"]}
    assert properties["hf-catalog:quantization"] == "Q4_K_M"
    assert properties["hf-catalog:tuning"] == "instruct, chat"
    assert properties["hf-catalog:custom-code"] == "true"
    assert other == {"type": "file", "bom-ref": "file:/m/other.gguf", "name": "/m/other.gguf",
                     "hashes": [{"alg": "SHA-256", "content": "f" * 64}],
                     "properties": [{"name": "hf-catalog:size", "value": "3"}]}  # fmt: skip


def test_findings_of_scanners_are_vulnerabilities_of_their_file() -> None:
    [found] = build_cyclonedx([MODEL], "1.6", "1.0", AT)["vulnerabilities"]
    assert found["ratings"][0]["severity"] == "critical"
    assert found["source"] == {"name": "JFrog", "url": "https://jfrog.example/1"}
    assert found["detail"] == "runs os.system"
    assert found["affects"] == [{"ref": f"pkg:huggingface/acme/Tiny-GGUF@{SHA}#sub%20dir/tiny-Q4_K_M.gguf"}]


def test_sources_of_values_are_citations_of_1_7() -> None:
    assert "citations" not in build_cyclonedx([MODEL], "1.6", "1.0", AT)
    [citation] = build_cyclonedx([MODEL], "1.7", "1.0", AT)["citations"]
    assert citation == {
        "pointers": ["/components/0/modelCard/modelParameters/modelArchitecture"],
        "timestamp": "2026-11-27T12:00:00.000Z",
        "attributedTo": "hf-catalog",
        "note": "architecture = llama, from header (general.architecture)",
    }


@pytest.mark.parametrize(
    ("stated", "spdx_id", "expected"),
    [
        ("gemma", "LicenseRef-gemma", {"name": "gemma", "acknowledgement": "declared"}),
        ("my own", None, {"name": "my own", "acknowledgement": "declared"}),
        ("mit", "MIT", {"id": "MIT", "acknowledgement": "declared"}),
    ],
)
def test_licences_without_an_spdx_id_have_a_name(stated: str, spdx_id: str | None, expected: Any) -> None:
    model = replace(MODEL, model={**ROW, "license": stated, "license_spdx": spdx_id}, files=[], findings=[])
    document = build_cyclonedx([model], "1.6", "1.0", AT)
    check_cyclonedx(document)
    assert document["components"][0]["licenses"] == [{"license": expected}]


def test_the_same_content_has_the_same_number_and_another_commit_another() -> None:
    first = build_cyclonedx([MODEL], "1.6", "1.0", AT)
    assert build_cyclonedx([MODEL], "1.6", "1.0", AT) == first
    other = replace(MODEL, model={**ROW, "sha": "f" * 40})
    assert build_cyclonedx([other], "1.6", "1.0", AT)["serialNumber"] != first["serialNumber"]


def test_a_model_depends_on_its_parents_in_the_document() -> None:
    base = replace(MODEL, model={**ROW, "repo_id": "acme/Tiny", "sha": "e" * 40}, ancestors=[], findings=[])
    document = build_cyclonedx([MODEL, base], "1.6", "1.0", AT)
    check_cyclonedx(document)
    assert document["dependencies"][0]["dependsOn"] == [f"pkg:huggingface/acme/Tiny@{'e' * 40}"]


def test_an_spdx_document_is_valid_and_says_what_is_known() -> None:
    document = build_spdx([MODEL], "1.0", AT, [BillFile("/m/other.gguf", 3, "f" * 64)])
    found = check_spdx(document)
    packages = {each.name: each for each in found.foreach_type(spdx.ai_AIPackage)}
    assert packages.keys() == {"acme/Tiny-GGUF", "acme/Tiny", "big/Base"}
    package = packages["acme/Tiny-GGUF"]
    assert package.software_packageUrl == f"pkg:huggingface/acme/Tiny-GGUF@{SHA}"
    assert (list(package.ai_domain), list(package.ai_typeOfModel)) == (["image-text-to-text"], ["llama", "llama"])
    assert [(each.key, each.value) for each in package.ai_metric] == [("MMLU: accuracy", "61.5")]
    assert package.comment == "sub dir/tiny-Q4_K_M.gguf: unsafe (JFrog)"
    hashes = {each.name: [h.hashValue for h in each.verifiedUsing] for each in found.foreach_type(spdx.software_File)}
    assert hashes == {"LICENSE": [], "sub dir/tiny-Q4_K_M.gguf": [SHA256], "/m/other.gguf": ["f" * 64]}
    related = {
        (each.from_.name, each.relationshipType.rpartition("/")[2], tuple(other.name for other in each.to))
        for each in found.foreach_type(spdx.Relationship)
    }
    assert related == {
        ("acme/Tiny-GGUF", "contains", ("LICENSE", "sub dir/tiny-Q4_K_M.gguf")),
        ("acme/Tiny-GGUF", "hasDeclaredLicense", ("apache-2.0",)),
        ("acme/Tiny-GGUF", "descendantOf", ("acme/Tiny",)),
        ("acme/Tiny", "descendantOf", ("big/Base",)),
        ("acme/Tiny-GGUF", "trainedOn", ("acme/data",)),
    }


def test_models_of_a_catalog_make_valid_documents(small: str) -> None:
    with CatalogReader(small) as reader:
        models = [
            load_bill_model(reader, name) for name in ("bartowski/google_gemma-3-4b-it-GGUF", "google/gemma-3-4b-it")
        ]
    assert models[0].ancestors[0].repo_id == "google/gemma-3-4b-it"
    check_cyclonedx(build_cyclonedx(models, "1.7", "1.0", AT))
    check_spdx(build_spdx(models, "1.0", AT))


@pytest.mark.parametrize(
    ("repo_id", "sha", "expected"),
    [
        ("Qwen/Qwen3-8B", "ABC", "pkg:huggingface/Qwen/Qwen3-8B@abc"),
        ("a b/c@d", None, "pkg:huggingface/a%20b/c%40d"),
        ("gpt2", "abc", None),
    ],
)
def test_package_urls(repo_id: str, sha: str | None, expected: str | None) -> None:
    assert purl(repo_id, sha) == expected


def test_findings_are_those_of_each_scanner() -> None:
    scans = {
        "avScan": {"status": "safe"},
        "jFrogScan": {"status": "suspicious", "message": "odd", "reportLink": "javascript:alert(1)"},
        "pickleImportScan": {"status": "unsafe", "message": 7},
    }
    row = {"path": "m.bin", "scan_status": "unsafe", "scans": json.dumps(scans)}
    assert list(parse_findings(row)) == [
        ScanFinding("m.bin", "unsafe", "Hugging Face pickle import scan"),
        ScanFinding("m.bin", "suspicious", "JFrog", "odd"),
    ]
    assert list(parse_findings({"path": "m.bin", "scan_status": "caution", "scans": None})) == [
        ScanFinding("m.bin", "caution")
    ]
    assert list(parse_findings({"path": "m.bin", "scan_status": "safe", "scans": "[]"})) == []
    assert list(parse_findings({"path": "m.bin", "scan_status": "unsafe", "scans": "{"})) == [
        ScanFinding("m.bin", "unsafe")
    ]
