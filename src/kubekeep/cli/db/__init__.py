"""`kubekeep db`: the advisory database. Imports a subcommand only to run it."""

from __future__ import annotations

import click

from kubekeep.cli.console.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    package=__name__,
    commands={
        "update": ("update", "Load new advisories from OSV or a mirror."),
        "status": ("status", "Show the age of the advisories."),
        "import": ("import_files", "Import a bundle, advisories or an artifact."),
        "export": ("export", "Write the database to one file."),
        "build": ("build", "Build a database from advisory files."),
        "push": ("push", "Push the database to an OCI registry."),
    },
    short_help="Update, check and share the advisory database.",
)
def command() -> None:
    """Update, check and share the database of advisories and VEX repositories, with which scans find vulnerabilities.

    Only `db update`, `db import oci://...` and `db push` use the network.
    """
