"""`kubekeep image trust`: the trusted root of Sigstore. Imports a subcommand only to run it."""

from __future__ import annotations

import click

from kubekeep.cli.console.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    package=__name__,
    commands={
        "show": ("show", "Show the authorities and logs that verification trusts."),
        "update": ("update", "Load the present authorities and logs of Sigstore."),
        "reset": ("reset", "Remove the updated root and use the built-in one."),
    },
    short_help="Show and update the trusted root of Sigstore.",
)
def command() -> None:
    """Show and update the authorities and logs of Sigstore that the verification of signatures trusts.

    Only `trust update` uses the network.
    """
