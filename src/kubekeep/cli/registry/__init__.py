"""`kubekeep registry`: the images of registries, listed and scanned. Imports a subcommand only to run it."""

from __future__ import annotations

from typing import Final

import click

from kubekeep.cli.console.lazy_group import LazyGroup

PATTERN_HELP: Final = """\b
PATTERN is one of
  registry.example            all images of a registry
  registry.example/team/*     all images below team/
  registry.example/app        all tags of one repository
  registry.example/app:1.*    some tags of it
* stands for any text, also with slashes; quote it for the shell.
"""


@click.group(
    cls=LazyGroup,
    package=__name__,
    commands={
        "list": ("listing", "List the images that a scan would read."),
        "scan": ("scan", "Scan the images of registries."),
        "rematch": ("rematch", "Show what new advisories change in scanned images."),
    },
    short_help="List and scan the images of registries.",
)
def command() -> None:
    """List and scan all images of a registry, or those that match patterns."""
