"""Repos whose weights may be on their branches."""

from __future__ import annotations

import pytest

from analysis.files.branches import has_weights_on_branches
from db.records import ArtifactRecord, RepoRecord

WEIGHTS = ArtifactRecord("model.safetensors", "weights", "safetensors", ("model.safetensors",), 10)


@pytest.mark.parametrize(
    ("repo_id", "tags", "artifacts", "expected"),
    [
        ("acme/Gemma-3-4B-exl2", (), (), True),
        ("acme/Gemma-3-4B_GPTQ", (), (), True),
        ("acme/Gemma-3-4B", ("exl3",), (), True),
        ("acme/Gemma-3-4B-exl2", (), (WEIGHTS,), False),
        ("acme/Gemma-3-4B-exl25", ("gptq-like",), (), False),
        ("acme/Gemma-3-4B", ("gguf",), (), False),
    ],
)
def test_the_name_or_a_tag_tells(
    repo_id: str, tags: tuple[str, ...], artifacts: tuple[ArtifactRecord, ...], expected: bool
) -> None:
    assert has_weights_on_branches(RepoRecord("0" * 24, repo_id, tags=tags), artifacts) is expected
