"""Findings as JSON lines with published schemas: the form in which programs and parts of Kubekeep exchange results.

One line per finding (`finding/v1`), open ones first; a finding that exceptions cover in part has two lines. Then one line for
each part of the input that was not read and each definition that was not evaluated (`coverage-gap/v1`): a report without
findings is a clean result only if it has no such line either. Contains no passed controls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding_document import build_finding_document, build_gap_document
from kubekeep.model.text import encode_json
from kubekeep.model.verdict import Status
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.findings import list_all_findings, unevaluated_resources
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import NOTHING_EVALUATED, reason_text


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write one line of JSON for each finding and each coverage gap."""
    stream.writelines(f"{encode_json(document)}\n" for document in _list_documents(assessment))


def _list_documents(assessment: Assessment) -> Iterator[Any]:
    yield from map(build_finding_document, list_all_findings(assessment))
    for unread in (*assessment.unread, *list_uncovered(assessment)):
        yield build_gap_document(unread.message, location=unread.location)
    for summary in assessment.summaries:
        if summary.is_gap:
            yield build_gap_document(reason_text(summary.reason), definition=summary.definition)
    if all(summary.status is Status.NOT_EVALUATED and not summary.is_gap for summary in assessment.summaries):
        yield build_gap_document(NOTHING_EVALUATED)
    for summary, subject, reason in unevaluated_resources(assessment):
        yield build_gap_document(reason_text(reason), definition=summary.definition, subject=subject)


FORMAT: Final = ReportFormat(
    name="findings",
    extension=".jsonl",
    owns_extension=False,
    media_type="application/x-ndjson",
    description="findings of all kinds as JSON lines with a published schema, for programs",
    render=render,
)
