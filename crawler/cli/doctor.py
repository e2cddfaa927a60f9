"""`hf-catalog doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click

from crawler.cli.errors import EXTRAS, NO, explain
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer, size_text

Verdict = Literal["good", "note", "bad"]

LEAST_SPACE = 1_000_000_000
"""Bytes free below which a crawl of any size will run out: the whole Hub's listing takes some 12 GB."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, and what to do where it is not well."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


@click.command()
@click.option("--endpoint", metavar="URL", help="The Hub to look at; default HF_ENDPOINT.")
@click.option("--offline", is_flag=True, help="Do not ask the network.")
@db_option
@output_options
def doctor(endpoint: str | None, offline: bool, db: str, out: Printer) -> int | None:
    """Look at the program, the catalog, the disk, the network and the token; exit status 1 if anything is bad.

    \b
    Examples:
      hf-catalog doctor
      hf-catalog doctor --db demo.db --offline
    """
    findings = [*program(), *catalog(db), *disk(db), *network(endpoint, offline)]
    rows = [{"check": f.check, "verdict": f.verdict, "found": f.found, "mend": f.mend} for f in findings]
    out.rows(rows, [Column("check", clip=False), Column("verdict"), Column("found"), Column("mend")], id_key="check")
    bad = sum(finding.verdict == "bad" for finding in findings)
    if out.is_human_output:
        out.message("All is well." if not bad else f"{bad} of {len(findings)} checks found something bad.")
    return NO if bad else None


def program() -> Iterator[Finding]:
    yield Finding("python", "good", sys.version.split()[0])
    for package in ("hf-catalog", "huggingface_hub", "sqlalchemy", "pandas"):
        try:
            yield Finding(package, "good", version(package))
        except PackageNotFoundError:
            yield Finding(package, "bad", "not installed", "pip install .")
    lacking = sorted({extra for package, extra in EXTRAS.items() if find_spec(package) is None})
    if lacking:
        yield Finding("extras", "note", f"not installed: {', '.join(lacking)}", f"pip install '.[{','.join(lacking)}]'")


STALE = """
select count(*) as n from repo_labels l join vocabularies v on v.id = l.vocabulary where v.digest <> :now
"""


def catalog(db: str) -> Iterator[Finding]:
    from analysis.query.reader import CatalogReader
    from analysis.vocabulary.vocabulary import vocabulary
    from db.errors import CatalogMissing

    try:
        with CatalogReader(db) as reader:
            repos = reader.all("select count(*) as n from repos")[0]["n"]
            held = reader.all("select pid, host from crawl_locks")
            stale = reader.all(STALE, {"now": vocabulary().digest})[0]["n"]
            open_runs = reader.all("select count(*) as n from crawl_runs where finished_at is null")[0]["n"]
    except CatalogMissing as error:
        yield Finding("catalog", "note", str(error), error.hint)
        return
    except Exception as error:
        message, hint, _ = explain(error) or (str(error), "hf-catalog db check", 0)
        yield Finding("catalog", "bad", message, hint)
        return
    yield Finding("catalog", "good", f"{db}, {repos:,} repos")
    if stale:
        yield Finding("labels", "note", f"{stale:,} repos have labels of an older vocabulary", "hf-catalog relabel")
    for holder in held:
        yield Finding(
            "lock", "note", f"held by process {holder['pid']} on {holder['host']}", "a dead holder's is taken over"
        )
    if open_runs and not held:
        yield Finding("crawls", "note", f"{open_runs:,} ended without a word", "the next crawl goes on where they were")


def disk(db: str) -> Iterator[Finding]:
    if "://" in db:
        return
    folder = Path(db).resolve().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("disk", "bad", f"{folder}: {error.strerror}", "name another place with --db")
        return
    if not os.access(folder, os.W_OK):
        yield Finding("disk", "bad", f"{folder} can't be written to", "name another place with --db")
    elif free < LEAST_SPACE:
        yield Finding(
            "disk", "bad", f"{size_text(free)} free at {folder}", "make room, or name another place with --db"
        )
    else:
        yield Finding("disk", "good", f"{size_text(free)} free at {folder}")


def network(endpoint: str | None, offline: bool) -> Iterator[Finding]:
    from crawler.errors import CrawlError
    from crawler.sources.huggingface.client import HubClient

    def of(check: str, ask: Callable[[], str]) -> Finding:
        try:
            return Finding(check, "good", ask())
        except CrawlError as error:
            message, hint, _ = explain(error) or (str(error), "", 0)
            return Finding(check, "bad", message, hint)

    try:
        hub = HubClient(endpoint, tries=2, timeout=10.0)
    except CrawlError as error:
        yield Finding("endpoint", "bad", str(error), "give --endpoint or HF_ENDPOINT a URL")
        return
    token = "a token is set" if hub.has_token else "no token: half the quota of a free account"
    if offline or hub.offline:
        yield Finding("network", "note", f"not asked ({'--offline' if offline else 'HF_HUB_OFFLINE is set'}); {token}")
        return
    if hub.endpoint.startswith("http://") and hub.has_token and not hub.is_local:
        yield Finding("token", "bad", f"it would go to {hub.endpoint} unencrypted", "use https, or unset HF_TOKEN")
        return

    def listing() -> str:
        hub.check_connection()
        left, quota = hub.pacer.quota("api")
        return f"{hub.endpoint} answers" + (
            f"; {left:,} of {quota:,} API requests left" if quota and left is not None else ""
        )

    reached = of("hub", listing)
    yield reached
    if hub.has_token and reached.verdict == "good":
        yield of("token", lambda: f"the Hub takes it ({hub.whoami()})")
    elif reached.verdict == "good":
        yield Finding("token", "note", token, "make one at https://huggingface.co/settings/tokens and set HF_TOKEN")
