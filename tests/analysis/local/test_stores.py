"""Every store's layout with the sample Hub's files: each file is found once and identified, hashed or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.local.find import Place, find_local_artifact, find_local_artifacts, find_place
from analysis.local.hash_cache import HashCache
from analysis.local.identify import identify_artifacts
from analysis.local.known import Known
from analysis.local.records import LocalArtifact
from analysis.local.roots import LAYOUTS as KNOWN_STORES
from analysis.local.roots import Root, System, extra_model_paths, find_roots
from analysis.local.scan import Scan
from analysis.local.verdict import Identity
from analysis.query.reader import CatalogReader
from tests.local_models import LAYOUTS, Placed, digest, every_file, write

NAMED_BY_HASH = ("huggingface", "ollama", "docker", "mlx", "folder")
"""Stores whose hashes need not be computed."""


def find(folder: Path, store: str) -> list[LocalArtifact]:
    scan = Scan()
    found = list(find_local_artifacts(scan, folder, Place(Root(store, folder))))
    assert scan.problems == []
    return found


def identify(db: str, artifacts: list[LocalArtifact], cache: Path | None) -> list[Identity]:
    with CatalogReader(db) as reader:
        if cache is None:
            return list(identify_artifacts(Known(reader), artifacts, None).identities)
        with HashCache(cache) as hashes:
            return list(identify_artifacts(Known(reader), artifacts, hashes).identities)


def test_every_store_has_a_layout_here() -> None:
    assert LAYOUTS.keys() == KNOWN_STORES.keys()


@pytest.mark.parametrize("store", LAYOUTS)
def test_all_files_of_a_store_are_identified(store: str, local_models: str, tmp_path: Path) -> None:
    placed = LAYOUTS[store](tmp_path / "store")
    artifacts = find(tmp_path / "store", store)
    assert sorted(str(f.shown) for a in artifacts for f in a.files) == sorted(str(each.path) for each in placed)
    for identity in identify(local_models, artifacts, tmp_path / "cache"):
        verdict = identity.verdict
        expected = {(each.repo_id, each.file) for each in placed if each.path in shown(identity)}
        assert verdict.state == "current"
        assert verdict.repo is not None
        assert expected & {(verdict.repo.repo_id, path) for path in catalog_paths(verdict.file or "")}
        assert verdict.evidence == ("name" if store in NAMED_BY_HASH else "sha256")


@pytest.mark.parametrize("store", LAYOUTS)
def test_without_hashes_names_and_sizes_tell(store: str, local_models: str, tmp_path: Path) -> None:
    placed = LAYOUTS[store](tmp_path / "store")
    artifacts = find(tmp_path / "store", store)
    found = identify(local_models, artifacts, None)
    assert [each.verdict.state for each in found] == ["current"] * len(artifacts)
    assert {each.verdict.evidence for each in found} <= {"name", "size"}
    assert not any(file.digest_source == "hash" for each in found for file in each.artifact.files)
    assert len(placed) >= len(found)


def shown(identity: Identity) -> list[Path]:
    return [file.shown for file in identity.artifact.files]


def catalog_paths(artifact: str) -> list[str]:
    """The paths in the repo that an artifact of the catalog stands for."""
    return [
        path
        for _, path, _ in every_file()
        if artifact == path or path.startswith(artifact.removesuffix(".gguf") + "-0")
    ]


def test_shards_are_one_artifact(local_models: str, tmp_path: Path) -> None:
    LAYOUTS["lmstudio"](tmp_path)
    [split] = [each for each in find(tmp_path, "lmstudio") if len(each.files) == 2]
    [identity] = identify(local_models, [split], tmp_path / "cache")
    assert identity.verdict.file == "F16/Tiny-1B-F16.gguf"
    assert split.size == sum(len(data) for _, path, data in every_file() if "-of-" in path)


def test_a_missing_shard_is_told(local_models: str, tmp_path: Path) -> None:
    for placed in LAYOUTS["lmstudio"](tmp_path):
        if "00002-of" in placed.file:
            placed.path.unlink()
    [split] = [each for each in find(tmp_path, "lmstudio") if each.missing_shards]
    [identity] = identify(local_models, [split], tmp_path / "cache")
    assert (identity.verdict.state, identity.verdict.detail) == ("unknown", "1 of its shards are missing")


def test_metadata_of_an_older_download_is_not_believed(local_models: str, tmp_path: Path) -> None:
    placed = LAYOUTS["folder"](tmp_path)[1]
    write(placed.path, placed.path.read_bytes() + b"edited")  # later than the metadata's time
    metadata = placed.path.parent / ".cache" / "huggingface" / "download" / f"{placed.file}.metadata"
    lines = metadata.read_text().splitlines()
    metadata.write_text(f"{lines[0]}\n{lines[1]}\n{float(lines[2]) - 60}\n")
    [edited] = [each for each in find(tmp_path, "folder") if each.files[0].shown == placed.path]
    assert edited.files[0].sha256 is None
    assert edited.origin is not None and edited.origin.revision == "c" * 40


def test_a_link_out_of_the_cache_is_no_file_of_it(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.gguf", b"private")
    snapshot = tmp_path / "hub" / "models--acme--Tiny" / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.gguf").symlink_to(secret)
    assert find(tmp_path / "hub", "huggingface") == []


def test_a_model_of_tensors_is_one_artifact(tmp_path: Path) -> None:
    blobs = [write(tmp_path / "blobs" / f"sha256-{digest(data)}", data) for data in (b"one", b"two")]
    layers = [
        f'{{"mediaType": "application/vnd.ollama.image.tensor", "digest": "{blob.name.replace("-", ":")}", "size": 3}}'
        for blob in blobs
    ]
    manifest = f'{{"schemaVersion": 2, "layers": [{", ".join(layers)}]}}'
    write(tmp_path / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "1b", manifest.encode())
    [model] = find(tmp_path, "ollama")
    assert (model.name, model.size, len(model.files)) == ("tiny:1b", 6, 2)


# ---- where stores are -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "kind", "folder", "store"),
    [
        ({}, "Linux", ".cache/huggingface/hub", "huggingface"),
        ({"HF_HOME": "hf"}, "Linux", "hf/hub", "huggingface"),
        ({"HF_HUB_CACHE": "cache"}, "Linux", "cache", "huggingface"),
        ({"XDG_CACHE_HOME": "xdg"}, "Linux", "xdg/huggingface/hub", "huggingface"),
        ({}, "Linux", ".ollama/models", "ollama"),
        ({"OLLAMA_MODELS": "models"}, "Darwin", "models", "ollama"),
        ({}, "Darwin", ".lmstudio/models", "lmstudio"),
        ({"LLAMA_CACHE": "llama"}, "Linux", "llama", "llama.cpp"),
        ({}, "Darwin", "Library/Caches/llama.cpp", "llama.cpp"),
        ({"LOCALAPPDATA": "local"}, "Windows", "local/llama.cpp", "llama.cpp"),
        ({}, "Linux", ".local/share/nomic.ai/GPT4All", "gpt4all"),
        ({"LOCALAPPDATA": "local"}, "Windows", "local/nomic.ai/GPT4All", "gpt4all"),
        ({}, "Darwin", "Library/Application Support/Jan/data/llamacpp/models", "jan"),
        ({"APPDATA": "roaming"}, "Windows", "roaming/Jan/data/llamacpp/models", "jan"),
        ({}, "Linux", "ComfyUI/models", "comfyui"),
        ({"COMFYUI_PATH": "comfy"}, "Linux", "comfy/models", "comfyui"),
        ({}, "Linux", "text-generation-webui/user_data/models", "text-generation-webui"),
        ({}, "Linux", ".docker/models", "docker"),
        ({"MODELS_PATH": "dmr"}, "Linux", "dmr", "docker"),
        ({}, "Linux", ".cache/modelscope/hub/models", "modelscope"),
        ({"MODELSCOPE_CACHE": "ms"}, "Linux", "ms/models", "modelscope"),
    ],
)
def test_stores_are_where_their_programs_put_them(
    variables: dict[str, str], kind: str, folder: str, store: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    set_here = {name: str(tmp_path / value) for name, value in variables.items()}
    system = System(tmp_path, set_here, kind)
    assert Root(store, tmp_path / folder) in find_roots(system)


def test_a_folder_of_two_stores_is_searched_once(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    variables = {"HF_HUB_CACHE": str(tmp_path / "shared"), "LLAMA_CACHE": str(tmp_path / "shared")}
    assert find_roots(System(tmp_path, variables, "Linux")) == [Root("huggingface", tmp_path / "shared")]


def test_lm_studio_says_where_its_models_are(tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    write(tmp_path / ".lmstudio-home-pointer", str(tmp_path / "lms").encode())
    write(tmp_path / "lms" / "settings.json", f'{{"downloadsFolder": "{tmp_path / "moved"}"}}'.encode())
    assert Root("lmstudio", tmp_path / "moved") in find_roots(System(tmp_path, {}, "Darwin"))


def test_comfyui_names_further_folders(tmp_path: Path) -> None:
    text = (
        b"# extra\na111:\n    base_path: ~/sd\n    is_default: true\n    checkpoints: models/ckpt\n    loras: |\n"
        b"        models/Lora\n        /abs/lora\nother:\n    vae: vae  # here\n"
    )
    path = write(tmp_path / "extra_model_paths.yaml", text)
    sd = tmp_path / "sd"
    assert extra_model_paths(path, System(tmp_path, {}, "Linux")) == [
        sd / "models/ckpt", sd / "models/Lora", Path("/abs/lora"), tmp_path / "vae",
    ]  # fmt: skip


def test_paths_keep_their_place_in_a_store(tmp_path: Path) -> None:
    placed: list[Placed] = LAYOUTS["lmstudio"](tmp_path)
    place = Place(Root("lmstudio", tmp_path))
    found = list(find_local_artifacts(Scan(), tmp_path / "acme" / "Tiny-1B", place))
    assert [each.origin and each.origin.repo_id for each in found] == ["acme/Tiny-1B"]
    assert found[0].path == placed[0].path


def test_a_link_into_a_store_is_looked_at_where_it_lies(tmp_path: Path) -> None:
    placed = LAYOUTS["lmstudio"](tmp_path / "store")
    link = tmp_path / "link.safetensors"
    link.symlink_to(placed[0].path)
    place = find_place(link, [Root("lmstudio", tmp_path / "store")])
    found = find_local_artifact(Scan(), link, place)
    assert found is not None
    assert (found.store, found.path, found.size) == ("folder", link, placed[0].path.stat().st_size)
