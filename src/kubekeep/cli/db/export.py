"""`kubekeep db export`: the database as one file. Parses and prints."""

from __future__ import annotations

from pathlib import Path

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.console.atomic_files import open_binary
from kubekeep.cli.db.shared import convert_errors, database_option
from kubekeep.model.text import visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.database import export_database


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--ecosystem",
    "ecosystems",
    multiple=True,
    callback=arguments.parse_names,
    help="Export only the advisories of this ecosystem, such as Debian; repeatable. Default: all.",
)
@database_option
def command(file: Path, ecosystems: tuple[str, ...], folder: Path) -> None:
    """Write the database to FILE, for `kubekeep db import` in a network without access to its sources.

    Prints the SHA-256 of FILE.

    \b
    kubekeep db export advisories.bundle
    kubekeep db export debian.bundle --ecosystem Debian
    """  # noqa: D301 - click takes the character itself
    with convert_errors(), open_binary(file) as stream:
        index, digest = export_database(folder, ecosystems, stream)
    click.echo(f"exported {count_noun(len(index.files), 'file')} to {visible(str(file))}", err=True)
    click.echo(digest)
