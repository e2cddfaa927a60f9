"""The project's own files agree with each other: dependencies and lock file, CONTRIBUTING.md and the source tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from bench.dependencies import list_licences, make_sbom

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<extras>[^]]+)])?(?P<versions>[^;]*)")


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def parse_requirement(text: str, extra: str = "") -> tuple[str, frozenset[str], frozenset[str], str]:
    """(name, extras, version conditions, extra of ours that asks for it) of a line such as `rich[x]>=13,<14`."""
    found = REQUIREMENT.match(text.replace(" ", ""))
    assert found is not None, text
    name = re.sub(r"[-_.]+", "-", found["name"]).lower()
    extras = frozenset(filter(None, (found["extras"] or "").split(",")))
    return name, extras, frozenset(filter(None, found["versions"].split(","))), extra


def test_the_lock_file_is_of_these_dependencies() -> None:
    """`uv lock` brings uv.lock up to date after a change of the dependencies in pyproject.toml."""
    project = read_toml("pyproject.toml")["project"]
    declared = {parse_requirement(line) for line in project["dependencies"]}
    for extra, lines in project["optional-dependencies"].items():
        declared |= {parse_requirement(line, extra) for line in lines}
    (ours,) = (package for package in read_toml("uv.lock")["package"] if package["name"] == "hf-catalog")
    locked = set()
    for each in ours["metadata"]["requires-dist"]:
        extra = re.search(r"extra == '([^']+)'", each.get("marker", ""))
        versions = frozenset(filter(None, each.get("specifier", "").split(",")))
        locked.add((each["name"], frozenset(each.get("extras", ())), versions, extra[1] if extra else ""))
    assert locked == declared, "run `uv lock`"


def test_the_lock_file_names_public_registries_only() -> None:
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://([^/\"]+)", text)) == {"pypi.org", "files.pythonhosted.org"}


def test_every_file_of_a_locked_package_has_a_hash() -> None:
    packages = [package for package in read_toml("uv.lock")["package"] if package["name"] != "hf-catalog"]
    files = [file for package in packages for file in (*package.get("wheels", ()), package.get("sdist")) if file]
    assert len(packages) > 50 and len(files) > len(packages)
    assert [file["url"] for file in files if not re.fullmatch(r"sha256:[0-9a-f]{64}", file.get("hash", ""))] == []
    assert [package["name"] for package in packages if not {"wheels", "sdist"} & package.keys()] == []


def test_the_bill_of_materials_has_every_locked_package_and_its_hashes() -> None:
    lock = read_toml("uv.lock")
    sbom = make_sbom(lock)
    locked = {f"pkg:pypi/{package['name']}@{package['version']}" for package in lock["package"]}
    refs = {component["bom-ref"] for component in sbom["components"]} | {sbom["metadata"]["component"]["bom-ref"]}
    assert refs == locked == {each["ref"] for each in sbom["dependencies"]}
    assert {ref for each in sbom["dependencies"] for ref in each["dependsOn"]} < locked
    hashes = [file["hashes"][0] for component in sbom["components"] for file in component["externalReferences"]]
    assert len(hashes) > len(locked)
    assert {(each["alg"], len(each["content"])) for each in hashes} == {("SHA-256", 64)}


def test_every_required_package_states_a_licence() -> None:
    listed = {name: licence for name, _, licence in list_licences()}
    assert listed["sqlalchemy"] == "MIT" and "hf-catalog" not in listed
    assert [name for name, licence in listed.items() if not licence] == []


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:analysis|crawler|db|samplehub|tests|bench|docs)/[\w./*-]*)`", text)
    missing = [path for path in named if not any(ROOT.glob(path))]
    assert len(named) > 30
    assert not missing


def test_contributing_names_at_most_three_source_files_for_each_addition() -> None:
    """Where an addition needs more, a fact has more than one home."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where do I add")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .*\|$", text.partition("\n## ")[0], re.MULTILINE)
    assert len(rows) > 12
    assert [what for what, files in rows if files.count(";") > 2] == []
