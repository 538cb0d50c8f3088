"""Options of `kubekeep scan` for its reports: formats, files and shown severities. Parses only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from kubekeep import reports
from kubekeep.cli.console import arguments, outputs
from kubekeep.cli.console.arguments import Names
from kubekeep.cli.console.completed_names import complete_formats
from kubekeep.cli.console.configured import is_from_discovered_file
from kubekeep.model.severity import Severity
from kubekeep.reports import ReportOptions
from kubekeep.reports.format import View


class OutputOptions(msgspec.Struct, frozen=True):
    """Options of reports: names of formats, the file, and the range of shown severities."""

    formats: Names
    output: Path | None
    verbose: bool
    view: View
    min_severity: Severity | None
    max_severity: Severity | None
    color: str = "auto"
    quiet: bool = False
    full: bool = False
    kubescape_metrics: bool = False

    def plan_outputs(self) -> list[outputs.Output]:
        """Return the reports with their destinations. Raises usage errors for unsuitable combinations."""
        discovered = is_from_discovered_file(click.get_current_context(), "formats")
        planned = outputs.plan(self.formats, self.output, unnamed_files=not discovered)
        return [
            report for report in planned if not (self.quiet and report.path is None and report.format.name == "pretty")
        ]

    def create_report_options(self, *, audit: bool) -> ReportOptions:
        """Return the options of the formats; `audit` includes every exception."""
        return ReportOptions(
            verbose=self.verbose, view=self.view, full=self.full, audit=audit, kubescape_metrics=self.kubescape_metrics
        )

    @property
    def colour(self) -> bool | None:
        """True or False for colours in any case, None for colours on terminals."""
        return None if self.color == "auto" else self.color == "always"


def report_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `output_options`."""

    @functools.wraps(function)
    def wrapper(  # noqa: PLR0913 - one argument per option
        *,
        formats: Names,
        output: Path | None,
        verbose: bool,
        view: str,
        min_severity: Severity | None,
        max_severity: Severity | None,
        color: str,
        quiet: bool,
        full: bool,
        kubescape_metrics: bool,
        **others: Any,
    ) -> None:
        if min_severity and max_severity and min_severity > max_severity:
            raise click.UsageError("--min-severity is above --max-severity: nothing would be shown")
        function(
            output_options=OutputOptions(
                formats,
                output,
                verbose,
                View(view),
                min_severity,
                max_severity,
                color,
                quiet,
                full,
                kubescape_metrics,
            ),
            **others,
        )

    for option in (*_presentation(), *_formats()):
        wrapper = option(wrapper)
    return wrapper


def _presentation() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour the terminal report; auto depends on the terminal and NO_COLOR.",
        ),
        click.option(
            "--full",
            is_flag=True,
            help="Print every finding with its text in a PDF. Default: one row for each control.",
        ),
        arguments.kubescape_metrics_option,
        click.option(
            "-q", "--quiet", is_flag=True, help="Print only errors and results of gates; write reports to files only."
        ),
        click.option(
            "--max-severity",
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            help="Show only controls of this severity or below. Gates count all controls.",
        ),
        click.option(
            "--min-severity",
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            help="Show only controls of this severity or above. Gates count all controls.",
        ),
    )


def _formats() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--view",
            type=click.Choice([view.value for view in View]),
            default=View.OVERVIEW.value,
            show_default=True,
            help="Arrange the terminal report: one screen, or all findings by control, resource or file.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Show every failed resource and every passed control."),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            help="Write the report to this file; - is standard output.",
        ),
        click.option(
            "-f",
            "--format",
            "formats",
            multiple=True,
            callback=arguments.parse_names,
            show_default="pretty",
            shell_complete=complete_formats,
            help=f"Write these formats, comma separated: {', '.join(reports.names())}.",
        ),
    )
