"""The filters of a crawl as SQL conditions over the table repos."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func

from db.records import RepoFilter
from db.schema.tables import repo_tags, repos, tags


def filter_sql(scope: RepoFilter) -> list[ColumnElement[bool]]:
    """Conditions over repos that hold for the repos of a filter; its `limit` is not among them."""
    found: list[ColumnElement[bool]] = [repos.c.type == scope.type]
    if scope.authors:
        found.append(func.lower(repos.c.author).in_([author.lower() for author in scope.authors]))
    if scope.repo_ids:
        found.append(func.lower(repos.c.repo_id).in_([repo_id.lower() for repo_id in scope.repo_ids]))
    if scope.min_downloads is not None:
        found.append(repos.c.downloads >= scope.min_downloads)
    if scope.since is not None:
        found.append(repos.c.last_modified >= scope.since)
    found += [func.lower(repos.c.repo_id).contains(text.lower(), autoescape=True) for text in scope.search]
    for tag in scope.tags:
        tagged = exists().where(repo_tags.c.repo == repos.c.id, repo_tags.c.tag == tags.c.id, tags.c.tag == tag)
        found.append(tagged)
    return found
