"""Task of the tool `compare`: the changes of findings between two inputs, or since a baseline or report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.file import read_baseline_or_report
from kubekeep.mcp.answers import ChangeEntry, ChangeName, ChangeText, CompareAnswer, CompareTotals, UntrustedText
from kubekeep.mcp.tasks.task_input import TaskInput, check_confined, open_input
from kubekeep.mcp.text import clean
from kubekeep.model.comparison import Comparison, Difference, FindingChange, ScanRecord
from kubekeep.model.severity import Severity
from kubekeep.usecases.compare import compare_records
from kubekeep.usecases.request import RuleOptions, ScanRequest
from kubekeep.usecases.scan import scan

_CHANGE_NAMES: Final[Mapping[FindingChange, ChangeName]] = {
    FindingChange.NEW: "new",
    FindingChange.RESOLVED: "resolved",
    FindingChange.UNCHANGED: "unchanged",
    FindingChange.EXCEPTED: "accepted",
    FindingChange.INCOMPARABLE: "incomparable",
}
"""Published names of changes."""
_MAX_ENTRIES: Final = 20_000
_MAX_WARNINGS: Final = 5
_TEXT: Final = 300


def run_compare(
    before: TaskInput, after: TaskInput, rules: RuleOptions, min_severity: str, *, is_baseline: bool
) -> CompareAnswer:
    """Return the changes from `before` to `after`, new ones first. is_baseline: `before` is a saved comparison base."""
    base = _read_baseline(before) if is_baseline else _scan(before, rules, "before")
    head = _scan(after, rules, "after")
    with open_input(after):
        comparison = compare_records(base, head, None)
    lowest = Severity.parse(min_severity)
    groups = (comparison.new, comparison.resolved, comparison.excepted, comparison.incomparable, comparison.unchanged)
    differences = [difference for group in groups for difference in group if difference.finding.level >= lowest]
    entries = [_make_entry(difference) for difference in differences[:_MAX_ENTRIES]]
    return CompareAnswer(
        total_entries=len(entries),
        totals=_count(comparison),
        untrusted_warnings=[UntrustedText(text=clean(text, _TEXT)) for text in comparison.warnings[:_MAX_WARNINGS]],
        entries=entries,
    )


def _read_baseline(task_input: TaskInput) -> ScanRecord:
    with open_input(task_input):
        return read_baseline_or_report(Path(task_input.path))


def _scan(task_input: TaskInput, rules: RuleOptions, name: str) -> ScanRecord:
    with open_input(task_input) as source:
        assessment = scan(ScanRequest(source, rules))
    check_confined(assessment, task_input)
    return record_assessment(assessment, name)


def _count(comparison: Comparison) -> CompareTotals:
    return CompareTotals(
        new=len(comparison.new),
        resolved=len(comparison.resolved),
        unchanged=len(comparison.unchanged),
        accepted=len(comparison.excepted),
        incomparable=len(comparison.incomparable),
    )


def _make_entry(difference: Difference) -> ChangeEntry:
    finding = difference.finding
    location = finding.report_location.location
    region = location.region if location else None
    return ChangeEntry(
        change=_CHANGE_NAMES[difference.change],
        control=clean(finding.control, _TEXT),
        title=clean(finding.title, _TEXT),
        severity=finding.level.name.lower(),
        untrusted=ChangeText(
            resource=clean(str(finding.identity), _TEXT),
            field=clean(finding.report_location.path or finding.path, _TEXT),
            file=clean(location.file if location else finding.file, _TEXT),
            line=region.start.line if region else None,
            reason=clean(difference.reason, _TEXT),
        ),
    )
