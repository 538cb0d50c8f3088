"""`kubekeep diff`: new, resolved, unchanged and incomparable findings of two reports. Parses, prints and gates."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console import arguments
from kubekeep.cli.console.atomic_files import open_text
from kubekeep.cli.console.option_group import AliasedOption
from kubekeep.cli.settings import get_width, settings
from kubekeep.model.comparison import Comparison
from kubekeep.model.fingerprint import Granularity
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.posture.gate import check_new_findings
from kubekeep.reports import ReportOptions, changes
from kubekeep.reports.kubescape_v2.read import ReportError
from kubekeep.usecases.compare import diff

_GATE_FAILED: Final = 1
_COMPLETE_FORMATS: Final = frozenset({"pretty", "json", "yaml"})
"""Formats with all findings; the others contain those for pipelines, from --severity-threshold up."""


@click.command(short_help="Compare two reports.")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@click.option(
    "--fail-on-new", is_flag=True, help="Exit with 1 on new findings, and on findings that cannot be compared."
)
@click.option(
    "--severity-threshold",
    "severity",
    type=arguments.SEVERITIES,
    callback=arguments.parse_severity,
    help="Count only findings of this severity or above, for --fail-on-new and in formats for pipelines.",
)
@click.option(
    "--baseline-granularity",
    "granularity",
    cls=AliasedOption,
    aliases=("--granularity",),
    type=click.Choice([level.value for level in Granularity]),
    help="Compare by evidence (the default), by control and resource, or by resource.",
)
@click.option(
    "-f",
    "--format",
    "name",
    default="pretty",
    show_default=True,
    help=f"Write this format: {', '.join(changes.names())}.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the comparison to this file."
)
@click.option("-v", "--verbose", is_flag=True, help="Show every finding, including unchanged ones.")
def command(
    base: Path,
    head: Path,
    severity: Severity | None,
    granularity: str | None,
    name: str,
    output: Path | None,
    *,
    fail_on_new: bool,
    verbose: bool,
) -> None:
    """Compare the reports BASE and HEAD: JSON of `kubekeep scan -f json` or of Kubescape. BASE may be a baseline.

    A finding is resolved only if HEAD evaluated its control on the resource, and new only if BASE did. Other differences
    cannot be compared; the output states the reasons. A finding that an exception covers in HEAD is accepted.

    \b
    kubekeep diff main.json branch.json
    kubekeep diff main.json branch.json --fail-on-new --severity-threshold high
    kubekeep diff main.json branch.json -f markdown -o comment.md
    """  # noqa: D301 - click takes the character itself
    try:
        change_format = changes.load(name)
    except LookupError as error:
        raise click.BadParameter(str(error).strip("'\""), param_hint="--format") from error
    try:
        comparison = diff(base, head, Granularity(granularity) if granularity else None)
    except ReportError as error:
        raise click.UsageError(str(error)) from error
    _write(
        comparison if change_format.name in _COMPLETE_FORMATS else changes.filter_severity(comparison, severity),
        change_format,
        output,
        verbose=verbose,
    )
    if fail_on_new:
        outcome = check_new_findings(comparison, severity)
        click.echo(f"gate {'passed' if outcome.has_passed else 'FAILED'}: {outcome.text}", err=True)
        sys.exit(0 if outcome.has_passed else _GATE_FAILED)


def _write(comparison: Comparison, change_format: changes.ChangeFormat, output: Path | None, *, verbose: bool) -> None:
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        terminal = sys.stdout.isatty()
        width = get_width(sys.stdout)
        options = ReportOptions(colour=terminal and settings().colour, width=width, verbose=verbose)
        change_format.render(comparison, sys.stdout, options)
        sys.stdout.flush()
        return
    device = output.exists() and not output.is_file()
    path = (
        output
        if device or output.suffix == change_format.extension
        else output.with_name(output.name + change_format.extension)
    )
    with open_text(path) as stream:
        change_format.render(comparison, stream, ReportOptions(verbose=verbose))
    click.echo(f"{change_format.name}: {visible(str(path))}", err=True)
