"""GitLab's security report for static analysis (scan type `sast`, schema 15), for merge requests and dashboards.

One vulnerability for each failed control and resource, with all places in its details. What was not read or not
evaluated, and what is waived, are messages of the scan: GitLab takes every vulnerability of a report for open, and
its only flag says "false positive", which a waived finding is not. Vulnerabilities are encoded one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control
from kubekeep.model.framework import Framework
from kubekeep.model.location import Location
from kubekeep.model.text import json_text, utc_text, visible
from kubekeep.reports.format import Format, Options
from kubekeep.reports.shared.commonmark import code
from kubekeep.reports.shared.findings import (
    MOST,
    Distinct,
    Finding,
    excepted,
    exception_text,
    frameworks,
    gaps,
    is_broken,
    listed,
    named,
    reason_text,
    requirements,
    standing,
    undecided,
)
from kubekeep.reports.shared.wording import change

_VERSION: Final = "15.2.4"
_SCHEMA: Final = (
    "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/"
    f"v{_VERSION}/dist/sast-report-format.json"
)
_PRODUCT: Final = "https://kubekeep.io"
_NAME, _SOLUTION, _DESCRIPTION = 255, 7000, 1_048_576
"""The most characters that the schema allows."""
_IDENTIFIERS: Final = 20
"""The most that GitLab keeps for a vulnerability."""


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the report as one line of JSON with a line feed at its end."""
    head = {"version": _VERSION, "schema": _SCHEMA, "scan": _scan(assessment)}
    serves = frameworks(assessment)
    rules: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    stream.write(json_text(head)[:-1] + ',"vulnerabilities":[')
    for index, finding in enumerate(standing(assessment, Distinct())):
        slug = finding.control.slug
        if slug not in rules:
            rules[slug] = _rule(finding.control, serves.get(slug, ()))
        stream.write(("," if index else "") + json_text(_vulnerability(finding, *rules[slug])))
    stream.write("]}\n")


def _scan(assessment: Assessment) -> dict[str, Any]:
    """What the scan says of itself. It is a success also with holes: each is a warning, "a partial error"."""
    tool = {
        "id": "kubekeep",
        "name": "Kubekeep",
        "url": _PRODUCT,
        "version": assessment.version,
        "vendor": {"name": "Kubekeep"},
    }
    scan: dict[str, Any] = {
        "type": "sast",
        "status": "success",
        "start_time": utc_text(assessment.started).removesuffix("Z"),
        "end_time": utc_text(assessment.finished).removesuffix("Z"),
        "analyzer": tool,
        "scanner": tool,
    }
    if messages := list(_messages(assessment)):
        scan["messages"] = messages
    return scan


def _messages(assessment: Assessment) -> Iterator[dict[str, str]]:
    """What was not read or went wrong is a warning; what the input cannot tell is usual, and information."""
    for item in assessment.unread:
        yield _told("warn", f"not read: {item.location}: {item.message}")
    for text, summaries in gaps(assessment).items():
        level = "warn" if any(is_broken(summary.reason) for summary in summaries) else "info"
        yield _told(level, f"not evaluated: {listed(summary.control.id for summary in summaries)}: {text}")
    yield from _unjudged(assessment)
    yield from _accepted(assessment)


