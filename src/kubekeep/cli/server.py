"""`kubekeep server`: run the command of the distribution `kubekeep-server`. Names the installation if it is missing."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

import click

_GROUP: Final = "kubekeep.commands"
_MISSING: Final = "kubekeep-server is not installed: pip install 'kubekeep[server]'"


def _load_command() -> click.Command:
    for entry in entry_points(group=_GROUP, name="server"):
        loaded: click.Command = entry.load()
        return loaded
    return _missing


@click.command(
    short_help="Serve the results of all clusters, repositories and images.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _missing(arguments: tuple[str, ...]) -> None:
    """Serve the results of all clusters, repositories and images. Requires `pip install 'kubekeep[server]'`."""
    del arguments
    raise click.UsageError(_MISSING)


command: Final = _load_command()
