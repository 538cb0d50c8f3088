"""`kubekeep scan`: assess manifests or a cluster, write reports, and exit by the gates.

Parses and prints; never evaluates itself.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final

import click
import msgspec
from click.core import ParameterSource

from kubekeep.cli.console import arguments, outputs
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.help_sections import PRESENTATION, get_section
from kubekeep.cli.console.option_group import create_option
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.cluster import dry_run_option
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.gate import BaselineOptions, gate_options, read_baseline
from kubekeep.cli.options.image import WorkloadImageOptions, create_image_options, image_options
from kubekeep.cli.options.privacy import PrivacyOptions, privacy_options
from kubekeep.cli.options.report import OutputOptions, report_options
from kubekeep.cli.options.request import request_options, run_scan
from kubekeep.cli.options.signature_scan import signature_scan_options
from kubekeep.cli.options.vulnerability import no_vulnerabilities_option, vulnerability_options
from kubekeep.cli.preflight import print_permissions
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import Assessment
from kubekeep.model.text import visible
from kubekeep.model.verdict import Cause
from kubekeep.posture.gate import GateResult, Gates, UnknownLimitError, evaluate_gates, is_incomplete
from kubekeep.posture.severity_filter import filter_by_severity
from kubekeep.reports import Extra, ReportOptions
from kubekeep.reports.shared.wording import count_noun
from kubekeep.sources.images.address import is_image_address
from kubekeep.sources.registries.address import is_registry_address
from kubekeep.sources.sboms.address import is_sbom_address
from kubekeep.usecases.request import ReportNeeds, ScanRequest
from kubekeep.usecases.rule_selection import DEFAULT_FRAMEWORKS, IMAGE_FRAMEWORK
from kubekeep.vulnerabilities.options import VulnerabilityOptions

_GATE_FAILED: Final = 1
_MAX_RULE_ERRORS: Final = 10
_IMAGE: Final = re.compile(r"[a-z0-9][a-z0-9._/-]*(?::[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})")
"""A reference of an image with a tag or a digest."""


def images_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for images; they are applied to the argument `request`."""

    @functools.wraps(function)
    def wrapper(
        request: ScanRequest,
        *,
        access: AccessOptions,
        vulnerabilities: VulnerabilityOptions | None,
        images: bool,
        **others: Any,
    ) -> None:
        if images or any(map(_has_packages, request.input.paths)):
            options = create_image_options(access)
            request = request_images(request, options, vulnerabilities, DEFAULT_FRAMEWORKS, workloads=images)
        function(request=request, **others)

    add_images = create_option(WorkloadImageOptions, "images")
    return add_images(image_options(vulnerability_options(no_vulnerabilities_option(wrapper))))


def _has_packages(path: str) -> bool:
    """Return True for the address of an image, of a registry or of an SBOM."""
    return is_image_address(path) or is_registry_address(path) or is_sbom_address(path)


def request_images(
    request: ScanRequest,
    images: ImageOptions,
    vulnerabilities: VulnerabilityOptions | None,
    frameworks: tuple[str, ...] = (),
    *,
    workloads: bool = False,
) -> ScanRequest:
    """Return the request for a scan with images or SBOMs; with `workloads`, also of the images that workloads use.

    If no rule is named, the framework for images is used beside `frameworks`.
    """
    read = msgspec.structs.replace(
        request.input.read,
        images=images,
        workload_images=workloads,
        vulnerabilities=vulnerabilities,
    )
    rules = msgspec.structs.replace(request.rules, vulnerabilities=vulnerabilities is not None)
    if not (rules.frameworks or rules.controls):
        rules = msgspec.structs.replace(rules, frameworks=(*frameworks, IMAGE_FRAMEWORK))
    source = msgspec.structs.replace(request.input, read=read)
    return msgspec.structs.replace(request, input=source, rules=rules)


@click.command(short_help="Scan manifests or a cluster.", cls=ConfiguredCommand, target=arguments.find_first_path)
@request_options("scan")
@privacy_options
@gate_options
@report_options
@images_options
@signature_scan_options
@dry_run_option
def command(
    request: ScanRequest,
    exception_settings: ExceptionSettings,
    gates: Gates,
    baseline: BaselineOptions | None,
    privacy: PrivacyOptions,
    output_options: OutputOptions,
    *,
    dry_run: bool,
) -> None:
    """Scan each PATH, or standard input for -. Without a PATH, scan the cluster of the kubeconfig.

    A PATH is a file or folder of manifests, charts, kustomizations, Terraform modules or Dockerfiles, an archive, a
    quoted pattern, or the URL of a repository, a manifest or a chart.

    \b
    kubekeep scan
    kubekeep scan deploy/
    kubekeep scan framework nsa,pss-restricted deploy/
    kubekeep scan control C-0057 pod.yaml
    kubekeep scan chart/ --values production.yaml
    kubekeep scan workload shop/deployment/web deploy/
    kubectl get deployment -o yaml | kubekeep scan -
    """  # noqa: D301 - click takes the character itself
    run(request, exception_settings, gates, baseline, privacy, output_options, dry_run=dry_run)


