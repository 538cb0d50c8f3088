"""GitLab's code quality report, an array of Code Climate issues that are shown on lines of a merge request.

One issue per location. The format supports only findings in files: unread input is an issue of its file, packages that no
advisories cover are an issue of their SBOM or image, all
unevaluated controls are one issue of the folder, and excepted findings are omitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Finding
from kubekeep.model.fingerprint import evidence_fingerprint
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_entries, visible
from kubekeep.model.workload_container import find_manifest_line
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.findings import UniqueIds, digest, identify, join_names, resource_name
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import describe_change

_SEVERITY: Final = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.UNKNOWN: "info",
}

_MAX_NAMED: Final = 10
"""Maximum number of unevaluated controls to name, because the text is shown on one line."""


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the array as one line of JSON with a final line feed."""
    stream.write("[")
    stream.writelines(json_entries(_issues(assessment)))
    stream.write("]\n")


def _issues(assessment: Assessment) -> Iterator[dict[str, Any]]:
    unique_ids = UniqueIds()
    for unread in assessment.unread:
        unique = unique_ids(digest("input", unread.location.file))
        yield _issue("kubekeep-input", visible(f"Not read: {unread.message}"), "major", unread.location, unique)
    for uncovered in list_uncovered(assessment):
        unique = unique_ids(digest("not assessed", uncovered.location.file, uncovered.message))
        yield _issue("kubekeep-coverage", visible(uncovered.message), "info", uncovered.location, unique)
    if skipped := [summary.definition.id for summary in assessment.summaries if summary.is_gap]:
        text = f"Controls not evaluated (see the reasons in another report): {join_names(skipped, _MAX_NAMED)}"
        unique = unique_ids(digest("coverage", *sorted(skipped)))
        yield _issue("kubekeep-coverage", visible(text), "info", Location("."), unique)
    for finding, uid in identify(assessment.findings, UniqueIds()):
        yield from _finding_issues(finding, uid, unique_ids)


def _finding_issues(finding: Finding, uid: str, unique_ids: UniqueIds) -> Iterator[dict[str, Any]]:
    control, resource = finding.definition, finding.subject
    head = f"{control.title}: {resource_name(resource)}"
    severity = _SEVERITY[priority_level(finding)]
    location = finding.location or Location("/".join(filter(None, (resource.namespace, resource.kind, resource.name))))
    if not finding.evidence:
        yield _issue(control.id, visible(head), severity, location, unique_ids(uid))
    manifest = find_manifest_line(finding.containers)
    for evidence in finding.evidence:
        unique = unique_ids(evidence_fingerprint(control.id, resource, evidence.path))
        text = visible(f"{head}: {describe_change(evidence)}")
        yield _issue(control.id, text, severity, manifest or evidence.location or location, unique)


def _issue(check: str, text: str, severity: str, location: Location, unique: str) -> dict[str, Any]:
    line = location.region.start.line if location.region else 1
    return {
        "description": text,
        "check_name": check,
        "fingerprint": unique,
        "severity": severity,
        "location": {"path": visible(location.file), "lines": {"begin": line}},
    }


FORMAT: Final = ReportFormat(
    name="gitlab-codequality",
    extension=".json",
    owns_extension=False,
    media_type="application/json",
    description="GitLab's code quality report (Code Climate issues), for the lines of a merge request",
    render=render,
    aliases=("codeclimate",),
)
