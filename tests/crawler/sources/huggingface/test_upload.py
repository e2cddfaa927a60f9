"""A snapshot goes to the Hub and comes back: huggingface_hub's own client against the sample Hub's commit API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import UnknownDataset
from crawler.sources.huggingface.datasets import parse_dataset_url
from samplehub import SampleHub
from samplehub.server.permissions import MEMBER, READER
from tests.environment import user_environment

PROGRAM = Path(sys.executable).with_name("hf-catalog")


@pytest.fixture(scope="module")
def hub() -> Iterator[SampleHub]:
    with SampleHub() as running:
        yield running


def run(hub: SampleHub, *words: str, token: str | None = MEMBER) -> subprocess.CompletedProcess[str]:
    environment = {**user_environment(), "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1"}
    if token is not None:
        environment["HF_TOKEN"] = token
    return subprocess.run(
        [PROGRAM, *words], env=environment, cwd=os.environ.get("TMPDIR", "/tmp"), capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


def test_a_snapshot_is_uploaded_updated_and_fetched(hub: SampleHub, small: str, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    asked = ("snapshot", str(folder), "--upload", "member/catalog", "--db", small, "--json")
    first = run(hub, *asked)
    assert first.returncode == 0, first.stderr
    written: dict[str, Any] = json.loads(first.stdout)
    repo = hub.uploads.repos["member/catalog"]
    assert written["commit"].endswith(repo.sha) and repo.commits == ["Snapshot of the catalog"]
    on_disk = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert repo.files == on_disk

    repo.files["models/part-00.parquet"] = b"of a former snapshot"
    assert run(hub, *asked).returncode == 0 and repo.files == on_disk

    restored = str(tmp_path / "restored.db")
    for source in ("hf://datasets/member/catalog", f"{hub.endpoint}/datasets/member/catalog"):
        Path(restored).unlink(missing_ok=True)
        done = run(hub, "db", "from-snapshot", source, "--db", restored, token=None)
        assert done.returncode == 0, done.stderr
    lists = [run(hub, "models", "ls", "-q", "--db", db).stdout for db in (restored, small)]
    assert lists[0] == lists[1] != ""


@pytest.mark.parametrize(
    ("repo", "token", "said"),
    [
        ("member/catalog", None, "refuses the token"),
        ("other/catalog", READER, "refuses the token"),
        ("catalog", MEMBER, "owner/name"),
    ],
)
def test_what_may_not_be_uploaded_says_why(
    hub: SampleHub, small: str, tmp_path: Path, repo: str, token: str | None, said: str
) -> None:
    refused = run(hub, "snapshot", str(tmp_path / "snapshot"), "--upload", repo, "--db", small, token=token)
    assert refused.returncode == 4 and said in refused.stderr and "Traceback" not in refused.stderr


def test_a_data_set_that_is_not_there(hub: SampleHub, tmp_path: Path) -> None:
    refused = run(hub, "db", "from-snapshot", "hf://datasets/no/catalog", "--db", str(tmp_path / "new.db"))
    assert refused.returncode == 4 and "no/catalog" in refused.stderr and not (tmp_path / "new.db").exists()


def test_urls_of_data_sets() -> None:
    assert parse_dataset_url("hf://datasets/me/data") == ("me/data", None)
    assert parse_dataset_url("hf://datasets/me/data@v1") == ("me/data", "v1")
    assert parse_dataset_url("https://huggingface.co/datasets/me/data/tree/main") == ("me/data", "main")
    for wrong in ("hf://me/data", "https://example.org/datasets/me/data", "hf://datasets/me", "file:///etc/passwd"):
        with pytest.raises(UnknownDataset):
            parse_dataset_url(wrong)
