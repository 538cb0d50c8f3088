"""Tables of Markdown in a comment on a merge request, the length of which is limited. Cells can neither link nor mention."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TextIO

from kubekeep.reports.shared.wording import escape_markdown

LIMIT: Final = 60_000
"""Maximum characters of a comment; GitHub accepts 65,536, which leaves room for additions."""


def format_row(cells: Iterable[str], longest: int) -> str:
    """Return a row of cells with at most `longest` characters each."""
    return f"| {' | '.join(escape_markdown(cell, longest) for cell in cells)} |\n"


def write_rows(stream: TextIO, rows: Iterable[str], total: int, room: int) -> int:
    """Write the rows that fit into `room` characters, then the number of the others. Return the room that is left."""
    for number, row in enumerate(rows):
        if len(row) > room:
            stream.write(f"\n{total - number} more are not shown, because the length of a comment is limited.\n")
            return 0
        stream.write(row)
        room -= len(row)
    return room
