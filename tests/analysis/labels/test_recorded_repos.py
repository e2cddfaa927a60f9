"""Labels of real repos and real headers against what others recorded of them. Needs the recorded data."""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.quantization_signals import SignalInput, combine_signals, evaluate_signals
from analysis.formats.readers import read_artifact
from analysis.formats.source import BytesSource
from analysis.labels.resolve import label_artifact, label_repo, label_repo_and_artifacts
from db.records import ArtifactRecord, Labelled, RepoRecord

Rows = list[dict[str, Any]]


def rows(path: Path) -> Rows:
    packed = path.read_bytes()
    lines = (gzip.decompress(packed) if path.suffix == ".gz" else lzma.decompress(packed)).splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def listed(shared: Path) -> dict[str, Labelled]:
    """Labels of 6,256 repos from what a listing says of them."""
    found = {}
    for row in rows(shared / "hub" / "models.jsonl.xz"):
        owner = row["id"].partition("/")[0]
        record = RepoRecord(row["id"], row["id"], owner, tags=tuple(row["tags"]), library_name=row["library_name"])
        found[row["id"]] = label_repo(record)
    return found


def test_the_parent_is_the_one_that_others_found(shared: Path, listed: dict[str, Labelled]) -> None:
    """What is left are renames of the parent and parents before quantization-aware training."""
    truth = [row for row in rows(shared / "names" / "base_model.jsonl.gz") if row["id"] in listed]
    right = [row for row in truth if listed[row["id"]].labels.base_model == row["base_model"]]
    assert len(truth) > 1500 and len(right) >= 0.98 * len(truth)


def test_a_quantized_copy_carries_the_size_of_its_base(shared: Path, listed: dict[str, Labelled]) -> None:
    pairs = []
    for row in rows(shared / "names" / "base_model.jsonl.gz"):
        if row["id"] in listed and listed[row["id"]].labels.base_model_relation == "quantized":
            base = label_repo(RepoRecord("0", row["base_model"])).labels
            if base.parameters is not None:
                pairs.append((listed[row["id"]].labels.parameters, base.parameters))
    agree = [own for own, base in pairs if own == base]
    assert len(pairs) > 1000 and len(agree) >= 0.99 * len(pairs)


def test_the_format_is_the_one_that_others_found(shared: Path, listed: dict[str, Labelled]) -> None:
    truth = [
        row
        for row in rows(shared / "names" / "repo_quant.jsonl.gz")
        if row["id"] in listed and row["format"] in ("gguf", "mlx")
    ]
    right = [row for row in truth if listed[row["id"]].labels.format == row["format"]]
    assert len(truth) > 1000 and len(right) >= 0.98 * len(truth)


def headers(archive: Path, index: Path) -> Iterator[tuple[str, bytes, int, dict[str, Any]]]:
    """(file name, header's bytes, size of the whole file, config.json) of the recorded headers."""
    sizes = {row["file"]: row["full_size"] for row in map(json.loads, index.read_text().splitlines())}
    with tarfile.open(archive) as tar:
        members = {member.name.removeprefix("./"): member for member in tar.getmembers() if member.isfile()}

        def content(name: str) -> bytes:
            stream = tar.extractfile(members[name])
            assert stream is not None
            return stream.read()

        for name in sorted(set(sizes) & set(members)):
            settings = name.replace(".hdr.safetensors", ".config.json")
            config = json.loads(content(settings)) if settings != name and settings in members else {}
            yield name.rpartition("/")[2], content(name), sizes[name], config


LYING = {
    # llama-quantize fell back to wider types for rows of 576: the name is not what the tensors are
    "smollm2-135m-MXFP4_MOE.gguf": ("quant", "Q8_0"),
    "smollm2-135m-TQ2_0.gguf": ("quant", "Q4_0"),
    "smollm2-135m-IQ3_XXS.gguf": ("quant", "IQ4_NL"),
}


def test_names_of_real_gguf_files_are_refuted_where_they_lie_and_nowhere_else(shared: Path) -> None:
    folder, seen = shared / "headers", 0
    refuted: dict[str, tuple[str, str]] = {}
    for name, raw, size, _ in headers(folder / "gguf.tar.xz", folder / "index.jsonl"):
        if not name.lower().startswith(("smollm2", "gemma")):
            continue
        path = name.replace(".hdr", "").replace(".llamaquant", "")
        artifact = ArtifactRecord(path, "weights", "gguf", (path,), size)
        header, _ = read_artifact(artifact, {path: size}, whole(raw, size))
        found = label_artifact(RepoRecord("1", "someone/thing-GGUF"), artifact, header)
        for conflict in found.conflicts:
            refuted[path] = conflict.field, conflict.measured
        row = {**asdict(found.labels), "artifact": path, "total_size": size}
        subject = SignalInput.of_row(row, [asdict(each) for each in found.evidence])
        assert combine_signals(evaluate_signals(subject)) is (found.labels.quant not in ("F32", "F16", "BF16"))
        seen += 1
    assert seen > 10 and refuted == LYING


def whole(raw: bytes, size: int) -> Callable[[str], BytesSource]:
    """Opens a file of which only the header is at hand."""
    return lambda name: BytesSource(raw, name, size)


def test_real_safetensors_files_tell_their_scheme_by_structure_and_by_config(shared: Path) -> None:
    folder, seen = shared / "headers", 0
    for name, raw, size, config in headers(folder / "safetensors.tar.xz", folder / "index.jsonl"):
        if not config or "lora" in name:
            continue
        artifact = ArtifactRecord("model.safetensors", "weights", "safetensors", ("model.safetensors",), size)
        header, _ = read_artifact(
            artifact,
            {"model.safetensors": size},
            whole(raw, size),
            config=config,
            base_parameters=2_557_184,
        )
        repo, ((_, found),) = label_repo_and_artifacts(
            RepoRecord("1", "someone/thing", config=config), [artifact], {artifact.artifact: header}
        )
        assert not repo.conflicts and not found.conflicts, name
        assert repo.labels.quant_measured == header.quant and repo.labels.quantized is found.labels.quantized
        assert repo.labels.quantized is (header.quant not in ("BF16", "F16", "F32")), name
        seen += 1
    assert seen > 30
