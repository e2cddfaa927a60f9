"""Thousands of repos from a file: what it says is served, what it does not say is made to fit."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import pytest

from samplehub import SampleHub
from samplehub.content.from_jsonl import InvalidModelsFile, RecordedFile, read_models
from samplehub.content.infer import quant_of
from tests.samplehub.conftest import Client
from tests.samplehub.test_headers import NUMBERS, opened, walk

ROWS: Sequence[dict[str, Any]] = [
    {
        "id": "someone/Qwen3-8B-tuned-GGUF",
        "tags": ["gguf", "text-generation", "base_model:Qwen/Qwen3-8B", "base_model:quantized:Qwen/Qwen3-8B"],
        "downloads": 1234,
        "library_name": "transformers",
        "created_at": "2025-06-01T10:00:00.000Z",
        "files": [
            {"path": "Qwen3-8B-tuned.Q4_K_M.gguf", "size": 5_050_000_000},
            {"path": "Qwen3-8B-tuned.Q8_0.gguf", "size": 8_700_000_000},
            {"path": "mmproj-F16.gguf", "size": 850_000_001},
            {"path": "F16/Qwen3-8B-tuned-F16-00001-of-00002.gguf", "size": 9_900_000_000},
            {"path": "F16/Qwen3-8B-tuned-F16-00002-of-00002.gguf", "size": 6_480_000_000},
        ],
    },
    {
        "id": "someone/Unheard-of-13B-GGUF",
        "tags": ["gguf", "license:mit", "en"],
        "downloads": 5,
        "created_at": "2025-06-02T10:00:00.000Z",
        "files": [
            {"path": "Unheard-of-13B.IQ2_XXS.gguf", "size": 3_700_000_005},
            {"path": "BF16/Unheard-of-13B-BF16-00001-of-00002.gguf", "size": 20_000_000_000},
            {"path": "BF16/Unheard-of-13B-BF16-00002-of-00002.gguf", "size": 6_000_000_000},
            {"path": "tiny.gguf", "size": 4_000},
            {"path": "lost.Q4_0.gguf", "size": None},
        ],
    },
    {
        "id": "mlx-community/Qwen3-0.6B-4bit",
        "tags": ["mlx", "safetensors", "4-bit", "base_model:Qwen/Qwen3-0.6B"],
        "downloads": 77,
        "created_at": "2025-06-03T10:00:00.000Z",
        "files": [],
    },
]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "models.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def fits(content: RecordedFile) -> int:
    """Holds a header to the file's size; gives the parameters."""
    head = content.head()
    _, infos, start = walk(head)
    assert start == len(head)
    ends, parameters = [start], 0
    for dims, number, offset in infos.values():
        kind = NUMBERS[number]
        assert dims[0] % kind.block == 0 and offset % 32 == 0
        size = prod(dims) // kind.block * kind.bytes
        ends.append(start + offset + size + -size % 32)
        parameters += prod(dims)
    assert max(ends) == content.size, content.path
    return parameters


def test_headers_fit_sizes(listed: Path) -> None:
    catalog = read_models(listed)
    found = {path: content for repo in catalog for path, content in repo.files.items()}
    counts = {path: fits(content) for path, content in found.items() if isinstance(content, RecordedFile)}
    assert counts["Qwen3-8B-tuned.Q4_K_M.gguf"] == counts["Qwen3-8B-tuned.Q8_0.gguf"] == 8_190_735_360
    assert counts["Unheard-of-13B.IQ2_XXS.gguf"] == pytest.approx(13e9, rel=0.1)
    parts = [count for path, count in counts.items() if path.startswith("BF16/")]
    assert sum(parts) == pytest.approx(13e9, rel=0.05)
    for row in ROWS:
        for file in row["files"]:
            assert found[file["path"]].size == pytest.approx(file["size"] or 7.5e9, rel=0.04)


def test_a_known_model_is_divided_as_the_list_says(listed: Path) -> None:
    files = read_models(listed)["someone/Qwen3-8B-tuned-GGUF"].files
    shards = [content for path, content in files.items() if isinstance(content, RecordedFile) and "-of-" in path]
    assert len(shards) == 2 and all(shard.known() for shard in shards)
    assert sum(map(fits, shards)) == 8_190_735_360
    keys = [walk(shard.head())[0] for shard in shards]
    assert [one["split.no"] for one in keys] == [0, 1] and "general.architecture" not in keys[1]


