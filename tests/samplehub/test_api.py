"""The API over plain HTTP: pages, rows, statuses and headers as they are on the wire."""

from __future__ import annotations

import gzip
import json
import time
from urllib.parse import urlencode

import pytest

from samplehub import MEMBER, READER, Account, Quota, SampleHub
from samplehub.server.payloads import EXPANDABLE
from tests.samplehub.conftest import Client


def walk(client: Client, target: str) -> list[list[dict[str, object]]]:
    """The pages of a listing, by its links."""
    pages = []
    url: str | None = target
    while url is not None:
        answer = client.get(url)
        assert answer.status == 200
        pages.append(answer.json)
        url = answer.next
    return pages


@pytest.mark.parametrize("sort", ["createdAt", "downloads", "likes", "lastModified", "trendingScore", "id"])
def test_pages_follow_each_other(client: Client, sort: str) -> None:
    whole = walk(client, f"/api/models?sort={sort}&limit=1000")
    paged = walk(client, f"/api/models?sort={sort}&limit=37")
    assert len(whole) == 1
    assert [len(page) for page in paged[:-1]] == [37] * (len(paged) - 1)
    assert [row["_id"] for page in paged for row in page] == [row["_id"] for row in whole[0]]


def test_the_stable_order(client: Client) -> None:
    ascending = walk(client, "/api/models?sort=createdAt&direction=1&limit=100")
    dates = [row["createdAt"] for page in ascending for row in page]
    assert dates == sorted(dates)  # type: ignore[type-var]
    assert client.get("/api/models?sort=downloads&direction=1").status == 400


def test_the_default_order_is_the_trend(client: Client) -> None:
    scores = [row["trendingScore"] for row in client.get("/api/models?limit=1000").json]
    assert scores == sorted(scores, reverse=True)


def test_a_cursor_outlives_what_happens_to_the_listing(small: SampleHub) -> None:
    client = Client(small.endpoint)
    first = client.get("/api/models?sort=downloads&limit=3")
    small.catalog.remove("owner/model-4")  # the last of the first page: the cursor names a place, not a row
    small.catalog.add("owner/newest", {}, downloads=10_000)
    assert first.next is not None
    second = client.get(first.next)
    assert [row["id"] for row in second.json] == ["owner/model-3", "owner/model-2", "owner/model-1"]


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", "W10=", "eyJzb3J0IjogMX0="])
def test_a_bad_cursor_is_refused(client: Client, cursor: str) -> None:
    assert client.get(f"/api/models?cursor={cursor}").status == 400


def test_rows(client: Client) -> None:
    plain = client.get("/api/models?limit=1").json[0]
    assert set(plain) <= {
        *("_id", "id", "modelId", "private", "downloads", "likes", "tags", "pipeline_tag", "library_name"),
        *("createdAt", "trendingScore"),
    }
    full = client.get("/api/models?limit=1&full=true").json[0]
    assert {"author", "sha", "lastModified", "gated", "siblings"} <= set(full)
    assert set(full["siblings"][0]) == {"rfilename"}
    for spelling in ("expand", "expand[]"):
        query = urlencode([(spelling, "tags"), (spelling, "sha")])
        assert set(client.get(f"/api/models?limit=1&{query}").json[0]) == {"_id", "id", "tags", "sha"}
    assert "cardData" in client.get("/api/models?limit=1&cardData=true").json[0]


@pytest.mark.parametrize("path", ["/api/models", "/api/models/Qwen/Qwen3-8B"])
def test_an_unknown_expand_names_the_valid_ones(client: Client, path: str) -> None:
    answer = client.get(f"{path}?expand=tags&expand=nonsense")
    assert answer.status == 400
    assert all(f'"{key}"' in answer.json["error"] for key in EXPANDABLE["models"])
    everything = "&".join(f"expand={key}" for key in EXPANDABLE["models"])
    assert client.get(f"{path}?limit=3&{everything}").status == 200


