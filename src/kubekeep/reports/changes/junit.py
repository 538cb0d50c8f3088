"""JUnit XML of what is new between two scans: a test for each control that has something new or incomparable."""

from __future__ import annotations

from collections import defaultdict
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.text import visible, xml_safe
from kubekeep.reports.changes.words import heading, place_of, regressions, sentence, sums
from kubekeep.reports.format import Options


def render(comparison: Comparison, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the document. Without anything new it has one test, which passes: no test at all would say nothing."""
    groups: dict[str, list[Difference]] = defaultdict(list)
    for item in regressions(comparison):
        groups[item.finding.control].append(item)
    tests, failures = max(len(groups), 1), len(groups)
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    stream.write(f'<testsuites name="Kubekeep diff" tests="{tests}" failures="{failures}" errors="0">\n')
    stream.write(
        f'  <testsuite id="0" name="New findings" tests="{tests}" failures="{failures}" errors="0" skipped="0">\n'
    )
    for items in groups.values():
        _write_case(stream, items)
    if not groups:
        stream.write('    <testcase classname="Kubekeep/diff" name="No new findings"/>\n')
    stream.write(f"    <system-out>{_text(sums(comparison))}")
    stream.writelines(f"\n{_text(f'the scans differ: {warning}')}" for warning in comparison.warnings)
    stream.write("</system-out>\n  </testsuite>\n</testsuites>\n")


def _write_case(stream: TextIO, items: list[Difference]) -> None:
    finding = items[0].finding
    name = heading(finding) or "Resources that fail"
    stream.write(f"    <testcase classname={_quoted(f'Kubekeep/{finding.control}')} name={_quoted(name)}>\n")
    message = f"{len(items)} new or incomparable finding{'' if len(items) == 1 else 's'}"
    stream.write(f"      <failure type={_quoted(finding.level.label)} message={_quoted(message)}>")
    for item in items:
        place = place_of(item.finding)
        stream.write(_text(f"{item.change}: {f'{place}: ' if place else ''}{sentence(item)}") + "\n")
    stream.write("</failure>\n    </testcase>\n")


def _quoted(value: str) -> str:
    return quoteattr(xml_safe(visible(value)))


def _text(value: str) -> str:
    return escape(xml_safe(visible(value)))
