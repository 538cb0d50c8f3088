"""JUnit XML of a comparison: a failed test for each control with new or incomparable findings."""

from __future__ import annotations

from collections import defaultdict
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.text import visible, xml_safe
from kubekeep.reports.changes.words import describe_difference, describe_location, heading, regressions, totals
from kubekeep.reports.format import ReportOptions


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the document. Without new findings it has one passed test, because an empty report would say nothing."""
    groups: dict[str, list[Difference]] = defaultdict(list)
    for difference in regressions(comparison):
        groups[difference.finding.control].append(difference)
    tests, failures = max(len(groups), 1), len(groups)
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    stream.write(f'<testsuites name="Kubekeep diff" tests="{tests}" failures="{failures}" errors="0">\n')
    stream.write(
        f'  <testsuite id="0" name="New findings" tests="{tests}" failures="{failures}" errors="0" skipped="0">\n'
    )
    for differences in groups.values():
        _write_case(stream, differences)
    if not groups:
        stream.write('    <testcase classname="Kubekeep/diff" name="No new findings"/>\n')
    stream.write(f"    <system-out>{_text(totals(comparison))}")
    stream.writelines(f"\n{_text(f'the scans differ: {warning}')}" for warning in comparison.warnings)
    stream.write("</system-out>\n  </testsuite>\n</testsuites>\n")


def _write_case(stream: TextIO, differences: list[Difference]) -> None:
    finding = differences[0].finding
    name = heading(finding) or "Resources that fail"
    stream.write(f"    <testcase classname={_quoted(f'Kubekeep/{finding.control}')} name={_quoted(name)}>\n")
    message = f"{len(differences)} new or incomparable finding{'' if len(differences) == 1 else 's'}"
    stream.write(f"      <failure type={_quoted(finding.level.label)} message={_quoted(message)}>")
    for difference in differences:
        location = describe_location(difference.finding)
        stream.write(
            _text(f"{difference.change}: {f'{location}: ' if location else ''}{describe_difference(difference)}") + "\n"
        )
    stream.write("</failure>\n    </testcase>\n")


def _quoted(value: str) -> str:
    return quoteattr(xml_safe(visible(value)))


def _text(value: str) -> str:
    return escape(xml_safe(visible(value)))
