"""Stores of content named by its sha256 with manifests: Ollama, and Docker Model Runner.

    Ollama   manifests/HOST/NAMESPACE/MODEL/TAG      JSON with layers; HOST hf.co: pulled from the Hub
             blobs/sha256-HEX
    Docker   models.json                             ids of manifests with their tags
             manifests/sha256/HEX, blobs/sha256/HEX

Sources: ollama/ollama manifest/ and types/model/; docker/model-runner pkg/distribution.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.local.records import LocalArtifact, LocalFile, Origin
from analysis.local.scan import Scan
from analysis.local.stores.huggingface import named_by_hash
from analysis.untrusted import check_mapping, check_text, parse_json_text
from db.record_base import Role

HUB_HOSTS = frozenset({"hf.co", "huggingface.co"})
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
TAG = re.compile(r"(?:hf\.co|huggingface\.co)/(?P<repo>[\w.-]+/[\w.-]+?)(?::(?P<quant>[\w.-]+))?")

LAYER_ROLES: Mapping[str, Role] = {"model": "weights", "projector": "mmproj", "adapter": "adapter", "draft": "draft"}
"""Roles by the last word of an Ollama layer's media type."""

DOCKER_ROLES: Mapping[str, Role] = {"gguf": "weights", "safetensors": "weights", "mmproj": "mmproj", "lora": "adapter"}
"""Roles by a word in a Docker layer's media type."""

MAX_LAYERS = 20_000
MEDIA_TYPE = re.compile(r"application/vnd\.(?P<maker>ollama\.image|docker\.ai)\.(?P<what>[\w.]+)")


@dataclass(frozen=True, slots=True)
class Layer:
    """One piece of content of a manifest."""

    digest: str  # sha256
    role: Role
    is_tensor: bool = False  # one tensor alone: the model is all of them


def is_ollama(folder: Path) -> bool:
    return (folder / "manifests").is_dir() and (folder / "blobs").is_dir() and not is_docker(folder)


def is_docker(folder: Path) -> bool:
    return (folder / "blobs" / "sha256").is_dir() and (folder / "manifests" / "sha256").is_dir()


def read_ollama(scan: Scan, folder: Path, store: str) -> Iterator[LocalArtifact]:
    """A model, projector, adapter or draft for each layer of each manifest. A model of tensors is one artifact."""
    manifests = folder / "manifests"
    if not scan.enter(manifests):
        return
    for relative, file in scan.walk(manifests):
        parts = relative.split("/")
        if len(parts) != 4:
            continue
        host, namespace, model, tag = parts
        on_hub = host in HUB_HOSTS
        name = f"{host}/{namespace}/{model}:{tag}" if on_hub else f"{model}:{tag}"
        name = name if on_hub or namespace == "library" else f"{namespace}/{name}"
        origin = Origin(f"{namespace}/{model}", quant=tag, recorded=True) if on_hub else None
        layers = layers_of(scan, file.path)
        blobs = {digest: folder / "blobs" / f"sha256-{digest}" for digest in layers}
        yield from layer_artifacts(scan, store, name, origin, layers, blobs)


def read_docker(scan: Scan, folder: Path, store: str) -> Iterator[LocalArtifact]:
    """An artifact for each layer with a model, adapter or projector; its name is the first of its tags."""
    tags = docker_tags(parse_object(scan.small_text(folder / "models.json")))
    for manifest in scan.entries_of(folder / "manifests" / "sha256"):
        named = tags.get(manifest.name, [])
        name = named[0] if named else manifest.name[:12]
        found = next((match for tag in named if (match := TAG.fullmatch(tag))), None)
        origin = Origin(found["repo"], quant=found["quant"], recorded=True) if found else None
        layers = layers_of(scan, Path(manifest.path))
        blobs = {digest: folder / "blobs" / "sha256" / digest for digest in layers}
        yield from layer_artifacts(scan, store, name, origin, layers, blobs)


def docker_tags(models: Mapping[str, Any]) -> dict[str, list[str]]:
    """Tags by the sha256 of the manifest."""
    listed = models.get("models")
    found: dict[str, list[str]] = {}
    for each in listed if isinstance(listed, list) else []:
        entry = check_mapping(each)
        digest = DIGEST.fullmatch(str(entry.get("id")))
        stated = entry.get("tags")
        if digest:
            found[digest[1]] = [tag for tag in stated if check_text(tag)] if isinstance(stated, list) else []
    return found


def layer_artifacts(
    scan: Scan, store: str, name: str, origin: Origin | None, layers: Mapping[str, Layer], blobs: Mapping[str, Path]
) -> Iterator[LocalArtifact]:
    """The artifacts of one manifest's layers, whose blobs may be missing."""
    tensors: list[LocalFile] = []
    for digest, layer in layers.items():
        file = scan.file(blobs[digest]) if blobs[digest].exists() else None
        if file is None:
            continue
        file = named_by_hash(file, digest)
        if layer.is_tensor:
            tensors.append(file)
        else:
            yield LocalArtifact(store, name, layer.role, None, (file,), (file.path.name,), origin)
    if tensors:
        paths = tuple(file.path.name for file in tensors)
        yield LocalArtifact(store, name, "weights", "safetensors", tuple(tensors), paths, origin)


def layers_of(scan: Scan, manifest: Path) -> dict[str, Layer]:
    """The layers with weights of a manifest, by sha256; empty for what is no manifest."""
    listed = parse_object(scan.small_text(manifest)).get("layers")
    found: dict[str, Layer] = {}
    for each in listed[:MAX_LAYERS] if isinstance(listed, list) else []:
        layer = check_mapping(each)
        digest = DIGEST.fullmatch(str(layer.get("digest")))
        media = MEDIA_TYPE.fullmatch(str(layer.get("mediaType")))
        if digest is None or media is None:
            continue
        words = media["what"].split(".")
        if media["maker"] == "docker.ai":
            role = next((DOCKER_ROLES[word] for word in words if word in DOCKER_ROLES), None)
            if role is not None:
                found[digest[1]] = Layer(digest[1], role)
        elif words == ["tensor"]:
            found[digest[1]] = Layer(digest[1], "weights", is_tensor=True)
        elif words[0] in LAYER_ROLES:
            found[digest[1]] = Layer(digest[1], LAYER_ROLES[words[0]])
    return found


def parse_object(text: str | None) -> Mapping[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        return check_mapping(parse_json_text((text or "{}").encode()))
    except ValueError:
        return {}
