"""`hf-catalog sample-hub`: serve the sample Hub of the demo and the tests until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from crawler.cli.options import output_options
from crawler.cli.printer import Printer


@click.command("sample-hub")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8800, show_default=True, help="Its port; 0 for a free one."
)
@click.option(
    "--models",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Serve these repos, one JSON object a line (.jsonl or .jsonl.xz), instead of the built-in ones.",
)
@click.option(
    "--quota", type=click.IntRange(min=1), metavar="N", help="API requests allowed in a window; more get 429."
)
@click.option(
    "--window", type=click.FloatRange(min=1), default=300.0, show_default=True, metavar="SECONDS", help="The window."
)
@output_options(table=False)
def sample_hub(port: int, models: Path | None, quota: int | None, window: float, out: Printer) -> None:
    """Serve a small Hub on loopback that behaves like the real one; Ctrl-C stops it.

    \b
    Examples:
      hf-catalog sample-hub
      hf-catalog sample-hub --port 8801 --quota 500
      hf-catalog sample-hub --models models.jsonl.xz
    """
    from samplehub import MEMBER, READER, Quota, SampleHub

    allowed = Quota(window=window) if quota is None else Quota(api=quota, resolvers=6 * quota, window=window)
    try:
        hub = SampleHub(models, quota=allowed, port=port)
        hub.start()
    except ValueError as trouble:
        raise click.UsageError(str(trouble)) from trouble
    except OSError as trouble:
        raise click.UsageError(f"port {port} can't be used: {trouble.strerror}; try --port 0") from trouble
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        out.message(
            hub.startup_message() + f"Tokens:     {READER} (no gated repo), {MEMBER} (all of them)\nCtrl-C stops it."
        )
        out.object(
            {"endpoint": hub.endpoint, "cdn": hub.cdn, "repos": len(hub.catalog)}, lambda: out.line(hub.endpoint)
        )
        out.stdout.flush()  # last, as the reader may stop this at once
        threading.Event().wait()
    except KeyboardInterrupt:
        out.message(f"{len(hub.requests):,} requests answered.")
    finally:
        hub.stop()
