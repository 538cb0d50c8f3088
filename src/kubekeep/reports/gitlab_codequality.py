"""GitLab's code quality report, an array of Code Climate issues: findings on the lines of a merge request.

One issue for each place. The format knows findings in files only: what was not read is an issue of its file, what
was not evaluated one issue of the folder, and what is waived is no issue.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.fingerprint import evidence_fingerprint
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.reports.format import Format, Options
from kubekeep.reports.shared.findings import Distinct, Finding, digest, listed, named, standing
from kubekeep.reports.shared.wording import change

_SEVERITY: Final = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.UNKNOWN: "info",
}

_NAMED: Final = 10
"""How many controls that were not evaluated are named, the worst first: the text is shown on one line."""


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the array as one line of JSON with a line feed at its end."""
    stream.write("[")
    stream.writelines(("," if index else "") + json_text(issue) for index, issue in enumerate(_issues(assessment)))
    stream.write("]\n")


def _issues(assessment: Assessment) -> Iterator[dict[str, Any]]:
    distinct = Distinct()
    for item in assessment.unread:
        text = visible(f"Not read: {item.message}")
        yield _issue("kubekeep-input", text, "major", item.location, distinct(digest("input", item.location.file)))
    if skipped := [summary.control.id for summary in assessment.controls if summary.is_gap]:
        text = f"Not evaluated, other reports say why: {listed(skipped, _NAMED)}"
        unique = distinct(digest("coverage", *sorted(skipped)))
        yield _issue("kubekeep-coverage", visible(text), "info", Location("."), unique)
    for finding in standing(assessment, Distinct()):
        yield from _places(finding, distinct)


def _places(finding: Finding, distinct: Distinct) -> Iterator[dict[str, Any]]:
    control, resource = finding.control, finding.resource
    head = f"{control.title}: {named(resource)}"
    severity = _SEVERITY[control.level]
    whole = finding.place or Location("/".join(filter(None, (resource.namespace, resource.kind, resource.name))))
    if not finding.evidence:
        yield _issue(control.id, visible(head), severity, whole, distinct(finding.uid))
    for evidence in finding.evidence:
        unique = distinct(evidence_fingerprint(control.id, resource, evidence.path))
        text = visible(f"{head}: {change(evidence)}")
        yield _issue(control.id, text, severity, evidence.location or whole, unique)


def _issue(check: str, text: str, severity: str, place: Location, unique: str) -> dict[str, Any]:
    line = place.region.start.line if place.region else 1
    return {
        "description": text,
        "check_name": check,
        "fingerprint": unique,
        "severity": severity,
        "location": {"path": visible(place.file), "lines": {"begin": line}},
    }


FORMAT: Final = Format(
    name="gitlab-codequality",
    extension=".json",
    media_type="application/json",
    description="GitLab's code quality report (Code Climate issues), for the lines of a merge request",
    render=render,
    aliases=("codeclimate",),
)
