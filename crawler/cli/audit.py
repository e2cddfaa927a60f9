"""`hf-catalog audit`: checks of models before they are used, against a policy where one is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crawler.cli.complete import complete_target
from crawler.cli.errors import DONE, NO, USAGE, CommandError
from crawler.cli.identify import find_local, identify_all, print_problems, root_option
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer, to_json

if TYPE_CHECKING:
    from analysis.catalog.audit import Check
    from analysis.catalog.policy import Policy
    from analysis.local.roots import Root
    from analysis.query.reader import CatalogReader

NAMES = ("repo_id", "check", "result", "detail", "source")


@click.command()
@click.argument("ids", metavar="[ID|PATH]...", nargs=-1, shell_complete=complete_target)
@click.option("--local", is_flag=True, help="The model files of this machine: all stores, or the paths named.")
@root_option
@click.option("--query", "query_name", metavar="NAME", help="Audit the models that a saved query finds.")
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="What is allowed, as TOML: exit status 1 where a check fails.",
)  # fmt: skip
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "sarif", "markdown"]),
    default="table",
    show_default=True,
    help="How the checks are written.",
)
@click.option(
    "--online",
    is_flag=True,
    help="Read the pickles of the repos on the Hub, by range, and the age of their owners' accounts.",
)
@db_option
@output_options
def audit(
    ids: tuple[str, ...], local: bool, roots: tuple[Root, ...], query_name: str | None, policy_file: Path | None,
    form: str, online: bool, db: str, out: Printer,
) -> int:  # fmt: skip
    """Check models before they are used: format, scans, pickles, code, template, licence, provenance, age.

    Every check passes, warns, fails or is unknown, and says why. Nothing is loaded, run or rendered. Licences are
    compared as the cards state them; this is not legal advice.

    \b
    Examples:
      hf-catalog audit google/gemma-3-4b-it unsloth/gemma-3-4b-it-GGUF
      hf-catalog audit --query license-conflicts --policy policy.toml --format sarif > audit.sarif
      hf-catalog audit --local ./models
    """
    from analysis.catalog.policy import read_policy

    context = click.get_current_context()
    if not ids and query_name is None and not local:
        raise click.UsageError("nothing to audit: give ids, --query NAME, or --local", context)
    if local and (query_name is not None or online):
        raise click.UsageError("--local takes paths, neither --query nor --online", context)
    policy = None if policy_file is None else read_policy(policy_file.read_bytes(), str(policy_file))
    if local:
        checks = list(audit_local(db, [Path(path) for path in ids], roots, out))
    else:
        checks = list(audit_ids(db, ids, query_name, policy, online))
    print_checks(checks, form, out)
    return NO if policy is not None and any(each.result == "fail" for each in checks) else DONE


def audit_ids(
    db: str, ids: Sequence[str], query_name: str | None, policy: Policy | None, online: bool
) -> Iterator[Check]:
    """The checks of models of the catalog, with those of a policy. Raises UnknownModel and CatalogError."""
    from analysis.catalog.audit import audit_model
    from analysis.catalog.models import find_model
    from analysis.catalog.policy import apply_policy
    from analysis.query.reader import CatalogReader

    found = [*ids, *(queried_ids(db, query_name) if query_name is not None else ())]
    now = datetime.now(UTC)
    with CatalogReader(db) as reader:
        for repo_id in dict.fromkeys(found):
            checks: Sequence[Check] = audit_model(reader, repo_id, now)
            if online:
                checks = with_online_owner(reader, with_online_pickles(reader, checks))
            if policy is not None:
                model = find_model(reader, repo_id)
                checks = apply_policy(policy, checks, model, weight_formats(reader, model["repo_id"]), now)
            yield from checks


def audit_local(db: str, paths: Sequence[Path], roots: Sequence[Root], out: Printer) -> Iterator[Check]:
    """The checks of the files below the paths, or of all stores; what they are, where there is a catalog.

    Files are identified by name and size: nothing is hashed.
    """
    from analysis.local.scan import Scan
    from analysis.query.reader import CatalogReader
    from crawler.local_audit import audit_file, custom_code_check, identity_checks
    from db.sqlite_file import sqlite_path

    scan = Scan()
    artifacts = find_local(scan, paths, roots)
    for file in (file for artifact in artifacts for file in artifact.files):
        yield from audit_file(file.shown, file.path)
    yield from (custom_code_check(path) for path in paths if path.is_dir())
    print_problems(scan.problems, out)
    path = sqlite_path(db)
    if path is not None and not path.exists():
        out.message(f"{db} is not there: origin and licence of the files stay unknown.")
        return
    with CatalogReader(db) as reader:
        for identity in identify_all(reader, artifacts, no_hash=True, online=False, out=out).identities:
            yield from identity_checks(reader, identity)


def queried_ids(db: str, name: str) -> list[str]:
    """The models that a saved query finds. Raises UnknownSavedQuery; CommandError where it finds no models."""
    from analysis.query.reader import run_query

    with run_query(db, name) as rows:
        if "repo_id" not in rows.columns:
            raise CommandError(f"the query {name} has no column repo_id", "see: hf-catalog query --list", USAGE)
        return [str(row["repo_id"]) for row in rows.dicts() if row["repo_id"]]


def weight_formats(reader: CatalogReader, repo_id: str) -> list[str]:
    rows = reader.all(
        "select distinct format from artifacts_wide where repo_id = :id and role = 'weights' and format is not null",
        {"id": repo_id},
    )
    return [str(row["format"]) for row in rows]


def with_online_pickles(reader: CatalogReader, checks: Sequence[Check]) -> list[Check]:
    """The checks with one for each pickle of the repo that is read on the Hub, instead of what the catalog knows."""
    from analysis.formats.pickle_files import is_pickle_path
    from crawler.local_audit import pickle_check
    from crawler.sources.huggingface.client import HubClient

    repo_id = checks[0].repo_id
    rows = reader.all("select path, size from files where repo_id = :id order by path", {"id": repo_id})
    pickled = [row for row in rows if is_pickle_path(row["path"])]
    if not pickled:
        return list(checks)
    sha = reader.all("select sha from models where repo_id = :id", {"id": repo_id})[0]["sha"] or "main"
    client = HubClient(None)
    sources = ((row["path"], client.open_file(repo_id, row["path"], sha, row["size"])) for row in pickled)
    read = [pickle_check(f"{repo_id}::{path}", source) for path, source in sources]
    replaced = {check.check for check in read}
    return [*(each for each in checks if each.check not in replaced), *read]


def with_online_owner(reader: CatalogReader, checks: Sequence[Check]) -> list[Check]:
    """The checks, that of provenance with the age of the owner's account."""
    from analysis.catalog.audit import judge_owner
    from analysis.catalog.catalog_status import parse_time
    from crawler.sources.huggingface.client import HubClient
    from crawler.sources.huggingface.fetch_owner import fetch_owner_created_at

    repo_id = checks[0].repo_id
    sql = (
        "select m.author, m.created_at, m.first_seen, (select count(*) from aliases a join repos r on r.id = a.repo"
        " where r.repo_id = m.repo_id) as names from models m where m.repo_id = :id"
    )
    model = reader.all(sql, {"id": repo_id})[0]
    created = fetch_owner_created_at(HubClient(None), model["author"]) if model["author"] else None
    if created is None:
        return list(checks)
    times = parse_time(model["created_at"]), parse_time(model["first_seen"])
    return [
        judge_owner(each, model["author"], created, *times, moved=bool(model["names"]))
        if each.check == "provenance"
        else each
        for each in checks
    ]


