"""OCSF 1.5 Compliance and Vulnerability Findings (classes 2003 and 2002) as JSON lines, for SIEMs and security lakes.

One vulnerability event per vulnerability and affected package, with excepted ones as suppressed. One compliance event per failed control and resource, with excepted ones as suppressed; one per control that passed everywhere or
could not be evaluated; and one per unread input and per group of packages that no advisories cover, with the OCSF status for a check that "did not yield a result".
Controls without a resource to evaluate have no event. Events are encoded one by one.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Any, Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, UnreadInput
from kubekeep.model.definition import Definition
from kubekeep.model.finding import Finding
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.framework import Framework
from kubekeep.model.json_values import drop_empty
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_text, visible
from kubekeep.model.verdict import Evidence, Status
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.affected_packages import get_level
from kubekeep.reports.shared.findings import (
    MOST,
    UniqueIds,
    digest,
    exception_text,
    file_lines,
    frameworks_by_control,
    identify,
    list_all_findings,
    list_requirements,
    resource_name,
    unevaluated_resources,
    unix_time,
)
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, iterate_subjects, list_uncovered
from kubekeep.reports.shared.vulnerability_text import (
    describe_container,
    describe_record,
    describe_status,
    describe_vulnerability,
    link_to,
    recommend,
)
from kubekeep.reports.shared.wording import NOTHING_EVALUATED, describe_change, reason_text

_VERSION: Final = "1.5.0"
_CATEGORY, _CREATE, _RULE = 2, 1, 1
_COMPLIANCE: Final = (2003, "Compliance Finding")
_VULNERABILITY: Final = (2002, "Vulnerability Finding")
_UNREAD: Final = "Input that was not read"
_CVE: Final = "CVE-"
_CVSS: Final = re.compile(r"CVSS:(\d\.\d)/")
_SEVERITY: Final = {
    Severity.CRITICAL: (5, "Critical"),
    Severity.HIGH: (4, "High"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.LOW: (2, "Low"),
    Severity.UNKNOWN: (0, "Unknown"),
}
_INFORMATIONAL: Final = (1, "Informational")


class _Outcome(enum.IntEnum):
    """OCSF `compliance.status_id`."""

    PASS = 1
    WARNING = 2
    """Did not yield a result due to missing information."""
    FAIL = 3


class _FindingState(enum.IntEnum):
    """OCSF `status_id` of the finding."""

    NEW = 1
    SUPPRESSED = 3


class _ScanContext(msgspec.Struct, frozen=True):
    """Data shared by all events of a scan: time in milliseconds, product, and the parts of each control by slug."""

    moment: int
    product: dict[str, str]
    parts: dict[str, dict[str, Any]]


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the events, one per line."""
    stream.writelines(json_text(event) + "\n" for event in _events(assessment))


