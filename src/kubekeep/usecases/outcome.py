"""The outcome of an assessment for a pipeline: results of gates, completeness and errors of rules. Prints nothing."""

from __future__ import annotations

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Cause
from kubekeep.posture.gate import GateResult, Gates, evaluate_gates, is_incomplete
from kubekeep.posture.severity_filter import filter_by_severity


class OutcomeRequest(msgspec.Struct, frozen=True):
    """The gates, which count every severity, and the range of severities in reports."""

    gates: Gates = Gates()
    lowest: Severity | None = None
    highest: Severity | None = None

    @property
    def has_gates(self) -> bool:
        """True if a gate is set."""
        return self.gates != Gates()


class ScanOutcome(msgspec.Struct, frozen=True):
    """The results of gates on an assessment, and what it lacks.

    reported: the assessment with the severities of reports. rule_errors: messages of rules that failed, each on one line
    and once.
    """

    reported: Assessment
    gates: tuple[GateResult, ...]
    is_incomplete: bool
    rule_errors: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """True if every gate has passed."""
        return all(result.has_passed for result in self.gates)


def create_outcome(assessment: Assessment, request: OutcomeRequest) -> ScanOutcome:
    """Return the outcome. Raises KubekeepError for a limit on a framework that is not in the scan."""
    results = evaluate_gates(assessment, request.gates)
    reported = filter_by_severity(assessment, request.lowest, request.highest)
    return ScanOutcome(reported, tuple(results), is_incomplete(assessment), _list_rule_errors(assessment))


def _list_rule_errors(assessment: Assessment) -> tuple[str, ...]:
    texts = [
        verdict.reason.text
        for result in assessment.results
        for verdict in result.verdicts.values()
        if verdict.reason is not None and verdict.reason.cause is Cause.RULE_ERROR
    ]
    return tuple(" ".join(text.split()) for text in dict.fromkeys(texts))
