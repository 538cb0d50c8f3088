"""`kubekeep control`: create a control and run its cases. Never evaluates a case itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.model.text import visible
from kubekeep.usecases.control import find_problems, load_cases, write_control

_FAILED: Final = 1
_NOTHING: Final = 3


@click.group(short_help="Create and test your own controls.")
def command() -> None:
    """Create and test your own controls."""


@command.command()
@click.argument("name", metavar="AREA/SLUG")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default="the current folder",
    help="Create the control below this folder.",
)
def new(name: str, folder: Path) -> None:
    """Create the control AREA/SLUG, for example workload/team-label, with three cases that pass, as a template."""
    area, _, slug = name.partition("/")
    try:
        files = write_control(folder, area, slug)
    except FileExistsError as error:
        raise click.UsageError(f"{folder / area / slug} already exists") from error
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="AREA/SLUG") from error
    for file in files:
        click.echo(file)


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def test(folder: Path) -> None:
    """Run the cases of the controls in DIR.

    fail.* must fail, pass.* must pass, skip.* must be skipped, and the fixes must work.
    """
    failed = 0
    try:
        library, cases = load_cases(folder)
        for note in library.notes:
            click.echo(visible(note), err=True)
        for case in cases:
            differences = find_problems(case, library)
            failed += bool(differences)
            click.echo(f"{click.style('FAILED', fg='red') if differences else 'ok    '}  {visible(str(case))}")
            for problem in differences:
                click.echo(f"        {visible(problem)}")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not cases:
        click.echo(f"{visible(str(folder))}: no control with cases found", err=True)
        sys.exit(_NOTHING)
    click.echo(f"{len(cases)} cases, {failed} failed")
    sys.exit(_FAILED if failed else 0)
