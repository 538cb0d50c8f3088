"""A scan whose results are reported, for all commands that scan: reports, gates and the exit code.

A module of its own, so that these commands do not create each other's options. Prints; never evaluates itself.
"""

from __future__ import annotations

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
    """Scan, write the reports, send the results on request and exit by the gates."""
    plan = presentation.plan(presentation.output_options.plan_outputs(), is_repeatable=_is_repeatable(request))
    request = plan.add_needs(request)
    submitter = None
    if submission.options.submit:
        from kubekeep.cli.submitter import Submitter  # noqa: PLC0415 - only with --submit

        request = Submitter.add_needs(request, presentation.privacy)
        submitter = None if dry_run else Submitter(submission, request)
    if dry_run:
        from kubekeep.cli.preflight import print_permissions  # noqa: PLC0415 - only with --dry-run

        sys.exit(print_permissions(request))
    base = presentation.read_baseline()
    assessment = presentation.compare(run_scan(request), base)
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
