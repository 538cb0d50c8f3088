"""SARIF 2.1.0 (OASIS) of what is new between two scans: code scanning then shows the new findings alone.

What cannot be compared stands there too, as nobody can call it known; its `baselineState` is left out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, TextIO
from urllib.parse import quote_from_bytes

from kubekeep.model.comparison import Comparison, Difference, FindingChange, RecordedFinding
from kubekeep.model.fingerprint import fingerprint
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.reports.changes.words import heading, regressions, sentence
from kubekeep.reports.format import Options

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {Severity.CRITICAL: "error", Severity.HIGH: "warning", Severity.MEDIUM: "warning"}


def render(comparison: Comparison, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write a log with one run as one line of JSON with a line feed at its end."""
    rules: dict[str, RecordedFinding] = {}
    for item in regressions(comparison):
        rules.setdefault(_rule_id(item.finding), item.finding)
    index = {number: place for place, number in enumerate(rules)}
    driver = {"name": "kubekeep", "rules": [_rule(number, finding) for number, finding in rules.items()]}
    notes = [{"level": "warning", "message": {"text": visible(text)}} for text in comparison.warnings]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if notes:
        invocation["toolConfigurationNotifications"] = notes
    run = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "unicodeCodePoints"}
    head = json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    stream.write(head.removesuffix("}]}") + ',"results":[')
    seen: Counter[str] = Counter()
    for number, item in enumerate(regressions(comparison)):
        stream.write(("," if number else "") + json_text(_result(item, index[_rule_id(item.finding)], seen)))
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


def _result(item: Difference, index: int, seen: Counter[str]) -> dict[str, Any]:
    finding = item.finding
    told = fingerprint(finding.control, finding.identity, finding.path or None)
    seen[told] += 1
    entry: dict[str, Any] = {
        "ruleId": visible(_rule_id(finding)),
        "ruleIndex": index,
        "level": _level(finding),
        "message": {"text": visible(sentence(item))},
        "locations": [_location(finding)],
        "partialFingerprints": {"kubekeepPlace/v2": f"{told}:{seen[told]}"},
    }
    if item.change is FindingChange.NEW:
        entry["baselineState"] = "new"
    return entry


def _location(finding: RecordedFinding) -> dict[str, Any]:
    logical = {"fullyQualifiedName": visible(str(finding.identity)), "kind": "resource"}
    place = finding.place.location
    file = place.file if place else finding.file
    entry: dict[str, Any] = {"logicalLocations": [logical]}
    if file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
        if place and place.region:
            start, end = place.region.start, place.region.end
            physical["region"] = {
                "startLine": max(start.line, 1),
                "startColumn": max(start.column, 1),
                "endLine": max(end.line, start.line, 1),
                "endColumn": max(end.column, 1),
            }
        entry["physicalLocation"] = physical
    return entry


def _uri(path: str) -> str:
    quoted = quote_from_bytes(path.encode("utf-8", "replace"))
    return f"file://{quoted}" if path.startswith("/") else quoted
