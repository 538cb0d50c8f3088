"""Options and errors of all commands of `kubekeep db`. Parses only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.settings import database_folder
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.errors import (
    AdvisoryInputError,
    DatabaseError,
    MissingDatabaseError,
    UpdateError,
)

FAILED: Final = 3


def _get_folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path:  # noqa: ARG001
    folder = value or database_folder()
    if folder is None:
        raise click.UsageError("there is no home folder for the database: use --database or KUBEKEEP_DATABASE")
    return folder


database_option: Final = click.option(
    "--database",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    callback=_get_folder,
    help="Use the database in this folder. Default: KUBEKEEP_DATABASE, or kubekeep/advisories in the cache folder.",
)


@contextlib.contextmanager
def convert_errors() -> Iterator[None]:
    """Convert errors to messages and the exit code for something that could not be read."""
    try:
        yield
    except (AdvisoryInputError, DatabaseError, MissingDatabaseError, UpdateError) as error:
        click.echo(f"failed: {error}", err=True)
        sys.exit(FAILED)
    except OSError as error:
        click.echo(f"failed: {visible(str(error.filename or ''))}: {error.strerror or error}", err=True)
        sys.exit(FAILED)


def echo_unread(problems: tuple[object, ...], unread: int) -> None:
    """Print records that could not be read."""
    for problem in problems:
        click.echo(f"not read: {problem}", err=True)
    if unread > len(problems):
        click.echo(f"not read: {unread - len(problems):,} more", err=True)