def test_experts_are_guessed_from_the_name(tmp_path: Path) -> None:
    row = {"id": "a/Mystery-30B-A3B-GGUF", "created_at": "2025-06-04T10:00:00.000Z", "tags": ["gguf"]}
    path = tmp_path / "models.jsonl"
    path.write_text(json.dumps({**row, "files": [{"path": "Mystery-30B-A3B-Q4_K_M.gguf", "size": 18_500_000_000}]}))
    content = read_models(path)["a/Mystery-30B-A3B-GGUF"].files["Mystery-30B-A3B-Q4_K_M.gguf"]
    assert isinstance(content, RecordedFile)
    assert fits(content) == pytest.approx(30e9, rel=0.06)
    keys, infos, _ = walk(content.head())
    stacked = sum(prod(dims) for name, (dims, _, _) in infos.items() if "_exps" in name)
    idle = stacked * (1 - keys["llama.expert_used_count"] / keys["llama.expert_count"])
    assert fits(content) - idle == pytest.approx(3e9, rel=0.2)


def test_safetensors_are_made_from_the_name(listed: Path) -> None:
    repo = read_models(listed)["mlx-community/Qwen3-0.6B-4bit"]
    assert "U32" in {tensor["dtype"] for name, tensor in opened(repo.files["model.safetensors"]).items() if "." in name}
    assert repo.safetensors is not None and repo.safetensors["total"] == 751_632_384
    assert repo.config is not None and repo.config["quantization"] == {"bits": 4, "group_size": 64, "mode": "affine"}


def test_it_is_served(listed: Path) -> None:
    packed = listed.with_suffix(".jsonl.xz")
    packed.write_bytes(lzma.compress(listed.read_bytes()))
    with SampleHub(packed) as hub:
        client = Client(hub.endpoint)
        rows = client.get("/api/models?sort=createdAt&expand=gguf&expand=baseModels&expand=tags").json
        assert [row["id"] for row in rows] == [row["id"] for row in reversed(ROWS)]
        assert rows[-1]["gguf"]["total"] == 8_190_735_360
        link = client.head("/someone/Qwen3-8B-tuned-GGUF/resolve/main/Qwen3-8B-tuned.Q8_0.gguf").headers["location"]
        assert client.get(link, range="bytes=0-3").body == b"GGUF"


@pytest.mark.parametrize(
    ("text", "says"), [("{", "one JSON object a line"), ('{"id": "a/b"}', "line 1"), ("[1]", "line 1")]
)
def test_a_file_that_is_no_list_of_models(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "models.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidModelsFile, match=says):
        read_models(path)


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("model.i1-IQ2_XXS.gguf", "IQ2_XXS"),
        ("BF16/model-BF16-00001-of-00002.gguf", "BF16"),
        ("qwen2.5-7b-instruct-q5_k_m.gguf", "Q5_K_M"),
        ("gemma-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("phi-3-fp16.gguf", "F16"),
        ("model.gguf", None),
    ],
)
def test_quants_of_names(path: str, quant: str | None) -> None:
    assert quant_of(path) == quant


def test_the_recorded_hub(shared: Path) -> None:
    """The recorded repos are served as the file has them."""
    path = shared / "hub" / "models.jsonl.xz"
    rows = [json.loads(line) for line in lzma.decompress(path.read_bytes()).splitlines()]
    with SampleHub(path) as hub:
        assert len(hub.catalog) == len(rows) == 6256
        client = Client(hub.endpoint)
        seen, url = [], "/api/models?sort=createdAt&direction=1&limit=1000"
        while url:
            answer = client.get(url)
            seen += [row["id"] for row in answer.json]
            url = answer.next or ""
        assert sorted(seen) == sorted(row["id"] for row in rows)
        dice = random.Random(7)
        chosen = dice.sample([row for row in rows if row["files"]], 40)
        for row in chosen:
            sizes = {file["path"]: file["size"] for file in row["files"]}
            files = client.get(f"/api/models/{row['id']}?blobs=true").json["siblings"]
            served = {file["rfilename"]: file["size"] for file in files if file["rfilename"] in sizes}
            assert served.keys() == sizes.keys()
            assert all(abs(served[name] - sizes[name]) <= max(0.04 * sizes[name], 6e7) for name in sizes if sizes[name])
        for row in chosen[:12]:
            content = hub.catalog[row["id"]].files[dice.choice(row["files"])["path"]]
            assert isinstance(content, RecordedFile)
            fits(content)
