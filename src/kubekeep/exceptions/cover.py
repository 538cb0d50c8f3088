"""Cover the evidence of findings by exceptions. Never selects the exception. No I/O."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kubekeep.model.exception import AppliedException, ExceptedFinding
from kubekeep.model.finding import Finding
from kubekeep.model.verdict import Evidence, Status, Verdict


def cover_finding(finding: Finding, find_exception: Callable[[Evidence], AppliedException | None]) -> Finding:
    """Return the finding with exceptions set in its evidence; the same finding if none covers it.

    find_exception: returns the exception for a piece of evidence, if any; called for every piece. Evidence keeps the
    exception that it has. A finding without evidence concerns its whole subject: its exception is located there.
    """
    covered = []
    for evidence in finding.evidence or (Evidence("", exists=False, location=finding.location),):
        exception = find_exception(evidence)
        is_new = exception is not None and evidence.exception is None
        covered.append(msgspec.structs.replace(evidence, exception=exception) if is_new else evidence)
    if all(evidence.exception is None for evidence in covered):
        return finding
    return msgspec.structs.replace(finding, evidence=tuple(covered))


def cover_verdict(verdict: Verdict, finding: Finding) -> Verdict:
    """Return the verdict of a covered finding: passed if exceptions cover all of its evidence."""
    if finding.evidence == verdict.evidence:
        return verdict
    is_excepted = all(evidence.exception is not None for evidence in finding.evidence)
    status = Status.PASSED if is_excepted else Status.FAILED
    return msgspec.structs.replace(verdict, status=status, evidence=finding.evidence)


def record_excepted(finding: Finding) -> ExceptedFinding:
    """Return the record of a covered finding for the report of the exception's use."""
    resource = finding.subject
    return ExceptedFinding(resource.id, resource.kind, resource.namespace, resource.name, finding.id)
