"""`kubekeep scan`: assess manifests, show or write reports, and exit by the gates.

Parses and shows; what a verdict is, is decided elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from kubekeep import reports
from kubekeep.assess.gate import Gates, Outcome, UnknownLimitError, incomplete, judge
from kubekeep.assess.shown import shown
from kubekeep.cli import arguments, outputs
from kubekeep.cli.configured import Configured
from kubekeep.cli.gate_options import gate_options, known
from kubekeep.cli.request_options import assessed, request_options
from kubekeep.model.assessment import Assessment
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.usecases.compare import Since, against
from kubekeep.usecases.scan import ScanRequest

_GATE_FAILED: Final = 1
_INCOMPLETE: Final = 3


def _output_options(function: Callable[..., None]) -> Callable[..., None]:
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
        function = option(function)
    return function


@click.command(short_help="Assess manifests.", cls=Configured, target=arguments.first_path)
@request_options("scan")
@gate_options
@_output_options
def command(
    formats: tuple[str, ...],
    output: Path | None,
    min_severity: Severity | None,
    max_severity: Severity | None,
    *,
    request: ScanRequest,
    gates: Gates,
    since: Since | None,
    verbose: bool,
) -> None:
    """Assess what is at each PATH, or standard input for -.

    A PATH is a file or folder of manifests, charts, kustomizations or Terraform modules, an archive, a quoted pattern,
    or the address of a repository, a manifest or a chart.

    \b
    kubekeep scan deploy/
    kubekeep scan framework nsa,pss-restricted deploy/
    kubekeep scan control C-0057 pod.yaml
    kubekeep scan chart/ --values production.yaml
    kubekeep scan workload shop/deployment/web deploy/
    kubectl get deployment -o yaml | kubekeep scan -
    """  # noqa: D301 - click takes the character itself
    if min_severity and max_severity and min_severity > max_severity:
        raise click.UsageError("--min-severity is above --max-severity: nothing would be shown")
    wanted = outputs.plan(formats, output)
    base = known(since.path) if since else None
    assessment = assessed(request)
    if since and base:
        assessment = against(assessment, base, since.granularity)
    outcomes = _judged(assessment, gates)
    part = shown(assessment, min_severity, max_severity)
    for text in part.notes:
        click.echo(visible(text), err=True)
    outputs.write(part, wanted, verbose=verbose)
    listener = click.get_current_context().obj
    if listener is not None:
        listener(assessment)
    changed_since = request.read.changed_since
    if changed_since and not assessment.results and not assessment.unread:
        click.echo(f"nothing that a control applies to has changed since {visible(changed_since)}", err=True)
        sys.exit(0)
    sys.exit(_exit_code(assessment, outcomes))


def _judged(assessment: Assessment, gates: Gates) -> list[Outcome]:
    try:
        return judge(assessment, gates)
    except UnknownLimitError as error:
        raise click.UsageError(str(error)) from error


def _exit_code(assessment: Assessment, outcomes: list[Outcome]) -> int:
    for outcome in outcomes:
        click.echo(f"gate {'passed' if outcome.passed else 'FAILED'}: {outcome.text}", err=True)
    if not all(outcome.passed for outcome in outcomes):
        return _GATE_FAILED
    if not assessment.results:
        count = len(assessment.unread)
        why = f"{count} unread, see the report" if count else "no Kubernetes object that a control applies to was found"
        click.echo(f"nothing was assessed: {why}", err=True)
        return _INCOMPLETE
    if incomplete(assessment):
        count = len(assessment.unread)
        click.echo(f"incomplete: {count} unread, see the report" if count else "incomplete: see the report", err=True)
        return _INCOMPLETE
    return 0
