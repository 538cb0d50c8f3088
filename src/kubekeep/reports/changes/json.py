"""JSON in the layout of Kubescape's `diff --format json`, compatible with tools that read it.

Our addition is `accepted`, a published key: the excepted findings, which are not fixed.
"""

from __future__ import annotations

from typing import Any, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.json_values import drop_empty
from kubekeep.model.text import json_entries, json_text
from kubekeep.reports.changes.words import field_path, resource_id
from kubekeep.reports.format import ReportOptions


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the comparison as one line of JSON with a final line feed."""
    stream.write("{")
    lists = {"new": comparison.new, "resolved": comparison.resolved, "unchanged": comparison.unchanged}
    optional = {"incomparable": comparison.incomparable, "accepted": comparison.excepted}
    lists |= {key: differences for key, differences in optional.items() if differences}
    for index, (key, differences) in enumerate(lists.items()):
        stream.write(f'{"," if index else ""}"{key}":[')
        stream.writelines(json_entries(map(_entry, differences)))
        stream.write("]")
    if comparison.warnings:
        stream.write(f',"warnings":{json_text(comparison.warnings)}')
    stream.write("}\n")


def _entry(difference: Difference) -> dict[str, Any]:
    """Return the entry of a difference; empty keys are left out as in Kubescape."""
    finding = difference.finding
    keys = {
        "resourceID": resource_id(finding),
        "controlID": finding.control,
        "controlName": finding.title,
        "severity": finding.level.label,
        "baseStatus": difference.base,
        "headStatus": difference.head,
    }
    evidence = {"evidenceType": finding.report_location.entry, "path": field_path(finding)} if finding.path else {}
    return keys | drop_empty({**evidence, "reason": difference.reason})
