"""Repos and files as the Hub writes them in JSON; what was written once is kept until the repo changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samplehub.content.catalog import Listing
from samplehub.content.file_content import Content
from samplehub.content.repo import Files, Json, Repo, commit_of
from samplehub.content.scans import SAFE_FILE, repo_scan

OF_MODELS = (
    "author",
    "baseModels",
    "cardData",
    "childrenModelCount",
    "config",
    "createdAt",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "evalResults",
    "gated",
    "gguf",
    "inference",
    "inferenceProviderMapping",
    "lastModified",
    "library_name",
    "likes",
    "mask_token",
    "model-index",
    "pipeline_tag",
    "private",
    "resourceGroup",
    "safetensors",
    "sha",
    "siblings",
    "spaces",
    "tags",
    "transformersInfo",
    "trendingScore",
    "usedStorage",
    "widgetData",
    "xetEnabled",
)

OF_DATASETS = (
    *(
        "author",
        "cardData",
        "citation",
        "createdAt",
        "description",
        "disabled",
        "downloads",
        "downloadsAllTime",
        "gated",
    ),
    *("lastModified", "likes", "mainSize", "paperswithcode_id", "private", "resourceGroup", "sha", "siblings", "tags"),
    *("trendingScore", "usedStorage"),
)
OF_SPACES = (
    *(
        "author",
        "cardData",
        "createdAt",
        "datasets",
        "disabled",
        "lastModified",
        "likes",
        "models",
        "private",
        "region",
    ),
    *("resourceGroup", "runtime", "sdk", "sha", "siblings", "subdomain", "tags", "trendingScore", "usedStorage"),
)
EXPANDABLE = {"models": OF_MODELS, "datasets": OF_DATASETS, "spaces": OF_SPACES}
OF_CARD = frozenset({"description", "mainSize", "paperswithcode_id", "sdk", "runtime", "models", "datasets"})
"""Keys that the sample repos of datasets and spaces keep in their cards."""

DEFAULT_ROW = ("private", "downloads", "likes", "tags", "pipeline_tag", "library_name", "createdAt", "trendingScore")
FULL_ROW = ("author", "sha", "lastModified", "gated", "siblings", *DEFAULT_ROW)
INFO = (
    "author",
    "sha",
    "lastModified",
    "private",
    "gated",
    "disabled",
    "pipeline_tag",
    "tags",
    "downloads",
    "library_name",
    "likes",
    "model-index",
    "config",
    "cardData",
    "transformersInfo",
    "siblings",
    "spaces",
    "createdAt",
    "safetensors",
    "gguf",
    "usedStorage",
)

DEFAULT_ROWS = {
    "models": DEFAULT_ROW,
    "datasets": (
        "author",
        "private",
        "gated",
        "likes",
        "downloads",
        "tags",
        "createdAt",
        "lastModified",
        "sha",
        "description",
    ),
    "spaces": ("private", "likes", "sdk", "tags", "createdAt", "trendingScore"),
}
INFOS = {
    "models": INFO,
    "datasets": tuple(key for key in OF_DATASETS if key not in ("citation", "resourceGroup", "trendingScore")),
    "spaces": tuple(key for key in OF_SPACES if key not in ("resourceGroup", "trendingScore")),
}

RELATED = frozenset({"baseModels", "childrenModelCount"})
ABSENT_WHERE_NONE = frozenset(
    {"pipeline_tag", "library_name", "safetensors", "gguf", "transformersInfo", "evalResults"}
)
MAX_CACHED_BYTES = 64 << 20
POINTER_SIZE = 127  # of an LFS pointer, before the digits of the size


@dataclass(frozen=True, slots=True)
class Shape:
    """Which keys a row has, whether its files come with sizes and hashes, and what scanners say."""

    keys: tuple[str, ...]
    model_id: bool = True
    blobs: bool = False
    revision: str | None = None
    scans: bool = False  # with what scanners say of the repo


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Rows:
    """Writes repos of a catalog, each once a shape and an edition."""

    def __init__(self, catalog: Listing) -> None:
        self._catalog = catalog
        self._kept: dict[tuple[str, Shape], tuple[int, bytes]] = {}
        self._bytes = 0

    def row(self, repo: Repo, shape: Shape, commit: str = "", files: Files | None = None) -> bytes:
        """One repo's JSON. `files` and `commit` are those of the revision that the shape names, default main's."""
        stamp = repo.edition if RELATED.isdisjoint(shape.keys) else self._catalog.version
        kept = self._kept.get((repo.hub_id, shape))
        if kept is not None and kept[0] == stamp:
            return kept[1]
        written = encode(self.row_json(repo, shape, commit or repo.sha, files))
        if self._bytes > MAX_CACHED_BYTES:
            self._kept, self._bytes = {}, 0
        self._kept[repo.hub_id, shape] = stamp, written
        self._bytes += len(written)
        return written

    def row_json(self, repo: Repo, shape: Shape, commit: str, files: Files | None = None) -> Json:
        row: Json = {"_id": repo.hub_id, "id": repo.id}
        if shape.model_id:
            row["modelId"] = repo.id
        if shape.scans:
            row["securityRepoStatus"] = repo_scan(repo)
        for key in shape.keys:
            if key == "siblings":
                row[key] = siblings(repo.files if files is None else files, shape.blobs)
                continue
            value = commit if key == "sha" else self._value(repo, key)
            if value is not None or key not in ABSENT_WHERE_NONE:
                row[key] = value
        return row

    def _value(self, repo: Repo, key: str) -> Any:
        if key in REPO_ATTRIBUTES:
            return getattr(repo, REPO_ATTRIBUTES[key])
        if key == "tags":
            return list(repo.tags)
        if key == "downloadsAllTime":
            return repo.downloads * 12
        if key == "cardData":
            hidden = {"model-index", "leaderboard", *OF_CARD}
            return {name: value for name, value in repo.card.items() if name not in hidden}
        if key == "model-index":
            return repo.card.get("model-index")
        if key == "evalResults":
            return repo.evals or None
        if key == "config":
            return projection(repo.config) if repo.config is not None else {}
        if key == "usedStorage":
            return repo.used_storage()
        if key == "baseModels":
            return self._bases(repo)
        if key == "childrenModelCount":
            return dict(self._catalog.children(repo.id))
        if key == "transformersInfo":
            return transformers_info(repo)
        if key == "spaces":
            return []
        return repo.card.get(key) if key in OF_CARD else None

    def _bases(self, repo: Repo) -> Json | None:
        if not repo.base:
            return None
        found = [(base, self._catalog.find(base)) for base in repo.base]
        models = [{"_id": parent.hub_id, "id": base} for base, parent in found if parent is not None]
        return {"relation": repo.relation or "finetune", "models": models} if models else None


REPO_ATTRIBUTES = {
    "author": "author",
    "createdAt": "created",
    "lastModified": "modified",
    "downloads": "downloads",
    "likes": "likes",
    "gated": "gated",
    "private": "private",
    "disabled": "disabled",
    "pipeline_tag": "pipeline",
    "library_name": "library",
    "safetensors": "safetensors",
    "gguf": "gguf",
    "trendingScore": "trending",
}


def projection(config: Mapping[str, Any]) -> Json:
    """What the API shows of config.json: which model it is and how it is quantized, no shapes."""
    shown: Json = {key: config[key] for key in ("architectures", "model_type") if key in config}
    quantization = config.get("quantization_config")
    if isinstance(quantization, Mapping):
        hidden = (
            "group_size",
            "quantization_config",
            "kv_cache_scheme",
            "version",
            "modules_to_not_convert",
            "desc_act",
        )
        shown["quantization_config"] = {key: value for key, value in quantization.items() if key not in hidden}
    return shown


def transformers_info(repo: Repo) -> Json | None:
    if repo.library != "transformers" or repo.config is None or "architectures" not in repo.config:
        return None
    auto = {
        "text-generation": "AutoModelForCausalLM",
        "image-text-to-text": "AutoModelForImageTextToText",
        "fill-mask": "AutoModelForMaskedLM",
        "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
    }.get(repo.pipeline or "", "AutoModel")
    return {"auto_model": auto, "pipeline_tag": repo.pipeline, "processor": "AutoTokenizer"}


def siblings(files: Files, blobs: bool) -> list[Json]:
    if not blobs:
        return [{"rfilename": path} for path in sorted(files)]
    return [sibling(path, files[path]) for path in sorted(files)]


def sibling(path: str, content: Content) -> Json:
    row: Json = {"rfilename": path, "blobId": content.blob_id, "size": content.size}
    if content.large:
        row["lfs"] = {"sha256": content.digest, "size": content.size, "pointerSize": pointer_size(content)}
    return row


def pointer_size(content: Content) -> int:
    return POINTER_SIZE + len(str(content.size)) - 1


def tree_entry(repo: Repo, path: str, content: Content, expand: bool) -> Json:
    """A file in the tree; its keys are not those of a sibling (`oid` and `lfs.oid`)."""
    entry: Json = {"type": "file", "oid": content.blob_id, "size": content.size}
    if content.large:
        entry["lfs"] = {"oid": content.digest, "size": content.size, "pointerSize": pointer_size(content)}
    entry["path"] = path
    return entry | expansion(repo) | {"securityFileStatus": repo.scans.get(path, SAFE_FILE)} if expand else entry


def folder_entry(repo: Repo, path: str, expand: bool) -> Json:
    entry: Json = {"type": "directory", "oid": commit_of(repo.hub_id, path), "size": 0, "path": path}
    return entry | expansion(repo) if expand else entry


def expansion(repo: Repo) -> Json:
    return {"lastCommit": {"id": repo.sha, "title": "Upload folder using huggingface_hub", "date": repo.modified}}
