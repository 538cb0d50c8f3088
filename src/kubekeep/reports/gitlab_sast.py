"""GitLab's security report for static analysis (scan type `sast`, schema 15), for merge requests and dashboards.

One vulnerability per failed control and resource, with all locations in its details. Unread input, packages that were not
assessed, unevaluated controls and exceptions are messages of the scan: GitLab treats every vulnerability of a report as open, and its only
flag, "false positive", does not describe an excepted finding. Vulnerabilities are encoded one by one. Those of packages are
in the format `gitlab-container-scanning` instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.finding import Finding
from kubekeep.model.framework import Framework
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.findings import (
    MOST,
    UniqueIds,
    cut,
    exception_text,
    file_lines,
    frameworks_by_control,
    group_gaps,
    identify,
    is_error,
    join_names,
    list_changes,
    list_requirements,
    resource_name,
    unevaluated_resources,
)
from kubekeep.reports.shared.gitlab_reports import (
    MAX_DESCRIPTION,
    MAX_IDENTIFIERS,
    MAX_NAME,
    MAX_SOLUTION,
    create_message,
    write_report,
)
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.wording import code, count_noun, describe_change, reason_text


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the report as one line of JSON with a final line feed."""
    write_report(assessment, "sast", _messages(assessment), _vulnerabilities(assessment), stream)


def _vulnerabilities(assessment: Assessment) -> Iterator[dict[str, Any]]:
    frameworks = frameworks_by_control(assessment)
    rules: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    findings = (finding for finding in assessment.findings if not finding.definition.concerns_packages)
    for finding, uid in identify(findings, UniqueIds()):
        slug = finding.definition.slug
        if slug not in rules:
            rules[slug] = _rule(finding.definition, frameworks.get(slug, ()))
        yield _vulnerability(finding, uid, *rules[slug])


def _messages(assessment: Assessment) -> Iterator[dict[str, str]]:
    """Yield the messages about controls: errors as warnings, other coverage gaps and exceptions as information."""
    for text, summaries in group_gaps(assessment).items():
        level = "warn" if any(is_error(summary.reason) for summary in summaries) else "info"
        names = join_names(summary.definition.id for summary in summaries)
        yield create_message(level, f"not evaluated: {names}: {text}")
    yield from _unevaluated(assessment)
    yield from _excepted(assessment)
    if count := sum(finding.definition.concerns_packages for finding in assessment.findings):
        yield create_message("info", f"{count_noun(count, 'vulnerability')}: see the format gitlab-container-scanning")


def _unevaluated(assessment: Assessment) -> Iterator[dict[str, str]]:
    resources_by_reason: dict[tuple[str, str, str], list[str]] = {}
    for summary, resource, reason in unevaluated_resources(assessment):
        level = "warn" if is_error(reason) else "info"
        resources_by_reason.setdefault((level, summary.definition.id, reason_text(reason)), []).append(
            resource_name(resource)
        )
    for (level, control, text), resources in resources_by_reason.items():
        yield create_message(level, f"not evaluated: {control} for {join_names(resources)}: {text}")


def _excepted(assessment: Assessment) -> Iterator[dict[str, str]]:
    counts: Counter[str] = Counter()
    for finding in assessment.excepted_findings:
        counts.update(f"{finding.definition.id} {exception_text(exception)}" for exception in finding.suppressions)
    for text, count in counts.items():
        yield create_message("info", f"{count} finding{'' if count == 1 else 's'} of {text}")


def _rule(control: Definition, frameworks: Iterable[Framework]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the shared parts of all vulnerabilities of a control: keys before the locations, and keys after them."""
    text = "\n\n".join(part.strip() for part in (control.asks, control.why) if part.strip())
    head = {
        "category": "sast",
        "name": cut(visible(control.title), MAX_NAME),
        "description": text,
    }
    links = (control.link, *control.references)
    tail = {
        "solution": cut(control.fix.strip(), MAX_SOLUTION),
        "identifiers": list(_identifiers(control, frameworks))[:MAX_IDENTIFIERS],
        "links": [{"url": link} for link in dict.fromkeys(links) if link.startswith(("https://", "http://"))],
    }
    return head, tail


def _identifiers(control: Definition, frameworks: Iterable[Framework]) -> Iterator[dict[str, str]]:
    """Yield the identifiers; GitLab tracks by the first one: the Kubescape ID, or the slug if there is none."""
    page = {"url": control.link} if control.link else {}
    for number in control.ids:
        yield {"type": "kubescape_control_id", "name": number, "value": number, **page}
    yield {"type": "kubekeep_control", "name": control.slug, "value": control.slug, **page}
    for requirement in list_requirements(control, frameworks):
        link = {"url": requirement.url} if requirement.url.startswith(("https://", "http://")) else {}
        name = visible(f"{requirement.name} {requirement.id}")
        yield {"type": requirement.framework, "name": name, "value": requirement.id, **link}


def _vulnerability(finding: Finding, uid: str, head: Mapping[str, Any], tail: Mapping[str, Any]) -> dict[str, Any]:
    location = _location(finding)
    # The fingerprint is independent of line numbers.
    tracking = {**location, "signatures": [{"algorithm": "scope_offset", "value": uid}]}
    changes = "\n".join(f"- {code(line)}" for line in list_changes(finding))
    affected = f"Affected: {code(resource_name(finding.subject))}"
    text = "\n\n".join(filter(None, (head["description"], affected, changes)))
    return {
        "id": uid,
        **head,
        "severity": priority_level(finding).label,
        "description": cut(text, MAX_DESCRIPTION),
        **tail,
        "location": location,
        "tracking": {"type": "source", "items": [tracking]},
        "details": _details(finding),
    }


def _location(finding: Finding) -> dict[str, Any]:
    """Return the location. A resource without a file gets its name as file, so that GitLab does not merge findings."""
    resource, location = finding.subject, finding.location
    if location is None:
        return {"file": "/".join(visible(part) for part in (resource.namespace, resource.kind, resource.name) if part)}
    return file_lines(location)


def _details(finding: Finding) -> dict[str, Any]:
    """Return the resource and a table of fields with change and location."""
    rows = [
        [
            {"type": "code", "value": visible(evidence.path) or "the whole resource"},
            {"type": "text", "value": visible(describe_change(evidence))},
            _cell(evidence.location or finding.location),
        ]
        for evidence in finding.evidence[:MOST]
    ]
    details: dict[str, Any] = {
        "resource": {"name": "Resource", "type": "text", "value": resource_name(finding.subject)}
    }
    if rows:
        header = [{"type": "text", "value": text} for text in ("Field", "Change", "Location")]
        details["fields"] = {"name": "Affected fields", "type": "table", "header": header, "rows": rows}
    return details


def _cell(location: Location | None) -> dict[str, Any]:
    if location is None or location.region is None:
        return {"type": "text", "value": visible(str(location)) if location else "not in a file"}
    start, end = location.region.start.line, location.region.end.line
    return {"type": "file-location", "file_name": visible(location.file), "line_start": start, "line_end": end}


FORMAT: Final = ReportFormat(
    name="gitlab-sast",
    extension=".json",
    owns_extension=False,
    media_type="application/json",
    description="GitLab's security report (SAST), for merge requests and vulnerability reports",
    render=render,
)
