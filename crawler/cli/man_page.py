"""The manual page, made from the help of every command (roff, man(7))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version

import click

from crawler.cli.errors import ERROR_MESSAGES


def manual(root: click.Group) -> str:
    """`hf-catalog.1`: each command with what it does, its options and its examples."""
    lines = [
        f'.TH HF\\-CATALOG 1 "" "hf-catalog {version("hf-catalog")}" "User Commands"',
        ".SH NAME",
        r"hf\-catalog \- a catalog of the Hugging Face Hub in one SQL database",
        ".SH SYNOPSIS",
        r".B hf\-catalog",
        r".I COMMAND [OPTIONS]",
        ".SH DESCRIPTION",
        plain(root.help or ""),
        ".SH COMMANDS",
    ]
    for name, command in walk(root, ""):
        lines += page_of(name, command)
    lines += [".SH EXIT STATUS"]
    for status, meaning in STATUSES.items():
        lines += [".TP", f".B {status}", plain(meaning)]
    for title, entries in (("ENVIRONMENT", VARIABLES), ("FILES", FILES)):
        lines += [f".SH {title}"]
        for name, meaning in entries.items():
            lines += [".TP", f".B {roff(name)}", plain(meaning)]
    return "\n".join(lines) + "\n"


VARIABLES = {
    "HF_CATALOG_DB": "the catalog, where --db is not given",
    "HF_CATALOG_CONFIG": "another configuration file; empty for none",
    "HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME": "as in hf, the Hub's own program",
    "NO_COLOR": "no colours",
}
FILES = {
    "~/.config/hf-catalog/config.toml": "the user's database, machine, folders of model files, and columns of commands",
    "catalog.db": "the catalog, in the current folder, where nothing names another",
}

STATUSES = {
    "0": "done",
    "1": "the answer is no: a malformed header, a failed check, an unknown model",
    "2": "wrong usage",
    "3": "the catalog can't be used: missing, newer, locked, damaged",
    "4": "the Hub can't be used: unreachable, token refused, quota spent",
    "130": "interrupted by Ctrl-C",
}
assert {str(entry.status) for entry in ERROR_MESSAGES.values()} <= STATUSES.keys()


def walk(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name, groups' members after one another."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from walk(command, f"{before}{name} ")
        elif command is not None:
            yield f"{before}{name}", command


def page_of(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {roff(f'{name} {usage}')}"
    text, _, examples = (command.help or "").partition("\b")
    yield plain(text)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield ".TP"
            yield f".B {roff(record[0])}"
            yield plain(record[1])
    if examples:
        yield ".PP\n.nf"
        yield "\n".join(f"  {roff(line.strip())}" for line in examples.strip().splitlines())
        yield ".fi"


def plain(text: str) -> str:
    """Paragraphs of running text."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))
    return "\n.PP\n".join(roff(part) for part in paragraphs if part)


def roff(text: str) -> str:
    """Text that roff takes for text: no escapes, no requests at the start of a line, hyphens that can be copied."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