def test_limits(client: Client) -> None:
    assert len(client.get("/api/models?limit=5000").json) <= 1000
    assert client.get("/api/models?limit=many").status == 400
    assert client.get("/api/models?sort=beauty").status == 400


def test_one_request_returns_all_of_a_repo(client: Client) -> None:
    keys = "&".join(f"expand={key}" for key in ("sha", "safetensors", "baseModels", "cardData", "usedStorage"))
    info = client.get(f"/api/models/Qwen/Qwen3-8B-FP8?blobs=true&{keys}").json
    assert info["baseModels"]["relation"] == "quantized"
    assert [model["id"] for model in info["baseModels"]["models"]] == ["Qwen/Qwen3-8B"]
    assert all({"rfilename", "size", "blobId"} <= set(file) for file in info["siblings"])
    lfs = sum({file["lfs"]["sha256"]: file["size"] for file in info["siblings"] if "lfs" in file}.values())
    assert lfs == info["usedStorage"]


def test_children_are_counted(client: Client) -> None:
    counts = client.get("/api/models/meta-llama/Llama-3.1-8B-Instruct?expand=childrenModelCount").json
    assert counts["childrenModelCount"]["quantized"] > 10


def test_the_same_bytes_have_the_same_hash(client: Client) -> None:
    """unsloth's copy of a gated model is its very file."""
    hashes = []
    for repo in ("meta-llama/Llama-3.2-1B-Instruct", "unsloth/Llama-3.2-1B-Instruct"):
        files = client.get(f"/api/models/{repo}?blobs=true").json["siblings"]
        hashes.append(next(file["lfs"]["sha256"] for file in files if file["rfilename"] == "model.safetensors"))
    assert hashes[0] == hashes[1]


def test_the_tree_comes_in_pages(small: SampleHub) -> None:
    small.catalog.add("owner/many", {f"part-{number:04d}.json": b"{}" for number in range(1203)})
    client = Client(small.endpoint)
    for query, sizes in (("recursive=true", [1000, 203]), ("expand=true", [100] * 12 + [3])):
        pages = walk(client, f"/api/models/owner/many/tree/main?{query}")
        assert [len(page) for page in pages] == sizes
    assert client.get("/api/models/owner/many/tree/main/no-folder").headers["x-error-code"] == "EntryNotFound"
    assert client.get("/api/models/owner/many/tree/other").headers["x-error-code"] == "RevisionNotFound"


def test_paths_info_speaks_forms_and_json(client: Client) -> None:
    target = "/api/models/Qwen/Qwen3-8B/paths-info/main"
    as_json = client.ask(
        "POST",
        target,
        json.dumps({"paths": ["config.json", "no"]}).encode(),
        headers={"content-type": "application/json"},
    )
    form = client.ask("POST", target, b"paths=config.json&paths=no&expand=True")
    assert [row["path"] for row in as_json.json] == [row["path"] for row in form.json] == ["config.json"]
    assert "lastCommit" in form.json[0] and "lastCommit" not in as_json.json[0]
    assert client.ask("POST", target, b"&".join([b"paths=x"] * 2001)).status == 400


