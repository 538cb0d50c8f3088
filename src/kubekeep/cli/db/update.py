"""`kubekeep db update`: load new advisories. Parses and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from kubekeep.cli.console import progress
from kubekeep.cli.db.shared import FAILED, convert_errors, database_option, echo_unread
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.database import UpdateRequest, update_database


@click.command()
@click.argument("ecosystems", metavar="[ECOSYSTEM...]", nargs=-1)
@click.option(
    "--source",
    default="",
    metavar="URL",
    help="Load from a server with the layout of OSV's bucket; remembered by file.",
)
@click.option(
    "--feed", default="", metavar="NAME", help="Update the private feed with this name, beside the public one."
)
@click.option("--kev", default="", metavar="URL", help="Load known exploited vulnerabilities from here.")
@click.option("--epss", default="", metavar="URL", help="Load EPSS scores from here.")
@click.option(
    "--ca",
    "authority_file",
    default=None,
    callback=lambda ctx, param, value: value or "",  # noqa: ARG005 - click's signature
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the certificates in this PEM file, in addition to those of the system.",
)
@database_option
@click.option("-q", "--quiet", is_flag=True, help="Print failures only.")
def command(*, quiet: bool, folder: Path, **options: Any) -> None:
    """Load new advisories from OSV: only those that have changed since the last update, if these are few.

    ECOSYSTEM is a name of OSV, such as Debian, npm or Go. Default: the ecosystems of the database; for a new one those of
    most images: Alpine, Chainguard, Debian, Go, Maven, NuGet, Packagist, PyPI, RubyGems, Ubuntu, Wolfi, crates.io, npm.

    \b
    kubekeep db update
    kubekeep db update Debian PyPI
    kubekeep db update --source https://mirror.example/osv
    kubekeep db update --feed acme --source https://advisories.example npm
    """  # noqa: D301 - click takes the character itself
    request = UpdateRequest(folder=folder, **options)
    with convert_errors(), progress.download() as on_bytes:
        result = update_database(request, on_bytes, (lambda _: None) if quiet else _echo_file)
    for file in result.files:
        echo_unread(file.problems, file.unread)
    for failure in result.failures:
        click.echo(f"failed: {failure}", err=True)
    if result.failures and not result.files:
        click.echo(
            "no file was updated; without a network, `kubekeep db import` reads the files of another machine", err=True
        )
    if result.failures or any(file.unread for file in result.files):
        sys.exit(FAILED)


def _echo_file(file: Any) -> None:
    match file.kind:
        case "signals":
            text = "up to date"
        case "archive":
            text = f"{count_noun(file.records, 'record')} loaded"
        case "delta":
            text = f"{count_noun(file.changed, 'changed record')} of {file.records:,}"
        case _:
            text = f"no change in {count_noun(file.records, 'record')}"
    click.echo(f"{file.name}: {text}", err=True)
