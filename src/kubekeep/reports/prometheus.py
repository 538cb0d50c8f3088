"""Metrics in the text format of Prometheus (0.0.4), for the textfile collector of the node exporter or a push gateway.

The families whose names begin with `kubescape_` have the names and labels of Kubescape's `--format prometheus`, so that
dashboards go on working; those that begin with `kubekeep_` say what it has none for. All are gauges, and no series
comes twice: what has the same labels is summed up. What has no compliance, as nothing was evaluated, has no series of
it. Inputs that were not read are named in comments, which no reader minds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment, ControlSummary, Counts
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.reports.format import Format, Options

_Series = Mapping[str, float]
"""The value of each series by the text of its labels, braces included; empty text for none."""
_Family = tuple[str, str, _Series]
"""The name of a family, a sentence that explains it, and its series."""

_CAME: Final = {"failed": "failed", "skipped": "were not evaluated", "passed": "passed"}
"""Kubescape's words for how something came out, and ours."""

_LONGEST: Final = 500
"""Characters of a label: what watches over the metrics keeps every one. Names of objects have 253 at most."""


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write every family that has a series."""
    for families in (_overall, _frameworks, _controls, _resources, _own):
        for name, text, series in families(assessment):
            if series:
                stream.write(f"# HELP {name} {text}\n# TYPE {name} gauge\n")
                stream.writelines(f"{name}{labels} {value!r}\n" for labels, value in series.items())
    stream.writelines(f"# not read: {visible(f'{item.location}: {item.message}')}\n" for item in assessment.unread)


def _overall(assessment: Assessment) -> Iterator[_Family]:
    compliance = {} if assessment.compliance is None else {"": assessment.compliance}
    yield "kubescape_score", "Compliance of all controls, 100 is best.", compliance
    yield "kubescape_cluster_complianceScore", "Compliance of all controls, 100 is best.", compliance
    controls = _tally(assessment.controls)
    for word, came in _CAME.items():
        counts = {"": _count(assessment.counts, word)}
        yield f"kubescape_cluster_count_resources_{word}", f"Resources that {came}.", counts
    for word, came in _CAME.items():
        yield f"kubescape_cluster_count_control_{word}", f"Controls that {came}.", {"": _count(controls, word)}
    text = "Share of the relevant controls that were evaluated, in percent."
    yield "kubescape_cluster_coverage_score", text, {"": assessment.coverage}


def _frameworks(assessment: Assessment) -> Iterator[_Family]:
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    labelled = {_labels(name=item.framework.name): item for item in assessment.frameworks}
    tallies = {labels: _tally(by_slug[slug] for slug in item.controls) for labels, item in labelled.items()}
    compliance = {labels: item.compliance for labels, item in labelled.items() if item.compliance is not None}
    yield "kubescape_framework_complianceScore", "Compliance of the framework, 100 is best.", compliance
    for word, came in _CAME.items():
        resources = {labels: _count(item.counts, word) for labels, item in labelled.items()}
        yield f"kubescape_framework_count_resources_{word}", f"Resources that {came} in the framework.", resources
    for word, came in _CAME.items():
        controls = {labels: _count(tally, word) for labels, tally in tallies.items()}
        yield f"kubescape_framework_count_controls_{word}", f"Controls of the framework that {came}.", controls
    coverage = {labels: item.coverage for labels, item in labelled.items()}
    text = "Share of the relevant controls of the framework that were evaluated, in percent."
    yield "kubekeep_framework_coverage_score", text, coverage


def _controls(assessment: Assessment) -> Iterator[_Family]:
    labelled = [
        (_labels(name=item.control.title, severity=item.control.level.label, link=item.control.link), item)
        for item in assessment.controls
    ]
    compliance: dict[str, float] = {}
    for labels, item in labelled:
        if item.compliance is not None:
            compliance[labels] = min(item.compliance, compliance.get(labels, item.compliance))
    yield "kubescape_control_complianceScore", "Compliance of the control, 100 is best.", compliance
    for word, came in _CAME.items():
        counts = _summed((labels, _count(item.counts, word)) for labels, item in labelled)
        yield f"kubescape_control_count_resources_{word}", f"Resources that {came} for the control.", counts


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


def _own(assessment: Assessment) -> Iterator[_Family]:
    info = _labels(
        version=assessment.version, kubernetes_version=assessment.kubernetes_version, **_platform(assessment)
    )
    duration = (assessment.finished - assessment.started).total_seconds()
    excepted = sum(map(len, assessment.excepted().values()))
    gaps = {
        _labels(id=item.control.id, cause=item.reason.cause if item.reason else ""): 1
        for item in assessment.controls
        if item.is_gap
    }
    text = "The version of Kubekeep, and that of Kubernetes it judged for; of a cluster, whose Kubernetes it runs."
    yield "kubekeep_info", text, {info: 1}
    yield "kubekeep_scan_end_timestamp_seconds", "When the scan ended.", {"": assessment.finished.timestamp()}
    yield "kubekeep_scan_duration_seconds", "How long the scan took.", {"": duration}
    yield "kubekeep_files", "Files that were read.", {"": assessment.files}
    yield (
        "kubekeep_unread",
        "Places of the input that could not be read: the scan has holes.",
        {"": len(assessment.unread)},
    )
    yield "kubekeep_waived_findings", "Findings that were accepted, in whole or in part.", {"": excepted}
    yield "kubekeep_control_not_evaluated", "Controls that something kept from being evaluated.", gaps


def _platform(assessment: Assessment) -> dict[str, str]:
    cluster = assessment.target.cluster
    if cluster is None:
        return {}
    said = {"distribution": cluster.distribution, "distribution_version": cluster.distribution_version}
    return {name: value for name, value in said.items() if value}


def _tally(summaries: Iterable[ControlSummary]) -> Counts:
    statuses = [summary.status for summary in summaries]
    order = (Status.PASSED, Status.FAILED, Status.NOT_EVALUATED)
    return Counts(*(statuses.count(status) for status in order))


def _count(counts: Counts, word: str) -> int:
    return {"failed": counts.failed, "skipped": counts.not_evaluated, "passed": counts.passed}[word]


def _summed(pairs: Iterable[tuple[str, int]]) -> _Series:
    sums: dict[str, float] = {}
    for labels, value in pairs:
        sums[labels] = sums.get(labels, 0) + value
    return sums


def _identity(resource: Resource) -> str:
    return _labels(
        apiVersion=resource.api_version, kind=resource.kind, namespace=resource.namespace, name=resource.name
    )


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items()) + "}"


def _escaped(value: str) -> str:
    shown = visible(value[: _LONGEST + 1])
    cut = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    return cut.replace("\\", "\\\\").replace('"', '\\"')


FORMAT: Final = Format(
    name="prometheus",
    extension=".txt",
    media_type="text/plain; version=0.0.4",
    description="metrics for Prometheus, with the names of Kubescape",
    render=render,
)
