"""`kubekeep image trust reset`: remove the stored trusted root. Parses and prints."""

from __future__ import annotations

import click

from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.image.trust.shared import convert_trust_errors, get_folder
from kubekeep.model.text import visible


@click.command()
@convert_errors
def command() -> None:
    """Remove the updated root, also that of a private instance. Verification then uses the built-in root."""
    from kubekeep.usecases.image_trust import reset_trust  # noqa: PLC0415 - optional packages

    with convert_trust_errors():
        removed = reset_trust(get_folder())
    for path in removed:
        click.echo(f"removed {visible(str(path))}", err=True)
    if not removed:
        click.echo("there is no updated root", err=True)
