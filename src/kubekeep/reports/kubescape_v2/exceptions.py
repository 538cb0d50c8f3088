"""Exceptions, as Kubescape's JSON v2 has them: whole at what they cover, and the audit. Writes nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from kubekeep.model.assessment import Assessment
from kubekeep.model.text import utc_text
from kubekeep.model.waiver import Waiver, WaiverStatus, WaiverUse
from kubekeep.reports.kubescape_v2.locations import location_entry


def policy(waiver: Waiver) -> Any:
    """The whole exception as it was given; what is known of it where it has no form of Kubescape's."""
    return json.loads(waiver.text) if waiver.text else named(waiver)


def named(waiver: Waiver) -> dict[str, Any]:
    """What names an exception, in Kubescape's words, with the place of ours."""
    entry: dict[str, Any] = {"name": waiver.name, "source": waiver.source}
    if waiver.reason:
        entry["reason"] = waiver.reason
    if waiver.expires is not None:
        entry["expirationDate"] = utc_text(waiver.expires)
    if waiver.location is not None:
        entry["location"] = location_entry(waiver.location)
    return entry


def audit(assessment: Assessment) -> dict[str, Any]:
    """`exceptionAudit`: what became of each exception; reasons, places, messages and two statuses are our own."""
    uses = assessment.waivers
    counts = Counter(use.status for use in uses)
    return {
        "summary": {
            "total": len(uses),
            "active": len(uses) - counts[WaiverStatus.EXPIRED],
            "expired": counts[WaiverStatus.EXPIRED],
            "matched": counts[WaiverStatus.MATCHED],
            "unused": counts[WaiverStatus.UNUSED],
            "invalidControl": counts[WaiverStatus.INVALID_CONTROL],
            "tooBroad": counts[WaiverStatus.TOO_BROAD],
            "invalid": counts[WaiverStatus.INVALID],
        },
        "items": [_use(use) for use in uses],
        "generated": utc_text(assessment.finished),
    }


def _use(use: WaiverUse) -> dict[str, Any]:
    entry: dict[str, Any] = {**named(use.waiver), "status": use.status, "matchCount": len(use.findings)}
    if use.status is WaiverStatus.EXPIRED:
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
