"""A comparison as a comment on a merge request: totals, then new, incomparable and excepted findings.

The length stays within the limit of such comments. Text from manifests can neither link nor mention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.reports.changes.words import describe_location, field_path, heading, totals
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.comment_tables import LIMIT, format_row, write_rows
from kubekeep.reports.shared.wording import escape_markdown

_LONGEST: Final = 300
"""Maximum characters of one cell."""


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for terminals only
    """Write the comment."""
    stream.write(f"## Findings: {totals(comparison)}\n")
    stream.writelines(
        f"\n> The scans differ: {escape_markdown(warning, _LONGEST)}\n" for warning in comparison.warnings
    )
    parts = (
        ("New", comparison.new),
        ("Incomparable", comparison.incomparable),
        ("Covered by exceptions", comparison.excepted),
    )
    remaining = LIMIT
    for title, differences in parts:
        if differences:
            remaining = _write_table(stream, title, differences, remaining)


def _write_table(stream: TextIO, title: str, differences: Sequence[Difference], remaining: int) -> int:
    """Write the rows of a table that fit into `remaining` characters, and return the remaining room."""
    stream.write(f"\n### {title}\n\n| Severity | Control | Resource | Location |\n| --- | --- | --- | --- |\n")
    return write_rows(stream, map(_row, differences), len(differences), remaining)


def _row(difference: Difference) -> str:
    finding = difference.finding
    details = [describe_location(finding), field_path(finding), difference.reason]
    cells = [finding.level.label, heading(finding), str(finding.identity), "; ".join(filter(None, details))]
    return format_row(cells, _LONGEST)
