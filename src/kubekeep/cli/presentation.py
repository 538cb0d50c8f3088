"""Reports, gates and the exit code of a scan, with the options for them. Never evaluates a rule."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console import outputs
from kubekeep.cli.console.option_group import Command
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.gate import BaselineOptions, gate_options, read_baseline_file
from kubekeep.cli.options.privacy import PrivacyOptions, privacy_options
from kubekeep.cli.options.report import OutputOptions, report_options
from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import ScanRecord
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.reports import ReportOptions
from kubekeep.reports.format import View
from kubekeep.reports.shared.wording import count_noun, limit_notes
from kubekeep.usecases.outcome import OutcomeRequest, ScanOutcome, create_outcome
from kubekeep.usecases.package_scan import names_registry
from kubekeep.usecases.request import ReportNeeds, ScanRequest

_GATE_FAILED: Final = 1
_MAX_RULE_ERRORS: Final = 10
_IMAGE: Final = r"[a-z0-9][a-z0-9._/-]*(?::[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})"
"""A reference of an image with a tag or a digest."""


class Presentation(msgspec.Struct, frozen=True):
    """Options of a scan for what is done with its result."""

    exception_settings: ExceptionSettings
    outcome_request: OutcomeRequest
    baseline: BaselineOptions | None
    privacy: PrivacyOptions
    output_options: OutputOptions

    def read_baseline(self) -> ScanRecord | None:
        """Return the findings to compare with; None without a baseline. Raises a usage error for an unreadable file."""
        return None if self.baseline is None else read_baseline_file(self.baseline.path)

    def compare(self, assessment: Assessment, base: ScanRecord | None) -> Assessment:
        """Return the assessment with its findings marked as new or unchanged since `base`."""
        if self.baseline is None or base is None:
            return assessment
        from kubekeep.usecases.compare import compare_with_baseline  # noqa: PLC0415 - loaded only with a baseline

        return compare_with_baseline(assessment, base, self.baseline.granularity)

    def plan(self, planned_outputs: list[outputs.Output], *, is_repeatable: bool) -> PlannedReports:
        """Return the reports to write. Raises usage errors for options that exclude each other."""
        report_options = msgspec.structs.replace(
            self.output_options.create_report_options(audit=self.exception_settings.audit), repeatable=is_repeatable
        )
        self.privacy.check(planned_outputs)
        return PlannedReports(self, planned_outputs, report_options)


class PlannedReports(msgspec.Struct, frozen=True):
    """The reports of a scan before it starts, with their destinations."""

    presentation: Presentation
    outputs: list[outputs.Output]
    options: ReportOptions

    def add_needs(self, request: ScanRequest) -> ScanRequest:
        """Return the request with all that reports and gates need."""
        extras = outputs.list_extras(self.outputs, self.options)
        return msgspec.structs.replace(request, needs=ReportNeeds(extras=extras))

    def present(self, assessment: Assessment, request: ScanRequest) -> int:
        """Write the reports, print the results of gates, and return the exit code."""
        output_options = self.presentation.output_options
        outcome = _create_outcome(assessment, self.presentation.outcome_request)
        reported_assessment = outcome.reported
        for text in self._limit_notes(reported_assessment.notes):
            click.echo(visible(text), err=True)
        self.presentation.exception_settings.report(assessment)
        protected_assessment = self.presentation.privacy.protect(reported_assessment)
        outputs.write(protected_assessment, self.outputs, self.options, colour=output_options.colour)
        listener = click.get_current_context().obj
        if listener is not None:
            listener(assessment)
        changed_since = request.input.read.changed_since
        if (
            changed_since
            and assessment.files
            and assessment.has_matches
            and not assessment.results
            and not assessment.unread
        ):
            click.echo(f"no resource in scope of a control has changed since {visible(changed_since)}", err=True)
            return 0
        for text in _shorten(outcome.rule_errors) if protected_assessment is reported_assessment else ():
            click.echo(f"not evaluated: {visible(text)}", err=True)
        return _exit_code(assessment, outcome)

    def _limit_notes(self, notes: Sequence[str]) -> Sequence[str]:
        """Return the notes, the first ones beside the overview, which is one screen."""
        has_overview = self.options.view is View.OVERVIEW and not self.options.verbose
        is_shown = any(output.format.name == "pretty" and output.path is None for output in self.outputs)
        return limit_notes(notes) if has_overview and is_shown else notes


def presentation_options(function: Command) -> Command:
    """Add the options below those of a request; they are passed on as one argument, `presentation`."""

    @functools.wraps(function)
    def wrapper(
        exception_settings: ExceptionSettings,
        outcome_request: OutcomeRequest,
        baseline: BaselineOptions | None,
        privacy: PrivacyOptions,
        output_options: OutputOptions,
        **others: Any,
    ) -> None:
        outcome_request = msgspec.structs.replace(
            outcome_request, lowest=output_options.min_severity, highest=output_options.max_severity
        )
        presentation = Presentation(exception_settings, outcome_request, baseline, privacy, output_options)
        function(presentation=presentation, **others)

    return privacy_options(gate_options(report_options(wrapper)))


def _create_outcome(assessment: Assessment, request: OutcomeRequest) -> ScanOutcome:
    try:
        return create_outcome(assessment, request)
    except KubekeepError as error:
        raise click.UsageError(str(error)) from error


def _exit_code(assessment: Assessment, outcome: ScanOutcome) -> int:
    if not assessment.results:
        # No figure of nothing passes or fails a gate.
        click.echo(f"nothing was assessed: {_explain_nothing(assessment)}", err=True)
        return INCOMPLETE
    for result in outcome.gates:
        click.echo(f"gate {'passed' if result.has_passed else 'FAILED'}: {result.text}", err=True)
    if outcome.is_incomplete:
        click.echo(f"incomplete: {_unread(assessment) or 'see the report'}", err=True)
    if not outcome.has_passed:
        return _GATE_FAILED
    return INCOMPLETE if outcome.is_incomplete else 0


def _shorten(errors: Sequence[str]) -> Sequence[str]:
    """Return all of few errors of rules, the first of many."""
    if len(errors) <= _MAX_RULE_ERRORS:
        return errors
    return [*errors[:_MAX_RULE_ERRORS], f"{len(errors) - _MAX_RULE_ERRORS} more errors of rules, see the report"]


def _explain_nothing(assessment: Assessment) -> str:
    """Return the reason why no resource was assessed, on one line."""
    unread = assessment.unread or assessment.unassessed
    first = unread[0] if unread else None
    if first is None:
        paths = ", ".join(map(visible, assessment.target.names))
        if names_registry(assessment.target.names):
            return f"no image in {paths}"
        if not assessment.files:
            return f"no YAML, JSON or Terraform file in {paths}"
        return f"no resource in scope of the controls in {count_noun(assessment.files, 'file')} of {paths}"
    if assessment.target.cluster is not None:
        return _unread(assessment)
    more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
    image = "" if first.location.region or os.path.lexists(first.location.file) else _suggest_manifest(assessment)
    return f"{visible(str(first.location))}: {visible(first.message)}{more}{image}"


def _suggest_manifest(assessment: Assessment) -> str:
    """Return a hint if a path that does not exist looks like an image."""
    names = [path for path in assessment.target.paths if re.fullmatch(_IMAGE, path)]
    return f"; {names[0]} looks like an image: `kubekeep image scan {names[0]}` scans it" if names else ""


def _unread(assessment: Assessment) -> str:
    """Return the number of unread parts and a hint; empty if everything was read."""
    gaps = assessment.target.cluster.gaps if assessment.target.cluster else ()
    hidden = {gap.permission for gap in gaps if not gap.next_step}
    if hidden and all(unread.location.file in hidden for unread in assessment.unread):
        return "some resources could not be listed; use --dry-run to print the missing permissions"
    return (
        f"{count_noun(len(assessment.unread), 'part')} of the input not read, see the report"
        if assessment.unread
        else ""
    )
