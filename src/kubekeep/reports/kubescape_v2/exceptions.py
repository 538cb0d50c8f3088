"""Exceptions in the document of Kubescape's JSON v2: those of a finding, and the audit of all. No I/O."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.json_values import drop_empty
from kubekeep.model.location import Location
from kubekeep.model.text import utc_text
from kubekeep.reports.shared.findings import describe_region


def describe_policy(exception: AppliedException) -> Any:
    """Return the exception as the user wrote it, or its known fields if it has no form in Kubescape's format."""
    return json.loads(exception.text) if exception.text else describe_exception(exception)


def describe_exception(exception: AppliedException) -> dict[str, Any]:
    """Return the identifying fields of an exception in Kubescape's names, with our location."""
    optional = {
        "reason": exception.reason,
        "expirationDate": utc_text(exception.expires) if exception.expires else "",
        "location": location_entry(exception.location) if exception.location else {},
    }
    return {"name": exception.name, "source": exception.source, **drop_empty(optional)}


def audit_exceptions(assessment: Assessment) -> dict[str, Any]:
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
    entry = {**describe_exception(use.exception), "status": use.status, "matchCount": len(use.findings)}
    optional = {
        "expired": use.status is ExceptionStatus.EXPIRED,
        "invalidControls": list(use.unknown_controls),
        "controlIDs": list(use.controls),
        "message": use.text,
    }
    entry |= drop_empty(optional)
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


def location_entry(location: Location) -> dict[str, Any]:
    """Return a file with its line and column range, and the value that a template inserted there."""
    entry: dict[str, Any] = {"file": location.file, **describe_region(location.region)}
    if location.setting is not None:
        setting = location.setting
        entry["setting"] = {"key": setting.key, "file": setting.file, **describe_region(setting.region)}
    return entry
