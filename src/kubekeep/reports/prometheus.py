"""Metrics in the Prometheus text format (0.0.4), for the textfile collector of the node exporter or a push gateway.

Families with the prefix `kubescape_` have the names and labels of Kubescape's `--format prometheus`, so that existing
dashboards keep working; `kubekeep_` families add metrics that Kubescape does not have. All are gauges. Values with
equal labels are added up, so that no series occurs twice. A control without compliance, because nothing was
evaluated, has no compliance series. Unread input is listed in comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment, ControlSummary, Counts
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.wording import shorten

_Series = Mapping[str, float]
"""Values of the series by label text including braces; empty text for a series without labels."""
_Family = tuple[str, str, _Series]
"""Name of a family, its help text, and its series."""

_RESULTS: Final = {"failed": "failed", "skipped": "were not evaluated", "passed": "passed"}
"""Kubescape's word for each result, and its wording in help texts."""

_LONGEST: Final = 500
"""Maximum characters of a label, since monitoring systems store each one. Kubernetes names have at most 253."""


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write every family that has a series."""
    for families in (_overall, _frameworks, _controls, _resources, _kubekeep_metrics):
        for name, text, series in families(assessment):
            if series:
                stream.write(f"# HELP {name} {text}\n# TYPE {name} gauge\n")
                stream.writelines(f"{name}{labels} {value!r}\n" for labels, value in series.items())
    stream.writelines(
        f"# not read: {visible(f'{unread.location}: {unread.message}')}\n" for unread in assessment.unread
    )


def _overall(assessment: Assessment) -> Iterator[_Family]:
    compliance = {} if assessment.compliance is None else {"": assessment.compliance}
    yield "kubescape_score", "Compliance of all controls, 100 is best.", compliance
    yield "kubescape_cluster_complianceScore", "Compliance of all controls, 100 is best.", compliance
    controls = _count_statuses(assessment.controls)
    for word, result in _RESULTS.items():
        counts = {"": _count(assessment.counts, word)}
        yield f"kubescape_cluster_count_resources_{word}", f"Resources that {result}.", counts
    for word, result in _RESULTS.items():
        yield f"kubescape_cluster_count_control_{word}", f"Controls that {result}.", {"": _count(controls, word)}
    text = "Share of the relevant controls that were evaluated, in percent."
    yield "kubescape_cluster_coverage_score", text, {"": assessment.coverage}


def _frameworks(assessment: Assessment) -> Iterator[_Family]:
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    labelled = {_labels(name=framework.framework.name): framework for framework in assessment.frameworks}
    tallies = {
        labels: _count_statuses(by_slug[slug] for slug in framework.controls) for labels, framework in labelled.items()
    }
    compliance = {
        labels: framework.compliance for labels, framework in labelled.items() if framework.compliance is not None
    }
    yield "kubescape_framework_complianceScore", "Compliance of the framework, 100 is best.", compliance
    for word, result in _RESULTS.items():
        resources = {labels: _count(framework.counts, word) for labels, framework in labelled.items()}
        yield f"kubescape_framework_count_resources_{word}", f"Resources that {result} in the framework.", resources
    for word, result in _RESULTS.items():
        controls = {labels: _count(tally, word) for labels, tally in tallies.items()}
        yield f"kubescape_framework_count_controls_{word}", f"Controls of the framework that {result}.", controls
    coverage = {labels: framework.coverage for labels, framework in labelled.items()}
    text = "Share of the relevant controls of the framework that were evaluated, in percent."
    yield "kubekeep_framework_coverage_score", text, coverage


def _controls(assessment: Assessment) -> Iterator[_Family]:
    labelled = [
        (_labels(name=summary.control.title, severity=summary.control.level.label, link=summary.control.link), summary)
        for summary in assessment.controls
    ]
    compliance: dict[str, float] = {}
    for labels, summary in labelled:
        if summary.compliance is not None:
            compliance[labels] = min(summary.compliance, compliance.get(labels, summary.compliance))
    yield "kubescape_control_complianceScore", "Compliance of the control, 100 is best.", compliance
    for word, result in _RESULTS.items():
        counts = _sum_by_labels((labels, _count(summary.counts, word)) for labels, summary in labelled)
        yield f"kubescape_control_count_resources_{word}", f"Resources that {result} for the control.", counts


def _resources(assessment: Assessment) -> Iterator[_Family]:
    failed: dict[str, float] = {}
    skipped: dict[str, float] = {}
    for result in assessment.results:
        statuses = [verdict.status for verdict in result.verdicts.values()]
        labels = _identity(result.resource)
        failed[labels] = failed.get(labels, 0) + statuses.count(Status.FAILED)
        skipped[labels] = skipped.get(labels, 0) + statuses.count(Status.NOT_EVALUATED)
    yield "kubescape_resource_count_controls_failed", "Controls that the resource failed.", failed
    text = "Controls that were not evaluated for the resource."
    yield "kubescape_resource_count_controls_skipped", text, skipped


def _kubekeep_metrics(assessment: Assessment) -> Iterator[_Family]:
    info = _labels(
        version=assessment.version, kubernetes_version=assessment.kubernetes_version, **_platform(assessment)
    )
    duration = (assessment.finished - assessment.started).total_seconds()
    excepted = len(assessment.excepted_findings)
    gaps = {
        _labels(id=summary.control.id, cause=summary.reason.cause if summary.reason else ""): 1
        for summary in assessment.controls
        if summary.is_gap
    }
    text = "Version of Kubekeep, evaluated version of Kubernetes, and platform of the cluster."
    yield "kubekeep_info", text, {info: 1}
    yield (
        "kubekeep_scan_end_timestamp_seconds",
        "End of the scan, in seconds since 1970.",
        {"": assessment.finished.timestamp()},
    )
    yield "kubekeep_scan_duration_seconds", "Duration of the scan, in seconds.", {"": duration}
    yield "kubekeep_files", "Files that were read.", {"": assessment.files}
    yield (
        "kubekeep_unread",
        "Parts of the input that could not be read.",
        {"": len(assessment.unread)},
    )
    yield "kubekeep_waived_findings", "Findings covered by exceptions, in whole or in part.", {"": excepted}
    yield "kubekeep_control_not_evaluated", "Controls that were not evaluated, with the cause.", gaps


def _platform(assessment: Assessment) -> dict[str, str]:
    cluster = assessment.target.cluster
    if cluster is None:
        return {}
    labels = {"distribution": cluster.distribution, "distribution_version": cluster.distribution_version}
    return {name: value for name, value in labels.items() if value}


def _count_statuses(summaries: Iterable[ControlSummary]) -> Counts:
    statuses = [summary.status for summary in summaries]
    order = (Status.PASSED, Status.FAILED, Status.NOT_EVALUATED)
    return Counts(*(statuses.count(status) for status in order))


def _count(counts: Counts, word: str) -> int:
    return {"failed": counts.failed, "skipped": counts.not_evaluated, "passed": counts.passed}[word]


def _sum_by_labels(pairs: Iterable[tuple[str, int]]) -> _Series:
    sums: dict[str, float] = {}
    for labels, value in pairs:
        sums[labels] = sums.get(labels, 0) + value
    return sums


def _identity(resource: Resource) -> str:
    return _labels(
        apiVersion=resource.api_version, kind=resource.kind, namespace=resource.namespace, name=resource.name
    )


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in values.items()) + "}"


def _escape(value: str) -> str:
    return shorten(value, _LONGEST).replace("\\", "\\\\").replace('"', '\\"')


FORMAT: Final = ReportFormat(
    name="prometheus",
    extension=".prom",
    media_type="text/plain; version=0.0.4",
    description="metrics for Prometheus, with the names of Kubescape",
    render=render,
)
