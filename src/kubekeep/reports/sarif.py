"""SARIF 2.1.0 (OASIS), for code scanning and editors: one result per failed control and resource.

The location of a result is the exact source region; further evidence follows as related locations. A result has a
fix only if exact edits are known. Excepted evidence is a separate result with suppressions. Results are encoded one
by one into the stream.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TextIO
from urllib.parse import quote, quote_from_bytes

from kubekeep.model.assessment import Assessment, UnreadInput
from kubekeep.model.comparison import FindingChange
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.finding import Evidence, Finding
from kubekeep.model.fingerprint import Identity
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location, Region
from kubekeep.model.priority import Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import sarif_level
from kubekeep.model.text import json_text, utc_text, visible
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.shared.findings import framework_names_by_control
from kubekeep.reports.shared.wording import describe_change, reason_text

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT: Final = "SRCROOT"
_HOME: Final = "https://kubekeep.io"


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write a log with one run as one line of JSON with a final line feed."""
    failures, excepted = assessment.group_findings(), assessment.group_excepted_findings()
    reported = _list_reported(assessment, failures.keys() | excepted.keys())
    results = itertools.chain(_results(reported, failures, excepted), _resolved_results(assessment, reported))
    run = {
        "tool": {"driver": _driver(assessment, reported)},
        "automationDetails": {"id": _categorise(assessment)},
        "invocations": [_invocation(assessment)],
        "originalUriBaseIds": {_ROOT: {"uri": f"file://{_quoted(assessment.target.base.rstrip('/'))}/"}},
        "columnKind": "unicodeCodePoints",
        **_provenance(assessment.repository),
    }
    head = json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    stream.write(head.removesuffix("}]}") + ',"results":[')
    stream.writelines(("," if index else "") + json_text(result) for index, result in enumerate(results))
    stream.write("]}]}\n")


def _provenance(repository: GitRepository | None) -> dict[str, Any]:
    """Return the repository of the files (§3.14.14) if its remote has a URL."""
    if repository is None or "://" not in repository.remote:
        return {}
    entry = {"repositoryUri": quote(repository.remote, safe=":/@%?=&#+,;~")}
    if repository.head is not None:
        entry["revisionId"] = repository.head.hash
    if repository.branch:
        entry["branch"] = repository.branch
    return {"versionControlProvenance": [entry]}


def _list_reported(assessment: Assessment, slugs: AbstractSet[str]) -> dict[str, int]:
    """Return the index of each control with a result among the rules of the log, by slug; `slugs` have findings."""
    resolved = assessment.baseline.resolved if assessment.baseline else ()
    ids = {difference.finding.control for difference in resolved}
    reported = (
        summary.control.slug
        for summary in assessment.controls
        if summary.control.slug in slugs or summary.control.id in ids
    )
    return {slug: index for index, slug in enumerate(reported)}


def _categorise(assessment: Assessment) -> str:
    """Return the category of the run (§3.17): runs with the same frameworks replace each other in code scanning."""
    names = [summary.framework.slug for summary in assessment.frameworks]
    return f"kubekeep/{'+'.join(names) or 'controls'}/"


def _driver(assessment: Assessment, reported: Mapping[str, int]) -> dict[str, Any]:
    frameworks = framework_names_by_control(assessment)
    return {
        "name": "kubekeep",
        "informationUri": _HOME,
        "version": assessment.version,
        "rules": [
            _rule(summary.control, frameworks.get(summary.control.slug, []))
            for summary in assessment.controls
            if summary.control.slug in reported
        ],
    }


def _rule(control: Control, frameworks: list[str]) -> dict[str, Any]:
    """Return a reportingDescriptor (§3.49); GitHub reads `security-severity` and `tags`."""
    rule: dict[str, Any] = {
        "id": control.id,
        "name": control.slug,
        "shortDescription": {"text": control.title},
        "fullDescription": {"text": f"{control.asks.strip()}\n\n{control.why.strip()}".strip()},
        "help": {"text": _help(control), "markdown": _markdown(control)},
        "defaultConfiguration": {"level": sarif_level(control.severity)},
        "properties": {
            "security-severity": f"{control.severity:.1f}",
            "precision": "high",
            "tags": ["security", "kubernetes", *([control.area] if control.area else []), *frameworks],
        },
    }
    if control.link:
        rule["helpUri"] = control.link
    return rule


def _help(control: Control) -> str:
    parts = [control.fix, control.impact and f"Impact: {control.impact}", *control.references]
    return "\n\n".join(part.strip() for part in parts if part)


