"""Options of `kubekeep scan` for its reports: formats, files and shown severities. Parses only."""

from pathlib import Path
from typing import Annotated, Final

import click

from kubekeep import reports
from kubekeep.cli.console import arguments, outputs
from kubekeep.cli.console.arguments import Names
from kubekeep.cli.console.completed_names import complete_formats
from kubekeep.cli.console.configured import is_from_discovered_file
from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, add_groups, create_option
from kubekeep.model.severity import Severity
from kubekeep.reports import ReportOptions
from kubekeep.reports.format import View


class OutputOptions(OptionGroup, frozen=True):
    """Options of reports, as given."""

    section = HelpSection.REPORT

    formats: Annotated[
        Names,
        Option(
            "-f --format",
            f"Write these formats, comma separated: {', '.join(reports.names())}.",
            Key.DISCOVERED,
            is_common=True,
            callback=arguments.parse_names,
            complete=complete_formats,
            show_default="pretty",
            rank=1,
        ),
    ] = ()
    output: Annotated[
        Path | None,
        Option(
            "-o --output",
            "Write the report to this file; - is standard output.",
            Key.EXPLICIT,
            is_common=True,
            type=click.Path(path_type=Path),
            rank=1,
        ),
    ] = None
    verbose: Annotated[
        bool,
        Option(
            "-v --verbose",
            "Show every failed resource and every passed control.",
            Key.DISCOVERED,
            rank=3,
        ),
    ] = False
    view: Annotated[
        str,
        Option(
            "--view",
            "Arrange the terminal report: one screen, all findings by control, resource or file, "
            "or vulnerabilities by package, image or base image.",
            Key.DISCOVERED,
            is_common=True,
            type=click.Choice([view.value for view in View]),
            show_default=True,
            rank=2,
        ),
    ] = View.OVERVIEW.value
    min_severity: Annotated[
        Severity | None,
        Option(
            "--min-severity",
            "Show only controls of this severity or above. Gates count all controls.",
            Key.DISCOVERED,
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
        ),
    ] = None
    max_severity: Annotated[
        Severity | None,
        Option(
            "--max-severity",
            "Show only controls of this severity or below. Gates count all controls.",
            Key.DISCOVERED,
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
        ),
    ] = None
    quiet: Annotated[
        bool,
        Option(
            "-q --quiet",
            "Print only errors and results of gates; write reports to files only.",
            Key.DISCOVERED,
            rank=5,
        ),
    ] = False
    kubescape_metrics: Annotated[
        bool,
        Option(
            "--kubescape-metrics",
            "Add metrics with the names of Kubescape to those for Prometheus.",
            Key.DISCOVERED,
            rank=4,
        ),
    ] = False
    full: Annotated[
        bool,
        Option(
            "--full",
            "Print every finding with its text in a PDF. Default: one row for each control.",
            Key.DISCOVERED,
            rank=3,
        ),
    ] = False
    color: Annotated[
        str,
        Option(
            "--color",
            "Colour the terminal report; auto depends on the terminal and NO_COLOR.",
            Key.DISCOVERED,
            type=click.Choice(["auto", "always", "never"]),
            show_default=True,
            rank=7,
        ),
    ] = "auto"

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
            verbose=self.verbose,
            view=View(self.view),
            full=self.full,
            audit=audit,
            kubescape_metrics=self.kubescape_metrics,
        )

    @property
    def colour(self) -> bool | None:
        """True or False for colours in any case, None for colours on terminals."""
        return None if self.color == "auto" else self.color == "always"


def _create_arguments(options: OutputOptions) -> dict[str, OutputOptions]:
    if options.min_severity and options.max_severity and options.min_severity > options.max_severity:
        raise click.UsageError("--min-severity is above --max-severity: nothing would be shown")
    return {"output_options": options}


report_options: Final = add_groups(_create_arguments, OutputOptions)
"""Decorator that adds the options; they are passed on as one argument, `output_options`."""

kubescape_metrics_option: Final = create_option(OutputOptions, "kubescape_metrics")
