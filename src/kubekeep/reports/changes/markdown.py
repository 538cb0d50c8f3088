"""A comparison as a comment on a merge request: the sums, then what is new, cannot be compared or was accepted.

Fits the limit of such comments whatever the number of findings; text of manifests can neither link nor mention.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TextIO

from kubekeep.model.comparison import Comparison, Difference
from kubekeep.model.text import visible
from kubekeep.reports.changes.words import heading, place_of, sums, what
from kubekeep.reports.format import Options

_LIMIT: Final = 60_000
"""Characters; GitHub takes 65,536."""
_LONGEST: Final = 300
"""Characters of one cell."""
_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]()<>#+!|~&@:$-]")


def render(comparison: Comparison, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for terminals only
    """Write the comment."""
    stream.write(f"## Findings: {sums(comparison)}\n")
    stream.writelines(f"\n> The scans differ: {_escaped(warning)}\n" for warning in comparison.warnings)
    parts = (
        ("New", comparison.new),
        ("Cannot be compared", comparison.incomparable),
        ("Accepted by exceptions", comparison.accepted),
    )
    room = _LIMIT
    for title, items in parts:
        if items:
            room = _write_table(stream, title, items, room)


def _write_table(stream: TextIO, title: str, items: Sequence[Difference], room: int) -> int:
    """Write a table as far as there is room for; the room that is left."""
    stream.write(f"\n### {title}\n\n| Severity | Control | Resource | Place |\n| --- | --- | --- | --- |\n")
    for number, item in enumerate(items):
        row = _row(item)
        if len(row) > room:
            stream.write(f"\n{len(items) - number} more are left out: a comment holds no more.\n")
            return 0
        stream.write(row)
        room -= len(row)
    return room


def _row(item: Difference) -> str:
    finding = item.finding
    places = [place_of(finding), what(finding), item.reason]
    cells = [finding.level.label, heading(finding), str(finding.identity), "; ".join(filter(None, places))]
    return f"| {' | '.join(map(_escaped, cells))} |\n"


def _escaped(text: str) -> str:
    """`text` as Markdown shows it and nothing else: every sign that means something becomes a reference to itself."""
    shown = visible(text)
    short = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    return _SPECIAL.sub(lambda match: f"&#{ord(match.group())};", short)
