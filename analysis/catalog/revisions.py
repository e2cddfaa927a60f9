"""The branches, tags and pinned commits of a model, with the quantization that the name of each claims."""

from __future__ import annotations

from typing import Any

from analysis.errors import InvalidName
from analysis.names import parse_name
from analysis.query.reader import CatalogReader

CLAIMS = ("quant", "quant_method", "bits", "group_size")
"""Labels that differ from branch to branch: EXL2, EXL3 and GPTQ repos have a quantization in each."""


def load_revisions(reader: CatalogReader, repo_id: str) -> list[dict[str, Any]]:
    """Rows of the view `revisions` of a model, main first, with CLAIMS; empty for one that was not crawled so."""
    rows = reader.all(
        "select name, kind, sha, is_main, file_count, total_size, seen_at from revisions where repo_id = :id"
        " order by name <> 'main', kind, name",
        {"id": repo_id},
    )
    return [{**row, **claimed_quantization(repo_id, row["name"], row["kind"])} for row in rows]


def claimed_quantization(repo_id: str, revision: str, kind: str) -> dict[str, Any]:
    """What the name of a branch or tag claims, read as a part of the repo's name; None for what it leaves open."""
    nothing = dict.fromkeys(CLAIMS)
    if kind == "commit" or revision == "main":
        return nothing
    try:
        own, both = parse_name(repo_id), parse_name(f"{repo_id}-{revision}")
    except InvalidName:
        return nothing
    found = {name: getattr(both, name) for name in CLAIMS}
    adds = any(found[name] != getattr(own, name) for name in CLAIMS)
    return found if adds else nothing
