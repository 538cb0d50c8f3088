"""OCSF 1.5 Compliance Findings (class 2003) as JSON lines, for SIEMs and security lakes: one event a line.

An event for each failed control and resource, waived ones as suppressed; one for each control that passed for all or
could not be evaluated, and for each place of the input that was not read, with the status that OCSF has for a check
that "did not yield a result". Controls with nothing to look at make no event. Events are encoded one by one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary, Unread
from kubekeep.model.control import Control
from kubekeep.model.finding import Evidence, Status
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.framework import Framework
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.reports.format import Format, Options
from kubekeep.reports.shared.findings import (
    MOST,
    Distinct,
    Finding,
    digest,
    excepted,
    exception_text,
    frameworks,
    named,
    reason_text,
    requirements,
    standing,
    undecided,
    unix_time,
)
from kubekeep.reports.shared.wording import change

_VERSION: Final = "1.5.0"
_CATEGORY, _CLASS, _CREATE, _RULE = 2, 2003, 1, 1
_SEVERITY: Final = {
    Severity.CRITICAL: (5, "Critical"),
    Severity.HIGH: (4, "High"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.LOW: (2, "Low"),
    Severity.UNKNOWN: (0, "Unknown"),
}
_INFORMATIONAL: Final = (1, "Informational")


class _Outcome(enum.IntEnum):
    """`compliance.status_id`."""

    PASS = 1
    WARNING = 2
    """Did not yield a result due to missing information."""
    FAIL = 3


class _State(enum.IntEnum):
    """`status_id`: what became of the finding."""

    NEW = 1
    SUPPRESSED = 3


class _Scan(msgspec.Struct, frozen=True):
    """What all events of a scan share: its time in milliseconds, and the parts of each control, by slug."""

    moment: int
    product: dict[str, str]
    parts: dict[str, dict[str, Any]]


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the events, a line each."""
    stream.writelines(json_text(event) + "\n" for event in _events(assessment))


