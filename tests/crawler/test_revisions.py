"""Branches, tags and pinned commits: listed and stored beside main, for the inventory, and read by their header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.inventory import take_inventory
from analysis.catalog.models import load_info
from analysis.catalog.revisions import claimed_quantization
from analysis.names.references import find_reference
from analysis.query.reader import CatalogReader
from crawler.errors import RepoError
from crawler.pipeline import crawl
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.fetch_revisions import list_refs
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.targets import resolve_target
from db.records import RepoFilter
from db.write.store import Store
from samplehub import SampleHub

REPO = "turboderp/Llama-3.1-8B-Instruct-exl3"


@pytest.fixture(scope="module")
def hub() -> Iterator[SampleHub]:
    with SampleHub() as hub:
        yield hub


def crawl_revisions(hub: SampleHub, db: Path, *names: str) -> Any:
    """Crawls the repo with these revisions of it; the record of the run."""
    settings = CrawlSettings(
        depth="files", scope=RepoFilter(repo_ids=(REPO,)), revisions=tuple((REPO, name) for name in names)
    )
    client = HubClient(hub.endpoint, False, tries=1)
    with Store.open(db, create=True) as store:
        (run,) = crawl(store, HuggingFaceSource(client), settings)
    return run


def test_a_revision_is_stored_beside_main(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    assert crawl_revisions(hub, db, "4.0bpw").repos_skipped == 0
    with CatalogReader(db) as reader:
        rows = {row["name"]: row for row in reader.all("select * from revisions")}
        main = {row["path"] for row in reader.all("select path from files")}
        (weights,) = reader.all("select * from revision_files where path = 'model.safetensors'")
        pinned, branch, tag, other = take_inventory(
            reader, [f"{REPO}@{rows['4.0bpw']['sha']}", f"{REPO}@4.0bpw", f"{REPO}@v1.0", f"{REPO}@nope"]
        )
        shown = {row["name"]: row for row in load_info(reader, REPO).revisions}
    assert (shown["4.0bpw"]["quant"], shown["4.0bpw"]["bits"], shown["2.0bpw"]["bits"]) == ("EXL3", 4.0, 2.0)
    assert shown["v1.0"]["quant"] is None and next(iter(shown)) == "main"
    assert {name: row["kind"] for name, row in rows.items() if name in ("main", "4.0bpw", "v1.0")} == {
        "main": "branch", "4.0bpw": "branch", "v1.0": "tag",
    }  # fmt: skip
    assert (rows["main"]["is_main"], rows["v1.0"]["is_main"], rows["4.0bpw"]["is_main"]) == (True, True, False)
    assert rows["2.0bpw"]["file_count"] is None and rows["4.0bpw"]["file_count"] == 7
    assert "model.safetensors" not in main and weights["sha"] == rows["4.0bpw"]["sha"]
    assert len(weights["sha256"]) == 64 and weights["size"] > 4e9
    assert (branch.status, branch.size) == ("current", rows["4.0bpw"]["total_size"])
    assert "branch 4.0bpw is at" in (branch.note or "")
    assert (pinned.status, pinned.size, tag.status) == ("current", branch.size, "current")
    assert other.status == "unknown" and f"crawl --repo {REPO}@nope" in (other.note or "")


def test_commits_that_were_pinned_stay_and_one_that_is_none_is_noted(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    repo = hub.catalog.find(REPO)
    assert repo is not None
    commit = repo.branches()["3.0bpw"]
    crawl_revisions(hub, db, commit)
    run = crawl_revisions(hub, db, "nope")
    assert run.repos_skipped == 1 and "nope" in (run.detail or "")
    crawl_revisions(hub, db, "2.0bpw")
    with CatalogReader(db) as reader:
        kept = reader.all("select kind, sha, file_count from revisions where name = :name", {"name": commit})
        files = reader.all("select sha, count(*) as files from revision_files group by sha")
    assert kept == [{"kind": "commit", "sha": commit, "file_count": 7}]
    assert len(files) == 2 and all(row["files"] == 7 for row in files)


def test_the_header_of_a_branch_is_read(hub: SampleHub) -> None:
    def client(_: str | None) -> HubClient:
        return HubClient(hub.endpoint, False, tries=1)

    header, _ = resolve_target(f"{REPO}@4.0bpw", client).read(())
    assert header.quant_method == "exl3" and 4 < (header.bits_per_weight or 0) < 6
    with pytest.raises(RepoError):
        resolve_target(REPO, client)


@pytest.mark.parametrize(
    ("text", "revision", "tag"),
    [
        ("o/n@4.0bpw", "4.0bpw", None),
        ("o/n@6.0bpw-h6", "6.0bpw-h6", None),
        ("o/n@gptq-4bit-32g-actorder_True", "gptq-4bit-32g-actorder_True", None),
        ("o/n@Q4_K_M", None, "Q4_K_M"),
        ("o/n@v1.0", "v1.0", None),
    ],
)
def test_a_branch_that_holds_a_quantization_is_a_revision(text: str, revision: str | None, tag: str | None) -> None:
    found = find_reference(text)
    assert found is not None and (found.revision, found.tag) == (revision, tag)


def test_malformed_refs_are_left_out() -> None:
    payload = {
        "branches": [{"name": "main", "targetCommit": "a" * 40}, {"name": ""}, {"name": 3}, "x", {"name": "\x1b"}],
        "tags": {"name": "v1"},
    }
    assert [(each.name, each.kind, each.sha) for each in list_refs(payload)] == [("main", "branch", "a" * 40)]
    many = {"tags": [{"name": f"v{at}", "targetCommit": "no"} for at in range(1001)]}
    assert len(list(list_refs(many))) == 1000


@pytest.mark.parametrize(
    ("repo_id", "branch", "expected"),
    [
        ("o/Mistral-7B-GPTQ", "gptq-4bit-32g-actorder_True", ("GPTQ", "gptq", 4, 32)),
        ("o/Mistral-7B-exl2", "6.0bpw-h6", ("EXL2", "exl2", 6.0, None)),
        ("o/Mistral-7B-GPTQ", "v1.0", (None, None, None, None)),
        ("o/Mistral-7B-exl2", "\x1b", (None, None, None, None)),
    ],
)
def test_the_name_of_a_branch_claims_its_quantization(repo_id: str, branch: str, expected: tuple[Any, ...]) -> None:
    assert tuple(claimed_quantization(repo_id, branch, "branch").values()) == expected
