"""Audits as SARIF and Markdown, with names that would break them."""

from __future__ import annotations

from analysis.catalog.audit import Check
from analysis.publish.audit_formats import as_markdown, as_sarif

CHECKS = [
    Check("acme/x", "scan", "fail", "x.bin is unsafe", "the Hub's scanners"),
    Check("acme/x y|z", "scan", "pass", "<b>*\n|", "files"),
    Check("acme/x", "age", "unknown", "no date", "the Hub"),
]


def test_sarif_has_a_rule_for_each_check_and_a_result_for_each_model() -> None:
    run = as_sarif(CHECKS, "1.0")["runs"][0]
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == ["scan", "age"]
    assert [(each["ruleIndex"], each["level"], each["kind"]) for each in run["results"]] == [
        (0, "error", "fail"), (0, "none", "pass"), (1, "note", "open"),
    ]  # fmt: skip
    assert run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "acme/x%20y%7Cz"


def test_markdown_escapes_what_would_be_markup() -> None:
    lines = as_markdown(CHECKS).splitlines()
    assert len(lines) == 5
    assert lines[3] == r"| acme/x y\|z | scan | pass | \<b\>\* \| | files |"
