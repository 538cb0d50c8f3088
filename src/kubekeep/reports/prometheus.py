"""Metrics in the Prometheus text format (0.0.4), for the textfile collector of the node exporter or a push gateway.

All are gauges, and `promtool check metrics` accepts them. The number of series is limited: labels are names of the
library, at most `MAX_NAMESPACES` namespaces and `MAX_IMAGES` images. Vulnerabilities are counted and never named. With the option `kubescape_metrics`, the metrics of Kubescape are added.
A control or framework without compliance, because nothing was evaluated, has no compliance series. Unread input is
listed in comments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment, Counts
from kubekeep.model.json_values import drop_empty
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.kubescape_metrics import list_kubescape_families
from kubekeep.reports.shared.metrics import Family, Series, count_statuses, format_labels, sum_by_labels, write_families
from kubekeep.reports.shared.vulnerabilities import iterate_subjects

MAX_NAMESPACES: Final = 100
"""Namespaces with their own series, those with most findings; the others are added up."""
MAX_IMAGES: Final = 100
"""Images and SBOMs with their own series, those with most vulnerabilities; the others are added up."""
_OTHERS: Final = "(others)"
"""Label of the others; no namespace or image can have this name."""
_IMAGE_TEXTS: Final = {
    "known_exploited_vulnerabilities": "Vulnerabilities without an exception that are known to be exploited.",
    "excepted_vulnerabilities": "Vulnerabilities covered by an exception or a VEX statement.",
    "unassessed_packages": "Packages that were not compared with any advisory.",
}
"""Help texts of metrics with a series for each image."""
_LEVELS: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:
    """Write every family that has a series."""
    for families in (_scan, _totals, _findings, _vulnerabilities, _frameworks, _controls):
        write_families(families(assessment), stream)
    if options.kubescape_metrics:
        write_families(list_kubescape_families(assessment), stream)
    for label, entries in (("not read", assessment.unread), ("not assessed", assessment.unassessed)):
        stream.writelines(f"# {label}: {visible(f'{entry.location}: {entry.message}')}\n" for entry in entries)


def _scan(assessment: Assessment) -> Iterator[Family]:
    info = format_labels(
        version=assessment.version, kubernetes_version=assessment.kubernetes_version, **_platform(assessment)
    )
    text = "Version of Kubekeep, evaluated version of Kubernetes, and platform of the cluster."
    yield "kubekeep_info", text, {info: 1}
    text = "End of the scan, in seconds since 1970."
    yield "kubekeep_scan_end_timestamp_seconds", text, {"": assessment.finished.timestamp()}
    duration = (assessment.finished - assessment.started).total_seconds()
    yield "kubekeep_scan_duration_seconds", "Duration of the scan, in seconds.", {"": duration}
    yield "kubekeep_files", "Files that were read.", {"": assessment.files}
    yield "kubekeep_unread", "Parts of the input that could not be read.", {"": len(assessment.unread)}


def _totals(assessment: Assessment) -> Iterator[Family]:
    compliance = {} if assessment.compliance is None else {"": assessment.compliance / 100}
    yield "kubekeep_compliance_ratio", "Compliance of all controls, 1 is best.", compliance
    text = "Share of the relevant controls that were evaluated."
    yield "kubekeep_coverage_ratio", text, {"": assessment.coverage / 100}
    yield "kubekeep_resources", "Resources by result.", _by_result(assessment.counts)
    yield "kubekeep_controls", "Controls by result.", _by_result(count_statuses(assessment.controls))


def _findings(assessment: Assessment) -> Iterator[Family]:
    """Yield the numbers of findings; a finding is a control that fails on a resource."""
    findings = [(finding.severity, finding.subject.namespace) for finding in assessment.findings]
    levels = Counter(severity for severity, _ in findings)
    text = "Findings without an exception, by severity."
    yield "kubekeep_findings", text, {format_labels(severity=_name(level)): levels[level] for level in _LEVELS}
    excepted = len(assessment.excepted_findings)
    yield "kubekeep_excepted_findings", "Findings covered by exceptions, in whole or in part.", {"": excepted}
    by_namespace = Counter(namespace for _, namespace in findings)
    listed = {namespace for namespace, _ in by_namespace.most_common(MAX_NAMESPACES)}
    series = sum_by_labels(
        (format_labels(namespace=namespace if namespace in listed else _OTHERS, severity=_name(severity)), 1)
        for severity, namespace in findings
    )
    text = "Findings without an exception, by namespace and severity; empty namespace for resources without one."
    yield "kubekeep_namespace_findings", text, series


def _vulnerabilities(assessment: Assessment) -> Iterator[Family]:
    """Yield the numbers of vulnerabilities; a vulnerability is counted once for each affected package."""
    open_counts: Counter[tuple[str, Severity, bool]] = Counter()
    totals: Counter[str] = Counter()
    others = {name: Counter[str]() for name in _IMAGE_TEXTS}
    for subject in iterate_subjects(assessment):
        image, entries = subject.reference, subject.open
        open_counts.update((image, entry.severity, entry.is_fixable) for entry in entries)
        totals[image] += len(entries)
        others["known_exploited_vulnerabilities"][image] += sum(bool(entry.known_exploited) for entry in entries)
        others["excepted_vulnerabilities"][image] += len(subject.excepted)
        others["unassessed_packages"][image] += sum(len(gap.packages) for gap in subject.unassessed)
    names = {image: image for image, _ in totals.most_common(MAX_IMAGES)}
    series = sum_by_labels(
        (
            format_labels(
                image=names.get(image, _OTHERS), severity=_name(severity), fixable="true" if fixable else "false"
            ),
            count,
        )
        for (image, severity, fixable), count in open_counts.items()
    )
    text = "Vulnerabilities of packages without an exception, by image or SBOM, severity, and existence of a fix."
    yield "kubekeep_vulnerabilities", text, series
    for name, counts in others.items():
        labelled = ((format_labels(image=names.get(image, _OTHERS)), count) for image, count in counts.items())
        yield f"kubekeep_{name}", _IMAGE_TEXTS[name], sum_by_labels(labelled)


def _frameworks(assessment: Assessment) -> Iterator[Family]:
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    labelled = {format_labels(framework=summary.framework.slug): summary for summary in assessment.frameworks}
    compliance = {
        labels: summary.compliance / 100 for labels, summary in labelled.items() if summary.compliance is not None
    }
    yield "kubekeep_framework_compliance_ratio", "Compliance of the framework, 1 is best.", compliance
    coverage = {labels: summary.coverage / 100 for labels, summary in labelled.items()}
    text = "Share of the relevant controls of the framework that were evaluated."
    yield "kubekeep_framework_coverage_ratio", text, coverage
    controls: dict[str, float] = {}
    for summary in assessment.frameworks:
        counts = count_statuses(by_slug[slug] for slug in summary.controls)
        controls |= _by_result(counts, framework=summary.framework.slug)
    yield "kubekeep_framework_controls", "Controls of the framework by result.", controls


def _controls(assessment: Assessment) -> Iterator[Family]:
    controls = assessment.controls
    info = {
        format_labels(
            control=summary.definition.id, title=summary.definition.title, severity=_name(summary.definition.level)
        ): 1.0
        for summary in controls
    }
    yield "kubekeep_control_info", "Title and severity of the control.", info
    failed = sum_by_labels(
        (format_labels(control=summary.definition.id, severity=_name(summary.definition.level)), summary.counts.failed)
        for summary in controls
        if summary.status is not Status.NOT_EVALUATED
    )
    yield "kubekeep_control_failed_resources", "Resources that fail the control.", failed
    gaps = {
        format_labels(control=summary.definition.id, cause=summary.reason.cause if summary.reason else ""): 1.0
        for summary in controls
        if summary.is_gap
    }
    yield "kubekeep_control_not_evaluated", "Controls that were not evaluated, with the cause.", gaps


def _platform(assessment: Assessment) -> dict[str, str]:
    cluster = assessment.target.cluster
    if cluster is None:
        return {}
    return drop_empty({"distribution": cluster.distribution, "distribution_version": cluster.distribution_version})


def _by_result(counts: Counts, **labels: str) -> Series:
    """Return a series for each result."""
    values = {"passed": counts.passed, "failed": counts.failed, "not_evaluated": counts.not_evaluated}
    return {format_labels(**labels, result=result): value for result, value in values.items()}


def _name(severity: Severity) -> str:
    return severity.name.lower()


FORMAT: Final = ReportFormat(
    name="prometheus",
    extension=".prom",
    media_type="text/plain; version=0.0.4",
    description="metrics for Prometheus",
    render=render,
)
