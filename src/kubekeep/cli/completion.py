"""`kubekeep completion SHELL`. Prints a script; never edits a start-up file."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    bash:  kubekeep completion bash > ~/.local/share/bash-completion/completions/kubekeep
    zsh:   kubekeep completion zsh > "${fpath[1]}/_kubekeep"
    fish:  kubekeep completion fish > ~/.config/fish/completions/kubekeep.fish
    """  # noqa: D301 - click takes the character itself
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "kubekeep", "_KUBEKEEP_COMPLETE").source())
