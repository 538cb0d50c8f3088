"""Packages that were not assessed, below the result of a command for one or two images. Never assesses anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubekeep.model.vulnerability import NotAssessed
from kubekeep.reports.shared.terminal import Span, Terminal
from kubekeep.reports.shared.wording import count_noun


def describe_unassessed(gaps: Iterable[NotAssessed]) -> list[dict[str, Any]]:
    """Return the number of packages with each reason, for JSON."""
    return [
        {
            "ecosystem": gap.ecosystem,
            "reason": gap.reason,
            "packages": len(gap.packages),
            "incomplete": gap.is_incomplete,
        }
        for gap in gaps
    ]


def write_unassessed(terminal: Terminal, gaps: Iterable[NotAssessed]) -> None:
    """Write the number of packages with each reason."""
    for gap in gaps:
        noun = f"{gap.ecosystem} package".lstrip()
        text = f"{count_noun(len(gap.packages), noun)}: {gap.reason}"
        terminal.line(Span("! not assessed  ", "bold yellow"), text, hang=16)
