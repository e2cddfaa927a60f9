"""The second step of an enrichment: read the headers and pickles that the catalog does not know, then label the repo.

Runs on a worker and never touches the store. The first step, `fetch_repo`, is the source's. An error of this repo
alone becomes a Skipped in the result; an error that ends the run is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from analysis.errors import HeaderError, HeaderTooCostly
from analysis.files.select_headers import select_headers, select_pickles
from analysis.formats.readers import find_reader
from analysis.labels.resolve import label_repo_and_artifacts
from crawler.errors import RepoError
from crawler.label_pages import NO_LABELS
from crawler.skips import TRANSIENT_REASONS, make_skip, make_skip_by_id
from crawler.sources.source import FetchedRepo, Source
from db.derive.digest import facts_of, repo_digest
from db.derive.record import derived
from db.record_base import Depth, Json, SkipReason
from db.records import ArrayLength, ArtifactRecord, Enrichment, Header, RepoRecord, Skipped

LayoutKey = tuple[str, int, str]
"""Key, element count and digest of a GGUF array whose length in bytes is known."""


@dataclass(slots=True)
class ReadHeaders:
    """The repo with its configuration, and the headers of its artifacts, known before or read now."""

    repo: RepoRecord
    by_artifact: dict[str, Header]
    read: list[Header] = field(default_factory=list)
    learned: list[ArrayLength] = field(default_factory=list)
    skips: list[Skipped] = field(default_factory=list)


def enrich_repo(
    source: Source,
    fetched: FetchedRepo,
    depth: Depth,
    known: Mapping[str, Header] = {},
    layouts: MutableMapping[LayoutKey, ArrayLength] | None = None,
) -> Enrichment:
    """Reads a repo's headers, if `depth` asks for them, and labels it with all headers there are.

    Args:
        known: headers that the catalog holds, by content digest; they are not read again.
        layouts: array lengths that are known; what is learned is added, for repos that are enriched at the same time.
    """
    headers = ReadHeaders(
        fetched.repo,
        {a.artifact: known[a.content] for a in fetched.artifacts if a.content is not None and a.content in known},
    )
    if depth == "headers":
        read_missing_headers(source, fetched, headers, {} if layouts is None else layouts)
        read_missing_pickles(source, fetched, headers)
    return build_enrichment(fetched, depth, headers)


def read_missing_headers(
    source: Source, fetched: FetchedRepo, headers: ReadHeaders, layouts: MutableMapping[LayoutKey, ArrayLength]
) -> None:
    """Adds to `headers` those of the repo's main artifacts that are missing, with the repo's configuration."""
    repo = fetched.repo
    if repo.gated and not source.has_token:
        error = RepoError("gated", "its files need a token that was granted access")
        headers.skips.append(make_skip(fetched.leased, error))
        return
    # The selection depends on the repo alone, so that the catalog does not depend on the order of enrichment.
    selected = select_headers(repo, fetched.artifacts)
    config: Json = {}
    lacks_config = False
    configured = next((artifact for artifact in selected if find_reader(artifact).uses_config), None)
    if configured is not None:
        fetched_config = source.fetch_config(fetched, configured)
        config, headers.repo = fetched_config.values, fetched_config.repo
        headers.skips += fetched_config.skipped
        lacks_config = any(skip.reason in TRANSIENT_REASONS for skip in fetched_config.skipped)
    for artifact in selected:
        if artifact.artifact in headers.by_artifact:
            continue
        if lacks_config and find_reader(artifact).uses_config:
            continue  # a header is read once for its bytes: the next attempt reads it with the configuration
        if any(skip.reason == "gated" for skip in headers.skips):
            break
        try:
            header, learned = source.read_header(fetched, artifact, list(layouts.values()), config)
        except (HeaderError, RepoError) as error:
            headers.skips.append(header_skip(fetched, artifact, error))
        else:
            headers.read.append(header)
            headers.by_artifact[artifact.artifact] = header
            headers.learned += learned
            layouts.update((layout_key(layout), layout) for layout in learned)


def read_missing_pickles(source: Source, fetched: FetchedRepo, headers: ReadHeaders) -> None:
    """Adds to `headers` what the repo's pickles would import, of those that the catalog does not know yet."""
    for artifact in select_pickles(fetched.artifacts):
        if artifact.artifact in headers.by_artifact:
            continue
        if any(skip.reason == "gated" for skip in headers.skips):
            break
        try:
            header = source.read_pickles(fetched, artifact)
        except (HeaderError, RepoError) as error:
            headers.skips.append(header_skip(fetched, artifact, error))
        else:
            headers.read.append(header)
            headers.by_artifact[artifact.artifact] = header


def build_enrichment(fetched: FetchedRepo, depth: Depth, headers: ReadHeaders) -> Enrichment:
    """The labelled repo, ready to be stored. Pure computation."""
    labelled, labelled_artifacts = (
        label_repo_and_artifacts(headers.repo, fetched.artifacts, headers.by_artifact)
        if headers.repo.type == "model"
        else (NO_LABELS, ())
    )
    incomplete = any(skip.reason in TRANSIENT_REASONS for skip in headers.skips)
    return Enrichment(
        repo=headers.repo,
        depth="files" if incomplete and depth == "headers" else depth,
        labelled=labelled,
        files=fetched.files,
        artifacts=labelled_artifacts,
        headers=tuple(headers.read),
        layouts=tuple(headers.learned),
        skipped=tuple(headers.skips),
        derived=derived(headers.repo, labelled.labels),
        listed_digest=repo_digest(fetched.listed, facts_of(fetched.listed)),
    )


def layout_key(layout: ArrayLength) -> LayoutKey:
    return layout.key, layout.count, layout.digest


def header_skip(fetched: FetchedRepo, artifact: ArtifactRecord, error: HeaderError | RepoError) -> Skipped:
    """The row that says why an artifact's header could not be read."""
    repo = fetched.repo
    if isinstance(error, RepoError):
        return make_skip_by_id(repo.repo_id, repo.hub_id, error.reason, f"{artifact.artifact}: {error.detail}")
    # A busy machine takes longer: what exceeded a limit is tried again, at growing intervals.
    reason: SkipReason = "failed" if isinstance(error, HeaderTooCostly) else "unreadable"
    return make_skip_by_id(repo.repo_id, repo.hub_id, reason, str(error))
