"""Scores and coverage: the one home of their formulas. Never rounds and never turns absence into success.

The formulas are Kubescape's (risk and compliance, by control, framework and overall) but for three faults: a
framework without resources does not abort the rest, what was not evaluated never counts as passed, and the
mean is over what was evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubekeep.model.assessment import ControlSummary, Counts
from kubekeep.model.finding import Cause, Status
from kubekeep.model.resource import Resource


def weight(resource: Resource) -> float:
    """How much a resource counts in the risk: 1, or 1.1 x replicas above one replica."""
    if resource.related:
        return max(map(weight, resource.related))
    replicas = resource.replicas
    return 1.0 if replicas is None or replicas <= 1 else replicas * 1.1


def risk(failed: float, total: float) -> float:
    """100 x the failed weight over the whole weight; 0 where there is nothing."""
    return 100 * failed / total if total else 0.0


def compliance(counts: Counts) -> float | None:
    """100 x passed over all resources, those not evaluated included; None without resources."""
    return 100 * counts.passed / counts.total if counts.total else None


def mean_compliance(controls: Iterable[ControlSummary]) -> float | None:
    """The mean over the controls that were evaluated; None when none was."""
    values = [item.compliance for item in controls if item.status is not Status.NOT_EVALUATED]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def coverage(controls: Sequence[ControlSummary]) -> float:
    """The share, in percent, of relevant controls that were evaluated; 0 without controls.

    A control is relevant unless the whole input holds nothing that it looks at.
    """
    relevant = [item for item in controls if item.reason is None or item.reason.cause is not Cause.IRRELEVANT]
    if not controls:
        return 0.0
    if not relevant:
        return 100.0
    return 100 * sum(item.status is not Status.NOT_EVALUATED for item in relevant) / len(relevant)


def status(counts: Counts) -> Status:
    """Failed beats not evaluated beats passed; nothing at all is not evaluated."""
    if counts.failed:
        return Status.FAILED
    if counts.not_evaluated or not counts.passed:
        return Status.NOT_EVALUATED
    return Status.PASSED
