"""JSON in the layout of Kubescape's `--format json` (format version v2), so that what reads the one reads the other.

What stands in it is the business of `shared.kubescape_v2`. The report is encoded piece by piece into the stream and
never stands in memory as a whole; what the verdicts of a control share is encoded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Reason, Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text
from kubekeep.reports.format import Extra, Format, Options
from kubekeep.reports.shared import kubescape_v2


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the report as one line of JSON with a line feed at its end."""
    order = kubescape_v2.order(assessment)
    stream.write(json_text(kubescape_v2.head(assessment))[:-1])
    if order:
        resources = (kubescape_v2.resource_entry(name, assessment.results[index].resource) for name, index in order)
        _write_list(stream, "resources", map(json_text, resources))
    stream.write(',"attributes":null')
    _write_list(stream, "results", _results(assessment, order))
    stream.write("," + json_text(kubescape_v2.tail(assessment, "json"))[1:] + "\n")


def _write_list(stream: TextIO, key: str, items: Iterable[str]) -> None:
    stream.write(f',"{key}":[')
    stream.writelines("," + item if index else item for index, item in enumerate(items))
    stream.write("]")


def _results(assessment: Assessment, order: list[tuple[str, int]]) -> Iterator[str]:
    """The JSON text of each entry of `results`; verdicts of one control differ in their evidence only."""
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    known: dict[tuple[str, Status, Reason | None], str] = {}
    prioritised = kubescape_v2.prioritised(assessment)
    for name, index in order:
        result = assessment.results[index]
        controls: list[str] = []
        for slug, verdict in result.verdicts.items():
            key = (slug, verdict.status, verdict.reason)
            text = known.get(key)
            if text is None:
                text = known[key] = json_text(kubescape_v2.associated(by_slug[slug], verdict, assessment))
            controls.append(_with_evidence(text, verdict, result.resource) if verdict.evidence else text)
        priority = f',"prioritizedResource":{json_text(prioritised[name])}' if name in prioritised else ""
        yield f'{{"resourceID":{json_text(name)},"controls":[{",".join(controls)}]{priority}}}'


def _with_evidence(text: str, verdict: Verdict, resource: Resource) -> str:
    """The text of `associated` with the evidence at the end of its only rule."""
    head, mark, tail = text.rpartition('}],"severity":')
    return f"{head},{json_text(kubescape_v2.evidence(verdict, resource))[1:-1]}{mark}{tail}"


FORMAT: Final = Format(
    name="json",
    extension=".json",
    media_type="application/json",
    description="everything, in the layout of Kubescape's JSON v2",
    render=render,
    wants=frozenset({Extra.PRIORITIES, Extra.REPOSITORY}),
)
