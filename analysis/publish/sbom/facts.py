"""What a bill of materials says of a model: one record from the catalog, whatever the format that is written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from analysis.catalog.models import find_model, load_evaluations
from analysis.query.reader import CatalogReader
from analysis.untrusted import check_mapping, check_text

HUB = "https://huggingface.co"
MAX_ANCESTORS = 50
LICENSE_FILES = ("license", "license.txt", "license.md", "licence", "licence.txt", "licence.md", "copying")

SEVERITIES: Mapping[str, str] = {"unsafe": "critical", "suspicious": "high", "caution": "medium"}
"""Statuses of the Hub's scanners that are findings, and their severity."""

SCANNERS: Mapping[str, str] = {
    "avScan": "ClamAV (Cisco Foundation AI)",
    "pickleImportScan": "Hugging Face pickle import scan",
    "jFrogScan": "JFrog",
    "protectAiScan": "Protect AI Guardian",
    "virusTotalScan": "VirusTotal",
}
"""Keys of the Hub's securityFileStatus and who scans."""


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """What one scanner of the Hub reports of a file. `scanner` is None where only the worst status is known."""

    path: str
    status: str
    scanner: str | None = None
    message: str | None = None
    report: str | None = None  # URL


@dataclass(frozen=True, slots=True)
class BillFile:
    """One file; hashes in hexadecimal."""

    path: str
    size: int | None
    sha256: str | None
    blob_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model that another was made from; `of` is the id of the one that was."""

    repo_id: str
    of: str
    relation: str
    source: str
    declared: bool
    sha: str | None = None  # None: the catalog does not hold it
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """The evidence that decided a label."""

    field: str
    value: str
    source: str
    rule: str


@dataclass(frozen=True, slots=True)
class BillModel:
    """A model with what a bill of materials lists. `model` is its row of the view models."""

    model: Mapping[str, Any]
    files: Sequence[BillFile]
    ancestors: Sequence[Ancestor] = ()
    datasets: Sequence[str] = ()
    evaluations: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[ScanFinding] = ()
    evidence: Sequence[Said] = ()
    read_at: str | None = None  # when the catalog last read its files

    @property
    def repo_id(self) -> str:
        return str(self.model["repo_id"])

    @property
    def license_url(self) -> str | None:
        """The licence's text in the repo."""
        path = next((each.path for each in self.files if each.path.lower() in LICENSE_FILES), None)
        return None if path is None else f"{self.url}/blob/{self.revision}/{quote(path)}"

    @property
    def url(self) -> str:
        return f"{HUB}/{quote(self.repo_id)}"

    @property
    def revision(self) -> str:
        return str(self.model["sha"] or "main")


def purl(repo_id: str, sha: str | None, path: str | None = None) -> str | None:
    """`pkg:huggingface/OWNER/NAME@SHA`; None for an id without an owner, which the type requires.

    Source: package-url/purl-spec, types/huggingface-definition.json: case is kept, the version is in lower case.
    """
    owner, _, name = repo_id.rpartition("/")
    if not owner:
        return None
    version = f"@{quote(sha.lower(), safe='')}" if sha else ""
    return f"pkg:huggingface/{quote(owner, safe='')}/{quote(name, safe='')}{version}{f'#{quote(path)}' if path else ''}"


def load_bill_model(reader: CatalogReader, text: str, only: Collection[str] | None = None) -> BillModel:
    """The model of an id or a pasted reference; `only` are the files that are listed. Raises UnknownModel."""
    model = find_model(reader, text)
    values = {"id": model["repo_id"]}
    files = reader.all("select * from files where repo_id = :id order by path", values)
    if only is not None:
        files = [row for row in files if row["path"] in only]
    evidence = (
        "select field, value, source, rule from labels where repo_id = :id and artifact is null and resolved"
        " order by field, value"
    )
    datasets = reader.all(
        "select distinct target from links where repo_id = :id and target_type = 'dataset' order by target", values
    )
    visited = reader.all(
        "select e.visited_at from enrichments e join repos r on r.id = e.repo"
        " where r.repo_id = :id and r.type = 'model'",
        values,
    )
    return BillModel(
        model=model,
        files=[BillFile(row["path"], row["size"], row["sha256"], row["blob_id"]) for row in files],
        ancestors=list(load_ancestors(reader, model["repo_id"])),
        datasets=[row["target"] for row in datasets],
        evaluations=load_evaluations(reader, model["repo_id"]),
        findings=[finding for row in files for finding in parse_findings(row)],
        evidence=[Said(**row) for row in reader.all(evidence, values)],
        read_at=visited[0]["visited_at"] if visited else None,
    )


def load_ancestors(reader: CatalogReader, repo_id: str) -> Iterator[Ancestor]:
    """The models that a model was made from, parents first, up to the foundations; each once."""
    seen, level = {repo_id.lower()}, [repo_id]
    count = 0
    while level and count < MAX_ANCESTORS:
        following = []
        for child in level:
            for row in reader.all(
                "select p.parent, p.parent_id, p.relation, p.source, p.declared, r.sha, r.license from parents p"
                " left join repos r on r.repo_id = p.parent_id and r.type = 'model'"
                " where p.repo_id = :id order by p.declared desc, p.parent, p.relation",
                {"id": child},
            ):
                parent = row["parent_id"] or row["parent"]
                if parent.lower() in seen or count == MAX_ANCESTORS:
                    continue
                seen.add(parent.lower())
                count += 1
                yield Ancestor(
                    parent, child, row["relation"], row["source"], bool(row["declared"]), row["sha"], row["license"]
                )
                following += [parent] if row["parent_id"] else []
        level = following


def parse_findings(row: Mapping[str, Any]) -> Iterator[ScanFinding]:
    """What the Hub's scanners report of a file, where it is a finding: one for each scanner that has one."""
    worst = row.get("scan_status")
    if worst not in SEVERITIES:
        return
    try:
        scans = check_mapping(json.loads(row.get("scans") or "{}"))
    except ValueError:
        scans = {}
    found = False
    for key, scanner in SCANNERS.items():
        scan = check_mapping(scans.get(key))
        if scan.get("status") in SEVERITIES:
            found = True
            report = scan.get("reportLink")
            yield ScanFinding(
                row["path"], str(scan["status"]), scanner, check_text(scan.get("message")),
                report if isinstance(report, str) and report.startswith("https://") else None,
            )  # fmt: skip
    if not found:
        yield ScanFinding(row["path"], str(worst))
