"""YAML with the content of the JSON report: the layout of Kubescape's `--format yaml`.

What stands in it is the business of `shared.kubescape_v2`, how it is quoted that of `shared.yaml_text`. Written piece
by piece; what the verdicts of a control share is made once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Extra, Format, Options
from kubekeep.reports.kubescape_v2 import write as kubescape_v2
from kubekeep.reports.shared.yaml_text import STEP, entries, item

_CONTROL: Final = STEP * 3
"""Where the dashes of `controls` stand, in an item of `results`."""
_RULE: Final = STEP * 6
"""Where the keys of a rule stand, in an item of `controls`."""


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:
    """Write the report as one document."""
    order = kubescape_v2.order(assessment)
    stream.write(entries(kubescape_v2.head(assessment)))
    if order:
        resources = (kubescape_v2.resource_entry(name, assessment.results[index].resource) for name, index in order)
        _write_list(stream, "resources", (item(entry, STEP) for entry in resources))
    stream.write("attributes: null\n")
    _write_list(stream, "results", map(_result, kubescape_v2.results(assessment, order, _FORM)))
    stream.write(entries(kubescape_v2.tail(assessment, "yaml", audit=options.audit)))


def _write_list(stream: TextIO, key: str, items: Iterable[str]) -> None:
    empty = True
    for text in items:
        stream.write(f"{key}:\n{text}" if empty else text)
        empty = False
    if empty:
        stream.write(f"{key}: []\n")


def _control(entry: dict[str, Any]) -> str:
    return item(entry, _CONTROL)


def _result(result: kubescape_v2.Result) -> str:
    """The lines of an item of `results`."""
    head = item({"resourceID": result.id}, STEP)
    controls = "".join(result.controls)
    priority = entries({"prioritizedResource": result.priority}, STEP * 2) if result.priority else ""
    return (
        f"{head}{STEP * 2}controls:\n{controls}{priority}" if controls else f"{head}{STEP * 2}controls: []\n{priority}"
    )


def _with_evidence(text: str, more: dict[str, Any]) -> str:
    """The lines of a control with its evidence at the end of its only rule."""
    head, mark, tail = text.rpartition(f"\n{_CONTROL}{STEP}severity: ")
    return f"{head}\n{entries(more, _RULE)}{mark[1:]}{tail}"


_FORM: Final = kubescape_v2.Form(_control, _with_evidence)
FORMAT: Final = Format(
    name="yaml",
    extension=".yaml",
    media_type="application/yaml",
    description="everything, as the JSON report has it, in YAML",
    render=render,
    wants=frozenset({Extra.PRIORITIES, Extra.REPOSITORY}),
)
