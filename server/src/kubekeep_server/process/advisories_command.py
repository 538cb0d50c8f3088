"""`kubekeep server advisories`: the advisory database of the server, with or without a running server. Prints."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import click

from kubekeep_server.advisories.updates import build_import, build_update
from kubekeep_server.process.offline import run_offline
from kubekeep_server.settings import Settings
from kubekeep_server.store.advisory_state import load_status

_MINUTES: Final = "%Y-%m-%d %H:%M"


@click.group("advisories")
def advisories() -> None:
    """Manage the advisory database. A running server uses changes within seconds."""


@advisories.command("status")
@click.pass_obj
def status(settings: Settings) -> None:
    """Print the age of the advisories, the last failure, and how many images were matched."""
    state = run_offline(settings, load_status)
    for entry in state.known.ecosystems:
        time = f"{entry.updated:{_MINUTES}}" if entry.updated else "unknown time"
        click.echo(f"{entry.ecosystem}: {time}, {entry.records:,} records")
    if not state.known.ecosystems:
        click.echo(f"No images were matched yet. The database is in {settings.advisory_database}.")
    if state.error:
        click.echo(f"Last failure, {state.failed:{_MINUTES}}: {state.error}")
    click.echo(f"{state.matched:,} images matched, {state.pending:,} wait")


@advisories.command("update")
@click.pass_obj
def update(settings: Settings) -> None:
    """Load new advisories from the sources of the last update, at first from OSV."""
    _run(build_update(settings.advisory_database))


@advisories.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.pass_obj
def import_file(settings: Settings, file: Path) -> None:
    """Import a bundle of `kubekeep db export`, or another file that `kubekeep db import` reads."""
    _run(build_import(file, settings.advisory_database))


def _run(command: tuple[str, ...]) -> None:
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - this program
    if code:
        raise SystemExit(code)
