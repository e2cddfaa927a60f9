"""`hf-catalog doctor`: checks the installation, the catalog, the disk, the network and the token."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import click

from crawler.cli.errors import EXTRAS, NO
from crawler.cli.findings import Finding, bad_finding
from crawler.cli.network_drive import find_network_file_system
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer, size_text
from crawler.settings import DEFAULT_ENDPOINT
from db.extras import install_command

MIN_FREE_BYTES = 1_000_000_000
"""Free disk space below which a crawl soon runs out; a listing of the whole Hub takes some 12 GB."""


@click.command()
@click.option("--endpoint", metavar="URL", help="The Hub to check; default HF_ENDPOINT, else the catalog's.")
@click.option("--offline", is_flag=True, help="Send no request.")
@db_option
@output_options
def doctor(endpoint: str | None, offline: bool, db: str, out: Printer) -> int | None:
    """Check the installation, the catalog, the disk, the network and the token; exit status 1 if anything is bad.

    \b
    Examples:
      hf-catalog doctor
      hf-catalog doctor --db demo.db --offline
    """
    findings = [*check_installation(), *check_catalog(db), *check_disk(db)]
    crawled = None if endpoint else crawled_endpoint(db)
    findings += check_network(endpoint or crawled, offline, only_crawled=crawled is not None)
    rows = [{"check": f.check, "verdict": f.verdict, "found": f.found, "mend": f.fix} for f in findings]
    if out.mode == "human" and not out.quiet and not out.picked:
        show_findings(findings, out)
    else:
        out.rows(rows, id_key="check")
    bad = sum(finding.verdict == "bad" for finding in findings)
    if out.is_human_output:
        out.message("Every check is good." if not bad else f"{bad} of {len(findings)} checks are bad.")
    return NO if bad else None


def show_findings(findings: Sequence[Finding], out: Printer) -> None:
    """One paragraph per check, and one for what to do; nothing is cut."""
    wide = max(len(finding.check) for finding in findings)
    indent = 4 + 2 + wide + 2
    for finding in findings:
        out.paragraph(f"{finding.verdict:4}  {finding.check.ljust(wide)}  {finding.found}", indent)
        if finding.fix:
            out.paragraph(f"{'':{indent}}Fix: {finding.fix}", indent)


def check_installation() -> Iterator[Finding]:
    yield Finding("python", "good", sys.version.split()[0])
    for package in ("hf-catalog", "huggingface_hub", "sqlalchemy", "pandas"):
        try:
            yield Finding(package, "good", version(package))
        except PackageNotFoundError:
            yield Finding(package, "bad", "not installed", "pip install .")
    missing = sorted({extra for package, extra in EXTRAS.items() if find_spec(package) is None})
    if missing:
        yield Finding("extras", "note", f"not installed: {', '.join(missing)}", install_command(",".join(missing)))


COUNT_STALE = """
select count(*) as n from repo_labels l join vocabularies v on v.id = l.vocabulary where v.digest <> :now
"""


def check_catalog(db: str) -> Iterator[Finding]:
    from analysis.query.reader import CatalogReader
    from analysis.vocabulary.vocabulary import vocabulary
    from crawler.known_hubs import describe_capabilities, parse_capabilities
    from db.errors import CatalogMissing
    from db.schema.search_index import HAS_INDEX, NO_INDEX, NO_INDEX_REMEDY

    try:
        with CatalogReader(db) as reader:
            repos = reader.all("select count(*) as n from repos")[0]["n"]
            held = reader.all("select pid, host from crawl_locks")
            stale = reader.all(COUNT_STALE, {"now": vocabulary().digest})[0]["n"]
            has_index = reader.dialect == "sqlite" or reader.all(HAS_INDEX)[0]["has_index"]
            hubs = reader.all("select endpoint, capabilities, found_at from endpoints order by endpoint")
    except CatalogMissing as error:
        yield Finding("catalog", "note", str(error), error.hint)
        yield from check_clock(db)
        return
    except Exception as error:
        yield bad_finding("catalog", error, "hf-catalog db check")
        return
    yield Finding("catalog", "good", f"{db}, {repos:,} repos")
    if not has_index:
        yield Finding("search", "note", NO_INDEX, NO_INDEX_REMEDY)
    if stale:
        yield Finding("labels", "note", f"{stale:,} repos have labels of an older vocabulary", "hf-catalog relabel")
    for holder in held:
        fix = "nothing to do: the next crawl ignores the lock of a process that has ended"
        yield Finding("lock", "note", f"held by process {holder['pid']} on {holder['host']}", fix)
    for hub in hubs:
        text = describe_capabilities(parse_capabilities(hub["capabilities"])) or "as that of huggingface.co"
        yield Finding("api", "good", f"{hub['endpoint']}, known since {str(hub['found_at'])[:10]}: {text}")
    yield from check_crawls(db)


def check_crawls(db: str) -> Iterator[Finding]:
    """What the crawls and the service left to be done; none of it keeps the next crawl from working."""
    from analysis.catalog.catalog_status import read_catalog_status
    from crawler.cli.problems import find_problems
    from crawler.cli.status import DEFAULT_CONFIG, read_service_status
    from db.errors import CatalogError

    try:
        facts = read_catalog_status(db) | {"service": read_service_status(Path(DEFAULT_CONFIG), db)}
    except CatalogError as error:
        yield Finding("crawls", "bad", str(error), "hf-catalog db check")
        return
    for problem in find_problems(facts):
        yield Finding(problem.subject, "note", problem.what, problem.remedy)


def check_clock(db: str) -> Iterator[Finding]:
    """Whether the service's health file has times in the future, where there is no catalog yet."""
    from crawler.cli.problems import find_clock_problems
    from crawler.cli.status import DEFAULT_CONFIG, read_service_status

    service = read_service_status(Path(DEFAULT_CONFIG), db) or {}
    for problem in find_clock_problems({}, service, datetime.now(UTC)):
        yield Finding(problem.subject, "note", problem.what, problem.remedy)


