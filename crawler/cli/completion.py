"""`hf-catalog completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      hf-catalog completion bash >> ~/.bashrc
      hf-catalog completion zsh >> ~/.zshrc
      hf-catalog completion fish > ~/.config/fish/completions/hf-catalog.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}", ctx)
    click.echo(kind(ctx.find_root().command, {}, "hf-catalog", "_HF_CATALOG_COMPLETE").source())
