"""`kubekeep scan`: assess manifests, show or write reports, and exit by the gates.

Parses and shows; what a verdict is, is decided elsewhere.
"""

from __future__ import annotations

import sys
from typing import Final

import click
import msgspec

from kubekeep.cli import arguments, outputs
from kubekeep.cli.configured import Configured
from kubekeep.cli.exception_options import Accepting
from kubekeep.cli.gate_options import Since, gate_options, known
from kubekeep.cli.preflight import told
from kubekeep.cli.privacy_options import Privacy, privacy_options
from kubekeep.cli.report_options import Showing, report_options
from kubekeep.cli.request_options import assessed, request_options
from kubekeep.model.assessment import Assessment
from kubekeep.model.text import visible
from kubekeep.posture.gate import Gates, Outcome, UnknownLimitError, incomplete, judge
from kubekeep.posture.severity_filter import shown
from kubekeep.usecases.request import ReportNeeds, ScanRequest

_GATE_FAILED: Final = 1
_INCOMPLETE: Final = 3


@click.command(short_help="Assess manifests.", cls=Configured, target=arguments.first_path)
@request_options("scan")
@privacy_options
@gate_options
@report_options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Scan nothing: print the roles that a scan of the cluster needs, and what lacks.",
)
def command(
    request: ScanRequest,
    accepting: Accepting,
    gates: Gates,
    since: Since | None,
    privacy: Privacy,
    showing: Showing,
    *,
    dry_run: bool,
) -> None:
    """Assess what is at each PATH, or standard input for -; without one, the cluster of the kubeconfig.

    A PATH is a file or folder of manifests, charts, kustomizations or Terraform modules, an archive, a quoted pattern,
    or the address of a repository, a manifest or a chart.

    \b
    kubekeep scan
    kubekeep scan deploy/
    kubekeep scan framework nsa,pss-restricted deploy/
    kubekeep scan control C-0057 pod.yaml
    kubekeep scan chart/ --values production.yaml
    kubekeep scan workload shop/deployment/web deploy/
    kubectl get deployment -o yaml | kubekeep scan -
    """  # noqa: D301 - click takes the character itself
    wanted = showing.planned()
    request = msgspec.structs.replace(request, needs=ReportNeeds(extras=outputs.wants(wanted)))
    if dry_run:
        sys.exit(told(request))
    privacy.check(wanted)
    base = known(since.path) if since else None
    assessment = assessed(request)
    if since and base:
        from kubekeep.usecases.compare import against  # noqa: PLC0415 - only a scan with a baseline pays for it

        assessment = against(assessment, base, since.granularity)
    outcomes = _judged(assessment, gates)
    part = shown(assessment, showing.lowest, showing.highest)
    for text in part.notes:
        click.echo(visible(text), err=True)
    accepting.tell(assessment)
    outputs.write(privacy.seen(part), wanted, showing.options(audit=accepting.audit))
    listener = click.get_current_context().obj
    if listener is not None:
        listener(assessment)
    changed_since = request.input.read.changed_since
    if changed_since and assessment.chosen and not assessment.results and not assessment.unread:
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
        why = _unread(assessment) or "no Kubernetes object that a control applies to was found"
        click.echo(f"nothing was assessed: {why}", err=True)
        return _INCOMPLETE
    if incomplete(assessment):
        click.echo(f"incomplete: {_unread(assessment) or 'see the report'}", err=True)
        return _INCOMPLETE
    return 0


def _unread(assessment: Assessment) -> str:
    """How much was not read, and where that is told; empty if all was."""
    gaps = assessment.target.cluster.gaps if assessment.target.cluster else ()
    hidden = {gap.permission for gap in gaps if not gap.needs}
    if hidden and all(item.location.file in hidden for item in assessment.unread):
        return "the cluster did not show everything; --dry-run tells what lacks"
    return f"{len(assessment.unread)} unread, see the report" if assessment.unread else ""
