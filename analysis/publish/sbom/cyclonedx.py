"""A CycloneDX ML-BOM (1.6 or 1.7) as plain data. Source: https://cyclonedx.org/schema/bom-1.7.schema.json.

Models are components of the type machine-learning-model, their files components in them with hashes, their base models
the pedigree, what scanners report vulnerabilities. 1.7 adds citations: which source each value is from.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from analysis.publish.sbom.facts import HUB, SEVERITIES, Ancestor, BillFile, BillModel, purl
from analysis.units import iso

Version = Literal["1.6", "1.7"]
TOOL = "hf-catalog"

NAMESPACE = uuid.UUID("6f9b2a0e-3c1d-5e8a-9a53-0d3b5a1f7c42")
"""Of serial numbers: the same models at the same commits get the same number."""

PROPERTIES: Mapping[str, str] = {
    "status": "status", "family": "family", "version": "version", "format": "format", "quant": "quantization",
    "bits_per_weight": "bits-per-weight", "parameters_measured": "parameters", "context_measured": "context",
    "tuning": "tuning", "gated": "gated", "custom_code": "custom-code", "chat_template_digest": "chat-template-sha256",
    "pickle_verdict": "pickle-verdict", "scan_status": "scan-status", "license_kind": "license-kind",
}  # fmt: skip
"""Columns of models -> names of properties, in the namespace `hf-catalog:`."""

POINTED: Mapping[str, str] = {
    "architecture": "/modelCard/modelParameters/modelArchitecture",
    "family": "/modelCard/modelParameters/architectureFamily",
    "license_spdx": "/licenses",
    "base_model": "/pedigree/ancestors",
}
"""Labels whose evidence is cited -> the field of the component that holds them."""

_TASK = re.compile(r"(?P<inputs>[a-z]+(?:-[a-z]+)*?)-to-(?P<outputs>[a-z]+(?:-[a-z]+)*)")


def build_cyclonedx(
    models: Sequence[BillModel], version: Version, program: str, at: datetime, others: Sequence[BillFile] = ()
) -> dict[str, Any]:
    """The document. `program` is the version of this program, `at` when the document is made, `others` are files that
    are from no known model."""
    names = [*(f"{each.repo_id}@{each.revision}" for each in models), *(str(each.sha256) for each in others)]
    serial = uuid.uuid5(NAMESPACE, "\n".join(sorted(names)))
    components = [build_component(each) for each in models]
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": iso(at),
            "tools": {"components": [{"type": "application", "bom-ref": TOOL, "name": TOOL, "version": program}]},
        },
        "components": [*components, *(build_file(each, f"file:{quote(each.path)}") for each in others)],
        "dependencies": [{"ref": ref_of(each), "dependsOn": depends_on(each, models)} for each in models],
    }
    if found := [vulnerability for each in models for vulnerability in build_vulnerabilities(each)]:
        document["vulnerabilities"] = found
    if version == "1.7":
        cited = [
            citation
            for place, each in enumerate(models)
            for citation in build_citations(each, components[place], place, at)
        ]
        document |= {"citations": cited} if cited else {}
    return document


def ref_of(model: BillModel) -> str:
    return purl(model.repo_id, model.model["sha"]) or f"{model.repo_id}@{model.revision}"


def file_ref(model: BillModel, path: str) -> str:
    return f"{ref_of(model)}#{quote(path)}"


def depends_on(model: BillModel, models: Sequence[BillModel]) -> list[str]:
    """The parents of a model that are components of this document too."""
    refs = {each.repo_id: ref_of(each) for each in models}
    parents = [each.repo_id for each in model.ancestors if each.of == model.repo_id]
    return sorted({refs[parent] for parent in parents if parent in refs and parent != model.repo_id})


def build_component(model: BillModel) -> dict[str, Any]:
    """One model with its files. A key without a value is left out."""
    row = model.model
    owner, _, name = model.repo_id.rpartition("/")
    one = model.files[0].sha256 if len(model.files) == 1 else None
    component = {
        "type": "machine-learning-model",
        "bom-ref": ref_of(model),
        "group": owner,
        "name": name,
        "version": row["sha"],
        "hashes": [{"alg": "SHA-256", "content": one}] if one else [],
        "licenses": build_licenses(model),
        "purl": purl(model.repo_id, row["sha"]),
        "pedigree": {"ancestors": [build_ancestor(each) for each in model.ancestors]} if model.ancestors else {},
        "externalReferences": [
            {"type": "distribution", "url": f"{model.url}/tree/{model.revision}"},
            {"type": "model-card", "url": model.url},
            *([{"type": "license", "url": model.license_url}] if model.license_url else []),
        ],
        "components": [build_file(each, file_ref(model, each.path)) for each in model.files],
        "modelCard": build_model_card(model),
        "properties": [
            {"name": f"{TOOL}:{title}", "value": property_text(row[key])}
            for key, title in PROPERTIES.items()
            if row.get(key) not in (None, "", [], False)
        ],
    }
    return {key: value for key, value in component.items() if value}


def build_licenses(model: BillModel) -> list[dict[str, Any]]:
    """What the card states: by its SPDX id where SPDX has one, else by its name."""
    stated, spdx = model.model["license"], model.model.get("license_spdx")
    if stated is None:
        return []
    named = {"name": stated} if spdx is None or spdx.startswith("LicenseRef-") else {"id": spdx}
    url = {"url": model.license_url} if model.license_url else {}
    return [{"license": {**named, "acknowledgement": "declared", **url}}]


def build_ancestor(ancestor: Ancestor) -> dict[str, Any]:
    owner, _, name = ancestor.repo_id.rpartition("/")
    component = {
        "type": "machine-learning-model",
        "group": owner,
        "name": name,
        "version": ancestor.sha,
        "purl": purl(ancestor.repo_id, ancestor.sha),
        "properties": [
            {"name": f"{TOOL}:descendant", "value": f"{ancestor.of} ({ancestor.relation})"},
            {"name": f"{TOOL}:source", "value": f"{ancestor.source}{'' if ancestor.declared else ', inferred'}"},
            *([{"name": f"{TOOL}:license", "value": ancestor.license}] if ancestor.license else []),
        ],
    }
    return {key: value for key, value in component.items() if value}


def build_file(file: BillFile, ref: str) -> dict[str, Any]:
    properties = {"size": file.size, "git-blob": file.blob_id}
    component = {
        "type": "file",
        "bom-ref": ref,
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}] if file.sha256 else [],
        "properties": [
            {"name": f"{TOOL}:{name}", "value": str(value)} for name, value in properties.items() if value is not None
        ],
    }
    return {key: value for key, value in component.items() if value}


def build_model_card(model: BillModel) -> dict[str, Any]:
    row = model.model
    task = row["pipeline_tag"]
    found = _TASK.fullmatch(task or "")
    inputs, outputs = (
        ("text", "text") if task == "text-generation" else found.group("inputs", "outputs") if found else ("", "")
    )
    parameters = {
        "task": task,
        "architectureFamily": row["base_family"] or row["family"],
        "modelArchitecture": row["architecture"],
        "datasets": [
            {"type": "dataset", "name": name, "contents": {"url": f"{HUB}/datasets/{quote(name)}"}}
            for name in model.datasets
        ],
        "inputs": [{"format": each} for each in inputs.split("-") if each],
        "outputs": [{"format": each} for each in outputs.split("-") if each],
    }
    metrics = [
        {"type": each["metric"], "value": f"{each['value']:.12g}", "slice": f"{each['dataset']} ({each['task']})"}
        for each in model.evaluations
        if each["value"] is not None
    ]
    card = {
        "modelParameters": {key: value for key, value in parameters.items() if value},
        "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else {},
    }
    return {key: value for key, value in card.items() if value}


def property_text(value: Any) -> str:
    """A value of the catalog as the text of a property."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def build_vulnerabilities(model: BillModel) -> Iterator[dict[str, Any]]:
    """What the Hub's scanners report; the file that it is about is what is affected."""
    for finding in model.findings:
        scanner = finding.scanner or "Hugging Face"
        source = {"name": scanner, "url": finding.report or f"{model.url}/blob/{model.revision}/{quote(finding.path)}"}
        yield {
            "bom-ref": f"{file_ref(model, finding.path)}#{quote(scanner)}",
            "id": f"{finding.status}: {finding.path}",
            "source": source,
            "ratings": [{"source": source, "severity": SEVERITIES[finding.status], "method": "other"}],
            "detail": finding.message or f"{scanner} reports {finding.path} as {finding.status}",
            "affects": [{"ref": file_ref(model, finding.path)}],
        }


def build_citations(
    model: BillModel, component: Mapping[str, Any], place: int, at: datetime
) -> Iterator[dict[str, Any]]:
    """Which evidence a value of the component is from, for the fields that it has."""
    for said in model.evidence:
        pointer = POINTED.get(said.field)
        if pointer is None or not has_field(component, pointer):
            continue
        yield {
            "pointers": [f"/components/{place}{pointer}"],
            "timestamp": model.read_at or iso(at),
            "attributedTo": TOOL,
            "note": f"{said.field} = {said.value}, from {said.source} ({said.rule})",
        }


def has_field(value: Any, pointer: str) -> bool:
    """Whether a JSON pointer leads to a value."""
    for key in pointer.strip("/").split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value is not None
