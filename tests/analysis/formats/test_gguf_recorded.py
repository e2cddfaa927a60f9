"""Headers of real files: counts are exact, sizes fit, and reads are few."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis.formats import limits
from analysis.formats.array_lengths import ArrayLengths
from analysis.formats.readers import read_artifact
from analysis.formats.source import BytesSource
from db.records import ArrayLength, ArtifactRecord, Header


class Whole(BytesSource):
    """A file of the original size whose tensor data is zeros, so that a reader can ask for too much."""

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(path.read_bytes(), path.name, size)
        self.whole = size

    def read(self, start: int, length: int) -> bytes:
        piece = super().read(start, length)
        lack = min(length, self.whole - start) - len(piece)
        self.bytes_read += lack
        return piece + bytes(lack)


@pytest.fixture(scope="module")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(shared / "headers" / "gguf.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def rows(shared: Path) -> dict[str, dict[str, Any]]:
    lines = (shared / "headers" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return {row["file"]: row for row in found if row["file"].startswith("gguf/") and row.get("full_size")}


def read(
    folder: Path,
    rows: Mapping[str, Mapping[str, Any]],
    *names: str,
    lengths: ArrayLengths | tuple[ArrayLength, ...] = (),
) -> tuple[Header, tuple[ArrayLength, ...]]:
    sizes = {name: rows[name]["full_size"] for name in names}
    artifact = ArtifactRecord(names[0], "weights", "gguf", names, sum(sizes.values()))
    known = ArrayLengths.of(lengths)
    return read_artifact(artifact, sizes, lambda name: Whole(folder / name, sizes[name]), array_lengths=known)


def test_counts_are_exact_and_sizes_fit(recorded: Path, rows: dict[str, dict[str, Any]]) -> None:
    assert len(rows) > 20
    for name, row in rows.items():
        header, _ = read(recorded, rows, name)
        assert header.parameters == row.get("true_params"), name
        assert header.size_verified is True, name
        assert (header.tensor_count, header.version) == (row["n_tensors"], row["version"]), name
        assert header.architecture == row.get("arch"), name
        assert header.context or not header.architecture, name
        assert len(json.dumps(header.facts)) < 4000, name


def test_a_scan_reads_little_more_than_the_header(recorded: Path, rows: dict[str, dict[str, Any]]) -> None:
    for name, row in rows.items():
        header, _ = read(recorded, rows, name)
        assert header.bytes_read <= max(limits.FIRST_READ_BYTES, 1.05 * row["header_bytes"]), name
        assert header.requests <= 16, name


def test_a_known_tokenizer_costs_two_requests(recorded: Path, rows: dict[str, dict[str, Any]]) -> None:
    for name in rows:
        header, lengths = read(recorded, rows, name)
        again, _ = read(recorded, rows, name, lengths=lengths)
        assert again.requests <= 2, name
        assert again.bytes_read <= 65_536, name
        assert (again.types, again.bits_per_weight, again.size_verified) == (
            header.types, header.bits_per_weight, header.size_verified,
        ), name  # fmt: skip


def test_siblings_use_the_lengths_learned_from_the_first(recorded: Path, rows: dict[str, dict[str, Any]]) -> None:
    family = [name for name in rows if "smollm2" in name.lower()]
    _, lengths = read(recorded, rows, family[0])
    for name in family[1:]:
        header, _ = read(recorded, rows, name, lengths=lengths)
        assert (header.requests, header.parameters) == (2, 134_515_008), name


def test_shards_add_up_to_the_whole_model(recorded: Path, rows: dict[str, dict[str, Any]]) -> None:
    names = sorted(name for name in rows if "-of-00003" in name)
    header, _ = read(recorded, rows, *names)
    assert header.facts["split"] == {"count": 3, "files": 3, "tensors": 27, "complete": True}
    assert header.parameters == sum(rows[name]["true_params"] for name in names) == 4_527_488
    assert header.size_verified is True


def test_names_that_the_tensors_contradict_are_not_the_scheme(recorded: Path, rows: dict[str, dict[str, Any]]) -> None:
    said = {name.split(".")[0].rsplit("-", 1)[-1]: read(recorded, rows, name)[0] for name in rows if "135m-" in name}
    found = {scheme: header.quant for scheme, header in said.items()}
    assert found["Q4_K_M"] == "Q4_K_M"
    assert (found["MXFP4_MOE"], found["IQ3_XXS"], found["TQ2_0"]) == ("Q8_0", "IQ4_NL", "Q4_0")
    bits = said["MXFP4_MOE"].bits_per_weight
    assert bits is not None
    assert round(bits, 2) == 8.51
