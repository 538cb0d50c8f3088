"""JSON in the layout of Kubescape's `diff --format json`, compatible with tools that read it.

Our addition is `accepted`, a published key: the excepted findings, which are not fixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.text import json_text
from kubekeep.reports.changes.words import resource_id
from kubekeep.reports.format import ReportOptions


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the comparison as one line of JSON with a final line feed."""
    stream.write("{")
    lists = (("new", comparison.new), ("resolved", comparison.resolved), ("unchanged", comparison.unchanged))
    for index, (key, differences) in enumerate(lists):
        stream.write(f'{"," if index else ""}"{key}":[')
        _write_differences(stream, differences)
        stream.write("]")
    for key, differences in (("incomparable", comparison.incomparable), ("accepted", comparison.excepted)):
        if differences:
            stream.write(f',"{key}":[')
            _write_differences(stream, differences)
            stream.write("]")
    if comparison.warnings:
        stream.write(f',"warnings":{json_text(comparison.warnings)}')
    stream.write("}\n")


def _write_differences(stream: TextIO, differences: Iterable[Difference]) -> None:
    stream.writelines(
        ("," if index else "") + json_text(_entry(difference)) for index, difference in enumerate(differences)
    )


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
    optional = {"reason": difference.reason}
    if finding.path:
        optional = {
            "evidenceType": finding.report_location.entry,
            "path": finding.report_location.path or finding.path,
            **optional,
        }
    return keys | {key: text for key, text in optional.items() if text}
