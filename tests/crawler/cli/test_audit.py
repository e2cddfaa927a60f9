"""`hf-catalog audit`: its forms of output, policies, local files, pickles on the Hub, and how it fails."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.errors import DONE, NO, USAGE
from samplehub import SampleHub
from samplehub.content.inert_pickles import inert_pickle
from tests.crawler.cli.conftest import Ask

MODEL = "google/gemma-3-4b-it"


@pytest.fixture
def db(demo: Path) -> str:
    return str(demo)


def results(rows: list[dict[str, Any]], name: str | None = None) -> dict[str, str]:
    """Check -> result, of one repo or file."""
    return {row["check"]: row["result"] for row in rows if name in (None, row["repo_id"])}


def test_the_checks_come_in_every_form(db: str, hf_catalog: Ask) -> None:
    rows = hf_catalog("audit", MODEL, "--db", db, "--json").json
    assert [list(row) for row in rows] == [["repo_id", "check", "result", "detail", "source"]] * len(rows)
    assert hf_catalog("audit", MODEL, "--db", db, "--format", "json").json == rows
    sarif = json.loads(hf_catalog("audit", MODEL, "--db", db, "--format", "sarif").out)
    assert len(sarif["runs"][0]["results"]) == len(rows)
    assert hf_catalog("audit", MODEL, "--db", db, "--format", "markdown").out.count("\n") == len(rows) + 2
    assert "not legal advice" in hf_catalog("audit", MODEL, "--db", db).out
    assert hf_catalog("audit", MODEL, "--db", db, "-q").out == f"{MODEL}\n"


def test_a_saved_query_names_the_models(db: str, hf_catalog: Ask) -> None:
    rows = hf_catalog("audit", "--query", "license-conflicts", "--db", db, "--json").json
    assert {row["result"] for row in rows if row["check"] == "licence"} == {"fail"}
    refused = hf_catalog("audit", "--query", "formats", "--db", db)
    assert (refused.status, "no column repo_id" in refused.err) == (USAGE, True)


@pytest.mark.parametrize(("allowed", "status"), [("use-restricted", DONE), ("MIT", NO)])
def test_a_policy_decides_the_exit_status(db: str, tmp_path: Path, hf_catalog: Ask, allowed: str, status: int) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f"[licences]\nallow = ['{allowed}']\n")
    found = hf_catalog("audit", MODEL, "--db", db, "--policy", str(policy), "--json")
    assert found.status == status
    assert results(found.json)["allowed licence"] == ("pass" if status == DONE else "fail")


def test_a_failed_check_without_a_policy_is_an_answer(db: str, hf_catalog: Ask) -> None:
    found = hf_catalog("audit", "mcpotato/42-eicar-street", "--db", db, "--json")
    assert (found.status, results(found.json)["scan"]) == (DONE, "fail")


def test_wrong_usage_is_refused_with_a_way_out(db: str, tmp_path: Path, hf_catalog: Ask) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[licences]\nallow = 'mit'\n")
    for words in (("audit",), ("audit", "--local", "--online"), ("audit", MODEL, "--policy", str(wrong))):
        refused = hf_catalog(*words, "--db", db)
        assert (refused.status, refused.err.count("\n")) == (USAGE, 2), refused.err
    assert hf_catalog("audit", "nobody/nothing", "--db", db).status == NO


def test_local_files_are_read_and_not_run(db: str, tmp_path: Path, hf_catalog: Ask) -> None:
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w')"
    (tmp_path / "evil.pt").write_bytes(b"cbuiltins\nexec\n(" + pickle.dumps(code, 0)[:-1].rsplit(b"p0", 1)[0] + b"tR.")
    (tmp_path / "good.pkl").write_bytes(inert_pickle(["collections.OrderedDict"]))
    (tmp_path / "modeling.py").write_text("")
    found = hf_catalog("audit", "--local", str(tmp_path), "--db", db, "--json")
    assert found.status == DONE
    assert results(found.json, str(tmp_path / "evil.pt"))["pickle"] == "fail"
    assert results(found.json, str(tmp_path / "good.pkl"))["pickle"] == "pass"
    assert results(found.json, str(tmp_path))["custom code"] == "warn"
    assert not ran.exists()


def test_pickles_on_the_hub_are_read_by_range(db: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with SampleHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        rows = hf_catalog("audit", "Bingsu/adetailer", "--online", "--db", db, "--json").json
    found = {row["repo_id"]: (row["result"], row["detail"]) for row in rows if row["check"] == "pickle"}
    assert found["Bingsu/adetailer::face_yolov8n.pt"] == (
        "fail", "dangerous: imports builtins.getattr, ultralytics.nn.tasks.DetectionModel",
    )  # fmt: skip
    assert found["Bingsu/adetailer::face_yolov8m.pt"][0] == "warn"
    assert found["Bingsu/adetailer::hand_yolov8n.pt"] == ("pass", "it imports what tensors need")
    (origin,) = (row for row in rows if row["check"] == "provenance")
    assert (origin["result"], origin["detail"]) == (
        "pass", "no base model is stated; the account Bingsu was created on 2023-04-26",
    )  # fmt: skip


def test_reasons_are_wrapped_on_a_narrow_terminal_and_never_cut(
    hf_catalog: Ask, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = hf_catalog("audit", MODEL, "--db", db, "--json").json
    monkeypatch.setenv("COLUMNS", "60")
    shown = hf_catalog("audit", MODEL, "--db", db).out
    assert shown.startswith(f"{MODEL}\n") and max(map(len, shown.splitlines())) <= 60
    for row in rows:
        assert " ".join(f"{row['check']} {row['result']} {row['detail']} ({row['source']})".split()) in " ".join(
            shown.split()
        )
