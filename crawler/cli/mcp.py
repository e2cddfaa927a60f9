"""`hf-catalog mcp`: the catalog for agents."""

from __future__ import annotations

import os

import click

from crawler.cli.errors import USAGE, CommandError
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer

TOKEN_VARIABLE = "HF_CATALOG_MCP_TOKEN"


@click.command()
@click.option("--http", is_flag=True, help="Streamable HTTP on this machine instead of stdin and stdout.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8002, show_default=True, metavar="N",
    help="With --http; 0 for any free one.",
)  # fmt: skip
@db_option
@output_options(table=False)
def mcp(http: bool, port: int, db: str, out: Printer) -> None:
    """Serve the catalog to agents by the Model Context Protocol: tools, resources and prompts, read-only.

    Without --http an agent starts it and speaks to it by stdin and stdout: docs/mcp.md shows how it is registered.
    With --http it listens on 127.0.0.1 and asks for the token of the environment's HF_CATALOG_MCP_TOKEN, or for one
    that it makes and prints.

    \b
    Examples:
      hf-catalog mcp --db /home/me/catalog.db
      hf-catalog mcp --http --port 8002
    """
    import gc

    check_catalog_opens(db)
    gc.disable()  # what the SDK's import makes stays: looking through it for garbage takes a tenth of the start
    from crawler.mcp.server import make_server

    gc.freeze()
    gc.enable()
    server = make_server(db, verbose=out.verbose)
    if not http:
        server.run()
        return
    import secrets

    from crawler.cli.serve import listening
    from crawler.mcp.http import HOST, MIN_TOKEN_CHARACTERS, serve_http

    token = os.environ.get(TOKEN_VARIABLE) or ""
    if token and len(token) < MIN_TOKEN_CHARACTERS:
        message = f"the token of {TOKEN_VARIABLE} has fewer than {MIN_TOKEN_CHARACTERS} characters"
        raise CommandError(message, "set a longer one, or unset it: then one is made", USAGE)
    listener = listening(HOST, port)
    out.message(f"http://{HOST}:{listener.getsockname()[1]}/mcp  (Ctrl-C stops it)")
    if not token:
        token = secrets.token_urlsafe(32)
        out.message(f"Authorization: Bearer {token}")
    serve_http(server, listener, token, verbose=out.verbose)


def check_catalog_opens(db: str) -> None:
    """Raises CatalogError now rather than at an agent's first call."""
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        reader.all("select 1 as one")