def run(
    request: ScanRequest,
    exception_settings: ExceptionSettings,
    gates: Gates,
    baseline: BaselineOptions | None,
    privacy: PrivacyOptions,
    output_options: OutputOptions,
    *,
    dry_run: bool = False,
) -> None:
    """Scan, write the reports and exit by the gates."""
    presentation = Presentation(exception_settings, gates, privacy, output_options)
    plan = presentation.plan(output_options.plan_outputs(), is_repeatable=_is_repeatable(request))
    request = plan.add_needs(request)
    if dry_run:
        sys.exit(print_permissions(request))
    base_record = read_baseline(baseline.path) if baseline else None
    assessment = run_scan(request)
    if baseline and base_record:
        from kubekeep.usecases.compare import compare_with_baseline  # noqa: PLC0415 - loaded only with a baseline

        assessment = compare_with_baseline(assessment, base_record, baseline.granularity)
    sys.exit(plan.present(assessment, request))


class Presentation(msgspec.Struct, frozen=True):
    """Options of a scan for what is done with its result."""

    exception_settings: ExceptionSettings
    gates: Gates
    privacy: PrivacyOptions
    output_options: OutputOptions

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
        extras |= {Extra.CONTEXT} if self.presentation.gates.priority is not None else set()
        return msgspec.structs.replace(request, needs=ReportNeeds(extras=extras))

    def present(self, assessment: Assessment, request: ScanRequest) -> int:
        """Write the reports, print the results of gates, and return the exit code."""
        output_options = self.presentation.output_options
        outcomes = _evaluate_gates(assessment, self.presentation.gates)
        reported_assessment = filter_by_severity(assessment, output_options.min_severity, output_options.max_severity)
        for text in reported_assessment.notes:
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
        for text in _list_rule_errors(assessment) if protected_assessment is reported_assessment else ():
            click.echo(f"not evaluated: {visible(text)}", err=True)
        return _exit_code(assessment, outcomes)


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


def _evaluate_gates(assessment: Assessment, gates: Gates) -> list[GateResult]:
    try:
        return evaluate_gates(assessment, gates)
    except UnknownLimitError as error:
        raise click.UsageError(str(error)) from error


def _exit_code(assessment: Assessment, outcomes: list[GateResult]) -> int:
    if not assessment.results:
        # No figure of nothing passes or fails a gate.
        click.echo(f"nothing was assessed: {_explain_nothing(assessment)}", err=True)
        return INCOMPLETE
    for outcome in outcomes:
        click.echo(f"gate {'passed' if outcome.has_passed else 'FAILED'}: {outcome.text}", err=True)
    incomplete = is_incomplete(assessment)
    if incomplete:
        click.echo(f"incomplete: {_unread(assessment) or 'see the report'}", err=True)
    if not all(outcome.has_passed for outcome in outcomes):
        return _GATE_FAILED
    return INCOMPLETE if incomplete else 0


def _list_rule_errors(assessment: Assessment) -> list[str]:
    """Return the errors of rules, each on one line: all of few, the first of many."""
    reasons = (verdict.reason for result in assessment.results for verdict in result.verdicts.values())
    texts = (reason.text for reason in reasons if reason is not None and reason.cause is Cause.RULE_ERROR)
    errors = [" ".join(text.split()) for text in dict.fromkeys(texts)]
    if len(errors) <= _MAX_RULE_ERRORS:
        return errors
    return [*errors[:_MAX_RULE_ERRORS], f"{len(errors) - _MAX_RULE_ERRORS} more errors of rules, see the report"]


def _explain_nothing(assessment: Assessment) -> str:
    """Return the reason why no resource was assessed, on one line."""
    first = assessment.unread[0] if assessment.unread else None
    if first is None:
        paths = ", ".join(map(visible, assessment.target.names))
        if any(map(is_registry_address, assessment.target.names)):
            return f"no image in {paths}"
        if not assessment.files:
            return f"no YAML, JSON or Terraform file in {paths}"
        return f"no resource in scope of the controls in {count_noun(assessment.files, 'file')} of {paths}"
    if assessment.target.cluster is not None:
        return _unread(assessment)
    more = f" (and {len(assessment.unread) - 1} more)" if len(assessment.unread) > 1 else ""
    image = "" if first.location.region or os.path.lexists(first.location.file) else _suggest_manifest(assessment)
    return f"{visible(str(first.location))}: {visible(first.message)}{more}{image}"


def _suggest_manifest(assessment: Assessment) -> str:
    """Return a hint if a path that does not exist looks like an image."""
    names = [path for path in assessment.target.paths if _IMAGE.fullmatch(path)]
    return f"; {names[0]} looks like an image: scan the manifests or the chart that use it" if names else ""


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
