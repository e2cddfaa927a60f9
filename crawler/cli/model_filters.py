"""The options that choose models, for the commands that have them."""

from __future__ import annotations

import functools
from typing import Any, get_args

import click

from crawler.cli.complete import (
    complete_author,
    complete_family,
    complete_format,
    complete_licence,
    complete_scheme,
    complete_task,
    complete_tuning,
)
from crawler.cli.options import MODEL_SIZE, Command
from db.record_base import RepoKind

OPTIONS = (
    click.option(
        "--family",
        multiple=True,
        shell_complete=complete_family,
        metavar="NAME",
        help="gemma, llama, qwen, also as the family of the base model; repeatable; * for any text.",
    ),
    click.option(
        "--quant",
        multiple=True,
        shell_complete=complete_scheme,
        metavar="SCHEME",
        help="Q4_K_M, AWQ, 'IQ2*': of the repo or of one of its files.",
    ),
    click.option(
        "--format",
        "formats",
        multiple=True,
        shell_complete=complete_format,
        metavar="NAME",
        help="gguf, safetensors, mlx.",
    ),
    click.option("--author", multiple=True, shell_complete=complete_author, metavar="NAME", help="The publisher."),
    click.option(
        "--tuning",
        multiple=True,
        shell_complete=complete_tuning,
        metavar="WORD",
        help="instruct, base, merge, abliterated; all of them.",
    ),
    click.option(
        "--license",
        "licenses",
        multiple=True,
        shell_complete=complete_licence,
        metavar="NAME",
        help="apache-2.0, gemma.",
    ),
    click.option(
        "--task",
        multiple=True,
        shell_complete=complete_task,
        metavar="NAME",
        help="The Hub's task: text-generation.",
    ),
    click.option(
        "--kind",
        multiple=True,
        type=click.Choice((*get_args(RepoKind), "unknown")),
        help="How its weights came to be; repeatable.",
    ),
    click.option("--min-size", type=MODEL_SIZE, metavar="SIZE", help="4B parameters; 3GB, 3GiB or 3e9 bytes of files."),
    click.option("--max-size", type=MODEL_SIZE, metavar="SIZE", help="As --min-size."),
    click.option(
        "--quantized/--full-precision", default=None, help="Only quantized models, or only full-precision ones."
    ),
    click.option("--qat/--no-qat", default=None, help="With or without quantization-aware training."),
    click.option("--gone", is_flag=True, help="Include models that have vanished from the Hub."),
)
FIELDS = {
    "family": "families", "quant": "quants", "formats": "formats", "author": "authors", "tuning": "tunings",
    "licenses": "licenses", "task": "tasks", "kind": "kinds", "min_size": "least", "max_size": "most",
    "quantized": "quantized", "qat": "qat", "gone": "gone",
}  # fmt: skip
"""Option -> field of ModelFilter."""


def filter_options(command: Command) -> Command:
    """Adds the options and passes the command `wanted`, a ModelFilter, in their place."""

    @functools.wraps(command)
    def filtering(*args: Any, **options: Any) -> Any:
        from analysis.catalog.models import ModelFilter

        wanted = ModelFilter(**{field: options.pop(name) for name, field in FIELDS.items()})
        return command(*args, wanted=wanted, **options)

    wrapped: Command = filtering
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped
