"""The options of `kubekeep scan` that say which reports are written, and what of the scan they show. Parses only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from kubekeep import reports
from kubekeep.cli import arguments, outputs
from kubekeep.cli.arguments import Names
from kubekeep.cli.configured import is_from_found_file
from kubekeep.model.severity import Severity
from kubekeep.reports import ReportOptions


class Showing(msgspec.Struct, frozen=True):
    """What is shown where: the names of formats, the file they go to, and the severities they show."""

    formats: Names
    output: Path | None
    verbose: bool
    by_resource: bool
    lowest: Severity | None
    highest: Severity | None

    def planned(self) -> list[outputs.Output]:
        """The reports with where each goes; click's errors for what cannot be."""
        found = is_from_found_file(click.get_current_context(), "formats")
        return outputs.plan(self.formats, self.output, unnamed_files=not found)

    def options(self, *, audit: bool) -> ReportOptions:
        """How reports are to be; `audit` tells of every exception."""
        return ReportOptions(verbose=self.verbose, by_resource=self.by_resource, audit=audit)


def report_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options as click takes them, handed on as one argument, `showing`."""

    @functools.wraps(function)
    def gathered(
        *,
        formats: Names,
        output: Path | None,
        verbose: bool,
        view: str,
        min_severity: Severity | None,
        max_severity: Severity | None,
        **others: Any,
    ) -> None:
        if min_severity and max_severity and min_severity > max_severity:
            raise click.UsageError("--min-severity is above --max-severity: nothing would be shown")
        function(showing=Showing(formats, output, verbose, view == "resource", min_severity, max_severity), **others)

    for option in (
        click.option(
            "--max-severity",
            type=arguments.SEVERITIES,
            callback=arguments.severity,
            help="Show only controls of this severity or below. Gates look at all.",
        ),
        click.option(
            "--min-severity",
            type=arguments.SEVERITIES,
            callback=arguments.severity,
            help="Show only controls of this severity or above. Gates look at all.",
        ),
        click.option(
            "--view",
            type=click.Choice(["control", "resource"]),
            default="control",
            show_default=True,
            help="On the terminal, show by control or by resource.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Show every failed resource and every passed control."),
        click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report to this file."),
        click.option(
            "-f",
            "--format",
            "formats",
            multiple=True,
            callback=arguments.names,
            show_default="pretty",
            help=f"Formats of the report, comma separated: {', '.join(reports.names())}.",
        ),
    ):
        gathered = option(gathered)
    return gathered
