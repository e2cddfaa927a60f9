"""Asks the Hub for single repos, one request each, to compare local files with what it holds now. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analysis.labels.evidence.names import parse_name_or_none
from analysis.local.known import AskedRepo, KnownArtifact, KnownRepo
from analysis.units import iso
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.fetch import fetch_repo
from crawler.sources.source import FetchedRepo
from db.records import LeasedRepo, Skipped


def ask_for_repos(client: HubClient, repo_ids: Iterable[str]) -> Iterator[AskedRepo]:
    """Each repo as the Hub holds it now.

    A repo that can't be read for another reason than being gone (gated, private) is left out. Raises what ends a run:
    CrawlError.
    """
    for repo_id in repo_ids:
        found = fetch_repo(client, LeasedRepo("", repo_id, None, None, 0))
        if not isinstance(found, Skipped):
            repo = repo_of(found, repo_id)
            yield AskedRepo(repo, tuple(known_artifacts(found, repo)))
        elif found.reason == "gone":
            yield AskedRepo(KnownRepo(repo_id, "gone", None, None, None, None, None, None))


def repo_of(found: FetchedRepo, asked: str) -> KnownRepo:
    record = found.repo
    return KnownRepo(
        repo_id=record.repo_id,
        status=record.status,
        sha=record.sha,
        license=record.license,
        created_at=iso(record.created_at) if record.created_at else None,
        last_modified=iso(record.last_modified) if record.last_modified else None,
        downloads=record.downloads,
        base_model=next((edge.parent for edge in record.edges), None),
        base_model_relation=next((edge.relation for edge in record.edges), None),
        renamed_from=asked if asked.lower() != record.repo_id.lower() else None,
    )


def known_artifacts(found: FetchedRepo, repo: KnownRepo) -> list[KnownArtifact]:
    artifacts = []
    for each in found.artifacts:
        names = parse_name_or_none(each.artifact)
        artifacts.append(
            KnownArtifact(
                repo,
                each.artifact,
                each.paths,
                each.role,
                each.total_size,
                each.content,
                names.quant if names else None,
            )
        )
    return artifacts
