"""Labels of what speaks against trusting a model: code, formats, scans, pickles and templates, the worst of a repo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.labels.evidence.security import scan_status
from analysis.labels.resolve import label_repo_and_artifacts
from db.records import ArtifactRecord, Header, Labelled, RepoRecord

HEADER = Header(
    format="pytorch", version=None, architecture=None, parameters=10, active_parameters=10, tensor_count=1,
    types={"F16": 10}, quant="F16", quant_method=None, quant_share=1.0, bits_per_weight=16.0, context=None, size=None,
    size_verified=None,
)  # fmt: skip


def repo(**values: Any) -> RepoRecord:
    return RepoRecord("a" * 24, "acme/x", **values)


def labelled(*paths: str, facts: dict[str, dict[str, Any]] | None = None, **values: Any) -> Labelled:
    """Labels of a repo with these weights; `facts` are those of headers by path."""
    formats = {"bin": "pytorch", "safetensors": "safetensors", "gguf": "gguf", "h5": "tensorflow"}
    artifacts = [ArtifactRecord(path, "weights", formats[path.rpartition(".")[2]], (path,), 100) for path in paths]
    headers = {path: replace(HEADER, facts=each) for path, each in (facts or {}).items()}
    return label_repo_and_artifacts(repo(**values), artifacts, headers)[0]


@pytest.mark.parametrize(
    ("values", "has_code"),
    [
        ({"tags": ("custom_code",)}, True),
        ({"config": {"auto_map": {"AutoModel": "modeling.Model"}}}, True),
        ({"config": {"auto_map": {}}, "tags": ("custom",)}, False),
        ({"config": {"auto_map": "x"}}, False),
    ],
)
def test_custom_code_is_stated_by_the_tag_and_the_configuration(values: dict[str, Any], has_code: bool) -> None:
    assert labelled(**values).labels.custom_code is has_code


@pytest.mark.parametrize(
    ("paths", "is_unsafe"),
    [(("x.safetensors",), False), (("x.gguf",), False), (("x.bin",), True), (("x.safetensors", "y.h5"), True)],
)
def test_one_unsafe_format_marks_the_repo(paths: tuple[str, ...], is_unsafe: bool) -> None:
    assert labelled(*paths).labels.unsafe_format is is_unsafe


def test_a_repo_has_the_worst_verdict_of_its_pickles() -> None:
    verdicts = {"a.bin": "innocuous", "b.bin": "dangerous", "c.bin": "suspicious"}
    facts = {path: {"pickle": {"verdict": verdict}} for path, verdict in verdicts.items()}
    assert labelled(*facts, facts=facts).labels.pickle_verdict == "dangerous"
    del facts["b.bin"]
    assert labelled(*facts, facts=facts).labels.pickle_verdict == "suspicious"
    assert labelled("a.bin").labels.pickle_verdict is None


def test_a_template_of_one_quantization_marks_the_repo() -> None:
    facts = {"a.gguf": {"tokenizer": {"template": {"suspicious": "trigger word"}}}, "b.gguf": {}}
    assert labelled(*facts, facts=facts).labels.suspicious_template == "trigger word"
    assert labelled("a.gguf", "b.gguf").labels.suspicious_template is None
    assert labelled(config={"suspicious_template": "python internals"}).labels.suspicious_template == "python internals"


@pytest.mark.parametrize(
    ("scan", "status"),
    [
        ({"done": True, "files": {}}, "safe"),
        ({"done": False, "files": {}}, "queued"),
        ({"done": True, "files": {"a": "caution", "b": "unsafe", "c": "suspicious"}}, "unsafe"),
        ({"done": True, "files": {"a": "odd"}}, "safe"),
        ({}, None),
        ("unsafe", None),
    ],
)
def test_the_worst_status_of_a_file_is_that_of_the_repo(scan: Any, status: str | None) -> None:
    found = repo(extra={"scan": scan})
    assert scan_status(found) == status
    assert label_repo_and_artifacts(found, ())[0].labels.scan_status == status