def _markdown(control: Control) -> str:
    parts = [
        f"**{control.title}** ({control.level.label}, {control.id})",
        control.why,
        f"### How to fix\n\n{control.fix.strip()}",
        control.impact and f"### Impact\n\n{control.impact.strip()}",
        control.default_value and f"### Default\n\n{control.default_value.strip()}",
        control.references and "### See also\n\n" + "\n".join(f"- <{reference}>" for reference in control.references),
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def _invocation(assessment: Assessment) -> dict[str, Any]:
    """Return the invocation with unread input and unevaluated controls (§3.20.21), which explain missing results."""
    entry: dict[str, Any] = {
        "executionSuccessful": not assessment.unread,
        "startTimeUtc": utc_text(assessment.started, "milliseconds"),
        "endTimeUtc": utc_text(assessment.finished, "milliseconds"),
    }
    if assessment.unread:
        entry["toolExecutionNotifications"] = [_unread(unread) for unread in assessment.unread]
    gaps = [
        {
            "level": "warning",
            "message": {"text": f"not evaluated: {reason_text(summary.reason)}"},
            "associatedRule": {"id": summary.control.id},
        }
        for summary in assessment.controls
        if summary.is_gap
    ]
    if gaps:
        entry["toolConfigurationNotifications"] = gaps
    return entry


def _unread(unread: UnreadInput) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": visible(unread.message)},
        "locations": [{"physicalLocation": _physical(unread.location)}],
    }


def _results(
    reported: Mapping[str, int], failures: Mapping[str, list[Finding]], excepted: Mapping[str, list[Finding]]
) -> Iterator[dict[str, Any]]:
    id_counts: Counter[str] = Counter()
    for slug, index in reported.items():
        for finding in failures.get(slug, ()):
            yield _result(finding, index, id_counts)
        for finding in excepted.get(slug, ()):
            suppressions = [_suppression(exception) for exception in finding.suppressions]
            yield {**_result(finding, index, id_counts), "suppressions": suppressions}


def _result(finding: Finding, index: int, id_counts: Counter[str]) -> dict[str, Any]:
    control, resource = finding.control, finding.resource
    resource_location = resource.locate(())
    locations = [
        (evidence, location)
        for evidence in finding.evidence
        if (location := evidence.location or resource_location) is not None
    ]
    primary = locations[0][1] if locations else resource_location
    entry: dict[str, Any] = {
        "ruleId": control.id,
        "ruleIndex": index,
        "kind": "fail",
        "level": sarif_level(control.severity),
        "message": {"text": _message(finding)},
        "locations": [_build_location(resource, primary)],
        "partialFingerprints": {"kubekeepFinding/v2": _fingerprint(finding, id_counts)},
    }
    if finding.priority.level:
        entry["properties"] = _priority(finding.priority)
    if state := _baseline_state(finding):
        entry["baselineState"] = state
    if related := list(_related(locations)):
        entry["relatedLocations"] = [{"id": number, **location} for number, location in enumerate(related, start=1)]
    if fix := _fix(finding):
        entry["fixes"] = [fix]
    return entry


def _priority(priority: Priority) -> dict[str, Any]:
    """Return the priority as properties; `level` and `security-severity` follow from the severity."""
    entry: dict[str, Any] = {"priority": priority.level.label, "priorityScore": priority.score}
    if reasons := [visible(reason) for reason in (priority.step, *priority.reasons) if reason]:
        entry["priorityReasons"] = reasons
    return entry


def _suppression(exception: AppliedException) -> dict[str, Any]:
    """Return a suppression (§3.35): `inSource` for a comment or annotation, else `external`."""
    is_in_source = exception.source in {ExceptionSource.ANNOTATION, ExceptionSource.COMMENT}
    until = f"until {utc_text(exception.expires)}" if exception.expires is not None else ""
    entry: dict[str, Any] = {
        "kind": "inSource" if is_in_source else "external",
        "status": "accepted",
        "justification": visible("; ".join(filter(None, (exception.reason or exception.name, until)))),
    }
    if exception.location is not None:
        entry["location"] = {"physicalLocation": _physical(exception.location)}
    return entry


def _fix(finding: Finding) -> dict[str, Any] | None:
    """Return one fix (§3.55) with the edits of all evidence, which must be applied together, or None without edits."""
    edits = [edit for evidence in finding.evidence for edit in evidence.edits]
    if not edits:
        return None
    changes = [
        {
            "artifactLocation": _artifact(file),
            "replacements": [
                {"deletedRegion": _region(edit.region), "insertedContent": {"text": edit.text}}
                for edit in edits
                if edit.file == file
            ],
        }
        for file in dict.fromkeys(edit.file for edit in edits)
    ]
    steps = [describe_change(evidence) for evidence in finding.evidence]
    risks = [f"warning: {edit.risk}" for edit in edits if edit.risk]
    text = "; ".join((*steps, *dict.fromkeys(risks)))
    return {"description": {"text": visible(text)}, "artifactChanges": changes}


