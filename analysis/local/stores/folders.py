"""Folders of plain files, as most programs keep them, and what lies beside the files or in the folders' names.

LM Studio                OWNER/REPO/FILE
ModelScope               OWNER/REPO/FILE
Jan                      llamacpp/models/ID/ with model.yml, older models/huggingface.co/OWNER/REPO/
text-generation-webui    OWNER_REPO[_BRANCH]/huggingface-metadata.txt with `url:`, `branch:` and `sha256sum:` lines
llama.cpp before 2026    OWNER_REPO_FILE.gguf with FILE.json that holds `url`
hf download --local-dir  .cache/huggingface/download/FILE.metadata
GPT4All, ComfyUI         files only
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis.local.records import LocalArtifact, LocalFile, Origin
from analysis.local.roots import Layout
from analysis.local.scan import FoundFile, Scan
from analysis.local.stores.group import group_local_files
from analysis.local.stores.huggingface import SHA256, DownloadFolder
from analysis.local.stores.manifests import parse_object
from analysis.names.references import find_reference

WEBUI_METADATA = "huggingface-metadata.txt"
_CHECKSUM = re.compile(r"\s*([0-9a-f]{64})\s+(\S.*)")
_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FOLDER = re.compile(r"(?:^|/)huggingface\.co/(?P<repo>[\w.-]+/[\w.-]+)/")


@dataclass(frozen=True, slots=True)
class WebuiFolder:
    """What huggingface-metadata.txt states: the repo, and the sha256 of files by their name."""

    repo_id: str | None
    digests: dict[str, str] = field(default_factory=dict)


def read_folder(
    scan: Scan, folder: Path, store: str, layout: Layout, found: list[FoundFile]
) -> Iterator[LocalArtifact]:
    """The artifacts of files below a folder, with what sidecars and folder names say of them."""
    sidecars = Sidecars(scan, folder, {each.relative for each in found})
    origins: dict[str, Origin | None] = {}
    described = []
    for relative, file in found:
        known, origin = sidecars.describe(relative, file)
        origins[relative] = origin or origin_of_path(relative, layout, file)
        described.append(FoundFile(relative, known))
    yield from group_local_files(store, folder.resolve().name or "folder", described, origins.get)


def origin_of_path(relative: str, layout: Layout, file: LocalFile) -> Origin | None:
    """The repo that the folders of a path name: the first two of a store that has them, else the last two."""
    if found := _HUB_FOLDER.search(relative):
        return Origin(found["repo"], path=relative[found.end() :])
    parts = relative.split("/")
    if layout == "owner/repo" and len(parts) >= 3 and _REPO_ID.fullmatch(f"{parts[0]}/{parts[1]}"):
        return Origin(f"{parts[0]}/{parts[1]}", path="/".join(parts[2:]))
    owner, name = file.shown.parent.parent.name, file.shown.parent.name
    return Origin(f"{owner}/{name}", path=file.shown.name) if _REPO_ID.fullmatch(f"{owner}/{name}") else None


class Sidecars:
    """The sidecar files below a folder, looked for once for each folder. `paths` are those of all files below it."""

    def __init__(self, scan: Scan, folder: Path, paths: Collection[str]) -> None:
        self._scan = scan
        self._folder = folder
        self._paths = paths
        self._downloads: dict[str, list[tuple[str, DownloadFolder]]] = {}
        self._webui: dict[str, WebuiFolder | None] = {}

    def describe(self, relative: str, file: LocalFile) -> tuple[LocalFile, Origin | None]:
        """A file with the hash and the origin that a file beside it states."""
        folder, _, name = relative.rpartition("/")
        for prefix, download in self._downloads_of(folder):
            known, origin = download.describe(relative.removeprefix(prefix), file)
            if origin is not None:
                return known, origin
        metadata = self._webui_folder(folder)
        if metadata is not None:
            digest = metadata.digests.get(name)
            known = replace(file, sha256=digest, digest_source="stated") if digest else file
            return known, Origin(metadata.repo_id, path=name, recorded=True)
        return file, self._url_beside(relative)

    def _downloads_of(self, folder: str) -> list[tuple[str, DownloadFolder]]:
        """The folders that `hf download` wrote to, of a folder and those above, with what precedes paths in them."""
        if folder not in self._downloads:
            above = self._downloads_of(folder.rpartition("/")[0]) if folder else []
            own = DownloadFolder(self._scan, self._folder / folder)
            self._downloads[folder] = [*above, (f"{folder}/" if folder else "", own)] if own.exists else above
        return self._downloads[folder]

    def _webui_folder(self, folder: str) -> WebuiFolder | None:
        if folder not in self._webui:
            beside = f"{folder}/{WEBUI_METADATA}" if folder else WEBUI_METADATA
            text = self._scan.small_text(self._folder / beside) if self._is_there(beside) else None
            self._webui[folder] = None if text is None else parse_webui_metadata(text)
        return self._webui[folder]

    def _url_beside(self, relative: str) -> Origin | None:
        """llama.cpp's `FILE.json` with the URL that was downloaded."""
        if not relative.endswith(".gguf") or not self._is_there(f"{relative}.json"):
            return None
        url = parse_object(self._scan.small_text(self._folder / f"{relative}.json")).get("url")
        named = find_reference(url) if isinstance(url, str) else None
        return Origin(named.repo_id, path=named.file, recorded=True) if named and named.owner else None

    def _is_there(self, relative: str) -> bool:
        """Whether a sidecar is among the files, or at least on the disk where a single file is looked at."""
        return relative in self._paths or (len(self._paths) == 1 and (self._folder / relative).is_file())


def parse_webui_metadata(text: str) -> WebuiFolder:
    """The repo and the checksums of a huggingface-metadata.txt."""
    repo_id, digests = None, {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "url" and (named := find_reference(value.strip())) is not None and named.owner:
            repo_id = named.repo_id
        elif found := _CHECKSUM.fullmatch(line):
            digests[found[2].strip()] = found[1] if SHA256.fullmatch(found[1]) else ""
    return WebuiFolder(repo_id, {name: digest for name, digest in digests.items() if digest})