def _events(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """Yield all events, at least one: a scan that evaluated nothing has an event that says so."""
    frameworks = frameworks_by_control(assessment)
    scan = _ScanContext(
        round(unix_time(assessment.finished) * 1000),
        {"name": "Kubekeep", "vendor_name": "Kubekeep", "version": assessment.version},
        {
            summary.definition.slug: _parts(summary.definition, frameworks.get(summary.definition.slug, []))
            for summary in assessment.summaries
        },
    )
    unique_ids = UniqueIds()
    for unread in assessment.unread:
        uid = unique_ids(digest("unread", unread.location.file, unread.message))
        yield _gap_event(scan, uid, unread, f"not read: {unread.location}: {unread.message}", _UNREAD)
    for uncovered in list_uncovered(assessment):
        uid = unique_ids(digest("not assessed", uncovered.location.file, uncovered.message))
        text = f"{uncovered.location}: {uncovered.message}"
        yield _gap_event(scan, uid, uncovered, text, "Input that was not assessed")
    # Vulnerabilities have events of their own class.
    controls = (finding for finding in list_all_findings(assessment) if not finding.definition.concerns_packages)
    for finding, uid in identify(controls, unique_ids):
        yield _finding_event(scan, finding, uid)
    yield from _list_vulnerabilities(assessment, scan, unique_ids)
    for summary, resource, reason in unevaluated_resources(assessment):
        uid = unique_ids(fingerprint(summary.definition.id, Identity.from_subject(resource)))
        event = _event(scan, summary.definition, uid, _Outcome.WARNING, f"not evaluated: {reason_text(reason)}")
        yield event | _state(_FindingState.NEW) | {"resources": _resources(resource)}
    for summary in assessment.summaries:
        if summary.is_gap or (summary.status is Status.PASSED and not summary.counts.excepted):
            yield _control_event(scan, summary)
    if all(summary.status is Status.NOT_EVALUATED and not summary.is_gap for summary in assessment.summaries):
        yield _input_event(scan, digest("nothing"), NOTHING_EVALUATED, _UNREAD)


def _parts(control: Definition, frameworks: list[Framework]) -> dict[str, Any]:
    """Return the parts of `compliance`, `finding_info` and `remediation` that all events of a control share."""
    requirements = list_requirements(control, frameworks)
    compliance = {
        "control": control.id,
        "desc": control.asks.strip(),
        "category": control.area,
        "standards": [framework.name for framework in frameworks],
        "requirements": [visible(f"{requirement.name} {requirement.id}") for requirement in requirements],
    }
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
    return {"compliance": drop_empty(compliance), "finding_info": info, "remediation": remediation}


def _event(
    scan: _ScanContext,
    control: Definition,
    uid: str,
    outcome: _Outcome,
    message: str,
    severity: tuple[int, str] = _INFORMATIONAL,
) -> dict[str, Any]:
    """Return an event without state and resources."""
    parts = scan.parts[control.slug]
    return {
        **_head(scan, severity, message),
        "finding_info": {"uid": uid, "created_time": scan.moment, **parts["finding_info"]},
        "compliance": {**parts["compliance"], "status_id": outcome, "status": outcome.name.capitalize()},
        "remediation": parts["remediation"],
    }


def _head(
    scan: _ScanContext, severity: tuple[int, str], message: str, event_class: tuple[int, str] = _COMPLIANCE
) -> dict[str, Any]:
    number, name = event_class
    return {
        "activity_id": _CREATE,
        "activity_name": "Create",
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": number,
        "class_name": name,
        "type_uid": number * 100 + _CREATE,
        "type_name": f"{name}: Create",
        "time": scan.moment,
        "severity_id": severity[0],
        "severity": severity[1],
        "message": visible(message),
        "metadata": {"version": _VERSION, "product": scan.product},
    }


def _finding_event(scan: _ScanContext, finding: Finding, uid: str) -> dict[str, Any]:
    message = f"{finding.definition.title}: {resource_name(finding.subject)}"
    severity = _SEVERITY[priority_level(finding)]
    event = _event(scan, finding.definition, uid, _Outcome.FAIL, message, severity)
    exceptions = finding.suppressions
    state = _FindingState.SUPPRESSED if exceptions else _FindingState.NEW
    event |= {**_state(state), "resources": _resources(finding.subject)}
    if exceptions:
        event["status_detail"] = "; ".join(map(exception_text, exceptions))
    if finding.evidence:
        event["evidences"] = [{"data": _evidence(evidence, finding)} for evidence in finding.evidence[:MOST]]
    return event


def _list_vulnerabilities(
    assessment: Assessment, scan: _ScanContext, unique_ids: UniqueIds
) -> Iterator[dict[str, Any]]:
    for subject in iterate_subjects(assessment):
        for entry in subject.vulnerabilities:
            yield _vulnerability_event(scan, entry, unique_ids(entry.fingerprint))


def _vulnerability_event(scan: _ScanContext, entry: ReportedVulnerability, uid: str) -> dict[str, Any]:
    """Return the event of a vulnerability of one package."""
    state = _FindingState.NEW if entry.exception is None else _FindingState.SUPPRESSED
    message = f"{entry.id}: {describe_vulnerability(entry)}"
    event = _head(scan, _SEVERITY[get_level(entry)], message, _VULNERABILITY) | {
        **_state(state),
        "finding_info": {
            "uid": uid,
            "created_time": scan.moment,
            "title": visible(f"{entry.id}: {entry.title}"),
            "types": ["Vulnerability"],
            "src_url": link_to(entry.id),
        },
        "vulnerabilities": [_vulnerability(entry)],
        "resources": _resources(entry.subject),
    }
    if entry.exception is not None:
        event["status_detail"] = exception_text(entry.exception)
    facts = {
        "aliases": list(entry.aliases),
        "evidence": [visible(describe_record(record)) for record in entry.records],
        "known_exploited": visible(entry.known_exploited),
        "layer": visible(entry.layer),
        "location": "" if entry.location is None else visible(str(entry.location)),
        "vex_status": describe_status(entry),
        "workloads": [visible(describe_container(container)) for container in entry.containers],
    }
    if unmapped := drop_empty(facts):
        event["unmapped"] = unmapped
    return event


def _vulnerability(entry: ReportedVulnerability) -> dict[str, Any]:
    """Return the vulnerability with its package; `cve` or `advisory` names it, never both."""
    package = {
        "name": visible(entry.package),
        "version": visible(entry.version),
        "fixed_in_version": visible(entry.fixed_version),
        "purl": visible(entry.purl),
        "path": visible(entry.path),
        "type": entry.package_type,
    }
    vulnerability: dict[str, Any] = {
        "title": visible(entry.title),
        "severity": entry.severity.label,
        "affected_packages": [drop_empty(package)],
        "is_fix_available": entry.is_fixable,
        "remediation": {"desc": visible(recommend(entry))},
        "references": list(entry.references),
    }
    if entry.description:
        vulnerability["desc"] = entry.description
    if entry.known_exploited:
        vulnerability["is_exploit_available"] = True
    if entry.id.startswith(_CVE):
        vulnerability["cve"] = _cve(entry)
    else:
        vulnerability["advisory"] = {"uid": visible(entry.id), "src_url": link_to(entry.id)}
    return vulnerability


def _cve(entry: ReportedVulnerability) -> dict[str, Any]:
    cve: dict[str, Any] = {"uid": visible(entry.id)}
    version = _CVSS.match(entry.vector)
    if entry.score is not None:
        cve["cvss"] = [
            {
                "base_score": entry.score,
                "version": version[1] if version else "2.0" if entry.vector else "unknown",
                "severity": entry.severity.label,
                **({"vector_string": entry.vector} if entry.vector else {}),
            }
        ]
    if entry.epss is not None:
        percentile = {} if entry.percentile is None else {"percentile": entry.percentile}
        cve["epss"] = {"score": f"{entry.epss:g}", **percentile}
    if entry.weaknesses:
        cve["related_cwes"] = [{"uid": visible(weakness)} for weakness in entry.weaknesses]
    return cve


def _evidence(evidence: Evidence, finding: Finding) -> dict[str, Any]:
    location = evidence.location or finding.subject.locate(())
    lines = {} if location is None else file_lines(location)
    return {"path": visible(evidence.path), "change": visible(describe_change(evidence)), **lines}


def _resources(resource: Subject) -> list[dict[str, Any]]:
    """Return the resource and its related resources."""
    return [_resource(related) for related in (resource, *resource.related)]


def _resource(resource: Subject) -> dict[str, Any]:
    return drop_empty(
        {
            "uid": visible(resource.identity),
            "name": visible(resource.name),
            "type": visible(resource.kind),
            "namespace": visible(resource.namespace),
            "version": visible(resource.api_version),
        }
    )


def _control_event(scan: _ScanContext, summary: DefinitionSummary) -> dict[str, Any]:
    """Return the event of a control that passed for all resources or was not evaluated."""
    uid = digest("control", summary.definition.id)
    if summary.is_gap:
        event = _event(scan, summary.definition, uid, _Outcome.WARNING, f"not evaluated: {reason_text(summary.reason)}")
        return event | _state(_FindingState.NEW)
    passed = summary.counts.passed
    return _event(
        scan, summary.definition, uid, _Outcome.PASS, f"passed for {passed} resource{'' if passed == 1 else 's'}"
    )


def _state(state: _FindingState) -> dict[str, Any]:
    return {"status_id": state, "status": state.name.capitalize()}


def _gap_event(scan: _ScanContext, uid: str, gap: UnreadInput, text: str, title: str) -> dict[str, Any]:
    return _input_event(scan, uid, text, title) | {"evidences": [{"data": file_lines(gap.location)}]}


def _input_event(scan: _ScanContext, uid: str, text: str, title: str) -> dict[str, Any]:
    """Return an event about the input of the scan instead of a control."""
    return {
        **_head(scan, _INFORMATIONAL, text),
        **_state(_FindingState.NEW),
        "finding_info": {"uid": uid, "created_time": scan.moment, "title": title},
        "compliance": {"control": "kubekeep-input", "status_id": _Outcome.WARNING, "status": "Warning"},
    }


FORMAT: Final = ReportFormat(
    name="ocsf",
    extension=".jsonl",
    media_type="application/x-ndjson",
    description="OCSF 1.5 compliance and vulnerability findings as JSON lines, for SIEMs and security lakes",
    render=render,
)
