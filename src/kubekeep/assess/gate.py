"""Gates: the limits that a pipeline sets on an assessment. Never loosened by what could not be evaluated."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Cause, Status
from kubekeep.model.severity import Severity


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    """The limits; None where none is set. Compliance and coverage are percentages."""

    severity: Severity | None = None
    """Fail when a control of this severity or above fails."""
    compliance: float | None = None
    """Fail below this compliance, of every framework and overall."""
    coverage: float | None = None
    """Fail below this coverage, of every framework and overall."""


class Outcome(msgspec.Struct, frozen=True):
    """One gate with the figure it saw, in a sentence."""

    passed: bool
    text: str


def judge(assessment: Assessment, gates: Gates) -> list[Outcome]:
    """The outcome of each gate that is set."""
    outcomes = []
    if gates.severity is not None:
        outcomes.append(_severity(assessment, gates.severity))
    if gates.compliance is not None:
        outcomes.append(_least("compliance", _compliances(assessment), gates.compliance))
    if gates.coverage is not None:
        figures = {item.framework.name: item.coverage for item in assessment.frameworks}
        outcomes.append(_least("coverage", figures | {"overall": assessment.coverage}, gates.coverage))
    return outcomes


def incomplete(assessment: Assessment) -> bool:
    """Whether something was not read, or a rule could not say anything where it should have."""
    broken = (Cause.RULE_ERROR, Cause.MALFORMED)
    return bool(assessment.unread) or any(
        verdict.reason is not None and verdict.reason.cause in broken
        for result in assessment.results
        for verdict in result.verdicts.values()
    )


def _severity(assessment: Assessment, limit: Severity) -> Outcome:
    failed = [item for item in assessment.controls if item.status is Status.FAILED and item.control.level >= limit]
    return Outcome(not failed, f"severity: {len(failed)} failed controls of {limit.label} or above, limit 0")


def _compliances(assessment: Assessment) -> dict[str, float | None]:
    figures = {item.framework.name: item.compliance for item in assessment.frameworks}
    return figures | {"overall": assessment.compliance}


def _least(what: str, figures: Mapping[str, float | None], limit: float) -> Outcome:
    """A figure that does not exist counts as 0: nothing evaluated is nothing proven."""
    name, value = min(((name, value or 0.0) for name, value in figures.items()), key=lambda pair: pair[1])
    return Outcome(value >= limit, f"{what}: {value:.2f} % ({name}), limit {limit:g} %")
