"""Checks of model files on this machine: format, pickles, code and chat template, read without loading anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.catalog.audit import Check, Result
from analysis.errors import HeaderError, SourceError
from analysis.formats.formats import find_format, format_of_path
from analysis.formats.pickle_files import is_pickle_path, scan_pickle_file
from analysis.formats.source import ByteSource, FileSource
from analysis.security.pickles import PickleScan
from analysis.untrusted import MAX_CONFIG_BYTES, check_mapping, check_text, parse_json_text
from crawler.errors import RepoError
from crawler.read_headers import read_artifact
from db.records import ArtifactRecord

MAX_FILES = 100_000
"""Files of one folder that are looked at."""

MAX_NAMED_IMPORTS = 3


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


def audit_path(path: Path) -> tuple[Check, ...]:
    """The checks of a file or a folder. Raises SourceError for a path that is not there."""
    if not path.exists():
        raise SourceError(str(path), "is neither a local file nor a folder")
    files = list(find_files(path))
    checks = [check for each in files for check in audit_file(each)]
    return (*checks, custom_code_check(path, files))


def audit_file(path: Path) -> Iterator[Check]:
    """The checks of one file; none for a file that holds no model."""
    format_ = format_of_path(path.as_posix())
    if format_ is None:
        return
    means = find_format(format_).runs_code
    detail = f"{format_}: can run code when it is loaded ({means})" if means else str(format_)
    yield Check(str(path), "format", "warn" if means else "pass", detail, "file name")
    if is_pickle_path(path.as_posix()):
        yield pickle_check(str(path), FileSource(path))
    elif format_ == "gguf":
        yield template_check(path)


def pickle_check(name: str, source: ByteSource) -> Check:
    """What the pickles of a file would import. Raises SourceError."""
    scan = scan_pickle_file(source)
    if scan is None:
        return Check(name, "pickle", "pass", "it holds no pickle", "opcodes")
    return Check(name, "pickle", result_of(scan), describe_scan(scan), "opcodes")


def result_of(scan: PickleScan) -> Result:
    results: dict[str, Result] = {"innocuous": "pass", "suspicious": "warn", "dangerous": "fail"}
    return results[scan.verdict]


def describe_scan(scan: PickleScan) -> str:
    """Its worst imports and what could not be read, in one line."""
    bad = [str(each) for each in scan.imports if each.safety != "innocuous"]
    named = ", ".join(bad[:MAX_NAMED_IMPORTS]) + (f" and {len(bad) - MAX_NAMED_IMPORTS} more" if len(bad) > 3 else "")
    parts = [f"{scan.verdict}: imports {named}" if bad else "", scan.problem or ""]
    return "; ".join(part for part in parts if part) or "it imports what tensors need"


def template_check(path: Path) -> Check:
    """Whether the chat template of a GGUF file has a suspicious construct."""
    artifact = ArtifactRecord(path.name, "weights", "gguf", (path.name,), path.stat().st_size)
    try:
        header, _ = read_artifact(artifact, {path.name: artifact.total_size}, lambda _: FileSource(path))
    except (HeaderError, RepoError) as error:
        return Check(str(path), "chat template", "unknown", str(error), "header")
    template = check_mapping(check_mapping(header.facts.get("tokenizer")).get("template"))
    construct = check_text(template.get("suspicious"))
    if construct:
        return Check(str(path), "chat template", "fail", construct, "header")
    stated = "nothing suspicious" if template else "it has none"
    return Check(str(path), "chat template", "pass", stated, "header")


def custom_code_check(path: Path, files: list[Path]) -> Check:
    """Whether loading the files runs Python code that lies beside them."""
    found = [each.name for each in files if each.suffix == ".py"]
    for each in files:
        if each.name == "config.json" and each.stat().st_size <= MAX_CONFIG_BYTES and has_auto_map(each.read_bytes()):
            found.append(f"auto_map of {each.name}")
    if found:
        return Check(str(path), "custom code", "warn", ", ".join(found[:3]), "files")
    return Check(str(path), "custom code", "pass", "no code of its own", "files")


def has_auto_map(raw: bytes) -> bool:
    try:
        return bool(check_mapping(check_mapping(parse_json_text(raw)).get("auto_map")))
    except ValueError:
        return False
