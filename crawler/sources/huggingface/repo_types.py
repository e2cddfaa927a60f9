"""What the API of models, datasets and spaces has in common is the same code; here is what differs.

Source: huggingface_hub, hf_api.py (`ExpandModelProperty_T`, `ExpandDatasetProperty_T`, `ExpandSpaceProperty_T`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db.record_base import RepoType


@dataclass(frozen=True, slots=True)
class TypeApi:
    """The paths and the keys of repos of one type."""

    listing_path: str
    file_prefix: str  # of the path of a file, before the repo's id
    basic_keys: tuple[str, ...]  # of `expand`: what the Hub has at hand
    expensive_keys: tuple[
        str, ...
    ]  # what it takes from the repo's files, or from other repos: not asked of one that fails

    info_params: tuple[tuple[str, str], ...] = ()  # further ones of the request for one repo

    @property
    def keys(self) -> tuple[str, ...]:
        """What is requested of each listed repo."""
        return (*self.basic_keys, *self.expensive_keys)

    @property
    def info_keys(self) -> tuple[str, ...]:
        """What is requested of one repo; `siblings` with `blobs=true` are its files with sizes and hashes."""
        return (*self.keys, "siblings")


_COMMON = ("author", "createdAt", "disabled", "lastModified", "likes", "private", "sha", "tags", "trendingScore")
_OF_FILES = ("downloads", "downloadsAllTime", "gated", "usedStorage")

TYPE_APIS: Mapping[RepoType, TypeApi] = {
    "model": TypeApi(
        "/api/models",
        "",
        tuple(sorted((*_COMMON, *_OF_FILES, "library_name", "pipeline_tag"), key=str.lower)),
        ("baseModels", "cardData", "config", "evalResults", "gguf", "model-index", "safetensors"),
        (("securityStatus", "true"),),
    ),
    "dataset": TypeApi(
        "/api/datasets",
        "/datasets",
        (*_COMMON, *_OF_FILES),
        ("cardData", "description", "mainSize", "paperswithcode_id"),
    ),
    "space": TypeApi(
        "/api/spaces", "/spaces", (*_COMMON, "sdk", "usedStorage"), ("cardData", "datasets", "models", "runtime")
    ),
}
