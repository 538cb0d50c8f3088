"""A scan whose results are reported, for all commands that scan: reports, gates and the exit code.

A module of its own, so that these commands do not create each other's options. Prints; never evaluates itself.
"""

from __future__ import annotations

import contextlib
import sys

import click
from click.core import ParameterSource

from kubekeep.cli.console.option_group import PRESENTATION, get_section
from kubekeep.cli.options.request import run_scan
from kubekeep.cli.options.submit import SubmissionSettings
from kubekeep.cli.presentation import Presentation
from kubekeep.usecases.request import ScanRequest


def run(
    request: ScanRequest,
    presentation: Presentation,
    submission: SubmissionSettings,
    *,
    dry_run: bool = False,
) -> None:
    """Scan, apply the decisions of a server and send the results to it on request, write the reports, and exit by the gates."""
    plan = presentation.plan(presentation.output_options.plan_outputs(), is_repeatable=_is_repeatable(request))
    request = plan.add_needs(request)
    submitter = None
    errors: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if submission.uses_server:
        from kubekeep.cli import submitter as sending  # noqa: PLC0415 - only with a server
        from kubekeep.cli.server_access import convert_server_errors  # noqa: PLC0415

        if submission.options.submit:
            sending.check_privacy(presentation.privacy)
        request = sending.add_needs(request)
        if not dry_run:
            server = sending.select_server(submission)
            decisions = sending.ScanDecisions(server, must_go_on=submission.options.submit)
            request = sending.add_decisions(request, decisions)
            submitter = sending.Submitter(server) if submission.options.submit else None
        errors = convert_server_errors()
    if dry_run:
        from kubekeep.cli.preflight import print_permissions  # noqa: PLC0415 - only with --dry-run

        sys.exit(print_permissions(request))
    base = presentation.read_baseline()
    with errors:
        assessment = run_scan(request)
    assessment = presentation.compare(assessment, base)
    code = plan.present(assessment, request)
    if submitter is not None:
        submission_code = submitter.submit(assessment)
        code = code or submission_code
    sys.exit(code)


def _is_repeatable(request: ScanRequest) -> bool:
    """Return True if the frameworks and paths of the command line determine the scan."""
    context = click.get_current_context()
    selections = (
        param.name
        for param in context.command.params
        if isinstance(param, click.Option) and get_section(param) not in PRESENTATION
    )
    return not request.evaluation.workload and not any(
        name and context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in selections
    )
