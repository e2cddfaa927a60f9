"""Verdicts: what is outdated, renamed, gone, modified, a copy or unknown, and what each verdict rests on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import pytest

from analysis.local.find import find_local_artifact, find_local_artifacts, find_place
from analysis.local.hash_cache import HashCache
from analysis.local.identify import Identified, identify_artifacts
from analysis.local.known import AskedRepo, Known, KnownArtifact, KnownRepo
from analysis.local.roots import Root
from analysis.local.scan import Scan
from analysis.local.verdict import Identity
from analysis.query.reader import CatalogReader
from tests.analysis.formats.gguf_file import LAYERS, Tensor, gguf, model
from tests.local_models import COMMIT, FILES, FIXED, OTHER_TYPES, digest, quantized, write

Identify = Callable[..., list[Identity]]


@pytest.fixture
def identify(local_models: str, tmp_path: Path) -> Identify:
    """Identifies all files below a folder, as those of a store if one is named."""

    def run(folder: Path, store: str | None = None, *, hashed: bool = True) -> list[Identity]:
        roots = [Root(store, folder)] if store else []
        artifacts = list(find_local_artifacts(Scan(), folder, find_place(folder, roots)))
        with CatalogReader(local_models) as reader, HashCache(tmp_path / "cache") as cache:
            found: Identified = identify_artifacts(Known(reader), artifacts, cache if hashed else None)
        return list(found.identities)

    return run


def only(found: list[Identity]) -> Identity:
    assert len(found) == 1
    return found[0]


# ---- outdated -------------------------------------------------------------------------------------------------------


def test_a_replaced_upload_is_told_with_its_day_and_what_changed(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "any-name.gguf", FILES["acme/Fixed-GGUF"]["Fixed-Q4_K_M.gguf"])
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.evidence, verdict.file) == ("outdated", "sha256", "Fixed-Q4_K_M.gguf")
    assert verdict.repo is not None and verdict.repo.repo_id == "acme/Fixed-GGUF"
    assert verdict.since is not None and verdict.since.startswith("20")
    assert verdict.replacement is not None and verdict.replacement.content == digest(FIXED)
    assert verdict.detail == f"replaced on {verdict.since[:10]} by sha256 {digest(FIXED)}"
    assert "chat template changed" in verdict.changes
    assert "tensors of the same names, shapes and types" in verdict.changes
    assert verdict.revision is not None and len(verdict.revision) == 40


def test_a_removed_file_is_told(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "x.gguf", FILES["acme/Fixed-GGUF"]["Fixed-Q2_K.gguf"])
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.replacement) == ("outdated", None)
    assert verdict.detail.startswith("removed on ")


def test_a_former_content_is_known_by_its_blob_alone(identify: Identify, tmp_path: Path) -> None:
    data = FILES["acme/Fixed-GGUF"]["Fixed-Q4_K_M.gguf"]
    repo = tmp_path / "hub" / "models--acme--Fixed-GGUF"
    blob = write(repo / "blobs" / digest(data), data)
    link = repo / "snapshots" / COMMIT / "Fixed-Q4_K_M.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    verdict = only(identify(tmp_path / "hub", "huggingface", hashed=False)).verdict
    assert (verdict.state, verdict.evidence, verdict.revision) == ("outdated", "name", COMMIT)


def test_another_file_under_a_recorded_name_is_outdated(identify: Identify, tmp_path: Path) -> None:
    data = quantized("An upload that no crawl has seen")
    repo = tmp_path / "hub" / "models--acme--Tiny-1B-GGUF"
    blob = write(repo / "blobs" / digest(data), data)
    link = repo / "snapshots" / COMMIT / "Tiny-1B-Q4_K_M.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    verdict = only(identify(tmp_path / "hub", "huggingface")).verdict
    assert (verdict.state, verdict.evidence, verdict.file) == ("outdated", "name", "Tiny-1B-Q4_K_M.gguf")
    assert verdict.detail.startswith("acme/Tiny-1B-GGUF had another file of this name when it was last read on ")


# ---- gone -----------------------------------------------------------------------------------------------------------


def test_a_vanished_repo_is_gone(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "x.gguf", FILES["acme/Vanished"]["Vanished-Q4_K_M.gguf"])
    verdict = only(identify(tmp_path / "models")).verdict
    assert verdict.state == "gone"
    assert verdict.since is not None
    assert verdict.detail == f"acme/Vanished vanished from the Hub on {verdict.since[:10]}"


def test_a_renamed_repo_is_told_with_its_new_name(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "acme" / "Old" / "Old-Q4_K_M.gguf", FILES["acme/Old"]["Old-Q4_K_M.gguf"])
    verdict = only(identify(tmp_path, "lmstudio")).verdict
    assert (verdict.state, verdict.detail) == ("gone", "acme/Old is now acme/New")
    assert verdict.repo is not None and verdict.repo.repo_id == "acme/New"


def test_without_a_name_the_renamed_repos_file_is_current(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "x.gguf", FILES["acme/Old"]["Old-Q4_K_M.gguf"])
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.repo and verdict.repo.repo_id) == ("current", "acme/New")


# ---- the same content in several places ------------------------------------------------------------------------------


def test_the_original_publisher_is_first(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "x.gguf", FILES["mirror/Tiny-1B-GGUF"]["Tiny-1B-Q4_K_M.gguf"])
    verdict = only(identify(tmp_path / "models")).verdict
    assert [each.repo_id for each in verdict.holders] == ["acme/Tiny-1B-GGUF", "mirror/Tiny-1B-GGUF"]
    assert verdict.repo is not None and verdict.repo.license == "apache-2.0"


def test_a_folders_repo_is_preferred(identify: Identify, tmp_path: Path) -> None:
    data = FILES["mirror/Tiny-1B-GGUF"]["Tiny-1B-Q4_K_M.gguf"]
    write(tmp_path / "mirror" / "Tiny-1B-GGUF" / "Tiny-1B-Q4_K_M.gguf", data)
    verdict = only(identify(tmp_path, "lmstudio")).verdict
    assert verdict.repo is not None and verdict.repo.repo_id == "mirror/Tiny-1B-GGUF"
    assert verdict.holders[0].repo_id == "acme/Tiny-1B-GGUF"


def test_copies_are_told_with_the_bytes_that_they_take(identify: Identify, tmp_path: Path) -> None:
    data = FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q4_K_M.gguf"]
    first = write(tmp_path / "models" / "a.gguf", data)
    write(tmp_path / "models" / "b" / "b.gguf", data)
    (tmp_path / "models" / "hard.gguf").hardlink_to(first)
    (tmp_path / "models" / "soft.gguf").symlink_to(first)
    found = {each.artifact.path.name: each for each in identify(tmp_path / "models")}
    assert {name: each.savable_size for name, each in found.items()} == {
        "a.gguf": 0, "hard.gguf": 0, "soft.gguf": 0, "b.gguf": len(data),
    }  # fmt: skip
    assert found["a.gguf"].copies == (str(tmp_path / "models" / "b" / "b.gguf"),)


def test_a_small_file_in_git_is_known_by_gits_hash(identify: Identify, tmp_path: Path) -> None:
    data = FILES["acme/In-Git"]["git-Q8_0.gguf"]
    write(tmp_path / "models" / "x.gguf", data)
    write(tmp_path / "models" / "y.gguf", bytes(len(data)))
    same, other = (each.verdict for each in identify(tmp_path / "models"))
    assert (same.state, same.evidence, same.file) == ("current", "sha256", "git-Q8_0.gguf")
    assert other.state == "unknown"


def test_a_git_blob_in_the_cache_is_known_by_its_name(identify: Identify, tmp_path: Path) -> None:
    data = FILES["acme/In-Git"]["git-Q8_0.gguf"]
    repo = tmp_path / "hub" / "models--acme--In-Git"
    blob = write(repo / "blobs" / sha1(b"blob %d\0" % len(data) + data).hexdigest(), data)
    link = repo / "snapshots" / COMMIT / "git-Q8_0.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    verdict = only(identify(tmp_path / "hub", "huggingface", hashed=False)).verdict
    assert (verdict.state, verdict.evidence, verdict.revision) == ("current", "name", COMMIT)


# ---- modified and unknown -------------------------------------------------------------------------------------------


def test_edited_metadata_is_told_by_the_tensors(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "x.gguf", quantized("Tiny", (*LAYERS,), template="{{ edited }}"))
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.evidence, verdict.detail) == ("modified", "tensors", "same tensors, other metadata")
    assert verdict.repo is not None and verdict.repo.repo_id == "acme/Tiny-1B-GGUF"
    assert verdict.file == "Tiny-1B-Q4_K_M.gguf"
    assert verdict.confidence is not None and 0.5 < verdict.confidence < 0.95
    assert "chat template changed" in verdict.changes


def test_a_file_that_a_runtime_rewrote_is_told_by_the_tensors(identify: Identify, tmp_path: Path) -> None:
    rewritten = gguf({"general.architecture": "llama", "general.name": "Tiny"}, tuple(reversed(LAYERS)))
    blob = write(tmp_path / "blobs" / f"sha256-{digest(rewritten)}", rewritten)
    layer = f'{{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:{digest(rewritten)}"}}'
    write(
        tmp_path / "manifests" / "registry.ollama.ai" / "library" / "mine" / "latest",
        f'{{"schemaVersion": 2, "layers": [{layer}]}}'.encode(),
    )
    identity = only(identify(tmp_path, "ollama"))
    assert (identity.artifact.name, identity.artifact.path) == ("mine:latest", blob)
    assert (identity.verdict.state, identity.verdict.evidence) == ("modified", "tensors")
    assert identity.verdict.repo is not None and identity.verdict.repo.repo_id == "acme/Tiny-1B-GGUF"


def test_changed_bytes_under_the_repos_name_are_modified(identify: Identify, tmp_path: Path) -> None:
    data = bytearray(FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q4_K_M.gguf"])
    data[-1] ^= 1
    write(tmp_path / "acme" / "Tiny-1B-GGUF" / "Tiny-1B-Q4_K_M.gguf", bytes(data))
    verdict = only(identify(tmp_path, "lmstudio")).verdict
    assert (verdict.state, verdict.evidence) == ("modified", "tensors")
    assert verdict.detail == "the tensors of Tiny-1B-Q4_K_M.gguf, but other bytes"


def test_an_unknown_quantization_shows_its_base_model(identify: Identify, tmp_path: Path) -> None:
    tensors = tuple(Tensor(t.name, t.shape, 13, t.size * 176 // 144) if t.type == 12 else t for t in LAYERS)  # Q5_K
    write(tmp_path / "models" / "mine.gguf", quantized("Mine", tensors))
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.evidence, verdict.base_model) == ("unknown", "tensors", "acme/Tiny-1B")
    assert "acme/Tiny-1B-GGUF" in verdict.candidates
    assert verdict.quant == "Q5_K"


def test_a_header_that_nothing_resembles_shows_what_it_states(identify: Identify, tmp_path: Path) -> None:
    keys = {**model(50), "general.base_model.count": 1,
            "general.base_model.0.repo_url": "https://huggingface.co/else/Where"}  # fmt: skip
    write(tmp_path / "models" / "mine.gguf", gguf(keys, [Tensor("a", (32, 7), 0, 896)]))
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.evidence, verdict.base_model) == ("unknown", None, "else/Where")
    assert verdict.detail == "llama, 224 parameters; its header names else/Where"


def test_no_model_is_unknown(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "models" / "x.gguf", b"GGUF but not really")
    verdict = only(identify(tmp_path / "models")).verdict
    assert (verdict.state, verdict.repo, verdict.evidence) == ("unknown", None, None)


def test_a_folder_named_like_a_repo_proves_nothing(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "acme" / "Tiny-1B-GGUF" / "unrelated.gguf", gguf(model(50), [Tensor("a", (32, 7), 0, 896)]))
    assert only(identify(tmp_path, "lmstudio")).verdict.state == "unknown"


# ---- without hashes -------------------------------------------------------------------------------------------------


def test_the_size_alone_is_no_proof_for_small_files(identify: Identify, tmp_path: Path) -> None:
    data = bytes(len(FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"]))
    write(tmp_path / "models" / "x.gguf", data)
    assert only(identify(tmp_path / "models", hashed=False)).verdict.state == "unknown"


def test_another_size_under_the_repos_name_is_outdated(identify: Identify, tmp_path: Path) -> None:
    write(tmp_path / "acme" / "Tiny-1B-GGUF" / "Tiny-1B-Q4_K_M.gguf", b"smaller")
    verdict = only(identify(tmp_path, "lmstudio", hashed=False)).verdict
    assert (verdict.state, verdict.evidence) == ("outdated", "name")
    assert verdict.changes and verdict.changes[0].startswith("size ")


# ---- what the Hub says now ------------------------------------------------------------------------------------------


def test_what_the_hub_says_now_replaces_the_catalogs_knowledge(local_models: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf", FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"])
    now = KnownRepo("acme/Tiny-1B-GGUF", "available", "f" * 40, None, None, "2026-12-01T00:00:00.000Z", 1, None)
    newer = KnownArtifact(now, "Tiny-1B-Q6_K.gguf", ("Tiny-1B-Q6_K.gguf",), "weights", 5, "e" * 64, "Q6_K")
    artifact = find_local_artifact(Scan(), path, find_place(path, []))
    assert artifact is not None
    with CatalogReader(local_models) as reader, HashCache(tmp_path / "cache") as cache:
        known = Known(reader, [AskedRepo(now, (newer,))])
        [identity] = identify_artifacts(known, [artifact], cache).identities
    verdict = identity.verdict
    assert (verdict.state, verdict.since) == ("outdated", "2026-12-01T00:00:00.000Z")
    assert verdict.replacement == newer


def test_the_same_answers_come_from_postgresql(local_models: str, postgresql: object, tmp_path: Path) -> None:
    from db.maintain.copy import copy
    from tests.servers import PostgreSQL

    assert isinstance(postgresql, PostgreSQL)
    url = postgresql.create("catalog_template")
    copy(local_models, url)
    for repo_id, files in FILES.items():
        for path, data in files.items():
            write(tmp_path / "models" / repo_id / path, data)
    write(tmp_path / "models" / "edited.gguf", quantized("Tiny", OTHER_TYPES, template="{{ edited }}"))
    answers = []
    for db in (local_models, url):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        artifacts = list(find_local_artifacts(Scan(), tmp_path / "models", find_place(tmp_path / "models", [])))
        with CatalogReader(db) as reader, HashCache(tmp_path / "cache") as cache:
            found = identify_artifacts(Known(reader), artifacts, cache).identities
        answers.append([(e.artifact.path, e.verdict.state, e.verdict.detail, e.verdict.changes) for e in found])
    assert answers[0] == answers[1]
    assert {state for _, state, _, _ in answers[0]} == {"current", "outdated", "modified", "gone"}