def test_who_may_see_what(hub: SampleHub) -> None:
    """The statuses by which a crawler tells a gated repo from a private, gone, renamed or disabled one."""
    anonymous, reader = Client(hub.endpoint), Client(hub.endpoint, READER)
    unknown = Client(hub.endpoint, "hf_unknown_token")

    private = "/api/models/sample-owner/private-finetune"
    gone = "/api/models/sample-owner/never-was"
    bare = anonymous.get(gone)
    assert (bare.status, bare.json) == (401, {"error": "Invalid username or password."})
    assert "x-error-code" not in bare.headers and bare.headers["www-authenticate"].startswith("Bearer")
    hidden = anonymous.get(private)
    assert (hidden.status, hidden.body) == (bare.status, bare.body)  # its existence is not revealed
    assert reader.get(private).json["private"] is True
    assert (reader.get(gone).status, reader.get(gone).headers["x-error-code"]) == (404, "RepoNotFound")

    assert unknown.get(private).status == 401
    assert unknown.get("/api/models").headers["x-error-message"] == "Invalid credentials in Authorization header"

    disabled = reader.get("/api/models/sample-owner/disabled-upload")
    assert disabled.status == 403 and "x-error-code" not in disabled.headers
    assert disabled.json == {"error": "Access to this resource is disabled."}

    moved = anonymous.get("/api/models/THUDM/GLM-4-9B-0414/tree/main?recursive=true")
    assert moved.status == 307
    assert moved.headers["location"] == "/api/models/zai-org/GLM-4-9B-0414/tree/main?recursive=true"

    listed = {row["id"] for row in anonymous.get("/api/models?limit=1000").json}
    with_token = {row["id"] for row in reader.get("/api/models?limit=1000").json}
    assert with_token - listed == {"sample-owner/private-finetune"}
    assert "sample-owner/disabled-upload" not in with_token


def test_gated_files(hub: SampleHub) -> None:
    """What a gated repo is stands open; what is in its files does not."""
    repo = "google/gemma-3-27b-it"
    tokens = {"granted": Account("granted", frozenset({repo}))}
    hub.tokens.update(tokens)
    try:
        for target in (f"/api/models/{repo}?blobs=true", f"/api/models/{repo}/tree/main"):
            assert Client(hub.endpoint).get(target).status == 200
        for target in (
            f"/{repo}/resolve/main/config.json",
            f"/api/models/{repo}/safetensors-metadata/model.safetensors.index.json",
        ):
            asked = [Client(hub.endpoint, token).get(target) for token in (None, READER, "granted", MEMBER)]
            assert [answer.status for answer in asked[:2]] == [401, 403]
            assert all(answer.headers["x-error-code"] == "GatedRepo" for answer in asked[:2])
            assert all(answer.status in (200, 307) for answer in asked[2:])
    finally:
        del hub.tokens["granted"]


def test_whoami(hub: SampleHub) -> None:
    assert Client(hub.endpoint).get("/api/whoami-v2").status == 401
    assert Client(hub.endpoint, READER).get("/api/whoami-v2").json["name"] == "reader"


def test_quota() -> None:
    with SampleHub(quota=Quota(api=3, resolvers=2, window=1.2)) as hub:
        client, other = Client(hub.endpoint), Client(hub.endpoint, READER)
        answers = [client.get("/api/models?limit=1") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert answers[0].headers["ratelimit-policy"] == '"fixed window";"api";q=3;w=2'
        assert "quota of 3 api requests" in answers[-1].json["error"]
        assert client.head("/Qwen/Qwen3-8B/resolve/main/README.md").headers["ratelimit"].startswith('"resolvers";r=1')
        assert other.get("/api/models?limit=1").status == 200  # each caller has their own
        time.sleep(1.3)
        assert client.get("/api/models?limit=1").status == 200


def test_json_is_packed_for_those_who_ask(client: Client) -> None:
    plain = client.get("/api/models?limit=50")
    packed = client.get("/api/models?limit=50", accept_encoding="gzip, deflate")
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 2


def test_the_log(hub: SampleHub, client: Client) -> None:
    before = len(hub.requests)
    client.get("/api/models/Qwen/Qwen3-8B?blobs=true")
    for _ in range(50):  # the log is written when the answer has left
        if len(hub.requests) > before:
            break
        time.sleep(0.02)
    asked = hub.requests[-1]
    assert (asked.method, asked.target, asked.status) == ("GET", "/api/models/Qwen/Qwen3-8B?blobs=true", 200)
    assert asked.bytes > 500 and asked.token is None


@pytest.mark.parametrize("target", ["/api", "/api/nothing", "/nothing/at/all", "/api/models/a/b/c/d", "/api/kernels"])
def test_what_is_not_served(client: Client, target: str) -> None:
    answer = client.get(target)
    assert answer.status in (401, 404) and "x-sample-hub-bug" not in answer.headers
