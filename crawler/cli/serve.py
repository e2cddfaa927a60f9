"""`hf-catalog serve`: the catalog in a browser."""

from __future__ import annotations

import shutil
import socket
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from crawler.cli.errors import CATALOG, DONE, USAGE, CommandError
from crawler.cli.options import SPAN_OF_TIME, db_option, output_options
from crawler.cli.printer import Printer

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8001, show_default=True, metavar="N", help="0 for any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 allows other machines to read it.")
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A further name in the addresses of browsers, as behind a proxy; repeatable.",
)
@click.option(
    "--timeout", type=SPAN_OF_TIME, default="5s", show_default=True, help="Stop a query that runs for longer: 1s, 1m."
)
@click.option(
    "--public-only/--with-private",
    default=None,
    help="Without private repos: of a copy that is made at the start. Needed where others may read and there are any.",
)
@db_option
@output_options(table=False)
def serve(
    port: int,
    host: str,
    names: tuple[str, ...],
    timeout: timedelta,
    public_only: bool | None,
    db: str,
    out: Printer,
) -> None:
    """The catalog in a browser, read-only: search, a page for each model, what fits, comparisons, changes, SQL.

    Ctrl-C stops it. A crawl may write meanwhile. Only addresses with localhost, the address of this machine, --host or
    --allow-host are answered, so that no other web page can read the catalog.

    \b
    Examples:
      hf-catalog serve
      hf-catalog serve --port 8002 --db demo.db
      hf-catalog serve --host 0.0.0.0 --allow-host models.example.org
    """
    from db.sqlite_file import check_catalog, sqlite_path

    path = sqlite_path(db)
    if path is None:
        hint = f"copy it to a file first: hf-catalog db copy {db} catalog.db"
        raise CommandError("Datasette serves SQLite files, not PostgreSQL", hint, CATALOG)
    check_catalog(path)
    copy: Path | None = None
    if public_only is not False and has_private(path):
        if public_only:
            path = copy = make_public_copy(path, out)
        elif host not in LOOPBACK or names:
            hint = "add --public-only to serve a copy without them, or --with-private to show them"
            raise CommandError(f"{db} holds private repos, and others may read it at {host}", hint, USAGE)
    from crawler.cli.user_config import user_config
    from crawler.execute.end_process import exit_at_once  # here, because Datasette is a heavy import
    from crawler.web.gate import Gate
    from crawler.web.limits import WEB_LIMITS
    from crawler.web.plugin import make_application
    from crawler.web.server import serve_until_signal

    limits = replace(WEB_LIMITS, query_seconds=timeout.total_seconds())
    limits = replace(limits, request_seconds=max(limits.request_seconds, 2 * limits.query_seconds))
    site = make_application(path, lambda: make_report(path), limits, user_config().machine)

    def end() -> None:
        if copy is not None:
            shutil.rmtree(copy.parent, ignore_errors=True)
        site.hf_catalog_pool.close()
        exit_at_once(DONE, "" if out.quiet else "Stopped.\n")

    listener = listening(host, port)
    number = listener.getsockname()[1]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1", "::") else f"[{host}]" if ":" in host else host
    out.message(f"http://{shown}:{number}/  (Ctrl-C stops it)")
    threading.Thread(target=site.hf_catalog_site.warm_up, daemon=True).start()
    serve_until_signal(Gate(site.app(), (host, *names), limits), listener, end, verbose=out.verbose)


def has_private(path: Path) -> bool:
    """Whether a catalog names private repos."""
    from analysis.query.public import HAS_PRIVATE
    from analysis.query.reader import CatalogReader

    with CatalogReader(path) as reader:
        return bool(reader.all(HAS_PRIVATE))


def make_public_copy(path: Path, out: Printer) -> Path:
    """A catalog without private repos, as a snapshot has it, in a temporary folder of its own."""
    import tempfile

    from analysis.publish.snapshot import write_snapshot
    from db.maintain.from_snapshot import restore_snapshot

    folder = Path(tempfile.mkdtemp(prefix="hf-catalog-"))
    out.message("Making a copy without private repos; what a crawl stores later is not in it.")
    write_snapshot(path, folder / "snapshot")
    restore_snapshot(folder / "snapshot", folder / path.name)
    shutil.rmtree(folder / "snapshot")
    return folder / path.name


def make_report(db: Path) -> str:
    """The HTML of the report."""
    from analysis.publish.report import build_report, render_report  # here, so that the server starts before pandas
    from crawler.web.report_links import REPORT_LINKS

    return render_report(build_report(db), REPORT_LINKS)


def listening(host: str, port: int) -> socket.socket:
    """A socket on this port, or a clear error."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # early clients wait instead of being refused
    except OSError as error:
        listener.close()
        raise CommandError(
            f"can't listen on {host}:{port}: {error.strerror or error}", f"name another port: --port {port + 1}"
        ) from None
    return listener
