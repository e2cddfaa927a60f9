"""`hf-catalog schedule`: the service that keeps a catalog up to date."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from crawler.cli.errors import DONE


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default="catalog.toml",
    show_default=True,
    metavar="FILE",
    help="The service's configuration; docs/operations.md describes it.",
)
@click.option("--once", is_flag=True, help="Run what is due now, then end: for cron and other schedulers.")
@click.option("--check", is_flag=True, help="Read the configuration, print when each job runs, and end.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How stderr is written.",
)
def schedule(config: Path, once: bool, check: bool, log_format: str) -> int:
    """Run as a service: crawl, enrich, export and prune on a schedule, until it is stopped.

    SIGTERM and Ctrl-C let the running job finish its page. A job that was missed while the service was down runs once
    when it starts again. hf-catalog status shows the state of each job. With --once the exit status is that of the
    first job that failed; 0 also where no job was due or another run is in progress.

    \b
    Examples:
      hf-catalog schedule --config catalog.toml
      hf-catalog schedule --config catalog.toml --check
      hf-catalog schedule --config catalog.toml --log-format json 2>> schedule.log
    """
    from crawler.service.config import read_config

    settings = read_config(config)
    if check:
        for job in settings.jobs.values():
            click.echo(f"{job.name}: {job.when}: hf-catalog {job.command_line}")
        if settings.webhook is not None:
            click.echo(f"webhook: visits what is reported on {settings.webhook.address}, port {settings.webhook.port}")
        return DONE
    from crawler.service.scheduler import Service, serve

    service = Service(settings, last_crawls=read_last_crawls(settings.db))
    return serve(service, once=once, json_lines=log_format == "json")


def read_last_crawls(db: str) -> dict[str, datetime]:
    """When the last complete crawl of the whole Hub began, by kind; empty where there is no catalog yet."""
    from analysis.query.reader import CatalogReader
    from analysis.units import iso
    from db.errors import CatalogError

    sql = (
        "select kind, max(started_at) as started_at from crawl_runs"
        " where outcome = 'complete' and scope = '' and kind in ('full', 'incremental') and started_at <= :now"
        " group by kind"  # later ones are from a time when the clock was ahead
    )
    try:
        with CatalogReader(db) as reader:
            found = {row["kind"]: row["started_at"] for row in reader.all(sql, {"now": iso(datetime.now(UTC))})}
    except CatalogError:
        return {}
    moments = {kind: at if isinstance(at, datetime) else datetime.fromisoformat(at) for kind, at in found.items() if at}
    if "full" in moments:  # a full crawl sees all that an incremental walk would
        moments["incremental"] = max(moments["full"], moments.get("incremental", moments["full"]))
    return moments
