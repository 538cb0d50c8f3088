"""The outcome of an assessment for a pipeline: results of gates, completeness and errors of rules. Prints nothing."""

from __future__ import annotations

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Cause
from kubekeep.posture.gate import GateResult, Gates, evaluate_gates, is_incomplete


class Outcome(msgspec.Struct, frozen=True):
    """The results of gates on an assessment, and what it lacks.

    rule_errors: messages of rules that failed, each on one line and once.
    """

    gates: tuple[GateResult, ...]
    is_incomplete: bool
    rule_errors: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """True if every gate has passed."""
        return all(result.has_passed for result in self.gates)


def create_outcome(assessment: Assessment, gates: Gates) -> Outcome:
    """Return the outcome. Raises KubekeepError for a limit on a framework that is not in the scan."""
    results = evaluate_gates(assessment, gates)
    return Outcome(tuple(results), is_incomplete(assessment), _list_rule_errors(assessment))


def _list_rule_errors(assessment: Assessment) -> tuple[str, ...]:
    reasons = (verdict.reason for result in assessment.results for verdict in result.verdicts.values())
    texts = (reason.text for reason in reasons if reason is not None and reason.cause is Cause.RULE_ERROR)
    return tuple(" ".join(text.split()) for text in dict.fromkeys(texts))