def print_checks(checks: Sequence[Check], form: str, out: Printer) -> None:
    """The checks in the format that was asked for; `--json` and the like of every command count where it is a table."""
    from analysis.publish.audit_formats import as_markdown, as_sarif

    if form == "sarif":
        from crawler.sources.huggingface.transport import package_version

        print(to_json(as_sarif(checks, package_version()), indent=2), file=out.stdout)
    elif form == "markdown":
        print(as_markdown(checks), end="", file=out.stdout)
    else:
        if form == "json":
            out.mode = "json"
        columns = [
            Column("repo_id", "repo", clip=False),
            Column("check", clip=False),
            Column("result", clip=False),
            Column("detail", "why", least=30),
            Column("source"),
        ]
        if out.mode == "human" and not out.quiet:
            print_paragraphs(checks, out)
            return
        shown = list({each.repo_id: each for each in checks}.values()) if out.quiet and out.mode == "human" else checks
        out.rows([each.row() for each in shown], columns, names=NAMES)


def print_paragraphs(checks: Sequence[Check], out: Printer) -> None:
    """The checks of each repo below its name; reasons are sentences, which are wrapped rather than cut."""
    wide = max((len(each.check) for each in checks), default=0)
    for number, (repo_id, own) in enumerate(groupby(checks, attrgetter("repo_id"))):
        if number:
            out.line()
        out.heading(repo_id)
        for each in own:
            start = f"{each.check.ljust(wide)}  {each.result.ljust(len('unknown'))}  "
            source = f" ({each.source})" if each.source else ""
            out.paragraph(f"{start}{each.detail}{source}", indent=len(start))
