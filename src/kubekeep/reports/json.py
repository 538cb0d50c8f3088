"""JSON in the layout of Kubescape's `--format json` (format version v2), compatible with tools that read it.

`reports.kubescape_v2` defines the content. The report is encoded piece by piece into the stream and never held in
memory as a whole; the common part of the verdicts of a control is encoded once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.location import Location
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_text
from kubekeep.model.verdict import Evidence, Verdict
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.kubescape_v2 import write as kubescape_v2
from kubekeep.reports.kubescape_v2.exceptions import location_entry
from kubekeep.reports.kubescape_v2.vulnerabilities import list_unassessed, list_vulnerabilities
from kubekeep.reports.shared.vulnerabilities import has_subjects


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:
    """Write the report as one line of JSON with a final line feed."""
    order = kubescape_v2.sort_resources(assessment)
    stream.write(json_text(kubescape_v2.build_head(assessment))[:-1])
    if order:
        resources = (kubescape_v2.resource_entry(name, assessment.results[index].subject) for name, index in order)
        _write_list(stream, "resources", map(json_text, resources))
    stream.write(',"attributes":null')
    _write_list(stream, "results", map(_result, kubescape_v2.encode_results(assessment, order, _ENCODER)))
    if has_subjects(assessment):
        _write_list(stream, "vulnerabilities", map(json_text, list_vulnerabilities(assessment)))
        _write_list(stream, "notAssessed", map(json_text, list_unassessed(assessment)))
    stream.write("," + json_text(kubescape_v2.build_tail(assessment, "json", audit=options.audit))[1:] + "\n")


def _write_list(stream: TextIO, key: str, texts: Iterable[str]) -> None:
    stream.write(f',"{key}":[')
    stream.writelines("," + text if index else text for index, text in enumerate(texts))
    stream.write("]")


def _result(result: kubescape_v2.ResultEntry) -> str:
    """Return the JSON text of an entry of `results`."""
    controls = ",".join(result.controls)
    priority = f',"prioritizedResource":{json_text(result.priority)}' if result.priority else ""
    return f'{{"resourceID":{json_text(result.id)},"controls":[{controls}]{priority}}}'


def _append_evidence(text: str, verdict: Verdict, resource: Subject) -> str:
    """Append evidence to the only rule of an encoded control entry."""
    head, mark, tail = text.rpartition('}],"severity":')
    paths = ",".join(map(_encode_evidence, verdict.evidence))
    details = kubescape_v2.evidence_details(verdict, resource)
    more = f",{json_text(details)[1:-1]}" if details else ""
    return f'{head},"paths":[{paths}]{more}{mark}{tail}'


def _encode_evidence(evidence: Evidence) -> str:
    """Return the entries of `paths` of one piece of evidence."""
    location = evidence.location
    if location is None or evidence.exception or evidence.change or evidence.commit:
        return json_text(list(kubescape_v2.list_paths(evidence)))[1:-1]
    parts = _encode_around_location((evidence.path, evidence.exists, evidence.fix, evidence.delete, evidence.message))
    return _encode_location(location).join(parts)


def _encode_location(location: Location) -> str:
    region = location.region
    if region is None or location.setting is not None:
        return json_text(location_entry(location))
    start, end = region.start, region.end
    numbers = f'"startLine":{start.line},"startColumn":{start.column},"endLine":{end.line},"endColumn":{end.column}'
    return f"{_encode_file(location.file)},{numbers}}}"


@functools.lru_cache(maxsize=64)
def _encode_file(file: str) -> str:
    """Return the text of a location before its region; consecutive locations are in the same file."""
    return json_text(location_entry(Location(file)))[:-1]


_ELSEWHERE: Final = Location("\0")
"""Location whose JSON text is in no other text."""


@functools.lru_cache(maxsize=4096)
def _encode_around_location(fields: tuple[str, bool, str | None, bool, str]) -> list[str]:
    """Return the parts of the text of evidence before, between and after its location.

    `fields` are path, exists, fix, delete and message.
    """
    path, exists, fix, delete, message = fields
    evidence = Evidence(path, exists, _ELSEWHERE, fix, delete, message)
    text = json_text(list(kubescape_v2.list_paths(evidence)))[1:-1]
    return text.split(json_text(location_entry(_ELSEWHERE)))


_ENCODER: Final = kubescape_v2.EntryEncoder(json_text, _append_evidence)
FORMAT: Final = ReportFormat(
    name="json",
    extension=".json",
    media_type="application/json",
    description="everything, in the layout of Kubescape's JSON v2",
    render=render,
    extras=frozenset({Extra.PRIORITIES, Extra.REPOSITORY}),
)
