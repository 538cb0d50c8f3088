"""CSV (RFC 4180) with the columns of Kubescape's `--format csv`, followed by our own columns.

One row per control and evaluated resource: the failed ones by priority, the others in the order of the JSON report.
Then one row without a resource for each control that was not evaluated at all, and one for each input that was not
read. Every cell is one line of text. A cell
that a spreadsheet would evaluate as a formula is prefixed with an apostrophe, as OWASP recommends against CSV
injection; programs that read the file must remove it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment, UnreadInput
from kubekeep.model.finding import Reason, Status, Verdict, first_location
from kubekeep.model.location import Location
from kubekeep.model.priority import Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.kubescape_v2 import write as kubescape_v2
from kubekeep.reports.shared import wording
from kubekeep.reports.shared.findings import framework_names_by_control

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
)
UNREAD: Final = "unread"
"""Status of a row for unread input; all other statuses are Kubescape's."""
EXCEPTED: Final = "w/exceptions"
"""Kubescape's sub-status of a control that passed only because of exceptions."""
LONGEST: Final = 32_767
"""Maximum characters of a cell; Excel spreads longer text over the rows below."""
_FORMULA: Final = re.compile("[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""Characters that start a formula, in ASCII and full-width form. Tabs and line breaks are escaped before."""
_NO_RESOURCE: Final = ("", "", "", "", "")


class _ControlCells(msgspec.Struct, frozen=True):
    """Cells shared by all rows of a control."""

    head: tuple[str, str, str]
    remediation: str
    link: str
    frameworks: str
    priority: Priority


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the header and all rows, each ending with CR LF."""
    writer = csv.writer(stream)
    writer.writerow(HEADER)
    controls = _controls(assessment)
    order = [index for _, index in kubescape_v2.sort_resources(assessment)]
    for slug, index, level in _sort_failed(assessment, order):
        result = assessment.results[index]
        cells = _finding(controls[slug], result.verdicts[slug], result.resource, _resource(result.resource))
        writer.writerow((*cells, level.label))
    for result in map(assessment.results.__getitem__, order):
        resource = _resource(result.resource)
        for slug, verdict in result.verdicts.items():
            if verdict.is_excepted:
                writer.writerow((*_finding(controls[slug], verdict, result.resource, resource), ""))
            elif verdict.status is not Status.FAILED:
                writer.writerow(_row(controls[slug], verdict.status, verdict.reason, resource))
    for summary in assessment.controls:
        if summary.is_gap:
            writer.writerow(_row(controls[summary.control.slug], summary.status, summary.reason, _NO_RESOURCE))
    writer.writerows(map(_unread, assessment.unread))


def _sort_failed(assessment: Assessment, order: Iterable[int]) -> list[tuple[str, int, Severity]]:
    """Return slug of the control, index of the result and priority of each finding, by priority, then by severity."""
    summaries = {summary.control.slug: summary for summary in assessment.controls}
    failed = [
        (slug, index, result.get_priority(summaries[slug]))
        for index in order
        for result in (assessment.results[index],)
        for slug, verdict in result.verdicts.items()
        if verdict.status is Status.FAILED
    ]
    failed.sort(key=lambda entry: (-entry[2].score, -summaries[entry[0]].control.severity))
    return [(slug, index, priority.level) for slug, index, priority in failed]


def _controls(assessment: Assessment) -> dict[str, _ControlCells]:
    frameworks = framework_names_by_control(assessment)
    return {
        summary.control.slug: _ControlCells(
            (_cell(summary.control.title), _cell(summary.control.id), summary.control.level.label),
            _cell(" ".join(summary.control.fix.split())),
            _cell(summary.control.link),
            _cell("; ".join(frameworks.get(summary.control.slug, ()))),
            summary.priority,
        )
        for summary in assessment.controls
    }


def _resource(resource: Resource) -> tuple[str, ...]:
    """Return the four cells that identify the resource, and its file."""
    source = resource.source.path if resource.source else ""
    return tuple(map(_cell, (resource.name, resource.kind, resource.namespace, resource.api_version, source)))


def _row(control: _ControlCells, status: Status, reason: Reason | None, resource: tuple[str, ...]) -> tuple[str, ...]:
    """Return the row of a passed or unevaluated control, without fields about fixes."""
    word, sub_status = kubescape_v2.status_words(status, reason)
    message = _cell(reason.text) if reason else ""
    ours = ("", "", "", control.frameworks, sub_status, message, "")
    return (*control.head, word, *resource[:4], "", "", "", control.link, resource[4], *ours)


def _finding(control: _ControlCells, verdict: Verdict, resource: Resource, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cells of a failed or excepted control with its open evidence, or with all if none is open.

    All columns except the priority.
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
        *_place(first_location(resource, reported_verdict.evidence)),
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


def _unread(unread: UnreadInput) -> tuple[str, ...]:
    place = _place(unread.location)
    return ("", "", "", UNREAD, *_NO_RESOURCE[:4], "", "", "", "", place[0], *place, "", "", _cell(unread.message), "")


def _place(location: Location | None) -> tuple[str, str, str]:
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
    extras=frozenset({Extra.CONTEXT}),
)
