"""The log of SARIF: one result per failed control and resource, and per vulnerability and package.

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
from urllib.parse import quote

from kubekeep.model.assessment import Assessment, UnreadInput
from kubekeep.model.comparison import FindingChange
from kubekeep.model.definition import Definition
from kubekeep.model.finding import Finding
from kubekeep.model.git import GitRepository
from kubekeep.model.image import KIND as IMAGE_KIND
from kubekeep.model.location import Location
from kubekeep.model.severity import sarif_level
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_entries, json_text, utc_text, visible
from kubekeep.model.verdict import Evidence
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sarif.parts import (
    ROOT,
    describe_artifact,
    describe_evidence_location,
    describe_logical,
    describe_physical,
    describe_priority,
    describe_resource,
    describe_suppression,
    format_full_name,
)
from kubekeep.reports.sarif.vulnerabilities import describe_rule, group_vulnerabilities, list_results
from kubekeep.reports.shared.findings import describe_region, framework_names_by_control, quote_path
from kubekeep.reports.shared.urgency import priority_score
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, get_repository, list_uncovered
from kubekeep.reports.shared.wording import describe_change, reason_text

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME: Final = "https://kubekeep.io"


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write a log with one run as one line of JSON with a final line feed."""
    failures, excepted = assessment.group_findings(), assessment.group_excepted_findings()
    reported = _list_reported(assessment, failures.keys() | excepted.keys())
    vulnerabilities = group_vulnerabilities(assessment)
    results = itertools.chain(
        _results(reported, failures, excepted, vulnerabilities), _resolved_results(assessment, reported)
    )
    run = {
        "tool": {"driver": _driver(assessment, reported, failures, vulnerabilities)},
        "automationDetails": {"id": _categorise(assessment)},
        "invocations": [_invocation(assessment)],
        "originalUriBaseIds": {ROOT: {"uri": f"file://{quote_path(assessment.target.base.rstrip('/'))}/"}},
        "columnKind": "unicodeCodePoints",
        **_provenance(assessment.repository),
    }
    head = json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    stream.write(head.removesuffix("}]}") + ',"results":[')
    stream.writelines(json_entries(results))
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
        summary.definition.slug
        for summary in assessment.summaries
        if summary.definition.slug in slugs or summary.definition.id in ids
    )
    return {slug: index for index, slug in enumerate(reported)}


def _categorise(assessment: Assessment) -> str:
    """Return the category of the run (§3.17): runs with the same category replace each other in code scanning.

    It consists of the frameworks, and of the repository in a scan of one image.
    """
    names = [summary.framework.slug for summary in assessment.frameworks]
    images = {
        get_repository(result.subject.name) if result.subject.kind == IMAGE_KIND else ""
        for result in assessment.results
    }
    image = f"{images.pop()}/" if len(images) == 1 and "" not in images else ""
    return f"kubekeep/{'+'.join(names) or 'controls'}/{image}"


def _driver(
    assessment: Assessment,
    reported: Mapping[str, int],
    failures: Mapping[str, Sequence[Finding]],
    vulnerabilities: Mapping[str, Sequence[ReportedVulnerability]],
) -> dict[str, Any]:
    frameworks = framework_names_by_control(assessment)
    scores = {slug: max(map(priority_score, findings)) for slug, findings in failures.items()}
    return {
        "name": "kubekeep",
        "informationUri": _HOME,
        "version": assessment.version,
        "rules": [
            describe_rule(entries)
            if (entries := vulnerabilities.get(summary.definition.slug))
            else _rule(
                summary.definition, frameworks.get(summary.definition.slug, []), scores.get(summary.definition.slug)
            )
            for summary in assessment.summaries
            if summary.definition.slug in reported
        ],
    }


def _rule(control: Definition, frameworks: list[str], score: float | None) -> dict[str, Any]:
    """Return a reportingDescriptor (§3.49); GitHub reads `security-severity` and `tags`.

    score: highest priority of the open results, None without any. GitHub ranks alerts by `security-severity` of the rule.
    """
    rule: dict[str, Any] = {
        "id": control.id,
        "name": control.slug,
        "shortDescription": {"text": control.title},
        "fullDescription": {"text": f"{control.asks.strip()}\n\n{control.why.strip()}".strip()},
        "help": {"text": _help(control), "markdown": _markdown(control)},
        "defaultConfiguration": {"level": sarif_level(control.severity)},
        "properties": {
            "security-severity": f"{control.severity if score is None else score:.1f}",
            "precision": "high",
            "tags": ["security", "kubernetes", *([control.area] if control.area else []), *frameworks],
        },
    }
    if control.link:
        rule["helpUri"] = control.link
    return rule


def _help(control: Definition) -> str:
    parts = [control.fix, control.impact and f"Impact: {control.impact}", *control.references]
    return "\n\n".join(part.strip() for part in parts if part)


