"""The options that select what to crawl, shared by `crawl` and `plan`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from crawler.cli.complete import complete_repo_id
from crawler.cli.options import CLUSTER, SPAN_OF_TIME, WHEN, repo_type_option

Command = Callable[..., Any]

NAMES = ("author", "search", "tags", "repo_ids", "since", "min_downloads", "limit", "repo_type")


COMMENT = re.compile(r"(?:^|\s)#")
"""Where a comment begins in a line of a file of repos; a `#` within an address does not begin one."""


def crawl_options(command: Command) -> Command:
    """Adds the options and passes the command `settings` (CrawlSettings) and `endpoint` in their place."""
    options: list[Callable[[Command], Command]] = [
        click.option("--endpoint", metavar="URL", help="The Hub's address; default HF_ENDPOINT, else huggingface.co."),
        click.option(
            "--depth",
            type=click.Choice(["listing", "files", "headers"]),
            help="listing: metadata only; files: each repo's files, one request each; headers: also file headers."
            " Default: headers where the crawl is limited to some models, else files.",
        ),
        repo_type_option("Which repos; labels and headers are of models only."),
        click.option("--full", is_flag=True, help="Read the whole listing again, to find vanished repos."),
        click.option("--author", multiple=True, metavar="NAME", help="Only repos of this account; repeatable."),
        click.option("--search", multiple=True, metavar="TEXT", help="Only repos whose id contains this text."),
        click.option("--filter", "tags", multiple=True, metavar="TAG", help="Only repos with this tag: gguf, mlx."),
        click.option(
            "--repo",
            "repo_ids",
            multiple=True,
            shell_complete=complete_repo_id,
            metavar="ID",
            help="Only these repos; ID@REVISION: its files at that branch, tag or commit too; @FILE: one a line.",
        ),
        click.option("--since", type=WHEN, metavar="TIME", help="Only repos that changed since: 7d or 2026-11-01."),
        click.option(
            "--min-downloads", type=click.IntRange(min=1), metavar="N", help="Only repos with at least N downloads."
        ),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the N most downloaded repos."),
        click.option("--budget", type=click.IntRange(min=1), metavar="N", help="Stop after N requests to the Hub."),
        click.option("--max-time", type=SPAN_OF_TIME, metavar="SPAN", help="Stop after this time: 30m, 2h."),
        click.option(
            "--cards",
            type=click.IntRange(min=0),
            default=0,
            metavar="N",
            help="Read N model cards at most, one request each: which sections they have. The text is not kept.",
        ),
        click.option("--keep-card-text", is_flag=True, help="With --cards: keep the text in the table card_texts."),
        click.option(
            "--account-kinds",
            type=click.IntRange(min=0),
            default=0,
            metavar="N",
            help="Ask of N owners at most, 1 or 2 requests each: user or organization?",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1, 64),
            default=8,
            show_default=True,
            help="Number of repos read at a time.",
        ),
        click.option("--include-private", is_flag=True, help="Include private repos that the token can read."),
        click.option(
            "--cluster",
            type=CLUSTER,
            metavar="ADDRESS",
            help="Label on a Dask cluster: local:2 for two processes of this machine, or tls://host:8786.",
        ),
        click.option("--insecure", is_flag=True, help="Accept a cluster without encryption: tcp://host:8786."),
    ]

    @functools.wraps(command)
    def with_settings(*args: Any, **given: Any) -> Any:
        return command(*args, settings=settings_of(given), **given)

    wrapped: Command = with_settings
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def named_repos(given: Sequence[str]) -> Iterator[str]:
    """The repos of `--repo`; `@FILE` names a file with one on each line, where `#` begins a comment."""
    for text in given:
        if not text.startswith("@"):
            yield text
            continue
        try:
            lines = Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            message = f"--repo: {text[1:]} can't be read: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}"
            raise click.UsageError(message, click.get_current_context()) from None
        names = [name for line in lines if (name := COMMENT.split(line, 1)[0].strip())]
        if not names:
            raise click.UsageError(f"--repo: {text[1:]} names no repos", click.get_current_context())
        yield from names


def settings_of(given: dict[str, Any]) -> Any:
    """CrawlSettings of the options, removed from `given`; `endpoint` stays."""
    from analysis.names.references import find_reference, find_repo_id, may_refer
    from crawler.settings import CrawlSettings, default_depth
    from crawler.sources.huggingface.parse import REPO_ID
    from db.records import RepoFilter

    author, search, tags, repo_ids, since, least, limit, repo_type = (given.pop(name) for name in NAMES)
    names = list(named_repos(repo_ids))
    references = [find_reference(name) if may_refer(name) else None for name in names]
    repo_ids = tuple(dict.fromkeys(map(find_repo_id, names)))
    pinned = tuple((each.repo_id, each.revision) for each in references if each and each.revision not in (None, "main"))
    wrong = next((name for name in repo_ids if not REPO_ID.fullmatch(name)), None)
    if wrong is not None:
        raise click.UsageError(f"--repo: {wrong!r} is no repo id like owner/name", click.get_current_context())
    if repo_ids and (author or search or tags or since or least or limit or given["full"]):
        raise click.UsageError(
            "--repo names repos itself: it can't be combined with other filters", click.get_current_context()
        )
    if repo_type != "model" and given["depth"] == "headers":
        raise click.UsageError(f"--depth headers: a {repo_type} has no headers to read", click.get_current_context())
    if repo_type == "space" and least:
        raise click.UsageError("--min-downloads: spaces have no downloads", click.get_current_context())
    if given["keep_card_text"] and not given["cards"]:
        raise click.UsageError("--keep-card-text goes with --cards N", click.get_current_context())
    if given["cards"] and repo_type != "model":
        raise click.UsageError("--cards: only models have model cards", click.get_current_context())
    scope = RepoFilter(
        authors=author,
        search=search,
        tags=tags,
        min_downloads=least,
        repo_ids=repo_ids,
        since=since,
        limit=limit,
        type=repo_type,
    )
    return CrawlSettings(
        depth=given.pop("depth") or default_depth(scope),
        scope=scope,
        full=given.pop("full"),
        workers=given.pop("workers"),
        budget=given.pop("budget"),
        max_time=given.pop("max_time"),
        include_private=given.pop("include_private"),
        revisions=pinned,
        cards=given.pop("cards"),
        keep_card_text=given.pop("keep_card_text"),
        account_kinds=given.pop("account_kinds"),
        cluster=given.pop("cluster"),
        insecure=given.pop("insecure"),
    )
