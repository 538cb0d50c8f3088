"""`kubekeep db update`: load new advisories. Parses and prints."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kubekeep.cli.console import progress
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.db.shared import FAILED, convert_errors, database_option, echo_unread
from kubekeep.cli.library import KEY_FILE
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.database import UpdateRequest, update_database
from kubekeep.vulnerabilities.database.bundle import is_feed_name


def _parse_repositories(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    values: tuple[str, ...],
) -> dict[str, str]:
    repositories: dict[str, str] = {}
    for value in values:
        name, _, url = value.partition("=")
        if not (is_feed_name(name) and url):
            raise click.BadParameter(
                f"{visible(name)!r}: use NAME=URL; NAME has lower-case letters, digits, dots and hyphens"
            )
        if name in repositories:
            raise click.BadParameter(f"{name} is named twice")
        repositories[name] = url
    return repositories


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
    "--vex-repository",
    "vex_repositories",
    multiple=True,
    metavar="NAME=URL",
    callback=_parse_repositories,
    help="Load the VEX repository at https://DOMAIN, https://github.com/ORG/REPOSITORY or the URL of its manifest; remembered "
    "under NAME. Of several with the same package, the first NAME in alphabetical order counts; repeatable.",
)
@click.option(
    "--vex-key",
    type=KEY_FILE,
    help="Reject archives of the named VEX repositories without a signature of this public key, in PEM; remembered.",
)
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
def command(
    *, quiet: bool, folder: Path, vex_repositories: Mapping[str, str], vex_key: Path | None, **options: Any
) -> None:
    """Load new advisories from OSV: only those that have changed since the last update, if these are few.

    ECOSYSTEM is a name of OSV, such as Debian, npm or Go. Default: the ecosystems of the database; for a new one those of
    most images: Alpine, Chainguard, Debian, Go, Maven, NuGet, Packagist, PyPI, RubyGems, Ubuntu, Wolfi, crates.io, npm.

    VEX repositories are checked again after the interval that they state, or at once if they are named. If only they are
    named, nothing else is updated.

    \b
    kubekeep db update
    kubekeep db update Debian PyPI
    kubekeep db update --source https://mirror.example/osv
    kubekeep db update --feed acme --source https://advisories.example npm
    kubekeep db update --vex-repository 20-hub=https://github.com/aquasecurity/vexhub
    kubekeep db update --vex-repository 10-acme=https://vex.example --vex-key cosign.pub
    """  # noqa: D301 - click takes the character itself
    if vex_key is not None and not vex_repositories:
        raise click.UsageError("--vex-key requires --vex-repository")
    request = UpdateRequest(
        folder=folder,
        vex_repositories=vex_repositories,
        vex_key=read_small_file(vex_key) if vex_key else b"",
        **options,
    )
    try:
        with convert_errors(), progress.download() as on_bytes:
            result = update_database(request, on_bytes, (lambda _: None) if quiet else _echo_file)
    except KeyFileError as error:
        raise click.BadParameter(str(error), param_hint="--vex-key") from error
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
        case "documents":
            text = f"{count_noun(file.records, 'document')} loaded"
        case "same-documents":
            text = f"no change in {count_noun(file.records, 'document')}"
        case "recent":
            text = f"{count_noun(file.records, 'document')}, checked within the update interval"
        case _:
            text = f"no change in {count_noun(file.records, 'record')}"
    click.echo(f"{file.name}: {text}", err=True)