def _events(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """All events, never none: that nothing was assessed is one too."""
    serves = frameworks(assessment)
    scan = _Scan(
        round(unix_time(assessment.finished) * 1000),
        {"name": "Kubekeep", "vendor_name": "Kubekeep", "version": assessment.version},
        {item.control.slug: _parts(item.control, serves.get(item.control.slug, [])) for item in assessment.controls},
    )
    distinct = Distinct()
    for item in assessment.unread:
        yield _unread(scan, item, distinct)
    for finding in standing(assessment, distinct):
        yield _failed(scan, finding, _State.NEW)
    for finding in excepted(assessment, distinct):
        yield _failed(scan, finding, _State.SUPPRESSED)
    for summary, resource, reason in undecided(assessment):
        uid = distinct(fingerprint(summary.control.id, Identity.of(resource)))
        event = _event(scan, summary.control, uid, _Outcome.WARNING, f"not evaluated: {reason_text(reason)}")
        yield event | {**_state(_State.NEW), "resources": _resources(resource)}
    for summary in assessment.controls:
        if summary.is_gap or (summary.status is Status.PASSED and not summary.counts.excepted):
            yield _whole(scan, summary)
    if all(summary.status is Status.NOT_EVALUATED and not summary.is_gap for summary in assessment.controls):
        yield _input(scan, digest("nothing"), "nothing was assessed: no resource that a control applies to was read")


def _parts(control: Control, serves: list[Framework]) -> dict[str, Any]:
    """`compliance`, `finding_info` and `remediation` of a control, without what differs from event to event."""
    compliance: dict[str, Any] = {"control": control.id, "desc": control.asks.strip(), "category": control.area}
    if serves:
        compliance["standards"] = [framework.name for framework in serves]
    compliance["requirements"] = [visible(f"{asked.name} {asked.id}") for asked in requirements(control, serves)]
    info: dict[str, Any] = {
        "title": visible(control.title),
        "desc": control.why.strip(),
        "types": ["Kubernetes configuration"],
        "analytic": {"name": control.slug, "uid": control.id, "type_id": _RULE, "type": "Rule"},
    }
    if control.link:
        info["src_url"] = control.link
    remediation: dict[str, Any] = {"desc": control.fix.strip()}
    if control.references:
        remediation["references"] = list(control.references)
    return {
        "compliance": {key: value for key, value in compliance.items() if value},
        "finding_info": info,
        "remediation": remediation,
    }


def _event(scan: _Scan, control: Control, uid: str, outcome: _Outcome, message: str) -> dict[str, Any]:
    """An event without its state and its resources; only failures are as severe as their control."""
    severity = _SEVERITY[control.level] if outcome is _Outcome.FAIL else _INFORMATIONAL
    parts = scan.parts[control.slug]
    return {
        **_head(scan, severity, message),
        "finding_info": {"uid": uid, "created_time": scan.moment, **parts["finding_info"]},
        "compliance": {**parts["compliance"], "status_id": outcome, "status": outcome.name.capitalize()},
        "remediation": parts["remediation"],
    }


def _head(scan: _Scan, severity: tuple[int, str], message: str) -> dict[str, Any]:
    return {
        "activity_id": _CREATE,
        "activity_name": "Create",
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "type_uid": _CLASS * 100 + _CREATE,
        "type_name": "Compliance Finding: Create",
        "time": scan.moment,
        "severity_id": severity[0],
        "severity": severity[1],
        "message": visible(message),
        "metadata": {"version": _VERSION, "product": scan.product},
    }


def _failed(scan: _Scan, finding: Finding, state: _State) -> dict[str, Any]:
    message = f"{finding.control.title}: {named(finding.resource)}"
    event = _event(scan, finding.control, finding.uid, _Outcome.FAIL, message)
    event |= {**_state(state), "resources": _resources(finding.resource)}
    if exceptions := finding.exceptions:
        event["status_detail"] = "; ".join(map(exception_text, exceptions))
    if finding.evidence:
        event["evidences"] = [{"data": _evidence(item, finding)} for item in finding.evidence[:MOST]]
    return event


def _evidence(evidence: Evidence, finding: Finding) -> dict[str, Any]:
    location = evidence.location or finding.resource.locate(())
    place = {} if location is None else _place(location)
    return {"path": visible(evidence.path), "change": visible(change(evidence)), **place}


def _place(location: Location) -> dict[str, Any]:
    place: dict[str, Any] = {"file": visible(location.file)}
    if location.region is not None:
        place |= {"start_line": location.region.start.line, "end_line": location.region.end.line}
    return place


def _resources(resource: Resource) -> list[dict[str, Any]]:
    """The resource and, for one that is joined, what it is joined with."""
    return [_resource(item) for item in (resource, *resource.related)]


def _resource(resource: Resource) -> dict[str, Any]:
    entry = {
        "uid": visible(resource.identity),
        "name": visible(resource.name),
        "type": visible(resource.kind),
        "namespace": visible(resource.namespace),
        "version": visible(resource.api_version),
    }
    return {key: value for key, value in entry.items() if value}


def _whole(scan: _Scan, summary: ControlSummary) -> dict[str, Any]:
    """The event of a control that passed for all resources, or that nothing is known of."""
    uid = digest("control", summary.control.id)
    if summary.is_gap:
        event = _event(scan, summary.control, uid, _Outcome.WARNING, f"not evaluated: {reason_text(summary.reason)}")
        return event | _state(_State.NEW)
    many = summary.counts.passed
    return _event(scan, summary.control, uid, _Outcome.PASS, f"passed for {many} resource{'' if many == 1 else 's'}")


def _state(state: _State) -> dict[str, Any]:
    return {"status_id": state, "status": state.name.capitalize()}


def _unread(scan: _Scan, item: Unread, distinct: Distinct) -> dict[str, Any]:
    uid = distinct(digest("unread", item.location.file, item.message))
    event = _input(scan, uid, f"not read: {item.location}: {item.message}")
    return event | {"evidences": [{"data": _place(item.location)}]}


def _input(scan: _Scan, uid: str, text: str) -> dict[str, Any]:
    """The event of something that no control is about: what is wrong with the input of the scan."""
    return {
        **_head(scan, _INFORMATIONAL, text),
        **_state(_State.NEW),
        "finding_info": {"uid": uid, "created_time": scan.moment, "title": "Input that was not read"},
        "compliance": {"control": "kubekeep-input", "status_id": _Outcome.WARNING, "status": "Warning"},
    }


FORMAT: Final = Format(
    name="ocsf",
    extension=".jsonl",
    media_type="application/x-ndjson",
    description="OCSF 1.5 compliance findings as JSON lines, for SIEMs and security lakes",
    render=render,
)
