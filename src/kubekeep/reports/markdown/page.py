"""A page that ends where a comment must: counts the characters written and takes nothing that does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final, TextIO

LIMIT: Final = 60_000
"""Characters of a report: GitHub takes 65,536 in a comment, and somebody may want to add a word."""
CLOSING: Final = 600
"""Characters kept for what stands at the end of every report."""
_MORE: Final = 100
"""Characters kept for the end of a list."""


class Page:
    """Writes to `stream` while there is room."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._room = LIMIT - CLOSING

    def write(self, text: str, *, keep: int = 0) -> bool:
        """Write `text` if it fits and leaves `keep` characters free; tells whether it did."""
        if len(text) + keep > self._room:
            return False
        self._stream.write(text)
        self._room -= len(text)
        return True

    def close(self, text: str) -> None:
        """Write the end, for which there is always room."""
        self._stream.write(text)

    def items(self, texts: Iterable[str], total: int, noun: str, *, most: int) -> int:
        """Write the lines of a list of `total` items, `most` of them and while they fit, and how many are left out.

        Gives how many were written. `texts` are made one at a time, and no more than are written.
        """
        shown = 0
        for text in itertools.islice(texts, most):
            if not self.write(text, keep=_MORE):
                break
            shown += 1
        if shown < total:
            self.write(f"- and {total - shown:,} more {noun}{'' if total - shown == 1 else 's'}\n")
        return shown

    def fold(self, summary: str, *, keep: int = 0) -> bool:
        """Begin a folded part whose title is `summary`, harmless HTML, if that and `keep` characters more fit."""
        return self.write(f"\n<details><summary>{summary}</summary>\n\n", keep=keep + _MORE + len(_END))

    def unfold(self) -> None:
        """End it."""
        self._stream.write(_END)
        self._room -= len(_END)


_END: Final = "\n</details>\n"