def _unjudged(assessment: Assessment) -> Iterator[dict[str, str]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for summary, resource, why in undecided(assessment):
        level = "warn" if is_broken(why) else "info"
        found.setdefault((level, summary.control.id, reason_text(why)), []).append(named(resource))
    for (level, control, text), resources in found.items():
        yield _told(level, f"not evaluated: {control} for {listed(resources)}: {text}")


def _accepted(assessment: Assessment) -> Iterator[dict[str, str]]:
    found: Counter[str] = Counter()
    for finding in excepted(assessment, Distinct()):
        found.update(f"{finding.control.id} {exception_text(exception)}" for exception in finding.exceptions)
    for text, count in found.items():
        yield _told("info", f"{count} finding{'' if count == 1 else 's'} of {text}")


def _told(level: str, text: str) -> dict[str, str]:
    return {"level": level, "value": visible(text)}


def _rule(control: Control, serves: Iterable[Framework]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What all vulnerabilities of a control share: what stands before their places, and what stands after them."""
    text = "\n\n".join(part.strip() for part in (control.asks, control.why) if part.strip())
    head = {
        "category": "sast",
        "name": _cut(visible(control.title), _NAME),
        "severity": control.level.label,
        "description": text,
    }
    links = (control.link, *control.references)
    tail = {
        "solution": _cut(control.fix.strip(), _SOLUTION),
        "identifiers": list(_identifiers(control, serves))[:_IDENTIFIERS],
        "links": [{"url": link} for link in dict.fromkeys(links) if link.startswith(("https://", "http://"))],
    }
    return head, tail


def _identifiers(control: Control, serves: Iterable[Framework]) -> Iterator[dict[str, str]]:
    """The first one is what GitLab tracks by: the number that Kubescape gives too, else the slug."""
    page = {"url": control.link} if control.link else {}
    for number in control.ids:
        yield {"type": "kubescape_control_id", "name": number, "value": number, **page}
    yield {"type": "kubekeep_control", "name": control.slug, "value": control.slug, **page}
    for asked in requirements(control, serves):
        link = {"url": asked.url} if asked.url.startswith(("https://", "http://")) else {}
        name = visible(f"{asked.name} {asked.id}")
        yield {"type": asked.framework, "name": name, "value": asked.id, **link}


def _vulnerability(finding: Finding, head: Mapping[str, Any], tail: Mapping[str, Any]) -> dict[str, Any]:
    resource = finding.resource
    places = "\n".join(f"- {code(line)}" for line in finding.lines)
    affected = f"Affected: {code(named(resource))}"
    text = "\n\n".join(filter(None, (head["description"], affected, places)))
    return {
        "id": finding.uid,
        **head,
        "description": _cut(text, _DESCRIPTION),
        **tail,
        "location": _location(finding),
        "tracking": {"type": "source", "items": [_tracked(finding)]},
        "details": _details(finding),
    }


def _location(finding: Finding) -> dict[str, Any]:
    """Where GitLab shows it. A resource from no file stands for its file, so that two are not taken for one."""
    place = finding.place
    if place is None:
        return {"file": "/".join(visible(part) for part in _logical(finding) if part)}
    entry: dict[str, Any] = {"file": visible(place.file)}
    if place.region is not None:
        entry |= {"start_line": place.region.start.line, "end_line": place.region.end.line}
    return entry


def _logical(finding: Finding) -> tuple[str, ...]:
    return finding.resource.namespace, finding.resource.kind, finding.resource.name


def _tracked(finding: Finding) -> dict[str, Any]:
    """By what GitLab knows it again when lines move: the fingerprint, which no line is part of."""
    return {**_location(finding), "signatures": [{"algorithm": "scope_offset", "value": finding.uid}]}


def _details(finding: Finding) -> dict[str, Any]:
    """The resource and, as a table, each field with its change and its place."""
    rows = [
        [
            {"type": "code", "value": visible(evidence.path) or "the whole resource"},
            {"type": "text", "value": visible(change(evidence))},
            _cell(evidence.location or finding.place),
        ]
        for evidence in finding.evidence[:MOST]
    ]
    details: dict[str, Any] = {
        "resource": {"name": "Resource", "type": "text", "value": named(finding.resource)},
    }
    if rows:
        header = [{"type": "text", "value": text} for text in ("Field", "Change", "Place")]
        details["fields"] = {"name": "Affected fields", "type": "table", "header": header, "rows": rows}
    return details


def _cell(location: Location | None) -> dict[str, Any]:
    if location is None or location.region is None:
        return {"type": "text", "value": visible(str(location)) if location else "in no file"}
    start, end = location.region.start.line, location.region.end.line
    return {"type": "file-location", "file_name": visible(location.file), "line_start": start, "line_end": end}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


FORMAT: Final = Format(
    name="gitlab-sast",
    extension=".json",
    media_type="application/json",
    description="GitLab's security report (SAST), for merge requests and vulnerability reports",
    render=render,
)
