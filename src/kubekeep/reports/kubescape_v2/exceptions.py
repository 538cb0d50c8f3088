"""Exceptions in the layout of Kubescape's JSON v2: in the evidence they cover, and in the audit. No I/O."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.reports.kubescape_v2.locations import location_entry


def policy(exception: AppliedException) -> Any:
    """Return the exception as the user wrote it, or its known fields if it has no form in Kubescape's format."""
    return json.loads(exception.text) if exception.text else exception_entry(exception)


def exception_entry(exception: AppliedException) -> dict[str, Any]:
    """Return the identifying fields of an exception in Kubescape's names, with our location."""
    entry: dict[str, Any] = {"name": exception.name, "source": exception.source}
    if exception.reason:
        entry["reason"] = exception.reason
    if exception.expires is not None:
        entry["expirationDate"] = utc_text(exception.expires)
    if exception.location is not None:
        entry["location"] = location_entry(exception.location)
    return entry


def audit(assessment: Assessment) -> dict[str, Any]:
    """Return `exceptionAudit`: the use of each exception. Reasons, locations, messages and two statuses are ours."""
    uses = assessment.exceptions
    counts = Counter(use.status for use in uses)
    return {
        "summary": {
            "total": len(uses),
            "active": len(uses) - counts[ExceptionStatus.EXPIRED],
            "expired": counts[ExceptionStatus.EXPIRED],
            "matched": counts[ExceptionStatus.MATCHED],
            "unused": counts[ExceptionStatus.UNUSED],
            "invalidControl": counts[ExceptionStatus.INVALID_CONTROL],
            "tooBroad": counts[ExceptionStatus.TOO_BROAD],
            "invalid": counts[ExceptionStatus.INVALID],
        },
        "items": [_use(use) for use in uses],
        "generated": utc_text(assessment.finished),
    }


def _use(use: ExceptionUse) -> dict[str, Any]:
    entry: dict[str, Any] = {**exception_entry(use.exception), "status": use.status, "matchCount": len(use.findings)}
    if use.status is ExceptionStatus.EXPIRED:
        entry["expired"] = True
    if use.unknown:
        entry["invalidControls"] = list(use.unknown)
    if use.controls:
        entry["controlIDs"] = list(use.controls)
    if use.text:
        entry["message"] = use.text
    if use.findings:
        entry["matchedResources"] = [
            {
                "resourceID": finding.resource,
                "kind": finding.kind,
                "namespace": finding.namespace,
                "name": finding.name,
                "controlID": finding.control,
                "ruleName": "",
            }
            for finding in use.findings
        ]
    return entry
