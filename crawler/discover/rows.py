"""What happens to the repos of a page before they are labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crawler.run_recorder import RunRecorder
from crawler.skips import make_skip_by_id
from db.records import RepoRecord, Skipped


def drop_private(recorder: RunRecorder, repos: Sequence[RepoRecord]) -> tuple[Sequence[RepoRecord], list[Skipped]]:
    """The repos without those that only the token's owner sees, unless the settings include them.

    A private repo that the catalog knows gets the status `private`; for each other one a skip is returned.
    """
    hidden = [] if recorder.settings.include_private else [repo for repo in repos if repo.private]
    if not hidden:
        return repos, []
    known = recorder.store.load_repos([repo.hub_id for repo in hidden])
    for hub_id in known:
        recorder.store.set_status(recorder.run, hub_id, "private")
    detail = "visible to this token only; --include-private includes it"
    skips = [make_skip_by_id(r.repo_id, r.hub_id, "private", detail) for r in hidden if r.hub_id not in known]
    return [repo for repo in repos if not repo.private], skips


def with_stored_values(repo: RepoRecord, stored: RepoRecord | None, *, thin: bool) -> RepoRecord:
    """A listed repo with the stored values of what the listing did not tell.

    That is its commit and dates where they are unknown, and for a `thin` row, which was listed without the expensive
    keys, its card, config and counts.
    """
    if stored is None:
        return repo
    repo = replace(
        repo,
        sha=repo.sha or stored.sha,
        created_at=repo.created_at or stored.created_at,
        last_modified=repo.last_modified or stored.last_modified,
    )
    if not thin:
        return repo
    return replace(
        repo,
        card=stored.card,
        config=stored.config,
        safetensors=stored.safetensors,
        gguf=stored.gguf,
        edges=tuple(edge for edge in stored.edges if edge.source == "api"),
        evaluations=stored.evaluations,
        languages=stored.languages,
        license=repo.license or stored.license,
    )


def lacks_values(repo: RepoRecord) -> bool:
    """Whether a row did not tell the repo's commit or dates."""
    return repo.sha is None or repo.created_at is None or repo.last_modified is None