def _markdown(control: Definition) -> str:
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
    """Return the invocation with what explains missing results (§3.20.21).

    This is unread input, unknown fields and controls that were not evaluated.
    """
    entry: dict[str, Any] = {
        "executionSuccessful": not assessment.unread,
        "startTimeUtc": utc_text(assessment.started, "milliseconds"),
        "endTimeUtc": utc_text(assessment.finished, "milliseconds"),
    }
    notifications = [
        *(_notify(unread, "error") for unread in assessment.unread),
        *(_notify(field, "warning") for field in assessment.unknown_fields),
        *(_notify(uncovered, "note") for uncovered in list_uncovered(assessment)),
    ]
    if notifications:
        entry["toolExecutionNotifications"] = notifications
    gaps = [
        {
            "level": "warning",
            "message": {"text": f"not evaluated: {reason_text(summary.reason)}"},
            "associatedRule": {"id": summary.definition.id},
        }
        for summary in assessment.summaries
        if summary.is_gap
    ]
    if gaps:
        entry["toolConfigurationNotifications"] = gaps
    return entry


def _notify(unread: UnreadInput, level: str) -> dict[str, Any]:
    return {
        "level": level,
        "message": {"text": visible(unread.message)},
        "locations": [{"physicalLocation": describe_physical(unread.location)}],
    }


def _results(
    reported: Mapping[str, int],
    failures: Mapping[str, list[Finding]],
    excepted: Mapping[str, list[Finding]],
    vulnerabilities: Mapping[str, Sequence[ReportedVulnerability]],
) -> Iterator[dict[str, Any]]:
    id_counts: Counter[str] = Counter()
    for slug, index in reported.items():
        if entries := vulnerabilities.get(slug):
            yield from list_results(entries, index, id_counts)
            continue
        for finding in failures.get(slug, ()):
            yield _result(finding, index, id_counts)
        for finding in excepted.get(slug, ()):
            suppressions = [describe_suppression(exception) for exception in finding.suppressions]
            yield {**_result(finding, index, id_counts), "suppressions": suppressions}


def _result(finding: Finding, index: int, id_counts: Counter[str]) -> dict[str, Any]:
    control, resource = finding.definition, finding.subject
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
        "level": sarif_level(priority_score(finding)),
        "message": {"text": _message(finding)},
        "locations": [_build_location(resource, primary)],
        "partialFingerprints": {"kubekeepFinding/v2": _fingerprint(finding, id_counts)},
    }
    if finding.priority.level:
        entry["properties"] = describe_priority(finding.priority)
    if state := _baseline_state(finding):
        entry["baselineState"] = state
    if related := list(_related(resource, locations)):
        entry["relatedLocations"] = [{"id": number, **location} for number, location in enumerate(related, start=1)]
    if fix := _fix(finding):
        entry["fixes"] = [fix]
    return entry


def _fix(finding: Finding) -> dict[str, Any] | None:
    """Return one fix (§3.55) with the edits of all evidence, which must be applied together, or None without edits."""
    edits = [edit for evidence in finding.evidence for edit in evidence.edits]
    if not edits:
        return None
    changes = [
        {
            "artifactLocation": describe_artifact(file),
            "replacements": [
                {"deletedRegion": describe_region(edit.region), "insertedContent": {"text": edit.text}}
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


def _related(resource: Subject, locations: Sequence[tuple[Evidence, Location]]) -> Iterator[dict[str, Any]]:
    """Yield all locations after the first, and the locations of values that templates insert."""
    for number, (evidence, location) in enumerate(locations):
        if number:
            physical = describe_evidence_location(resource, location)
            yield {"physicalLocation": physical, "message": {"text": visible(describe_change(evidence))}}
        if location.setting is not None and location.setting.region is not None:
            setting = location.setting
            inserted = describe_physical(Location(setting.file, setting.region))
            yield {"physicalLocation": inserted, "message": {"text": visible(f"set by {setting.key}")}}


def _build_location(resource: Subject, location: Location | None) -> dict[str, Any]:
    entry: dict[str, Any] = (
        {} if location is None else {"physicalLocation": describe_evidence_location(resource, location)}
    )
    return entry | {"logicalLocations": [describe_resource(resource)]}


def _message(finding: Finding) -> str:
    lines = [f"{finding.title}: {finding.subject.label}"]
    if finding.evidence:
        lines += ["", "Affected fields:", *(f"- {describe_change(evidence)}" for evidence in finding.evidence)]
    return "\n".join(map(visible, lines))


def _fingerprint(finding: Finding, id_counts: Counter[str]) -> str:
    """Return a fingerprint of control and resource that is independent of lines, files and other documents.

    Resources with the same identity, such as a base and its overlay, are numbered in input order.
    """
    identifier = finding.name_fingerprint
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
        summary.definition.id: (reported[summary.definition.slug], summary.definition)
        for summary in assessment.summaries
        if summary.definition.slug in reported
    }
    resolved = assessment.baseline.resolved if assessment.baseline else ()
    findings = {
        (difference.finding.control, difference.finding.identity, difference.finding.file, difference.finding.copy)
        for difference in resolved
        if difference.head != "failed" and difference.finding.control in index_by_id
    }
    for number, identity, file, _ in sorted(findings):
        index, control = index_by_id[number]
        entry: dict[str, Any] = {} if not file else {"physicalLocation": describe_physical(Location(file))}
        yield {
            "ruleId": number,
            "ruleIndex": index,
            "kind": "pass",
            "level": "none",
            "baselineState": "absent",
            "message": {"text": visible(f"{control.title}: {identity}")},
            "locations": [entry | {"logicalLocations": [describe_logical(identity.name, format_full_name(identity))]}],
        }
