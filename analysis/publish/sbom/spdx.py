"""An SPDX 3.0.1 document with the AI profile as JSON-LD. Source: https://spdx.github.io/spdx-spec/v3.0.1/."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from analysis.publish.sbom.cyclonedx import NAMESPACE, TOOL
from analysis.publish.sbom.facts import HUB, BillFile, BillModel, purl

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
CREATION = "_:creationinfo"
PROFILES = ("core", "software", "simpleLicensing", "ai", "dataset")

Element = dict[str, Any]


class Document:
    """The elements of one document; every id begins with the document's own."""

    def __init__(self, models: Sequence[BillModel], others: Sequence[BillFile]) -> None:
        names = [*(f"{each.repo_id}@{each.revision}" for each in models), *(str(each.sha256) for each in others)]
        self.id = f"urn:uuid:{uuid.uuid5(NAMESPACE, chr(10).join(['spdx', *sorted(names)]))}"
        self.elements: dict[str, Element] = {}
        self.roots: list[str] = []

    def add(self, kind: str, key: str, **values: Any) -> str:
        """The id of an element, which is added unless there is one of this kind and key."""
        element_id = f"{self.id}#{kind.rpartition('_')[2]}-{quote(key, safe='')}"
        known = {key: value for key, value in values.items() if value not in (None, [], "")}
        self.elements.setdefault(element_id, {"type": kind, "spdxId": element_id, "creationInfo": CREATION, **known})
        return element_id

    def relate(self, one: str, kind: str, others: Sequence[str], comment: str | None = None) -> None:
        if others:
            own = one.rpartition("#")[2]
            key = f"{own}-{kind}-{uuid.uuid5(NAMESPACE, chr(10).join(others))}"
            values = {"from": one, "to": list(others), "relationshipType": kind, "comment": comment}
            self.add("Relationship", key, **values)


def build_spdx(
    models: Sequence[BillModel], program: str, at: datetime, others: Sequence[BillFile] = ()
) -> dict[str, Any]:
    """The document. `program` is the version of this program, `others` files that are from no known model."""
    document = Document(models, others)
    tool = document.add("Tool", TOOL, name=f"{TOOL}-{program}")
    agent = document.add("SoftwareAgent", TOOL, name=TOOL)
    for model in models:
        document.roots.append(add_model(document, model))
    document.roots += [add_file(document, "", each) for each in others]
    created = {
        "type": "CreationInfo", "@id": CREATION, "specVersion": "3.0.1", "created": spdx_time(at),
        "createdBy": [agent], "createdUsing": [tool],
    }  # fmt: skip
    head = {
        "type": "SpdxDocument", "spdxId": f"{document.id}#document", "creationInfo": CREATION,
        "profileConformance": list(PROFILES), "rootElement": document.roots, "element": list(document.elements),
    }  # fmt: skip
    return {"@context": CONTEXT, "@graph": [created, head, *document.elements.values()]}


def spdx_time(moment: datetime) -> str:
    """A time as SPDX writes it: UTC, seconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_model(document: Document, model: BillModel) -> str:
    """An AI package with its files, licence, base models and data sets; returns its id."""
    row = model.model
    owner = model.repo_id.rpartition("/")[0]
    supplier = document.add("Organization", owner, name=owner) if owner else None
    package = document.add(
        "ai_AIPackage",
        f"{model.repo_id}@{model.revision}",
        name=model.repo_id,
        software_packageVersion=model.revision,
        software_packageUrl=purl(model.repo_id, row["sha"]),
        software_downloadLocation=f"{model.url}/tree/{model.revision}",
        software_homePage=model.url,
        software_primaryPurpose="model",
        suppliedBy=supplier,
        ai_typeOfModel=[each for each in (row["architecture"], row["base_family"] or row["family"]) if each],
        ai_domain=[row["pipeline_tag"]] if row["pipeline_tag"] else [],
        ai_hyperparameter=entries((key, row.get(key)) for key in ("parameters_measured", "quant", "bits_per_weight")),
        ai_metric=entries((f"{e['dataset']}: {e['metric']}", e["value"]) for e in model.evaluations),
        comment="; ".join(f"{each.path}: {each.status} ({each.scanner or 'Hub'})" for each in model.findings) or None,
    )
    document.relate(package, "contains", [add_file(document, model.repo_id, each) for each in model.files])
    add_license(document, package, row["license"], row.get("license_spdx"))
    add_base_models(document, package, model)
    datasets = [
        document.add(
            "dataset_DatasetPackage", name, name=name, software_downloadLocation=f"{HUB}/datasets/{quote(name)}",
            dataset_datasetType=["noAssertion"], software_primaryPurpose="data",
        )
        for name in model.datasets
    ]  # fmt: skip
    document.relate(package, "trainedOn", datasets, "as the card names them")
    return package


def entries(pairs: Iterable[tuple[str, Any]]) -> list[Element]:
    """Dictionary entries for the values that are known."""
    return [{"type": "DictionaryEntry", "key": key, "value": str(value)} for key, value in pairs if value is not None]


def add_file(document: Document, repo_id: str, file: BillFile) -> str:
    return document.add(
        "software_File",
        f"{repo_id}/{file.path}",
        name=file.path,
        verifiedUsing=[{"type": "Hash", "algorithm": "sha256", "hashValue": file.sha256}] if file.sha256 else [],
    )


def add_license(document: Document, package: str, stated: str | None, spdx: str | None) -> None:
    """The licence that the card states: as an expression where SPDX has it, else as a text of its own."""
    if stated is None:
        return
    if spdx is not None and not spdx.startswith("LicenseRef-"):
        kind, value = "simplelicensing_LicenseExpression", {"simplelicensing_licenseExpression": spdx}
    else:
        kind, value = "simplelicensing_SimpleLicensingText", {"simplelicensing_licenseText": stated}
    document.relate(package, "hasDeclaredLicense", [document.add(kind, spdx or stated, name=stated, **value)])


def add_base_models(document: Document, package: str, model: BillModel) -> None:
    """A relationship from each model to those that it was made from, up to the foundations."""
    packages = {model.repo_id: package}
    for ancestor in model.ancestors:
        packages.setdefault(
            ancestor.repo_id,
            document.add(
                "ai_AIPackage",
                f"{ancestor.repo_id}@{ancestor.sha or 'unknown'}",
                name=ancestor.repo_id,
                software_packageVersion=ancestor.sha or "unknown",
                software_packageUrl=purl(ancestor.repo_id, ancestor.sha),
                software_downloadLocation=f"{HUB}/{quote(ancestor.repo_id)}",
                software_primaryPurpose="model",
            ),
        )
    for ancestor in model.ancestors:
        comment = f"{ancestor.relation}, {'declared' if ancestor.declared else 'inferred'} by {ancestor.source}"
        document.relate(packages[ancestor.of], "descendantOf", [packages[ancestor.repo_id]], comment)