def check_disk(db: str) -> Iterator[Finding]:
    if "://" in db:
        return
    folder = Path(db).resolve().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("disk", "bad", f"{folder}: {error.strerror}", "choose another path with --db")
        return
    if not os.access(folder, os.W_OK):
        yield Finding("disk", "bad", f"{folder} is not writable", "choose another path with --db")
    elif free < MIN_FREE_BYTES:
        yield Finding(
            "disk", "bad", f"{size_text(free)} free at {folder}", "free some space, or choose another path with --db"
        )
    else:
        yield Finding("disk", "good", f"{size_text(free)} free at {folder}")
    if kind := find_network_file_system(folder):
        fix = "choose a path on a disk of this machine with --db, or a PostgreSQL database"
        yield Finding("drive", "note", f"{folder} is on a network drive ({kind}), where SQLite's locks fail", fix)


def crawled_endpoint(db: str) -> str | None:
    """The Hub that the catalog was last crawled from, where that is another than the usual one and HF_ENDPOINT names
    none."""
    from analysis.query.reader import CatalogReader

    if os.environ.get("HF_ENDPOINT"):
        return None
    try:
        with CatalogReader(db) as reader:
            runs = reader.all("select endpoint from crawl_runs where endpoint <> '' order by id desc limit 1")
    except Exception:  # whatever is wrong with the catalog, its own check says so
        return None
    found = str(runs[0]["endpoint"]) if runs else DEFAULT_ENDPOINT
    return None if found == DEFAULT_ENDPOINT else found


def check_network(endpoint: str | None, offline: bool, *, only_crawled: bool = False) -> Iterator[Finding]:
    """`only_crawled`: nothing but the catalog names the endpoint, and it may be untrusted: it gets no token."""
    from crawler.errors import CrawlError, TokenRefused, TokenUnencrypted
    from crawler.sources.huggingface.client import HubClient

    try:
        hub = HubClient(endpoint, False if only_crawled else None, tries=2, timeout=10.0, patience=0.0)
        token = "a token is set" if hub.has_token else "no token: half the quota of a free account"
    except (TokenRefused, TokenUnencrypted) as error:
        yield bad_finding("token", error)
        return
    except CrawlError as error:
        yield Finding("endpoint", "bad", str(error), "set --endpoint or HF_ENDPOINT to a URL")
        return
    if offline or hub.offline:
        reason = "--offline" if offline else "HF_HUB_OFFLINE is set"
        yield Finding("network", "note", f"no request sent ({reason}); {token}")
        return
    try:
        hub.check_connection()
    except CrawlError as error:
        finding = bad_finding("hub", error)
        hint = "; a proxy without a listing: crawl --repo OWNER/NAME" if hub.has_answered else ""
        yield replace(finding, fix=finding.fix + hint)
        return
    left, quota = hub.pacer.quota("api")
    requests = f"; {left:,} of {quota:,} API requests left" if quota and left is not None else ""
    yield Finding("hub", "good", f"{hub.endpoint} responds{requests}")
    from crawler.cli.check_hub import check_hub
    from crawler.sources.huggingface.source import HuggingFaceSource

    yield from check_hub(HuggingFaceSource(hub))
    if hub.has_password:
        yield Finding("token", "note", "the user and password of the endpoint are sent, and no token")
        return
    if only_crawled:
        note = f"not sent to {hub.endpoint}, which only the catalog names"
        yield Finding("token", "note", note, f"hf-catalog doctor --endpoint {shlex.quote(hub.endpoint)}")
        return
    if not hub.has_token:
        yield Finding("token", "note", token, "create one at https://huggingface.co/settings/tokens and set HF_TOKEN")
        return
    try:
        yield Finding("token", "good", f"the Hub accepts it ({hub.whoami()})")
    except TokenRefused as error:
        yield bad_finding("token", error)
    except CrawlError as error:
        yield Finding("token", "note", f"the Hub does not tell whose it is: {error}")
