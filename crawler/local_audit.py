"""Checks of model files on this machine: format, pickles, code and chat template, read without loading anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from analysis.catalog.audit import MAX_NAMED, Check, Result, audit_model
from analysis.errors import HeaderError
from analysis.formats.formats import find_format, format_of_path
from analysis.formats.pickle_files import is_pickle_path, scan_pickle_file
from analysis.formats.readers import is_readable
from analysis.formats.source import ByteSource, FileSource
from analysis.local.verdict import Identity
from analysis.query.reader import CatalogReader
from analysis.security.pickles import PickleScan
from analysis.untrusted import MAX_CONFIG_BYTES, check_mapping, check_text, parse_json_text
from crawler.read_headers import read_artifact
from db.records import ArtifactRecord

MAX_FILES = 100_000
"""Files of one folder that are looked at."""


def find_files(path: Path) -> Iterator[Path]:
    """A file, or the files below a folder, in the order of their paths; symbolic links to files are followed."""
    if path.is_file():
        yield path
        return
    for number, each in enumerate(sorted(path.rglob("*"))):
        if number == MAX_FILES:
            return
        if each.is_file():
            yield each


def audit_file(shown: Path, path: Path) -> Iterator[Check]:
    """The checks of one file whose bytes are at `path`; none for a file that holds no model. Raises SourceError."""
    format_ = format_of_path(shown.as_posix())
    if format_ is None:
        return
    name = str(shown)
    means = find_format(format_).runs_code
    detail = f"{format_}: can run code when it is loaded ({means})" if means else str(format_)
    yield Check(name, "format", "warn" if means else "pass", detail, "file name")
    if is_pickle_path(shown.as_posix()):
        yield pickle_check(name, FileSource(path))
    elif is_readable(shown.as_posix()) and not find_format(format_).described_by_config:
        yield template_check(shown, path)


def pickle_check(name: str, source: ByteSource) -> Check:
    """What the pickles of a file would import. Raises SourceError."""
    scan = scan_pickle_file(source)
    if scan is None:
        return Check(name, "pickle", "pass", "it holds no pickle", "opcodes")
    return Check(name, "pickle", result_of(scan), describe_scan(scan), "opcodes")


RESULT_OF_STATE: Mapping[str, Result] = {"current": "pass", "outdated": "warn", "modified": "warn", "gone": "warn"}
"""State of an identified file -> the result of the check of its provenance; unknown for the others."""

CHECKS_OF_REPO = ("licence", "scan")
"""Checks of the repo that a local file is from which are checks of the file too."""


def identity_checks(reader: CatalogReader, identity: Identity) -> Iterator[Check]:
    """Where a local artifact is from, and what its repo tells of it."""
    name, verdict = str(identity.artifact.path), identity.verdict
    result = RESULT_OF_STATE.get(verdict.state, "unknown")
    origin = verdict.repo.repo_id if verdict.repo else "no repo of the catalog"
    detail = f"{verdict.state}: {origin}" + (f"; {verdict.detail}" if verdict.detail else "")
    yield Check(name, "provenance", result, detail, f"by {verdict.evidence}" if verdict.evidence else "catalog")
    if verdict.repo is not None:
        for each in audit_model(reader, verdict.repo.repo_id):
            if each.check in CHECKS_OF_REPO:
                yield replace(each, repo_id=name)


def result_of(scan: PickleScan) -> Result:
    results: dict[str, Result] = {"innocuous": "pass", "suspicious": "warn", "dangerous": "fail"}
    return results[scan.verdict]


def describe_scan(scan: PickleScan) -> str:
    """Its worst imports and what could not be read, in one line."""
    bad = [str(each) for each in scan.imports if each.safety != "innocuous"]
    named = ", ".join(bad[:MAX_NAMED]) + (f" and {len(bad) - MAX_NAMED} more" if len(bad) > MAX_NAMED else "")
    parts = [f"{scan.verdict}: imports {named}" if bad else "", scan.problem or ""]
    return "; ".join(part for part in parts if part) or "it imports what tensors need"


def template_check(shown: Path, path: Path) -> Check:
    """Whether the chat template in the header of a file has a suspicious construct."""
    name = shown.name
    artifact = ArtifactRecord(name, "weights", format_of_path(name), (name,), path.stat().st_size)
    try:
        header, _ = read_artifact(artifact, {name: artifact.total_size}, lambda _: FileSource(path))
    except HeaderError as error:
        return Check(str(shown), "chat template", "unknown", str(error), "header")
    template = check_mapping(check_mapping(header.facts.get("tokenizer")).get("template"))
    construct = check_text(template.get("suspicious"))
    if construct:
        return Check(str(shown), "chat template", "fail", construct, "header")
    stated = "nothing suspicious" if template else "it has none"
    return Check(str(shown), "chat template", "pass", stated, "header")


def custom_code_check(path: Path) -> Check:
    """Whether loading the files of a folder runs Python code that lies among them."""
    files = list(find_files(path))
    found = [each.name for each in files if each.suffix == ".py"]
    for each in files:
        if each.name == "config.json" and each.stat().st_size <= MAX_CONFIG_BYTES and has_auto_map(each.read_bytes()):
            found.append(f"auto_map of {each.name}")
    if found:
        return Check(str(path), "custom code", "warn", ", ".join(found[:MAX_NAMED]), "files")
    return Check(str(path), "custom code", "pass", "no code of its own", "files")


def has_auto_map(raw: bytes) -> bool:
    try:
        return bool(check_mapping(check_mapping(parse_json_text(raw)).get("auto_map")))
    except ValueError:
        return False
