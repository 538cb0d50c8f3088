"""`kubekeep baseline`: record known findings, so that scans can identify new ones. Parses and writes one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.console.atomic_files import open_text
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.request import request_options, run_scan
from kubekeep.cli.scan import command as scan
from kubekeep.cli.scan import images_options
from kubekeep.model.text import visible
from kubekeep.reports.kubescape_v2.read import ReportError
from kubekeep.usecases.baseline import Baseline, convert_report, create_baseline
from kubekeep.usecases.request import ScanRequest

_NAME: Final = "kubekeep-baseline.json"


_output = click.option(
    "-o",
    "--output",
    "to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_NAME,
    show_default=True,
    help="Write the baseline to this file.",
)


@click.group(short_help="Record known findings in a baseline file.")
def command() -> None:
    """Record known findings in a baseline file, so that `kubekeep scan --baseline` identifies new findings."""


@command.command(
    short_help="Scan, and write a baseline.", cls=ConfiguredCommand, target=arguments.find_first_path, like=scan
)
@request_options("baseline create")
@images_options
@_output
def create(request: ScanRequest, exception_settings: ExceptionSettings, to: Path) -> None:
    """Scan each PATH, with the options of `kubekeep scan`, and write the findings to a baseline file.

    \b
    kubekeep baseline create deploy/
    kubekeep scan deploy/ --baseline kubekeep-baseline.json --fail-on-new
    """  # noqa: D301 - click takes the character itself
    assessment = run_scan(request)
    for text in assessment.notes:
        click.echo(visible(text), err=True)
    for unread in assessment.unread:
        click.echo(f"not read: {visible(str(unread.location))}: {visible(unread.message)}", err=True)
    exception_settings.report(assessment)
    if not assessment.results:
        click.echo("nothing was assessed: no baseline was written", err=True)
        sys.exit(INCOMPLETE)
    baseline = create_baseline(assessment)
    _write(baseline, to)
    sys.exit(INCOMPLETE if baseline.is_incomplete else 0)


@command.command("from-report", short_help="Write a baseline from a report.")
@click.argument("report", type=click.Path(path_type=Path, dir_okay=False))
@_output
def from_report(report: Path, to: Path) -> None:
    """Write the findings in REPORT to a baseline file. REPORT is JSON of `kubekeep scan -f json` or of Kubescape."""
    try:
        baseline = convert_report(report)
    except ReportError as error:
        raise click.UsageError(str(error)) from error
    _write(baseline, to)


def _write(baseline: Baseline, output: Path) -> None:
    with open_text(output) as stream:
        stream.writelines(baseline.format())
    count, fields = baseline.failures, baseline.fields
    text = f"{count} finding{'' if count == 1 else 's'}" + (f" in {fields} fields" if fields != count else "")
    click.echo(f"baseline: {visible(str(output))}, {text}", err=True)
