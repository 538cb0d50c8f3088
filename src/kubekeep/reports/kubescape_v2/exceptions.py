"""Exceptions, as Kubescape's JSON v2 has them: whole at what they cover, and the audit. Writes nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.reports.kubescape_v2.locations import location_entry


def policy(exception: AppliedException) -> Any:
    """The whole exception as it was given; what is known of it where it has no form of Kubescape's."""
    return json.loads(exception.text) if exception.text else named(exception)


def named(exception: AppliedException) -> dict[str, Any]:
    """What names an exception, in Kubescape's words, with the place of ours."""
    entry: dict[str, Any] = {"name": exception.name, "source": exception.source}
    if exception.reason:
        entry["reason"] = exception.reason
    if exception.expires is not None:
        entry["expirationDate"] = utc_text(exception.expires)
    if exception.location is not None:
        entry["location"] = location_entry(exception.location)
    return entry


def audit(assessment: Assessment) -> dict[str, Any]:
    """`exceptionAudit`: what became of each exception; reasons, places, messages and two statuses are our own."""
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
    entry: dict[str, Any] = {**named(use.exception), "status": use.status, "matchCount": len(use.findings)}
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
                "resourceID": item.resource,
                "kind": item.kind,
                "namespace": item.namespace,
                "name": item.name,
                "controlID": item.control,
                "ruleName": "",
            }
            for item in use.findings
        ]
    return entry
