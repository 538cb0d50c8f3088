"""The folder of trusted roots, and errors of all commands of `kubekeep image trust`. Parses only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.signatures.settings import find_trust_folder


def get_folder() -> Path:
    """Return the folder of stored roots. Raises UsageError without a home folder."""
    folder = find_trust_folder()
    if folder is None:
        raise click.UsageError("there is no home folder for trusted roots: set KUBEKEEP_TRUST")
    return folder


@contextlib.contextmanager
def convert_trust_errors() -> Iterator[None]:
    """Convert errors to messages and the exit code for something that could not be read."""
    try:
        yield
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
