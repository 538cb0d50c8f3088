"""YAML with the content of the JSON report, in the layout of Kubescape's `--format yaml`.

`reports.kubescape_v2` defines the content, `shared.yaml_text` the quoting. Written piece by piece; the common part of
the verdicts of a control is encoded once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Verdict
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.kubescape_v2 import write as kubescape_v2
from kubekeep.reports.kubescape_v2.vulnerabilities import list_unassessed, list_vulnerabilities
from kubekeep.reports.shared.vulnerabilities import has_subjects
from kubekeep.reports.shared.yaml_text import STEP, mapping_lines, sequence_entry

_CONTROL: Final = STEP * 3
"""Indentation of the entries of `controls` inside an entry of `results`."""
_RULE: Final = STEP * 6
"""Indentation of the keys of a rule inside an entry of `controls`."""


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:
    """Write the report as one YAML document."""
    order = kubescape_v2.sort_resources(assessment)
    stream.write(mapping_lines(kubescape_v2.build_head(assessment)))
    if order:
        resources = (kubescape_v2.resource_entry(name, assessment.results[index].subject) for name, index in order)
        _write_list(stream, "resources", (sequence_entry(entry, STEP) for entry in resources))
    stream.write("attributes: null\n")
    _write_list(stream, "results", map(_result, kubescape_v2.encode_results(assessment, order, _ENCODER)))
    if has_subjects(assessment):
        vulnerabilities, unassessed = list_vulnerabilities(assessment), list_unassessed(assessment)
        _write_list(stream, "vulnerabilities", (sequence_entry(entry, STEP) for entry in vulnerabilities))
        _write_list(stream, "notAssessed", (sequence_entry(entry, STEP) for entry in unassessed))
    stream.write(mapping_lines(kubescape_v2.build_tail(assessment, "yaml", audit=options.audit)))


def _write_list(stream: TextIO, key: str, texts: Iterable[str]) -> None:
    is_empty = True
    for text in texts:
        stream.write(f"{key}:\n{text}" if is_empty else text)
        is_empty = False
    if is_empty:
        stream.write(f"{key}: []\n")


def _result(result: kubescape_v2.ResultEntry) -> str:
    """Return the lines of an entry of `results`."""
    head = sequence_entry({"resourceID": result.id}, STEP)
    controls = "".join(result.controls)
    priority = mapping_lines({"prioritizedResource": result.priority}, STEP * 2) if result.priority else ""
    return (
        f"{head}{STEP * 2}controls:\n{controls}{priority}" if controls else f"{head}{STEP * 2}controls: []\n{priority}"
    )


def _append_evidence(text: str, verdict: Verdict, resource: Subject) -> str:
    """Append evidence to the only rule of an encoded control entry."""
    paths = [path for evidence in verdict.evidence for path in kubescape_v2.list_paths(evidence)]
    more = {"paths": paths, **kubescape_v2.evidence_details(verdict, resource)}
    head, mark, tail = text.rpartition(f"\n{_CONTROL}{STEP}severity: ")
    return f"{head}\n{mapping_lines(more, _RULE)}{mark[1:]}{tail}"


_ENCODER: Final = kubescape_v2.EntryEncoder(functools.partial(sequence_entry, indent=_CONTROL), _append_evidence)
FORMAT: Final = ReportFormat(
    name="yaml",
    extension=".yaml",
    media_type="application/yaml",
    description="everything, as the JSON report has it, in YAML",
    render=render,
    extras=frozenset({Extra.PRIORITIES, Extra.REPOSITORY}),
)
