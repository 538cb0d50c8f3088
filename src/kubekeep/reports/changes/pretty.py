"""A comparison for people on a terminal: what is new first, what cannot be compared, what was accepted, what is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.reports.changes.words import heading, place_of, sums, what
from kubekeep.reports.format import Options
from kubekeep.reports.shared.terminal import Span, Terminal

_SHOWN: Final = 10
"""Findings of one control that are named before the others are only counted."""


def render(comparison: Comparison, stream: TextIO, options: Options) -> None:
    """Write the comparison; `verbose` names the findings that are unchanged too."""
    terminal = Terminal(stream, options)
    parts = [
        ("✖ NEW", "bold red", comparison.new),
        ("? CANNOT BE COMPARED", "bold yellow", comparison.incomparable),
        ("○ ACCEPTED", "bold cyan", comparison.accepted),
        ("✔ RESOLVED", "bold green", comparison.resolved),
    ]
    if options.verbose:
        parts.append(("· UNCHANGED", "dim", comparison.unchanged))
    for title, style, items in parts:
        if items:
            terminal.line(Span(title, style), Span(f"  {len(items)}", "dim"))
            if items is comparison.incomparable and not options.verbose:
                _write_reasons(terminal, items)
            else:
                _write_part(terminal, items, verbose=options.verbose)
            terminal.line()
    for warning in comparison.warnings:
        terminal.line(Span("the scans differ:", "yellow"), " ", warning)
    terminal.line(Span(sums(comparison), "bold"), Span(f"  from {comparison.base} to {comparison.head}", "dim"))


def _write_reasons(terminal: Terminal, items: Sequence[Difference]) -> None:
    for reason, count in Counter(item.reason for item in items).most_common(_SHOWN):
        terminal.line(Span(f"{count:4}  ", "dim"), reason, indent=2, hang=6)
    terminal.line(Span("(--verbose names them)", "dim"), indent=2)


def _write_part(terminal: Terminal, items: Sequence[Difference], *, verbose: bool) -> None:
    for _, group in groupby(items, key=lambda item: item.finding.control):
        found = list(group)
        finding = found[0].finding
        if finding.control:
            level = Span(finding.level.label.upper(), finding.level.colour, whole=True)
            terminal.line(level, "  ", Span(heading(finding), "bold"), indent=2)
        shown = found if verbose else found[:_SHOWN]
        for item in shown:
            _write_item(terminal, item)
        if len(found) > len(shown):
            terminal.line(Span(f"… and {len(found) - len(shown)} more (use --verbose)", "dim"), indent=4)


def _write_item(terminal: Terminal, item: Difference) -> None:
    finding = item.finding
    place = place_of(finding)
    spans: list[Span | str] = [Span(place, "underline", whole=True), "  "] if place else []
    spans.append(Span(str(finding.identity), "bold", whole=True))
    if what(finding):
        spans += ["  ", Span(what(finding), "cyan", whole=True)]
    if item.reason:
        spans += ["  ", Span(item.reason, "dim")]
    terminal.line(*spans, indent=4)
