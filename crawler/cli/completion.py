"""`hf-catalog completion`: completion scripts of shells, and the manual page."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "man"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell, or with `man` the manual page.

    \b
    Examples:
      hf-catalog completion bash >> ~/.bashrc
      hf-catalog completion zsh >> ~/.zshrc
      hf-catalog completion fish > ~/.config/fish/completions/hf-catalog.fish
      hf-catalog completion man > hf-catalog.1
    """
    root = ctx.find_root().command
    if shell == "man":
        from crawler.cli.man_page import manual

        assert isinstance(root, click.Group)
        click.echo(manual(root), nl=False)
        return
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}", ctx)
    click.echo(kind(root, {}, "hf-catalog", "_HF_CATALOG_COMPLETE").source())
