"""`kubekeep db build`: a database from advisory files. Parses and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kubekeep.cli.db.shared import FAILED, convert_errors, echo_unread
from kubekeep.model.text import visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.database import build


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the database to this folder, whose files of the same ecosystems are replaced.",
)
def command(sources: tuple[Path, ...], output: Path) -> None:
    """Build a database from OSV records: zip archives, JSON Lines, JSON files, folders of them; also .gz and .zst.

    Files of KEV and EPSS among them are recognised. Records that cannot be read are reported, and the exit code is then 3.

    \b
    kubekeep db build all.zip -o advisories
    kubekeep db build advisories/ known_exploited_vulnerabilities.json -o database
    """  # noqa: D301 - click takes the character itself
    with convert_errors():
        result = build(sources, output)
    echo_unread(result.problems, result.unread)
    for ecosystem, records in result.ecosystems.items():
        click.echo(f"{visible(ecosystem)}: {count_noun(records, 'record')}", err=True)
    click.echo(f"built {visible(str(output))} from {count_noun(result.records, 'record')}", err=True)
    if result.unread:
        sys.exit(FAILED)
