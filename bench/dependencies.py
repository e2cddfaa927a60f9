"""What the program depends on: the licences of what is installed, and a bill of materials of what is locked.

    python -m bench.dependencies licences
    python -m bench.dependencies sbom > sbom.json

`licences` lists the packages that `hf-catalog` requires in this environment, of the extras that are installed. `sbom`
writes CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/) from uv.lock; it is the same wherever it is made.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "hf-catalog"
LICENCE_CLASSIFIER = "License :: "
MAX_LICENCE_CHARACTERS = 60
"""Length of a licence's name; some packages have the whole text in that field."""


def normalize_name(text: str) -> str:
    """The name of a package as indexes compare it (https://peps.python.org/pep-0503/)."""
    return re.sub(r"[-_.]+", "-", text).lower()


def find_required(name: str, seen: dict[str, Distribution]) -> None:
    """Adds a package and all that it requires, as far as they are installed, to `seen`."""
    key = normalize_name(name)
    if key in seen:
        return
    try:
        seen[key] = distribution(name)
    except PackageNotFoundError:  # of an extra or a system that is not this one's
        return
    for requirement in seen[key].requires or ():
        matched = re.match(r"[\w.-]+", requirement)
        if matched is not None:
            find_required(matched[0], seen)


def read_licence(package: Distribution) -> str:
    """The licence that a package's metadata state, else the first line of its licence file; empty where it has none."""
    stated = package.metadata.json
    if stated.get("license_expression"):
        return str(stated["license_expression"])
    classifiers = [each for each in stated.get("classifier", ()) if each.startswith(LICENCE_CLASSIFIER)]
    if classifiers:
        return ", ".join(each.rpartition(" :: ")[2] for each in classifiers)
    text = str(stated.get("license") or "")
    for name in package.metadata.get_all("License-File") or ():
        text = text or package.read_text(f"licenses/{name}") or ""  # where PEP 639 has them
    lines = text.strip().splitlines()
    return lines[0][:MAX_LICENCE_CHARACTERS] if lines else ""


def list_licences() -> list[tuple[str, str, str]]:
    """(name, version, licence) of each package that the program requires here, by name."""
    seen: dict[str, Distribution] = {}
    find_required(PROJECT, seen)
    del seen[PROJECT]
    return [(name, package.version, read_licence(package)) for name, package in sorted(seen.items())]


def make_sbom(lock: Mapping[str, Any]) -> dict[str, Any]:
    """The bill of materials of a parsed uv.lock: the program, the locked packages with hashes, and who needs whom."""
    packages = lock["package"]
    (own,) = (package for package in packages if package["name"] == PROJECT)
    refs: dict[str, list[str]] = {}  # a package may be locked in several versions, for several systems
    for package in packages:
        refs.setdefault(package["name"], []).append(make_purl(package))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": make_component(own) | {"type": "application"}},
        "components": [make_component(package) for package in packages if package is not own],
        "dependencies": [
            {
                "ref": make_purl(package),
                "dependsOn": sorted({ref for each in required_by(package) for ref in refs[each["name"]]}),
            }
            for package in packages
        ],
    }


def make_purl(package: Mapping[str, Any]) -> str:
    return f"pkg:pypi/{package['name']}@{package['version']}"


def make_component(package: Mapping[str, Any]) -> dict[str, Any]:
    """One package. CycloneDX has no place for the hashes of several files but one reference for each."""
    files = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", ())]
    purl = make_purl(package)
    component = {
        "type": "library", "bom-ref": purl, "name": package["name"], "version": package["version"], "purl": purl,
    }  # fmt: skip
    references = [
        {
            "type": "distribution",
            "url": file["url"],
            "hashes": [{"alg": "SHA-256", "content": file["hash"].removeprefix("sha256:")}],
        }
        for file in files
    ]
    return component | ({"externalReferences": references} if references else {})


def required_by(package: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a package requires, extras included."""
    yield from package.get("dependencies", ())
    for extra in package.get("optional-dependencies", {}).values():
        yield from extra


def main() -> int:
    match sys.argv[1:]:
        case ["licences"]:
            for name, version, licence in list_licences():
                print(f"{name:28} {version:16} {licence or 'not stated'}")
        case ["sbom"]:
            lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
            print(json.dumps(make_sbom(lock), indent=1))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
