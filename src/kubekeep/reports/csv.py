"""CSV (RFC 4180) with the columns of Kubescape's `--format csv`, followed by our own columns.

One row per control and evaluated resource, and per vulnerability and package: the failed ones by priority, the others in
the order of the JSON report. Then one row without a resource for each control that was not evaluated at all, and one for each input that was not
read. Every cell is one line of text. A cell
that a spreadsheet would evaluate as a formula is prefixed with an apostrophe, as OWASP recommends against CSV
injection; programs that read the file must remove it.
"""

from __future__ import annotations

import csv
import heapq
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.model.finding import first_location
from kubekeep.model.location import Location
from kubekeep.model.priority import Priority
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.model.verdict import Reason, Status, Verdict
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.kubescape_v2 import write as kubescape_v2
from kubekeep.reports.shared import wording
from kubekeep.reports.shared.findings import framework_names_by_control
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, iterate_subjects, list_uncovered
from kubekeep.reports.shared.vulnerability_text import (
    describe_container,
    describe_record,
    describe_vulnerability,
    link_to,
    recommend,
)

HEADER: Final = (
    "Control Name",
    "Control ID",
    "Severity",
    "Status",
    "Resource Name",
    "Resource Kind",
    "Resource Namespace",
    "API Version",
    "Failed Paths",
    "Fix Paths",
    "Remediation",
    "Control URL",
    "Source Path",
    # Columns that Kubescape does not have.
    "File",
    "Line",
    "Column",
    "Frameworks",
    "Sub Status",
    "Message",
    "Priority",
    "Package",
    "Installed Version",
    "Fixed Version",
    "Known Exploited",
    "EPSS",
    "Workloads",
)
UNREAD: Final = "unread"
"""Status of a row for unread input."""
NOT_ASSESSED: Final = "not assessed"
"""Status of a row for packages that no advisories can cover; all other statuses are Kubescape's."""
EXCEPTED: Final = "w/exceptions"
"""Kubescape's sub-status of a control that passed only because of exceptions."""
LONGEST: Final = 32_767
"""Maximum characters of a cell; Excel spreads longer text over the rows below."""
_FORMULA: Final = re.compile("[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""Characters that start a formula, in ASCII and full-width form. Tabs and line breaks are escaped before."""
_NO_RESOURCE: Final = ("", "", "", "", "")
_NO_PACKAGE: Final = ("", "", "", "", "", "")


class _ControlCells(msgspec.Struct, frozen=True):
    """Cells shared by all rows of a control."""

    head: tuple[str, str, str]
    remediation: str
    link: str
    frameworks: str


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the header and all rows, each ending with CR LF."""
    writer = csv.writer(stream)
    writer.writerow(HEADER)
    controls = _controls(assessment)
    order = [index for _, index in kubescape_v2.sort_resources(assessment)]
    vulnerabilities = [entry for subject in iterate_subjects(assessment) for entry in subject.vulnerabilities]
    reported = {entry.definition.slug for entry in vulnerabilities}
    failed = heapq.merge(
        _list_failed(assessment, order, reported, controls),
        _list_vulnerabilities(vulnerabilities, controls),
        key=lambda entry: entry[0],
    )
    writer.writerows(row for _, row in failed)
    writer.writerows(_vulnerability(controls, entry) for entry in vulnerabilities if entry.exception is not None)
    for result in map(assessment.results.__getitem__, order):
        writer.writerows(_list_others(result, reported, controls))
    for summary in assessment.summaries:
        if summary.is_gap:
            writer.writerow(_row(controls[summary.definition.slug], summary.status, summary.reason, _NO_RESOURCE))
    writer.writerows(_list_unread(assessment))


def _list_others(
    result: SubjectResult, reported: Container[str], controls: Mapping[str, _ControlCells]
) -> Iterator[tuple[str, ...]]:
    """Yield the rows of controls that did not fail on a resource; `reported` vulnerabilities have rows of their own."""
    resource = _resource(result.subject)
    for slug, verdict in result.verdicts.items():
        if slug in reported:
            continue
        if verdict.is_excepted:
            yield (*_finding(controls[slug], verdict, result.subject, resource), "", *_NO_PACKAGE)
        elif verdict.status is not Status.FAILED:
            yield _row(controls[slug], verdict.status, verdict.reason, resource)


_Order = tuple[float, float]
"""Sort key of a row: priority, then severity."""


def _order(priority: Priority, control: Definition) -> _Order:
    return -priority.score, -control.severity


def _list_vulnerabilities(
    entries: Iterable[ReportedVulnerability], controls: Mapping[str, _ControlCells]
) -> Iterator[tuple[_Order, tuple[str, ...]]]:
    """Yield the rows of open vulnerabilities by priority, then by severity, with their sort keys."""
    open_entries = [entry for entry in entries if entry.exception is None]
    for entry in sorted(open_entries, key=lambda entry: _order(entry.priority, entry.definition)):
        yield _order(entry.priority, entry.definition), _vulnerability(controls, entry)


def _list_failed(
    assessment: Assessment, order: Iterable[int], reported: Container[str], controls: Mapping[str, _ControlCells]
) -> Iterator[tuple[_Order, tuple[str, ...]]]:
    """Yield the rows of failed controls by priority, then by severity, with their sort keys."""
    summaries = {summary.definition.slug: summary for summary in assessment.summaries}
    failed = [
        (slug, index, result.get_priority(summaries[slug]))
        for index in order
        for result in (assessment.results[index],)
        for slug, verdict in result.verdicts.items()
        if verdict.status is Status.FAILED and slug not in reported
    ]
    failed.sort(key=lambda entry: _order(entry[2], summaries[entry[0]].definition))
    for slug, index, priority in failed:
        result = assessment.results[index]
        cells = _finding(controls[slug], result.verdicts[slug], result.subject, _resource(result.subject))
        yield _order(priority, summaries[slug].definition), (*cells, priority.level.label, *_NO_PACKAGE)


def _vulnerability(controls: Mapping[str, _ControlCells], entry: ReportedVulnerability) -> tuple[str, ...]:
    """Return the row of a vulnerability of one package."""
    control, resource = controls[entry.definition.slug], _resource(entry.subject)
    verdict = Verdict(Status.FAILED if entry.exception is None else Status.PASSED, (entry.evidence,))
    word, sub_status = kubescape_v2.status_words(verdict.status, None)
    exception = [] if entry.exception is None else [wording.describe_exception(entry.exception)]
    message = "; ".join((describe_vulnerability(entry), *map(describe_record, entry.records), *entry.notes, *exception))
    return (
        _cell(entry.title),
        control.head[1],
        entry.severity.label,
        word,
        *resource[:4],
        *map(_cell, _paths(verdict)),
        _cell(recommend(entry)),
        _cell(link_to(entry.id)),
        resource[4],
        *_locate(entry.evidence.location or entry.subject.locate(())),
        control.frameworks,
        sub_status if entry.exception is None else EXCEPTED,
        _cell(message),
        entry.priority.level.label if entry.exception is None else "",
        _cell(entry.package),
        _cell(entry.version),
        _cell(entry.fixed_version),
        _cell(entry.known_exploited),
        "" if entry.epss is None else f"{entry.epss:g}",
        _cell("; ".join(map(describe_container, entry.containers))),
    )


def _controls(assessment: Assessment) -> dict[str, _ControlCells]:
    frameworks = framework_names_by_control(assessment)
    return {
        summary.definition.slug: _ControlCells(
            (_cell(summary.definition.title), _cell(summary.definition.id), summary.definition.level.label),
            _cell(" ".join(summary.definition.fix.split())),
            _cell(summary.definition.link),
            _cell("; ".join(frameworks.get(summary.definition.slug, ()))),
        )
        for summary in assessment.summaries
    }


def _resource(resource: Subject) -> tuple[str, ...]:
    """Return the four cells that identify the resource, and its file."""
    source = resource.source.path if resource.source else ""
    return tuple(map(_cell, (resource.name, resource.kind, resource.namespace, resource.api_version, source)))


def _row(control: _ControlCells, status: Status, reason: Reason | None, resource: tuple[str, ...]) -> tuple[str, ...]:
    """Return the row of a passed or unevaluated control, without fields about fixes."""
    word, sub_status = kubescape_v2.status_words(status, reason)
    message = _cell(reason.text) if reason else ""
    ours = ("", "", "", control.frameworks, sub_status, message, "", *_NO_PACKAGE)
    return (*control.head, word, *resource[:4], "", "", "", control.link, resource[4], *ours)


def _finding(control: _ControlCells, verdict: Verdict, resource: Subject, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cells of a failed or excepted control with its open evidence, or with all if none is open.

    All columns except the priority and those of packages.
    """
    reported_verdict = verdict if verdict.is_excepted else verdict.unexcepted
    word, sub_status = kubescape_v2.status_words(verdict.status, verdict.reason)
    return (
        *control.head,
        word,
        *cells[:4],
        *map(_cell, _paths(reported_verdict)),
        control.remediation,
        control.link,
        cells[4],
        *_locate(first_location(resource, reported_verdict.evidence)),
        control.frameworks,
        EXCEPTED if verdict.is_excepted else sub_status,
        _cell("; ".join(_messages(verdict))),
    )


def _paths(verdict: Verdict) -> tuple[str, str]:
    """Return the failed paths, and the fix paths with their values, joined as in Kubescape."""
    entries = [path for evidence in verdict.evidence for path in kubescape_v2.list_paths(evidence)]
    failed = [str(entry["failedPath"]) for entry in entries if "failedPath" in entry]
    fixes = (entry["fixPath"] for entry in entries)
    return "; ".join(failed), "; ".join(f"{fix['path']}={fix['value']}" for fix in fixes if fix["path"])


def _messages(verdict: Verdict) -> Iterator[str]:
    """Yield the distinct messages of the rule, then the descriptions of the exceptions."""
    yield from dict.fromkeys(evidence.note for evidence in verdict.unexcepted.evidence if evidence.note)
    yield from dict.fromkeys(
        wording.describe_exception(evidence.exception)
        for evidence in verdict.excepted.evidence
        if evidence.exception is not None
    )


def _list_unread(assessment: Assessment) -> Iterator[tuple[str, ...]]:
    for status, entries in ((UNREAD, assessment.unread), (NOT_ASSESSED, list_uncovered(assessment))):
        for entry in entries:
            location = _locate(entry.location)
            cells = {"Status": status, "Source Path": location[0], "Message": _cell(entry.message)}
            cells |= dict(zip(("File", "Line", "Column"), location, strict=True))
            yield tuple(cells.get(column, "") for column in HEADER)


def _locate(location: Location | None) -> tuple[str, str, str]:
    """Return file, line and column of a location, which may differ from the resource's own file."""
    if location is None:
        return ("", "", "")
    start = location.region.start if location.region else None
    return (_cell(location.file), *((str(start.line), str(start.column)) if start else ("", "")))


def _cell(text: str) -> str:
    cell = visible(text)
    if _FORMULA.match(cell):
        cell = f"'{cell}"
    return cell if len(cell) <= LONGEST else f"{cell[: LONGEST - 1]}…"


FORMAT: Final = ReportFormat(
    name="csv",
    extension=".csv",
    media_type="text/csv",
    description="a row for each control and resource, with the columns of Kubescape, for spreadsheets",
    render=render,
)
