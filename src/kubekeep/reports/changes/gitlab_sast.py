"""GitLab's security report (SAST, schema 15.2) of the new findings of a comparison."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any, Final, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.fingerprint import fingerprint
from kubekeep.model.text import json_text, visible
from kubekeep.reports.changes.words import describe_difference, heading, regressions
from kubekeep.reports.format import ReportOptions

_VERSION: Final = "15.2.4"
_TOOL: Final = {"id": "kubekeep", "name": "Kubekeep", "vendor": {"name": "Kubekeep"}, "version": "1"}


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the report as one line of JSON with a final line feed."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    scan = {
        "analyzer": _TOOL,
        "scanner": _TOOL,
        "type": "sast",
        "start_time": now,
        "end_time": now,
        "status": "success",
        "messages": [{"level": "warn", "value": visible(text)} for text in comparison.warnings],
    }
    stream.write(json_text({"version": _VERSION, "scan": scan}).removesuffix("}") + ',"vulnerabilities":[')
    seen: Counter[str] = Counter()
    stream.writelines(
        ("," if number else "") + json_text(_vulnerability(difference, seen))
        for number, difference in enumerate(regressions(comparison))
    )
    stream.write("]}\n")


def _vulnerability(difference: Difference, seen: Counter[str]) -> dict[str, Any]:
    finding = difference.finding
    identifier = fingerprint(finding.control, finding.identity, finding.path or None)
    seen[identifier] += 1
    number = visible(finding.control or "resource")
    place = finding.place.location
    location: dict[str, Any] = {"file": place.file if place else finding.file}
    if place and place.region:
        location |= {"start_line": place.region.start.line, "end_line": place.region.end.line}
    return {
        "id": identifier if seen[identifier] == 1 else fingerprint(identifier, finding.identity, str(seen[identifier])),
        "name": visible(heading(finding) or "Resource that fails")[:255],
        "description": visible(describe_difference(difference)),
        "severity": finding.level.label,
        "location": location,
        "identifiers": [{"type": "kubescape_control_id", "name": number, "value": number}],
    }
