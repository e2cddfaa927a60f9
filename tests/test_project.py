"""The project's own files agree with each other: dependencies and lock file, CONTRIBUTING.md and the source tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

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