def _related(locations: Sequence[tuple[Evidence, Location]]) -> Iterator[dict[str, Any]]:
    """Yield all locations after the first, and the locations of values that templates insert."""
    for number, (evidence, location) in enumerate(locations):
        if number:
            yield {"physicalLocation": _physical(location), "message": {"text": visible(describe_change(evidence))}}
        if location.setting is not None and location.setting.region is not None:
            setting = location.setting
            inserted = _physical(Location(setting.file, setting.region))
            yield {"physicalLocation": inserted, "message": {"text": visible(f"set by {setting.key}")}}


def _build_location(resource: Resource, location: Location | None) -> dict[str, Any]:
    logical = _logical(resource.name, _full_name(Identity.from_resource(resource)))
    entry: dict[str, Any] = {} if location is None else {"physicalLocation": _physical(location)}
    return entry | {"logicalLocations": [logical]}


def _full_name(identity: Identity) -> str:
    return f"{f'{identity.namespace}/' if identity.namespace else ''}{identity.kind}/{identity.name}"


def _logical(name: str, full_name: str) -> dict[str, str]:
    return {"name": name, "fullyQualifiedName": full_name, "kind": "resource"}


def _physical(location: Location) -> dict[str, Any]:
    entry: dict[str, Any] = {"artifactLocation": _artifact(location.file)}
    if location.region is not None:
        entry["region"] = _region(location.region)
    return entry


def _region(region: Region) -> dict[str, int]:
    start, end = region.start, region.end
    return {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column}


def _artifact(path: str) -> dict[str, str]:
    """Return an artifactLocation (§3.4): relative to the folder of the scan, or absolute for files outside it."""
    if path.startswith("/"):
        return {"uri": f"file://{_quoted(path)}"}
    return {"uri": _quoted(path), "uriBaseId": _ROOT}


def _quoted(path: str) -> str:
    """Return the path percent-encoded (RFC 3986); bytes of a file name that is not UTF-8 are kept."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return quote_from_bytes(raw)


def _message(finding: Finding) -> str:
    lines = [f"{finding.title}: {finding.resource.label}"]
    if finding.evidence:
        lines += ["", "Affected fields:", *(f"- {describe_change(evidence)}" for evidence in finding.evidence)]
    return "\n".join(map(visible, lines))


def _fingerprint(finding: Finding, id_counts: Counter[str]) -> str:
    """Return a fingerprint of control and resource that is independent of lines, files and other documents.

    Resources with the same identity, such as a base and its overlay, are numbered in input order.
    """
    identifier = finding.fingerprint
    id_counts[identifier] += 1
    return f"{identifier}:{id_counts[identifier]}"


def _baseline_state(finding: Finding) -> str:
    """Return the `baselineState` (§3.27.24), or an empty text without a baseline or without a comparable finding."""
    changes = {evidence.change for evidence in finding.evidence}
    if changes == {FindingChange.NEW}:
        return "new"
    if FindingChange.NEW in changes:
        return "updated"
    return "unchanged" if changes == {FindingChange.UNCHANGED} else ""


def _resolved_results(assessment: Assessment, reported: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the resolved findings of the baseline."""
    index_by_id = {
        summary.control.id: (reported[summary.control.slug], summary.control)
        for summary in assessment.controls
        if summary.control.slug in reported
    }
    resolved = assessment.baseline.resolved if assessment.baseline else ()
    findings = {
        (difference.finding.control, difference.finding.identity, difference.finding.file, difference.finding.copy)
        for difference in resolved
        if difference.head != "failed" and difference.finding.control in index_by_id
    }
    for number, identity, file, _ in sorted(findings):
        index, control = index_by_id[number]
        entry: dict[str, Any] = {} if not file else {"physicalLocation": _physical(Location(file))}
        yield {
            "ruleId": number,
            "ruleIndex": index,
            "kind": "pass",
            "level": "none",
            "baselineState": "absent",
            "message": {"text": visible(f"{control.title}: {identity}")},
            "locations": [entry | {"logicalLocations": [_logical(identity.name, _full_name(identity))]}],
        }


FORMAT: Final = ReportFormat(
    name="sarif",
    extension=".sarif",
    media_type="application/sarif+json",
    description="SARIF 2.1.0, for code scanning and editors",
    render=render,
    extras=frozenset({Extra.EDITS, Extra.REPOSITORY, Extra.CONTEXT}),
)
