"""GitLab's security report (SAST, schema 15.2) of the new findings of a comparison."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any, Final, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.fingerprint import fingerprint
from kubekeep.model.location import Location
from kubekeep.model.text import json_entries, json_text, visible
from kubekeep.reports.changes.words import describe_difference, heading, regressions
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.findings import file_lines

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
    id_counts: Counter[str] = Counter()
    stream.writelines(json_entries(_vulnerability(difference, id_counts) for difference in regressions(comparison)))
    stream.write("]}\n")


def _vulnerability(difference: Difference, id_counts: Counter[str]) -> dict[str, Any]:
    finding = difference.finding
    identifier = fingerprint(finding.control, finding.identity, finding.path or None)
    id_counts[identifier] += 1
    number = visible(finding.control or "resource")
    return {
        "id": identifier
        if id_counts[identifier] == 1
        else fingerprint(identifier, finding.identity, str(id_counts[identifier])),
        "name": visible(heading(finding) or "Resource that fails")[:255],
        "description": visible(describe_difference(difference)),
        "severity": finding.level.label,
        "location": file_lines(finding.report_location.location or Location(finding.file)),
        "identifiers": [{"type": "kubescape_control_id", "name": number, "value": number}],
    }
