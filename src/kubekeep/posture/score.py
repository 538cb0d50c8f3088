"""Formulas of scores and coverage. Never rounds, and never counts missing data as success.

The formulas are Kubescape's (risk and compliance, by control, framework and overall) with three differences: a framework
without resources does not abort the rest, "not evaluated" never counts as passed, and means cover only evaluated
controls. All scores leave out definitions that are no requirements, such as known vulnerabilities. Scores and coverage are percentages from 0 to
100.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubekeep.model.assessment import Counts, DefinitionSummary
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Cause, Status


def weight(resource: Subject) -> float:
    """Return the weight of a resource in the risk score: 1, or 1.1 x replicas above one replica."""
    if resource.related:
        return max(map(weight, resource.related))
    replicas = resource.replicas
    return 1.0 if replicas is None or replicas <= 1 else replicas * 1.1


def risk(failed: float, total: float) -> float:
    """Return 100 x failed weight / total weight; 0 if the total is 0."""
    return 100 * failed / total if total else 0.0


def compliance(counts: Counts) -> float | None:
    """Return 100 x passed / all resources, including those not evaluated; None without resources."""
    return 100 * counts.passed / counts.total if counts.total else None


def mean_compliance(controls: Iterable[DefinitionSummary]) -> float | None:
    """Return the mean compliance of the evaluated controls in percent; None if there are none."""
    percentages = [
        summary.compliance
        for summary in controls
        if summary.status is not Status.NOT_EVALUATED and summary.definition.is_requirement
    ]
    defined = [value for value in percentages if value is not None]
    return sum(defined) / len(defined) if defined else None


def coverage(controls: Sequence[DefinitionSummary]) -> float:
    """Return the percentage of relevant controls that were evaluated; 0 without controls.

    A control is relevant unless the input has no resource in its scope.
    """
    relevant = [
        summary
        for summary in controls
        if summary.definition.is_requirement
        and (summary.reason is None or summary.reason.cause is not Cause.IRRELEVANT)
    ]
    if not controls:
        return 0.0
    if not relevant:
        return 100.0
    return 100 * sum(summary.status is not Status.NOT_EVALUATED for summary in relevant) / len(relevant)


def status(counts: Counts) -> Status:
    """Return the overall status: failed over not evaluated over passed; "not evaluated" without any verdict."""
    if counts.failed:
        return Status.FAILED
    if counts.not_evaluated or not counts.passed:
        return Status.NOT_EVALUATED
    return Status.PASSED
