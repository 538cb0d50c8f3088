"""Metrics with the names and labels of Kubescape's `--format prometheus`, so that existing dashboards keep working.

Some names and labels are in camel case, which `promtool check metrics` rejects. A control without compliance, because
nothing was evaluated, has no compliance series.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import Assessment, Counts
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Status
from kubekeep.reports.shared.metrics import Family, count_statuses, format_labels, sum_by_labels
from kubekeep.reports.shared.vulnerabilities import iterate_subjects

_RESULTS: Final = {"failed": "failed", "skipped": "were not evaluated", "passed": "passed"}
"""Kubescape's word for each result, and its wording in help texts."""


def list_kubescape_families(assessment: Assessment) -> Iterator[Family]:
    """Yield the families of Kubescape."""
    for families in (_overall, _frameworks, _controls, _resources, _images):
        yield from families(assessment)


def _overall(assessment: Assessment) -> Iterator[Family]:
    compliance = {} if assessment.compliance is None else {"": assessment.compliance}
    yield "kubescape_score", "Compliance of all controls, 100 is best.", compliance
    yield "kubescape_cluster_complianceScore", "Compliance of all controls, 100 is best.", compliance
    controls = count_statuses(assessment.controls)
    for word, result in _RESULTS.items():
        counts = {"": _count(assessment.counts, word)}
        yield f"kubescape_cluster_count_resources_{word}", f"Resources that {result}.", counts
    for word, result in _RESULTS.items():
        yield f"kubescape_cluster_count_control_{word}", f"Controls that {result}.", {"": _count(controls, word)}
    text = "Share of the relevant controls that were evaluated, in percent."
    yield "kubescape_cluster_coverage_score", text, {"": assessment.coverage}


def _frameworks(assessment: Assessment) -> Iterator[Family]:
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    labelled = {format_labels(name=framework.framework.name): framework for framework in assessment.frameworks}
    tallies = {
        labels: count_statuses(by_slug[slug] for slug in framework.controls) for labels, framework in labelled.items()
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


def _controls(assessment: Assessment) -> Iterator[Family]:
    labelled = [
        (
            format_labels(
                name=summary.definition.title, severity=summary.definition.level.label, link=summary.definition.link
            ),
            summary,
        )
        for summary in assessment.controls
    ]
    compliance: dict[str, float] = {}
    for labels, summary in labelled:
        if summary.compliance is not None:
            compliance[labels] = min(summary.compliance, compliance.get(labels, summary.compliance))
    yield "kubescape_control_complianceScore", "Compliance of the control, 100 is best.", compliance
    for word, result in _RESULTS.items():
        counts = sum_by_labels((labels, _count(summary.counts, word)) for labels, summary in labelled)
        yield f"kubescape_control_count_resources_{word}", f"Resources that {result} for the control.", counts


def _resources(assessment: Assessment) -> Iterator[Family]:
    failed: dict[str, float] = {}
    skipped: dict[str, float] = {}
    for result in assessment.results:
        statuses = [verdict.status for verdict in result.verdicts.values()]
        labels = _identity(result.subject)
        failed[labels] = failed.get(labels, 0) + statuses.count(Status.FAILED)
        skipped[labels] = skipped.get(labels, 0) + statuses.count(Status.NOT_EVALUATED)
    yield "kubescape_resource_count_controls_failed", "Controls that the resource failed.", failed
    text = "Controls that were not evaluated for the resource."
    yield "kubescape_resource_count_controls_skipped", text, skipped


def _images(assessment: Assessment) -> Iterator[Family]:
    present: list[tuple[str, float]] = []
    fixable: list[tuple[str, float]] = []
    for subject in iterate_subjects(assessment):
        for entry in subject.open:
            labels = format_labels(image=subject.reference, severity=entry.severity.label)
            present.append((labels, 1))
            fixable.append((labels, int(entry.is_fixable)))
    yield "kubescape_image_count_cve", "Vulnerabilities of the image by severity.", sum_by_labels(present)
    text = "Vulnerabilities of the image with a fixed version, by severity."
    yield "kubescape_image_count_cve_fixable", text, sum_by_labels(fixable)


def _count(counts: Counts, word: str) -> int:
    return {"failed": counts.failed, "skipped": counts.not_evaluated, "passed": counts.passed}[word]


def _identity(resource: Subject) -> str:
    return format_labels(
        apiVersion=resource.api_version, kind=resource.kind, namespace=resource.namespace, name=resource.name
    )
