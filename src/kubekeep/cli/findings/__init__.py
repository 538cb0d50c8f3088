"""`kubekeep findings`: findings of a server, and decisions on them. Imports a subcommand only to run it."""

from __future__ import annotations

import click

from kubekeep.cli.console.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    package=__name__,
    commands={
        "list": ("listing", "List open findings, the most urgent first."),
        "show": ("show", "Show why and where a finding is, its fix and its history."),
        "decide": ("decide", "Accept a risk, or say what will not or is being fixed."),
    },
    short_help="List, show and decide on the findings of a server.",
)
def command() -> None:
    """List, show and decide on the findings of a server, in the scope of your role.

    \b
    kubekeep login --server https://kubekeep.example.com
    kubekeep findings list --priority critical --exposed
    kubekeep findings show 3fa19c02
    """  # noqa: D301 - click takes the character itself
