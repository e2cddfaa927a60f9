"""Whether a crawl of a Hub would work: the first requests of one, and what they show of the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from crawler.cli.findings import Finding, bad_finding
from crawler.discover.bounds import StopAtDate
from crawler.discover.listing import ListingWalk
from crawler.errors import CrawlError, OrderIgnored, RepoError
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.source import FetchedRepo
from db.records import FileRecord, LeasedRepo, RepoFilter, RepoRecord

PAGE_ROWS = 100
"""Rows of a page that is read to check the listing."""

PAGES_READ = 2
"""The second one shows whether the links between pages work."""

REPOS_TRIED = 3
"""Repos that are requested, until one is there: those of a Hub may be gated or broken."""

BYTES_READ = 16
"""Bytes of a file, to see whether it is sent in ranges."""

DAYS_OF_CHANGES = 3650
"""Changes within this time are listed, to see whether the listing is sorted by them."""


@dataclass(frozen=True, slots=True)
class HubCheck:
    """The checks of one Hub, in the order of a crawl. Each raises CrawlError where a crawl would end."""

    source: HuggingFaceSource

    def findings(self) -> Iterator[Finding]:
        """One finding for each stage of a crawl."""
        walk = ListingWalk(self.source, RepoFilter(), page_size=PAGE_ROWS)
        repos = [repo for page in islice(walk.pages(), PAGES_READ) for repo in page.repos]
        if not repos:
            yield Finding("listing", "bad", "it shows no repo", "check the endpoint; crawl single repos with --repo")
            return
        yield self._describe_listing(walk, repos)
        yield self._describe_changes()
        fetched = self._fetch_one(repos)
        if isinstance(fetched, Finding):
            yield fetched
            return
        yield self._describe_repo(fetched)
        file = find_small_file(fetched.files)
        if file is not None:
            yield self._describe_file(fetched, file)

    def _describe_listing(self, walk: ListingWalk, repos: Sequence[RepoRecord]) -> Finding:
        shown = [f"{walk.rows_read:,} rows read"]
        skipped = walk.rows_read - walk.repos_read
        if skipped:
            shown.append(f"{skipped:,} of them malformed")
        if not self.source.client.lists_details(()):
            shown.append("without cards and configs: each repo is requested for them")
        if self.source.client.unknown_keys:
            shown.append(f"without {', '.join(sorted(self.source.client.unknown_keys))}, which this Hub does not know")
        if any(repo.sha is None for repo in repos):
            shown.append("without commits: each repo is requested to see whether it changed")
        found = "; ".join([*shown, *walk.notes])
        return Finding("listing", "note" if len(shown) > 1 or walk.notes else "good", found)

    def _describe_changes(self) -> Finding:
        stop = StopAtDate("lastModified", datetime.now(UTC) - timedelta(days=DAYS_OF_CHANGES))
        walk = ListingWalk(self.source, RepoFilter(), "lastModified", stop, PAGE_ROWS)
        try:
            found = [repo for page in islice(walk.pages(), 1) for repo in page.repos]
        except OrderIgnored:
            found = []
        if any(repo.last_modified is not None for repo in found):
            return Finding("changes", "good", "the listing shows the latest changes first")
        return Finding(
            "changes", "note", "the listing does not show the latest changes first: each crawl reads all of it"
        )

    def _fetch_one(self, repos: Sequence[RepoRecord]) -> FetchedRepo | Finding:
        reasons = []
        for repo in sorted(repos, key=lambda repo: repo.gated is not None)[:REPOS_TRIED]:
            fetched = self.source.fetch_repo(LeasedRepo(repo.hub_id, repo.repo_id, None, None, 0))
            if isinstance(fetched, FetchedRepo):
                return fetched
            reasons.append(f"{repo.repo_id}: {fetched.reason} ({fetched.detail})")
        if self.source.is_healthy():
            return Finding("repos", "note", f"the Hub answers, but not for {'; '.join(reasons)}")
        return Finding("repos", "bad", "; ".join(reasons), "crawl --depth listing needs no requests for single repos")

    def _describe_repo(self, fetched: FetchedRepo) -> Finding:
        sized = sum(file.size is not None for file in fetched.files)
        text = f"{fetched.repo.repo_id}: {sized:,} of {len(fetched.files):,} files have a size"
        return Finding("repos", "good" if sized == len(fetched.files) else "note", text)

    def _describe_file(self, fetched: FetchedRepo, file: FileRecord) -> Finding:
        revision = fetched.repo.sha or "main"
        try:
            found = self.source.client.read_range(fetched.repo.repo_id, file.path, revision, 1, BYTES_READ)
        except RepoError as error:
            return Finding("files", "note", f"{fetched.repo.repo_id}/{file.path}: {error}")
        ranges = "are sent in ranges" if found.is_partial else "are sent whole, though a range was asked for"
        return Finding("files", "good", f"small files {ranges}")


def find_small_file(files: Sequence[FileRecord]) -> FileRecord | None:
    """The smallest file with some bytes; None if there is none."""
    sized = [(file.size, file.path, file) for file in files if file.size is not None and file.size > BYTES_READ]
    return min(sized, key=lambda each: each[:2])[2] if sized else None


def check_hub(source: HuggingFaceSource) -> Iterator[Finding]:
    """The findings of a HubCheck; what would end a crawl is a bad one."""
    try:
        yield from HubCheck(source).findings()
    except CrawlError as error:
        yield bad_finding("crawl", error)
