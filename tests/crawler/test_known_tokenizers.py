"""A header with a common tokenizer is read without it, also the first one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from analysis.formats.array_lengths import learn_lengths
from analysis.formats.gguf import tokenizers
from analysis.formats.gguf.reader import read_file
from analysis.formats.gguf.tokenizers import shipped_lengths
from analysis.formats.source import BytesSource
from bench.tokenizers import read_lengths
from crawler import read_headers
from db.records import ArtifactRecord, Header
from tests.analysis.formats.gguf_file import LAYERS, gguf, model

ARTIFACT = ArtifactRecord("a.gguf", "weights", "gguf", ("a.gguf",), None)


def read(data: bytes, size: int | None = None) -> Header:
    source = BytesSource(data, "a.gguf", size or len(data))
    return read_headers.read_artifact(ARTIFACT, {"a.gguf": size or len(data)}, lambda _: source)[0]


def test_the_tokenizers_that_are_shipped_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gguf(model(20_000, merges=20_000), LAYERS)
    lengths = learn_lengths(read_file(BytesSource(data)).runs)
    before = read(data)
    monkeypatch.setattr(read_headers, "shipped_lengths", lambda: lengths)
    after = read(data)
    assert (before.parameters, before.tensor_layout) == (after.parameters, after.tensor_layout)
    assert before.bytes_read > 10 * after.bytes_read and after.requests <= 3


def test_each_length_is_one_of_a_large_array() -> None:
    found = shipped_lengths()
    assert len(set(found)) == len(found) == 15
    for each in found:
        assert each.key.startswith("tokenizer.ggml.") and len(each.digest) == 32
        assert each.count >= 16_000 and 8 * each.count < each.length < 40 * each.count + 6_000_000


def test_the_lengths_are_those_of_real_headers(shared: Path) -> None:
    assert set(shipped_lengths()) == set(read_lengths(shared / "headers" / "gguf.tar.xz"))
    assert Path(tokenizers.__file__).with_name("tokenizers.tsv").stat().st_size < 10_000


def test_the_first_header_of_a_common_tokenizer_costs_three_requests_and_60_kb(shared: Path) -> None:
    folder = shared / "headers"
    sizes = {row["file"]: row.get("full_size") for row in map(json.loads, (folder / "index.jsonl").open())}
    found = []
    with tarfile.open(folder / "gguf.tar.xz") as archive:
        for name in ("gguf/gemma-3-270m-q4_k_m.hdr.gguf", "gguf/SmolLM2-135M-Instruct.Q4_1.hdr.gguf"):
            file = archive.extractfile(name)
            assert file is not None
            found.append(read(file.read(), sizes[name]))
    assert all(each.requests <= 3 and each.bytes_read <= 60_000 for each in found), found
