"""Findings with stable identifiers for machine-readable formats.

A finding is one control on one resource with its evidence. Does not format text for people; no I/O.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote_from_bytes

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Finding
from kubekeep.model.framework import Framework
from kubekeep.model.location import Location, Region
from kubekeep.model.subject import Subject
from kubekeep.model.text import encode_json, visible
from kubekeep.model.verdict import Cause, Reason, Status
from kubekeep.reports.shared.wording import describe_change, reason_text

MOST: Final = 50
"""Maximum number of evidence lines in a text; the rest is only counted."""


class UniqueIds:
    """Generator of unique identifiers: the first of equal texts is kept, each further one is replaced by a hash."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, text: str) -> str:
        """Return text if it is new, else 64 hexadecimal digits derived from it and its ordinal number."""
        self._seen[text] += 1
        number = self._seen[text]
        return text if number == 1 else hashlib.sha256(f"{text} {number}".encode()).hexdigest()


class RequirementReference(msgspec.Struct, frozen=True):
    """A numbered requirement that a control covers. `name` is the slug of a framework that is not part of the scan."""

    framework: str
    name: str
    id: str
    url: str = ""


def identify(findings: Iterable[Finding], unique_ids: UniqueIds) -> Iterator[tuple[Finding, str]]:
    """Yield each finding with an identifier of 64 hexadecimal digits that is unique in a report.

    It is the fingerprint, unless two resources of the input share an identity. Excepted findings must be identified
    after the open ones: a partly excepted finding is counted there first, and a fully excepted one keeps its identifier.
    """
    for finding in findings:
        yield finding, unique_ids(finding.name_fingerprint)


def list_all_findings(assessment: Assessment) -> Iterator[Finding]:
    """Yield the open findings, then the excepted ones, which have `suppressions`."""
    yield from assessment.findings
    yield from assessment.excepted_findings


def list_changes(finding: Finding) -> Iterator[str]:
    """Yield the changes to make, a line for each of at most `MOST` locations: `web.yaml:21: set hostPID to false`."""
    for evidence in finding.evidence[:MOST]:
        location = evidence.location or finding.subject.locate(())
        yield visible(f"{location}: {describe_change(evidence)}" if location else describe_change(evidence))
    if len(finding.evidence) > MOST:
        yield f"and {len(finding.evidence) - MOST} more"


def unevaluated_resources(assessment: Assessment) -> Iterator[tuple[DefinitionSummary, Subject, Reason | None]]:
    """Yield resources that a control could not evaluate although it evaluated others."""
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    for result in assessment.results:
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.NOT_EVALUATED and not by_slug[slug].is_gap:
                yield by_slug[slug], result.subject, verdict.reason


def group_gaps(assessment: Assessment) -> dict[str, list[DefinitionSummary]]:
    """Group the controls that were not evaluated by reason, in the order of the assessment.

    Controls for manual review form one group although each has its own reason text.
    """
    groups: dict[str, list[DefinitionSummary]] = {}
    for summary in assessment.summaries:
        if summary.is_gap:
            manual = summary.reason is not None and summary.reason.cause is Cause.MANUAL
            text = "requires manual review" if manual else reason_text(summary.reason)
            groups.setdefault(text, []).append(summary)
    return groups


def is_error(reason: Reason | None) -> bool:
    """Return True if evaluation failed with an error, rather than for missing input."""
    return reason is not None and reason.cause in (Cause.RULE_ERROR, Cause.MALFORMED)


def frameworks_by_control(assessment: Assessment) -> dict[str, list[Framework]]:
    """Map each control's slug to the frameworks of the scan that include it, except frameworks of all controls."""
    by_control: dict[str, list[Framework]] = {}
    for summary in assessment.frameworks:
        if summary.framework.all_controls:
            continue
        for slug in summary.controls:
            by_control.setdefault(slug, []).append(summary.framework)
    return by_control


def framework_names_by_control(assessment: Assessment) -> dict[str, list[str]]:
    """Map each control's slug to the names of all frameworks of the scan that include it."""
    by_control: dict[str, list[str]] = {}
    for summary in assessment.frameworks:
        for slug in summary.controls:
            by_control.setdefault(slug, []).append(summary.framework.name)
    return by_control


def list_requirements(control: Definition, frameworks: Iterable[Framework]) -> Iterator[RequirementReference]:
    """Yield the numbered requirements that a control covers in all frameworks, those of the scan first."""
    scanned_frameworks = {framework.slug: framework for framework in frameworks}
    for slug in (*scanned_frameworks, *(other for other in control.satisfies if other not in scanned_frameworks)):
        framework = scanned_frameworks.get(slug)
        for text in control.satisfies.get(slug, ()):
            if framework is None:
                yield RequirementReference(slug, slug, text)
            else:
                yield RequirementReference(slug, framework.name, text, framework.url)


def join_names(names: Iterable[str], most: int = MOST) -> str:
    """Return `a, b and 3 more` with at most `most` names."""
    all_names = list(names)
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return ", ".join(all_names[:most]) + more


def resource_name(resource: Subject) -> str:
    """Return the display name of a resource: `Deployment shop/web`."""
    return visible(resource.label)


def cut(text: str, most: int) -> str:
    """Return text with at most `most` characters; longer text ends with three dots."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def digest(*parts: str) -> str:
    """Return 64 hexadecimal digits that identify an entry that is not a finding; stable from scan to scan."""
    return hashlib.sha256(encode_json(parts).encode()).hexdigest()


def file_lines(location: Location) -> dict[str, Any]:
    """Return the keys `file`, `start_line` and `end_line` of a location; lines only if they are known."""
    entry: dict[str, Any] = {"file": visible(location.file)}
    if location.region is not None:
        entry |= {"start_line": location.region.start.line, "end_line": location.region.end.line}
    return entry


def describe_region(region: Region | None) -> dict[str, int]:
    """Return the keys `startLine` to `endColumn` of SARIF (§3.30) and of our JSON; none without a region."""
    if region is None:
        return {}
    start, end = region.start, region.end
    return {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column}


def quote_path(path: str) -> str:
    """Return the path percent-encoded (RFC 3986); bytes of a file name that is not UTF-8 are kept."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return quote_from_bytes(raw)


def unix_time(moment: dt.datetime) -> float:
    """Return seconds since 1970; a time without a zone is taken as UTC."""
    return (moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment).timestamp()


def exception_text(exception: AppliedException) -> str:
    """Return `covered by exception web until 2027-01-31: behind a gateway`."""
    until = f" until {exception.expires:%Y-%m-%d}" if exception.expires else ""
    reason = f": {exception.reason}" if exception.reason else ""
    return visible(f"covered by exception {exception.name}{until}{reason}")
