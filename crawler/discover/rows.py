"""What happens to the repos of a page before they are labelled."""

from __future__ import annotations

from collections.abc import Sequence

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
