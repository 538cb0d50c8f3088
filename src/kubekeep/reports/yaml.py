"""YAML with the content of the JSON report: the layout of Kubescape's `--format yaml`.

What stands in it is the business of `shared.kubescape_v2`, how it is quoted that of `shared.yaml_text`. Written piece
by piece; what the verdicts of a control share is made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Reason, Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.reports.format import Extra, Format, Options
from kubekeep.reports.shared import kubescape_v2
from kubekeep.reports.shared.yaml_text import STEP, entries, item

_CONTROL: Final = STEP * 3
"""Where the dashes of `controls` stand, in an item of `results`."""
_RULE: Final = STEP * 6
"""Where the keys of a rule stand, in an item of `controls`."""


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the report as one document."""
    order = kubescape_v2.order(assessment)
    stream.write(entries(kubescape_v2.head(assessment)))
    if order:
        resources = (kubescape_v2.resource_entry(name, assessment.results[index].resource) for name, index in order)
        _write_list(stream, "resources", (item(entry, STEP) for entry in resources))
    stream.write("attributes: null\n")
    _write_list(stream, "results", _results(assessment, order))
    stream.write(entries(kubescape_v2.tail(assessment, "yaml")))


def _write_list(stream: TextIO, key: str, items: Iterable[str]) -> None:
    empty = True
    for text in items:
        stream.write(f"{key}:\n{text}" if empty else text)
        empty = False
    if empty:
        stream.write(f"{key}: []\n")


def _results(assessment: Assessment, order: list[tuple[str, int]]) -> Iterator[str]:
    """The lines of each item of `results`; verdicts of one control differ in their evidence only."""
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    known: dict[tuple[str, Status, Reason | None, bool], str] = {}
    for name, index in order:
        result = assessment.results[index]
        controls: list[str] = []
        for slug, verdict in result.verdicts.items():
            key = (slug, verdict.status, verdict.reason, verdict.is_waived)
            text = known.get(key)
            if text is None:
                text = known[key] = item(kubescape_v2.associated(by_slug[slug], verdict, assessment), _CONTROL)
            controls.append(_with_evidence(text, verdict, result.resource) if verdict.evidence else text)
        head = item({"resourceID": name}, STEP)
        yield f"{head}{STEP * 2}controls:\n{''.join(controls)}" if controls else f"{head}{STEP * 2}controls: []\n"


def _with_evidence(text: str, verdict: Verdict, resource: Resource) -> str:
    """The lines of `associated` with the evidence at the end of its only rule."""
    head, mark, tail = text.rpartition(f"\n{_CONTROL}{STEP}severity: ")
    return f"{head}\n{entries(kubescape_v2.evidence(verdict, resource), _RULE)}{mark[1:]}{tail}"


FORMAT: Final = Format(
    name="yaml",
    extension=".yaml",
    media_type="application/yaml",
    description="everything, as the JSON report has it, in YAML",
    render=render,
    wants=frozenset({Extra.REPOSITORY}),
)
