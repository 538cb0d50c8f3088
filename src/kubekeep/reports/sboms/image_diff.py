"""A comparison of two images by their vulnerabilities and packages, for terminals and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TextIO

from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import qualify_name
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text
from kubekeep.model.vulnerability import Vulnerability
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms import diff, json
from kubekeep.reports.sboms.unassessed import describe_unassessed, write_unassessed
from kubekeep.reports.shared.terminal import Span, Terminal
from kubekeep.reports.shared.wording import count_noun, shorten
from kubekeep.vulnerabilities.comparison import AffectedPackageChange, ImageComparison

_LONGEST: Final = 60


def write_image_comparison(comparison: ImageComparison, stream: TextIO, options: ReportOptions) -> None:
    """Write the totals, the added and the resolved vulnerabilities, and the changed packages last."""
    terminal = Terminal(stream, options)
    terminal.line(
        Span(f"{count_noun(len(comparison.added), 'new vulnerability')}", "bold"),
        f", {len(comparison.resolved):,} resolved, {len(comparison.unchanged):,} in both",
    )
    terminal.line()
    _write_changes(terminal, "+ NEW VULNERABILITIES", "bold red", comparison.added)
    _write_changes(terminal, "- RESOLVED VULNERABILITIES", "bold green", comparison.resolved)
    write_unassessed(terminal, comparison.not_assessed)
    diff.write_terminal(comparison.packages, comparison.names, stream, options)


def _write_changes(terminal: Terminal, title: str, style: str, changes: Sequence[AffectedPackageChange]) -> None:
    if not changes:
        return
    terminal.line(Span(title, style), Span(f"  {_count_levels(changes)}", "dim"))
    rows = []
    for change in changes:
        level, fixed = change.vulnerability.rating.level, change.vulnerability.fixed_version
        packages = [entry.package for entry in change.new or change.old]
        names = ", ".join(dict.fromkeys(f"{qualify_name(package)} {package.version}" for package in packages))
        rows.append(
            [
                Span(level.label.upper(), f"bold {level.colour}", whole=True),
                Span(change.vulnerability.id, "cyan", whole=True),
                Span(shorten(names, _LONGEST), whole=True),
                Span(f"fixed in {fixed}" if fixed else "", "dim", whole=True),
            ]
        )
    terminal.table(rows, indent=2, left=4)
    terminal.line()


def _count_levels(changes: Sequence[AffectedPackageChange]) -> str:
    counts = Counter(change.vulnerability.rating.level for change in changes)
    return " · ".join(
        f"{counts[level]} {level.label.lower()}" for level in sorted(Severity, reverse=True) if counts[level]
    )


def write_image_comparison_json(comparison: ImageComparison, stream: TextIO) -> None:
    """Write the comparison as JSON."""
    document = json.describe_comparison(comparison.packages, comparison.names) | {
        "vulnerabilities": {
            "added": [_describe(entry) for change in comparison.added for entry in change.new],
            "resolved": [_describe(entry) for change in comparison.resolved for entry in change.old],
            "unchanged": [_describe(entry) for change in comparison.unchanged for entry in change.new],
        },
        "notAssessed": describe_unassessed(comparison.not_assessed),
    }
    stream.write(json_text(document) + "\n")


def _describe(vulnerability: Vulnerability) -> dict[str, Any]:
    return {
        "id": vulnerability.id,
        "aliases": list(vulnerability.aliases),
        "purl": format_package_url(vulnerability.package),
        "severity": vulnerability.rating.level.label,
        "fixedVersion": vulnerability.fixed_version,
    }
