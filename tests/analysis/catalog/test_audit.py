"""Every check of an audit passes and does not: a good model and one change for each case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.audit import CHECKS, RESULTS, Audited, Check, Result, audit_model, find_newer, judge_owner
from analysis.catalog.licence_chain import LicenceChain, load_licence_chain
from analysis.errors import UnknownModel
from analysis.licences.licences import find_licence
from analysis.licences.verdict import Claim, breaks_naming, judge
from analysis.query.reader import CatalogReader

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GOOD: Mapping[str, Any] = {
    "repo_id": "acme/good", "depth": "headers", "status": "available", "base_model": "acme/base",
    "base_model_relation": "quantized", "scan_status": "safe", "chat_template_digest": "aa",
    "created_at": "2026-01-01T00:00:00.000Z", "last_modified": "2026-02-01T00:00:00.000Z",
}  # fmt: skip


def artifact(name: str, format_: str, *, unsafe: bool = False, verdict: str | None = None) -> dict[str, Any]:
    return {"artifact": name, "role": "weights", "format": format_, "unsafe_format": unsafe, "pickle_verdict": verdict}


def finding(kind: str, subject: str | None, value: str) -> dict[str, Any]:
    return {"kind": kind, "subject": subject, "value": value}


def chain(own: str | None, base: str | None = "apache-2.0", name: str = "acme/good") -> LicenceChain:
    model = Claim(name, find_licence(own), "card license", own)
    above = (Claim("acme/base", find_licence(base), "card license", base, depth=1),) if base else ()
    held = [each.licence for each in (model, *above) if each.licence]
    return LicenceChain(model, above, (), judge(model, above), breaks_naming(name, held))


def good(**changes: Any) -> Audited:
    """A model without fault, with changes of its row (`model`) or of other fields."""
    model = {**GOOD, **changes.pop("model", {})}
    found = Audited(model, [artifact("x.safetensors", "safetensors")], [], chain("apache-2.0"), "aa", [], NOW)
    return replace(found, **changes)


PICKLE = artifact("x.bin", "pytorch", unsafe=True)
CASES: list[tuple[str, str, Audited]] = [
    ("format", "pass", good(artifacts=[artifact("x.safetensors", "safetensors"), PICKLE])),
    ("format", "warn", good(artifacts=[PICKLE])),
    ("format", "unknown", good(model={"depth": "listing"})),
    ("format", "unknown", good(artifacts=[])),
    ("scan", "fail", good(findings=[finding("scan", "x.bin", "unsafe")])),
    ("scan", "warn", good(findings=[finding("scan", "x.bin", "caution")])),
    ("scan", "unknown", good(model={"scan_status": None})),
    ("scan", "unknown", good(model={"scan_status": "queued"})),
    ("pickle", "fail", good(findings=[finding("pickle", "x.bin", "dangerous")])),
    ("pickle", "warn", good(findings=[finding("pickle", "x.bin", "suspicious")])),
    ("pickle", "unknown", good(artifacts=[PICKLE])),
    ("pickle", "pass", good(artifacts=[{**PICKLE, "pickle_verdict": "innocuous"}])),
    ("custom code", "warn", good(findings=[finding("custom code", "modeling.py", "Python file")])),
    ("custom code", "unknown", good(model={"depth": "listing"})),
    ("chat template", "fail", good(findings=[finding("template", "x.gguf", "trigger word")])),
    ("chat template", "warn", good(findings=[finding("template", "x.gguf", "differs from other quantizations")])),
    ("chat template", "warn", good(base_template="bb")),
    ("chat template", "unknown", good(model={"chat_template_digest": None})),
    ("licence", "fail", good(chain=chain("apache-2.0", "llama3.1"))),
    ("licence", "warn", good(chain=chain(None))),
    ("licence", "warn", good(chain=chain("llama3.1", "llama3.1"))),
    ("licence", "unknown", good(chain=chain("apache-2.0", "other"))),
    ("licence", "pass", good(chain=chain("cc-by-nc-4.0"))),
    ("provenance", "fail", good(findings=[finding("reused name", None, "68")])),
    ("provenance", "warn", good(findings=[finding("changed licence", "gemma", "mit")])),
    ("provenance", "warn", good(model={"status": "gone"})),
    ("age", "warn", good(model={"created_at": "2026-05-28T00:00:00.000Z"})),
    ("age", "warn", good(model={"last_modified": "2024-05-28T00:00:00.000Z"})),
    ("age", "unknown", good(model={"last_modified": None})),
    ("newer version", "warn", good(newer=["acme/good-2"])),
]


@pytest.mark.parametrize(("check", "result", "audited"), CASES)
def test_a_check_sees_a_fault(check: str, result: str, audited: Audited) -> None:
    found, detail, source = CHECKS[check](audited)
    assert found == result
    assert detail and source


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_model_passes(check: str) -> None:
    assert CHECKS[check](good())[0] == "pass"


def test_scans_of_a_repo_that_was_only_listed_are_not_known() -> None:
    listed, read = ({"depth": depth, "scan_status": None} for depth in ("listing", "files"))
    assert CHECKS["scan"](good(model=listed)) == ("unknown", "its files are not known", "catalog")
    assert CHECKS["scan"](good(model=read)) == ("unknown", "not scanned", "the Hub's scanners")


def test_every_check_has_a_case_that_does_not_pass() -> None:
    assert {check for check, result, _ in CASES if result != "pass"} == CHECKS.keys()


# ---- on a catalog ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(demo: Path) -> Any:
    with CatalogReader(demo) as opened:
        yield opened


@pytest.mark.parametrize(
    ("repo_id", "check", "result", "detail"),
    [
        ("sample-owner/gemma-3-270m-relicensed", "licence", "fail", "Gemma Terms of Use, sections 3.1 and 3.2"),
        ("sample-owner/gemma-3-270m-relicensed", "provenance", "warn", "from gemma to apache-2.0"),
        ("sample-owner/gemma-3-270m-reused-name", "provenance", "fail", "another repo had this name"),
        ("sample-owner/gemma-3-270m-other-template-GGUF", "chat template", "fail", "trigger word"),
        ("mcpotato/42-eicar-street", "scan", "fail", "danger.dat is unsafe, eicar_test_file is unsafe"),
        ("mcpotato/42-eicar-street", "custom code", "warn", "build_pickle.py"),
        ("microsoft/Phi-3-mini-4k-instruct", "custom code", "warn", "auto_map"),
        ("Bingsu/adetailer", "scan", "fail", "face_yolov8n.pt is suspicious"),
        ("Bingsu/adetailer", "pickle", "fail", "face_yolov8m.pt: suspicious, face_yolov8n.pt: dangerous"),
        ("google-bert/bert-base-uncased", "pickle", "unknown", "not read: pytorch_model.bin"),
        ("google/gemma-3-4b-it", "licence", "pass", "consistent"),
        ("google/gemma-3-4b-it", "scan", "pass", "no issues found"),
    ],
)
def test_the_demo_has_one_of_each(reader: CatalogReader, repo_id: str, check: str, result: str, detail: str) -> None:
    found = next(each for each in audit_model(reader, repo_id, NOW) if each.check == check)
    assert found.result == result
    assert detail in found.detail


def test_every_check_is_made_of_every_model(reader: CatalogReader) -> None:
    checks = audit_model(reader, "google/gemma-3-4b-it", NOW)
    assert [each.check for each in checks] == list(CHECKS)
    assert {each.result for each in checks} <= set(RESULTS)
    with pytest.raises(UnknownModel):
        audit_model(reader, "nobody/nothing")


def test_a_chain_leads_to_the_foundation(reader: CatalogReader) -> None:
    found = load_licence_chain(reader, "FinGPT/fingpt-forecaster_dow30_llama2-7b_lora")
    assert found.verdict.verdict == "contradiction"
    assert found.verdict.decisive is not None
    assert found.verdict.decisive.ancestor == "meta-llama/Llama-2-7b-chat-hf"
    assert found.lines()[1].startswith("meta-llama/Llama-2-7b-chat-hf (adapter): LicenseRef-llama2 [card license, 20")
    assert "ask for another licence above a number of monthly users" in found.duties


def test_the_view_of_conflicts_says_nothing_that_the_chain_does_not(reader: CatalogReader) -> None:
    conflicts = reader.all("select distinct repo_id from license_conflicts")
    assert len(conflicts) >= 3
    for row in conflicts:
        assert load_licence_chain(reader, row["repo_id"]).verdict.verdict == "contradiction"


def test_a_later_version_is_one_of_the_same_publisher_and_kind(reader: CatalogReader) -> None:
    model = reader.all("select * from models where repo_id = 'Qwen/Qwen2.5-7B-Instruct'")[0]
    assert all(repo_id.startswith("Qwen/Qwen3") for repo_id in find_newer(reader, model))
    assert find_newer(reader, {**model, "version": "99"}) == []
    assert "Qwen/Qwen2.5-7B-Instruct" in find_newer(reader, {**model, "repo_id": "x", "version": "1.5"})


@pytest.mark.parametrize(
    ("created", "seen", "moved", "before", "result", "detail"),
    [
        (2, 3, False, "pass", "pass", "ok; the account o was created on 2025-01-02"),
        (
            4,
            3,
            False,
            "pass",
            "fail",
            "created on 2025-01-04, after its repo was first seen (2025-01-03)",
        ),
        (4, 3, True, "pass", "warn", "after the repo (2025-01-02): it moved here, or the name was taken again"),
        (3, 3, False, "pass", "warn", "after the repo (2025-01-02)"),
        (4, None, False, "fail", "fail", "ok; the account o was created on 2025-01-04"),
    ],
)
def test_an_account_that_is_younger_than_its_repo_is_a_warning(
    created: int, seen: int | None, moved: bool, before: Result, result: str, detail: str
) -> None:
    def day(number: int | None) -> datetime | None:
        return None if number is None else datetime(2025, 1, number, tzinfo=UTC)

    check = Check("o/r", "provenance", before, "ok", "card")
    account = day(created)
    assert account is not None
    found = judge_owner(check, "o", account, day(2), day(seen), moved=moved)
    assert (found.result, detail in found.detail) == (result, True)
