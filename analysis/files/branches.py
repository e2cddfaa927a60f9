"""Repos that keep one quantization per branch and leave `main` without weights."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import ArtifactRecord, RepoRecord

METHODS_WITH_BRANCHES = ("exl2", "exl3", "gptq")
"""Quantization methods whose repos often do so."""


def has_weights_on_branches(repo: RepoRecord, artifacts: Sequence[ArtifactRecord]) -> bool:
    """Whether the weights of a repo may be on its branches: its name or tags claim one of METHODS_WITH_BRANCHES, and
    `artifacts`, those of `main`, hold none."""
    words = {*repo.repo_id.lower().replace("-", " ").replace("_", " ").replace(".", " ").split(), *repo.tags}
    return not any(each.role == "weights" for each in artifacts) and not words.isdisjoint(METHODS_WITH_BRANCHES)
