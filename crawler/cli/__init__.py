"""hf-catalog's command line: the table of commands, each imported only when it runs.

`hf-catalog label NAME` must not pay for SQLAlchemy, pandas or the Hub's client, so a command is a name, the place it
lives in and a line of help; the module behind it is imported when the command runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """Where a command lives (`module:attribute`) and what the list of commands says of it."""

    target: str
    help: str


COMMANDS: dict[str, dict[str, Entry]] = {
    "Crawl": {
        "demo": Entry("crawler.cli.demo:demo", "Crawl a sample Hub on this machine into demo.db; no network."),
        "crawl": Entry("crawler.cli.crawl:crawl", "Crawl the Hub into the catalog; resumes where it stopped."),
        "plan": Entry("crawler.cli.plan:plan", "Estimate the requests and time of a crawl, by kind of account."),
        "schedule": Entry("crawler.cli.schedule:schedule", "Crawl on a schedule, until it is stopped."),
        "status": Entry("crawler.cli.status:status", "Show the state of the catalog and of its crawls."),
        "doctor": Entry("crawler.cli.doctor:doctor", "Check the installation and say how to fix problems."),
    },
    "Label": {
        "label": Entry("crawler.cli.label:label", "Decode model names; no network."),
        "header": Entry("crawler.cli.header:header", "Read the header of a model file: local, by URL or on the Hub."),
        "relabel": Entry("crawler.cli.relabel:relabel", "Relabel the catalog with the current vocabulary; no network."),
        "vocabulary": Entry("crawler.cli.vocabulary:vocabulary", "The vocabulary of the labels: ls, check, suggest."),
    },
    "Query": {
        "models": Entry("crawler.cli.models:models", "List models, show one, draw its lineage: ls, info, tree."),
        "search": Entry("crawler.cli.search:search", "Find models by words."),
        "similar": Entry("crawler.cli.similar:similar", "Find near-duplicates and re-uploads of a model."),
        "compare": Entry("crawler.cli.compare:compare", "Compare models side by side."),
        "fits": Entry("crawler.cli.fits:fits", "What fits this much memory: speed and quality loss."),
        "memory": Entry("crawler.cli.memory:memory", "Memory of weights at 32, 16, 8 and 4 bits per weight."),
        "audit": Entry("crawler.cli.audit:audit", "Check models before use: security, licence, provenance."),
        "inventory": Entry("crawler.cli.inventory:inventory", "Status, licence, size and changes of a list of models."),
        "changes": Entry("crawler.cli.changes:changes", "List new, changed, renamed and vanished models."),
        "query": Entry("crawler.cli.query:query", "Run read-only SQL, or a saved query by name."),
        "schema": Entry("crawler.cli.schema:schema", "The views and tables that SQL can read, and their columns."),
    },
    "Local files": {
        "identify": Entry("crawler.cli.identify:identify", "Which repo and revision local model files are from."),
        "sbom": Entry("crawler.cli.sbom:sbom", "A bill of materials of models or local files: CycloneDX, SPDX."),
    },
    "Publish": {
        "watch": Entry("crawler.cli.watch:watch", "Saved conditions that notify: add, ls, show, test, rm, run."),
        "export": Entry("crawler.cli.export:export", "Write summaries and tables as CSV, Parquet or JSON lines."),
        "snapshot": Entry("crawler.cli.snapshot:snapshot", "Write the whole catalog as Parquet, an open data set."),
        "report": Entry("crawler.cli.report:report", "Write a self-contained HTML report."),
        "charts": Entry("crawler.cli.charts:charts", "Write the report's charts as PNG and SVG."),
        "serve": Entry("crawler.cli.serve:serve", "Serve the catalog to a browser, with Datasette."),
        "mcp": Entry("crawler.cli.mcp:mcp", "Serve the catalog to agents (Model Context Protocol)."),
    },
    "Maintain": {
        "db": Entry(
            "crawler.cli.db:db",
            "upgrade, check, backup, restore, optimize, prune, copy, from-snapshot ...",
        ),
        "sample-hub": Entry("crawler.cli.sample_hub:sample_hub", "Serve the demo's sample Hub."),
        "completion": Entry("crawler.cli.completion:completion", "Print tab completion for bash, zsh or fish."),
    },
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    @property
    def entries(self) -> dict[str, Entry]:
        return {name: entry for section in COMMANDS.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.entries:
            from crawler.cli.errors import name_nearest

            raise click.UsageError(f"no command {args[0]!r}{name_nearest(args[0], self.entries)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in section.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [
            CompletionItem(name, help=entry.help) for name, entry in self.entries.items() if name.startswith(incomplete)
        ]
        return named or click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "HF_CATALOG"},
    epilog="Start with: hf-catalog demo. Help on one command: hf-catalog fits --help",
)
@click.version_option(None, "-V", "--version", package_name="hf-catalog", prog_name="hf-catalog")
def cli() -> None:
    """A catalog of the Hugging Face Hub in one SQL database.

    Every label in it says where it comes from; what a name claims and what a file measures stand side by side.
    """


def misplaced_package() -> str | None:
    """A package of another project that shadows one of ours: `db` and `analysis` are common names.

    Returns the folder it was found in, None where all is well. Nothing is imported to find out.
    """
    root = Path(__file__).resolve().parents[2]
    for package in ("db", "analysis", "samplehub"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None or Path(spec.origin).resolve().parents[1] != root:
            return f"{package} of {spec.origin if spec and spec.origin else 'nowhere'}"
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with its exit status (see errors.py for their meaning)."""
    from crawler.cli import errors
    from crawler.cli.encoding import adapt_streams

    adapt_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    foreign = misplaced_package()
    if foreign:
        errors.print_error(
            f"another package shadows one of hf-catalog: {foreign}",
            "install the program in its own environment, with pipx or uv tool",
        )
        sys.exit(errors.USAGE)
    status = errors.run_command(lambda: cli.main(words, prog_name="hf-catalog", standalone_mode=False), words)
    if "crawler.execute.end_process" in sys.modules:  # a crawl ran here, whose threads may be stuck
        sys.modules["crawler.execute.end_process"].exit_if_stuck(status)
    sys.exit(status)
