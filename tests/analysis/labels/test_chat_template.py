"""chat_template_digest: from a header, from the Hub's config, from its gguf block, and of a repo whose files differ."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from analysis.labels.evidence.stated import header_facts
from analysis.labels.resolve import label_repo_and_artifacts
from db.records import ArtifactRecord, Header, Labelled, RepoRecord

ONE, OTHER = (sha256(text).hexdigest() for text in (b"{{ messages }}", b"{{ prompt }}"))


def repo(**values: Any) -> RepoRecord:
    return RepoRecord("a" * 24, "acme/llama-3-8b-GGUF", **values)


def header(digest: str | None) -> Header:
    template = {} if digest is None else {"template": {"bytes": 14, "sha256": digest}}
    return Header(
        format="gguf", version=3, architecture="llama", parameters=8_030_261_312, active_parameters=None,
        tensor_count=291, types={"Q4_0": 8_030_261_312}, quant="Q4_0", quant_method="gguf", quant_share=1.0,
        bits_per_weight=4.5, context=8192, size=4_500_000_000, size_verified=True, facts={"tokenizer": template},
    )  # fmt: skip


def labelled(*digests: str | None, **values: Any) -> tuple[Labelled, list[str | None]]:
    """Labels of a repo with one GGUF file for each header, and the digests of the files."""
    names = [f"llama-3-8b-{at}-Q4_0.gguf" for at in range(len(digests))]
    artifacts = [ArtifactRecord(name, "weights", "gguf", (name,), 4_500_000_000) for name in names]
    headers = {name: header(digest) for name, digest in zip(names, digests, strict=True)}
    of_repo, of_artifacts = label_repo_and_artifacts(repo(**values), artifacts, headers)
    return of_repo, [each.labels.chat_template_digest for _, each in of_artifacts]


def test_a_header_states_the_digest_of_its_file() -> None:
    found, files = labelled(ONE)
    assert (found.labels.chat_template_digest, files) == (ONE, [ONE])
    assert header_facts(header(ONE))["chat_template_digest"] == ONE
    assert header_facts(header(None))["chat_template_digest"] is None


def test_a_repo_has_the_digest_on_which_its_files_agree() -> None:
    assert labelled(ONE, ONE, None)[0].labels.chat_template_digest == ONE


def test_a_repo_whose_files_differ_has_none_even_where_the_hub_states_one() -> None:
    found, files = labelled(ONE, OTHER, gguf={"chat_template_digest": ONE})
    assert (found.labels.chat_template_digest, files) == (None, [ONE, OTHER])


@pytest.mark.parametrize(
    ("values", "source"),
    [({"config": {"chat_template_digest": ONE}}, "config"), ({"gguf": {"chat_template_digest": ONE}}, "api")],
)
def test_the_hub_states_the_digest_of_a_repo_whose_files_were_not_read(values: dict[str, Any], source: str) -> None:
    found, _ = label_repo_and_artifacts(repo(**values), [])
    assert found.labels.chat_template_digest == ONE
    assert [each.source for each in found.evidence if each.field == "chat_template_digest"] == [source]


def test_the_hub_says_nothing_of_a_single_gguf_file() -> None:
    """Its block is about one of the repo's files; which one is unknown."""
    name = "llama-3-8b-Q4_0.gguf"
    artifacts = [ArtifactRecord(name, "weights", "gguf", (name,), 4_500_000_000)]
    _, ((_, found),) = label_repo_and_artifacts(repo(gguf={"chat_template_digest": ONE}), artifacts)
    assert found.labels.chat_template_digest is None
