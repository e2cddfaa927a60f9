"""`hf-catalog serve`: the catalog in a browser."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import click

from crawler.cli.errors import CATALOG, CommandError
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8001, show_default=True, metavar="N", help="0 for any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 allows other machines to read it.")
@db_option
@output_options(table=False)
def serve(port: int, host: str, db: str, out: Printer) -> None:
    """The catalog in a browser, read-only, with Datasette: tables, facets, saved queries as forms, search, the report.

    Ctrl-C stops it. A crawl may write meanwhile.

    \b
    Examples:
      hf-catalog serve
      hf-catalog serve --port 8002 --db demo.db
    """
    from analysis.publish.report import build_report, render_report
    from crawler.web.plugin import make_application
    from db.engine import open_engine
    from db.sqlite_file import is_url

    if is_url(db):
        hint = f"copy it to a file first: hf-catalog db copy {db} catalog.db"
        raise CommandError("Datasette serves SQLite files, not PostgreSQL", hint, CATALOG)
    open_engine(db, read_only=True).dispose()  # a clear error where the catalog can't be used
    path = Path(db)
    site = make_application(path, lambda: render_report(build_report(path)))
    with listening(host, port) as listener:
        number = listener.getsockname()[1]
        out.message(f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{number}/  (Ctrl-C stops it)")
        run(site, listener, out)


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


def run(site: object, listener: socket.socket, out: Printer) -> None:
    """Serve until stopped by a signal."""
    import asyncio

    import uvicorn

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(site.invoke_startup())  # type: ignore[attr-defined]
        config = uvicorn.Config(
            site.app(),  # type: ignore[attr-defined]
            log_level="info" if out.verbose else "warning",
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        uvicorn.Server(config).run(sockets=[listener])
    out.message("Stopped.")
