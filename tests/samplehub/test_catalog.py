"""The catalog changes while the Hub runs, and the Hub tells it at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from samplehub import SampleHub
from tests.samplehub.conftest import Client

LATER = datetime(2031, 1, 1, tzinfo=UTC)


def ids(client: Client) -> list[str]:
    return [row["id"] for row in client.get("/api/models?sort=createdAt&limit=1000").json]


def test_repos_come_and_go(small: SampleHub) -> None:
    client = Client(small.endpoint)
    small.catalog.add("owner/new", {"model.gguf": b"GGUF"}, created=datetime(2030, 1, 1, tzinfo=UTC), likes=3)
    assert ids(client)[0] == "owner/new"
    assert client.get("/owner/new/resolve/main/model.gguf").status == 307
    small.catalog.remove("owner/new")
    assert "owner/new" not in ids(client)
    assert client.get("/api/models/owner/new").status == 401


def test_a_repo_keeps_its_id_when_it_moves(small: SampleHub) -> None:
    client = Client(small.endpoint)
    before = client.get("/api/models/owner/model-1").json["_id"]
    small.catalog.rename("owner/model-1", "other/model-one")
    small.catalog.rename("other/model-one", "other/model-uno")
    moved = client.get("/api/models/owner/model-1")
    assert (moved.status, moved.headers["location"]) == (307, "/api/models/other/model-uno")
    assert client.get(moved.headers["location"]).json["_id"] == before
    assert "owner/model-1" not in ids(client) and "other/model-uno" in ids(client)


def test_a_commit_is_a_new_sha(small: SampleHub) -> None:
    client = Client(small.endpoint)
    before = client.get("/api/models/owner/model-2?blobs=true").json
    files = {"README.md": b"new", "more.json": b"{}", "config.json": None}
    small.catalog.change_files("owner/model-2", files, modified=LATER)
    after = client.get("/api/models/owner/model-2?blobs=true").json
    assert after["sha"] != before["sha"] and after["lastModified"] >= before["lastModified"]
    assert [file["rfilename"] for file in after["siblings"]] == ["README.md", "more.json"]
    assert client.get("/owner/model-2/resolve/main/README.md").body == b"new"
    newest = client.get("/api/models?sort=lastModified&limit=1").json
    assert newest[0]["id"] == "owner/model-2"


def test_figures_move_without_a_commit(small: SampleHub) -> None:
    client = Client(small.endpoint)
    sha = client.get("/api/models/owner/model-0").json["sha"]
    small.catalog.modify("owner/model-0", downloads=99_999, gated="auto")
    row = client.get("/api/models?sort=downloads&limit=1&expand=downloads&expand=sha&expand=gated").json[0]
    assert (row["id"], row["downloads"], row["sha"], row["gated"]) == ("owner/model-0", 99_999, sha, "auto")
    with pytest.raises(TypeError, match="colour"):
        small.catalog.modify("owner/model-0", colour="red")


def test_names_that_differ_in_capitals(small: SampleHub) -> None:
    client = Client(small.endpoint)
    moved = client.get("/api/models/Owner/Model-3")
    assert (moved.status, moved.headers["location"]) == (307, "/api/models/owner/model-3")
    small.catalog.add("Owner/Model-3", {})  # two repos now, each with its own name
    assert client.get("/api/models/Owner/Model-3").status == client.get("/api/models/owner/model-3").status == 200
