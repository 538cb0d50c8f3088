"""SARIF 2.1.0 (OASIS) of the new findings of a comparison, so that code scanning shows only these.

Incomparable findings are included without a `baselineState`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, TextIO

from kubekeep.model.comparison import Comparison, Difference, FindingChange, RecordedFinding
from kubekeep.model.fingerprint import fingerprint
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_entries, json_text, visible
from kubekeep.reports.changes.words import describe_difference, heading, regressions
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.findings import quote_path

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {Severity.CRITICAL: "error", Severity.HIGH: "warning", Severity.MEDIUM: "warning"}


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write a log with one run as one line of JSON with a final line feed."""
    rules: dict[str, RecordedFinding] = {}
    for difference in regressions(comparison):
        rules.setdefault(_rule_id(difference.finding), difference.finding)
    index = {number: location for location, number in enumerate(rules)}
    driver = {"name": "kubekeep", "rules": [_rule(number, finding) for number, finding in rules.items()]}
    notes = [{"level": "warning", "message": {"text": visible(text)}} for text in comparison.warnings]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if notes:
        invocation["toolConfigurationNotifications"] = notes
    run = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "unicodeCodePoints"}
    head = json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    stream.write(head.removesuffix("}]}") + ',"results":[')
    id_counts: Counter[str] = Counter()
    results = (
        _result(difference, index[_rule_id(difference.finding)], id_counts) for difference in regressions(comparison)
    )
    stream.writelines(json_entries(results))
    stream.write("]}]}\n")


def _rule_id(finding: RecordedFinding) -> str:
    return finding.control or "resource"


def _rule(number: str, finding: RecordedFinding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": visible(number),
        "shortDescription": {"text": visible(heading(finding) or "Resource that fails")},
    }
    if finding.level:
        rule["defaultConfiguration"] = {"level": _level(finding)}
    return rule


def _level(finding: RecordedFinding) -> str:
    return _LEVELS.get(finding.level, "note")


def _result(difference: Difference, index: int, id_counts: Counter[str]) -> dict[str, Any]:
    finding = difference.finding
    identifier = fingerprint(finding.control, finding.identity, finding.path or None)
    id_counts[identifier] += 1
    entry: dict[str, Any] = {
        "ruleId": visible(_rule_id(finding)),
        "ruleIndex": index,
        "level": _level(finding),
        "message": {"text": visible(describe_difference(difference))},
        "locations": [_location(finding)],
        "partialFingerprints": {"kubekeepPlace/v2": f"{identifier}:{id_counts[identifier]}"},
    }
    if difference.change is FindingChange.NEW:
        entry["baselineState"] = "new"
    return entry


def _location(finding: RecordedFinding) -> dict[str, Any]:
    logical = {"fullyQualifiedName": visible(str(finding.identity)), "kind": "resource"}
    location = finding.report_location.location
    file = location.file if location else finding.file
    entry: dict[str, Any] = {"logicalLocations": [logical]}
    if file:
        physical: dict[str, Any] = {
            "artifactLocation": {"uri": f"{'file://' if file.startswith('/') else ''}{quote_path(file)}"}
        }
        if location and location.region:
            start, end = location.region.start, location.region.end
            physical["region"] = {
                "startLine": max(start.line, 1),
                "startColumn": max(start.column, 1),
                "endLine": max(end.line, start.line, 1),
                "endColumn": max(end.column, 1),
            }
        entry["physicalLocation"] = physical
    return entry
