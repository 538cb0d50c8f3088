"""JSON in the layout of Kubescape's `diff --format json`, so that what reads the one reads the other.

Of our own is `accepted`: what an exception covers now, which nobody mended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.text import json_text
from kubekeep.reports.changes.words import resource_id
from kubekeep.reports.format import Options


def render(comparison: Comparison, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the comparison as one line of JSON with a line feed at its end."""
    stream.write("{")
    lists = (("new", comparison.new), ("resolved", comparison.resolved), ("unchanged", comparison.unchanged))
    for index, (key, items) in enumerate(lists):
        stream.write(f'{"," if index else ""}"{key}":[')
        _write_items(stream, items)
        stream.write("]")
    for key, items in (("incomparable", comparison.incomparable), ("accepted", comparison.accepted)):
        if items:
            stream.write(f',"{key}":[')
            _write_items(stream, items)
            stream.write("]")
    if comparison.warnings:
        stream.write(f',"warnings":{json_text(comparison.warnings)}')
    stream.write("}\n")


def _write_items(stream: TextIO, items: Iterable[Difference]) -> None:
    stream.writelines(("," if index else "") + json_text(entry(item)) for index, item in enumerate(items))


def entry(item: Difference) -> dict[str, Any]:
    """One difference; keys that say nothing are left out as Kubescape leaves them out."""
    finding = item.finding
    said = {
        "resourceID": resource_id(finding),
        "controlID": finding.control,
        "controlName": finding.title,
        "severity": finding.level.label,
        "baseStatus": item.base,
        "headStatus": item.head,
    }
    more = {"reason": item.reason}
    if finding.path:
        more = {"evidenceType": finding.place.entry, "path": finding.place.path or finding.path, **more}
    return said | {key: text for key, text in more.items() if text}
