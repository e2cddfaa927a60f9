"""An audit as SARIF 2.1.0 (docs.oasis-open.org/sarif) and as Markdown. What comes from the Hub is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from analysis.catalog.audit import CHECKS, Check, Result

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: dict[Result, str] = {"fail": "error", "warn": "warning", "unknown": "note", "pass": "none"}
KINDS: dict[Result, str] = {"fail": "fail", "warn": "fail", "unknown": "open", "pass": "pass"}
MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>|#&~!])")


def as_sarif(checks: Sequence[Check], version: str) -> dict[str, Any]:
    """The checks as one run: a rule a check, a result each, whose location is the repo or the file."""
    names = list(dict.fromkeys(each.check for each in checks))
    rules = [
        {
            "id": rule_id(name),
            "name": name,
            "shortDescription": {"text": (CHECKS[name].__doc__ or name).strip() if name in CHECKS else name},
        }
        for name in names
    ]
    results = [
        {
            "ruleId": rule_id(each.check),
            "ruleIndex": names.index(each.check),
            "kind": KINDS[each.result],
            "level": LEVELS[each.result],
            "message": {"text": f"{each.repo_id}: {each.detail} ({each.source})"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": location(each.repo_id)}}}],
        }
        for each in checks
    ]
    tool = {"driver": {"name": "hf-catalog", "version": version, "rules": rules}}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": tool, "results": results}]}


def rule_id(name: str) -> str:
    return name.replace(" ", "-")


def location(name: str) -> str:
    """A repo or a path as a relative URI."""
    from urllib.parse import quote

    return quote(name, safe="/.-_")


def as_markdown(checks: Iterable[Check]) -> str:
    """A table, one row a check."""
    lines = ["| repo | check | result | why | source |", "|---|---|---|---|---|"]
    for each in checks:
        cells = (each.repo_id, each.check, each.result, each.detail, each.source)
        lines.append(f"| {' | '.join(escape_markdown(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))
