"""Options of `kubekeep registry rematch` for the changes since the last run. Parses only."""

from pathlib import Path
from typing import Annotated, Final

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.console.option_group import HelpSection, Option, OptionGroup, add_groups
from kubekeep.model.severity import Severity


class RematchOptions(OptionGroup, frozen=True):
    """Options for the changes since the last run."""

    changes: Annotated[
        Path | None,
        Option(
            "--changes",
            "Write the changes as JSON to this file; - is standard output.",
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            section=HelpSection.REPORT,
            rank=0,
        ),
    ] = None
    fails_on_new: Annotated[
        bool,
        Option(
            "--fail-on-new",
            "Exit with 1 on vulnerabilities that are new since the last run, or no longer suppressed.",
            section=HelpSection.LIMITS,
        ),
    ] = False
    new_severity: Annotated[
        Severity | None,
        Option(
            "--baseline-severity-threshold",
            "Count only new vulnerabilities of this severity or above; requires --fail-on-new.",
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            section=HelpSection.LIMITS,
        ),
    ] = None


def _create_arguments(options: RematchOptions) -> dict[str, RematchOptions]:
    if options.new_severity and not options.fails_on_new:
        raise click.UsageError("--baseline-severity-threshold has no effect without --fail-on-new")
    return {"options": options}


rematch_options: Final = add_groups(_create_arguments, RematchOptions)
"""Decorator that adds the options; they are passed on as one argument, `options`."""
