"""The canonical assessment with exceptions: of a finding in part, of a whole finding, and of a whole control."""

from __future__ import annotations

import datetime as dt

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, SubjectResult
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.verdict import Evidence, Status, Verdict

GATEWAY = AppliedException(
    name="gateway",
    source=ExceptionSource.FILE,
    reason="runs the packet filter",
    expires=dt.datetime(2027, 1, 31, tzinfo=dt.UTC),
)
LEGACY = AppliedException(name="legacy", source=ExceptionSource.ANNOTATION)


def add_exceptions(assessment: Assessment) -> Assessment:
    """Except one location of `web-0`, all of `web-1`, and the only finding of the control `labels`."""
    results = tuple(map(_result, assessment.results))
    return msgspec.structs.replace(assessment, results=results, summaries=tuple(map(_summary, assessment.summaries)))


def _result(result: SubjectResult) -> SubjectResult:
    verdicts = dict(result.verdicts)
    match result.subject.name:
        case "web-0":
            first, *rest = verdicts["privileged"].evidence
            verdicts["privileged"] = Verdict(Status.FAILED, (_except(first, GATEWAY), *rest))
        case "web-1":
            verdicts["privileged"] = _except_all(verdicts["privileged"], GATEWAY)
        case "db":
            verdicts["labels"] = _except_all(verdicts["labels"], LEGACY)
        case _:
            pass
    return SubjectResult(result.subject, verdicts)


def _except_all(verdict: Verdict, exception: AppliedException) -> Verdict:
    return Verdict(Status.PASSED, tuple(_except(evidence, exception) for evidence in verdict.evidence))


def _except(evidence: Evidence, exception: AppliedException) -> Evidence:
    return msgspec.structs.replace(evidence, exception=exception)


def _summary(summary: DefinitionSummary) -> DefinitionSummary:
    counts = summary.counts
    match summary.definition.slug:
        case "privileged" | "labels":
            changed = msgspec.structs.replace(counts, failed=counts.failed - 1, passed=counts.passed + 1, excepted=1)
            status = Status.FAILED if changed.failed else Status.PASSED
            return msgspec.structs.replace(summary, counts=changed, status=status)
        case _:
            return summary
