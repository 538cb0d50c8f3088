"""A comparison for terminals: new findings first, then incomparable, excepted and resolved ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.reports.changes.words import describe_location, field_path, heading, totals
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.terminal import Span, Terminal

_MAX_FINDINGS: Final = 10
"""Maximum number of findings of one control to name; the others are counted."""


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:
    """Write the comparison; `verbose` also names the unchanged findings."""
    terminal = Terminal(stream, options)
    parts = [
        ("✖ NEW", "bold red", comparison.new),
        ("? INCOMPARABLE", "bold yellow", comparison.incomparable),
        ("○ COVERED BY EXCEPTIONS", "bold cyan", comparison.excepted),
        ("✔ RESOLVED", "bold green", comparison.resolved),
    ]
    if options.verbose:
        parts.append(("· UNCHANGED", "dim", comparison.unchanged))
    for title, style, differences in parts:
        if differences:
            terminal.line(Span(title, style), Span(f"  {len(differences)}", "dim"))
            if differences is comparison.incomparable and not options.verbose:
                _write_reasons(terminal, differences)
            else:
                _write_part(terminal, differences, verbose=options.verbose)
            terminal.line()
    for warning in comparison.warnings:
        terminal.line(Span("the scans differ:", "yellow"), " ", warning)
    terminal.line(Span(totals(comparison), "bold"), Span(f"  from {comparison.base} to {comparison.head}", "dim"))


def _write_reasons(terminal: Terminal, differences: Sequence[Difference]) -> None:
    for reason, count in Counter(difference.reason for difference in differences).most_common(_MAX_FINDINGS):
        terminal.line(Span(f"{count:4}  ", "dim"), reason, indent=2, hang=6)
    terminal.line(Span("(use --verbose to list them)", "dim"), indent=2)


def _write_part(terminal: Terminal, differences: Sequence[Difference], *, verbose: bool) -> None:
    for _, group in groupby(differences, key=lambda difference: difference.finding.control):
        members = list(group)
        finding = members[0].finding
        if finding.control:
            level = Span(finding.level.label.upper(), finding.level.colour, whole=True)
            terminal.line(level, "  ", Span(heading(finding), "bold"), indent=2)
        first_members = members if verbose else members[:_MAX_FINDINGS]
        for difference in first_members:
            _write_difference(terminal, difference)
        if len(members) > len(first_members):
            terminal.line(Span(f"… and {len(members) - len(first_members)} more (use --verbose)", "dim"), indent=4)


def _write_difference(terminal: Terminal, difference: Difference) -> None:
    finding = difference.finding
    location = describe_location(finding)
    spans: list[Span | str] = [Span(location, "underline", whole=True), "  "] if location else []
    spans.append(Span(str(finding.identity), "bold", whole=True))
    if field_path(finding):
        spans += ["  ", Span(field_path(finding), "cyan", whole=True)]
    if difference.reason:
        spans += ["  ", Span(difference.reason, "dim")]
    terminal.line(*spans, indent=4)
