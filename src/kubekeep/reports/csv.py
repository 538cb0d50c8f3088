"""CSV (RFC 4180) with the columns of Kubescape's `--format csv`, and more of our own behind them.

A row for each control and resource it applies to, whatever came of it, in the order of the JSON report. Behind those,
with no resource, a row for each control that was not evaluated at all, and one for each input that was not read.
Every cell is text on one line. A cell that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP
advises against CSV injection; whoever reads the file by program takes it off again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment, Unread
from kubekeep.model.finding import Reason, Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.reports.format import Format, Options
from kubekeep.reports.kubescape_v2 import write as kubescape_v2
from kubekeep.reports.shared import wording

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
    # what follows is ours
    "File",
    "Line",
    "Column",
    "Frameworks",
    "Sub Status",
    "Message",
)
UNREAD: Final = "unread"
"""The status of a row for an input that was not read; all others are Kubescape's."""
EXCEPTED: Final = "w/exceptions"
"""Kubescape's sub-status of what passed by waivers alone."""
LONGEST: Final = 32_767
"""Characters of a cell: what is longer Excel would spread over the rows below."""
_FORMULA: Final = re.compile("[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""What a cell must not begin with, in either width. Tabs and line breaks are escapes by then."""
_NO_RESOURCE: Final = ("", "", "", "", "")


class _Control(msgspec.Struct, frozen=True):
    """The cells that the rows of one control share: title, id and severity; and the others, one each."""

    head: tuple[str, str, str]
    remediation: str
    link: str
    frameworks: str


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the header and all rows, each ending with CR LF."""
    writer = csv.writer(stream)
    writer.writerow(HEADER)
    controls = _controls(assessment)
    for _, index in kubescape_v2.order(assessment):
        result = assessment.results[index]
        resource = _resource(result.resource)
        for slug, verdict in result.verdicts.items():
            control = controls[slug]
            if verdict.evidence or verdict.status is Status.FAILED:
                writer.writerow(_finding(control, verdict, result.resource, resource))
            else:
                writer.writerow(_row(control, verdict.status, verdict.reason, resource))
    for summary in assessment.controls:
        if summary.is_gap:
            writer.writerow(_row(controls[summary.control.slug], summary.status, summary.reason, _NO_RESOURCE))
    writer.writerows(map(_unread, assessment.unread))


def _controls(assessment: Assessment) -> dict[str, _Control]:
    frameworks: dict[str, list[str]] = {}
    for framework in assessment.frameworks:
        for slug in framework.controls:
            frameworks.setdefault(slug, []).append(framework.framework.name)
    return {
        summary.control.slug: _Control(
            (_cell(summary.control.title), _cell(summary.control.id), summary.control.level.label),
            _cell(" ".join(summary.control.fix.split())),
            _cell(summary.control.link),
            _cell("; ".join(frameworks.get(summary.control.slug, ()))),
        )
        for summary in assessment.controls
    }


def _resource(resource: Resource) -> tuple[str, ...]:
    """The four cells that say which, and the one of its file."""
    source = resource.source.path if resource.source else ""
    return tuple(map(_cell, (resource.name, resource.kind, resource.namespace, resource.api_version, source)))


def _row(control: _Control, status: Status, reason: Reason | None, resource: tuple[str, ...]) -> tuple[str, ...]:
    """A row of what passed or was not evaluated: there is nothing to mend."""
    word, sub_status = kubescape_v2.status_words(status, reason)
    message = _cell(reason.text) if reason else ""
    ours = ("", "", "", control.frameworks, sub_status, message)
    return (*control.head, word, *resource[:4], "", "", "", control.link, resource[4], *ours)


def _finding(control: _Control, verdict: Verdict, resource: Resource, cells: tuple[str, ...]) -> tuple[str, ...]:
    """A row of what failed, or passed by waivers: the evidence that stands, or all of it where all is waived."""
    shown = verdict if verdict.is_excepted else verdict.standing
    word, sub_status = kubescape_v2.status_words(verdict.status, verdict.reason)
    return (
        *control.head,
        word,
        *cells[:4],
        *map(_cell, _paths(shown)),
        control.remediation,
        control.link,
        cells[4],
        *_place(wording.place(resource, shown)),
        control.frameworks,
        EXCEPTED if verdict.is_excepted else sub_status,
        _cell("; ".join(_messages(verdict))),
    )


def _paths(verdict: Verdict) -> tuple[str, str]:
    """The paths that fail, and those to set with their values, as Kubescape joins them."""
    entries = [path for item in verdict.evidence for path in kubescape_v2.paths(item)]
    failed = [str(entry["failedPath"]) for entry in entries if "failedPath" in entry]
    fixes = (entry["fixPath"] for entry in entries)
    return "; ".join(failed), "; ".join(f"{fix['path']}={fix['value']}" for fix in fixes if fix["path"])


def _messages(verdict: Verdict) -> Iterator[str]:
    """What the rule says of each place, and why what is waived was accepted; each once."""
    yield from dict.fromkeys(item.note for item in verdict.standing.evidence if item.note)
    yield from dict.fromkeys(
        wording.accepted(item.exception) for item in verdict.excepted.evidence if item.exception is not None
    )


def _unread(unread: Unread) -> tuple[str, ...]:
    place = _place(unread.location)
    return ("", "", "", UNREAD, *_NO_RESOURCE[:4], "", "", "", "", place[0], *place, "", "", _cell(unread.message))


def _place(location: Location | None) -> tuple[str, str, str]:
    """File, line and column, which need not be in the file that the resource as a whole comes from."""
    if location is None:
        return ("", "", "")
    start = location.region.start if location.region else None
    return (_cell(location.file), *((str(start.line), str(start.column)) if start else ("", "")))


def _cell(text: str) -> str:
    shown = visible(text)
    if _FORMULA.match(shown):
        shown = f"'{shown}"
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


FORMAT: Final = Format(
    name="csv",
    extension=".csv",
    media_type="text/csv",
    description="a row for each control and resource, with the columns of Kubescape, for spreadsheets",
    render=render,
)
