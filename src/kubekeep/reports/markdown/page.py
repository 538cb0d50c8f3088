"""Output with a length limit: counts the characters written and refuses text that does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final, TextIO

from kubekeep.reports.shared.comment_tables import LIMIT
from kubekeep.reports.shared.wording import count_noun

CLOSING: Final = 600
"""Characters reserved for the end of every report."""
_MORE: Final = 100
"""Characters reserved for the end of a list."""


class MarkdownPage:
    """Writer with a limited number of characters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._remaining = LIMIT - CLOSING

    def write(self, text: str, *, keep: int = 0) -> bool:
        """Write text if it fits and leaves `keep` characters free. Return True if it was written."""
        if len(text) + keep > self._remaining:
            return False
        self._stream.write(text)
        self._remaining -= len(text)
        return True

    def close(self, text: str) -> None:
        """Write the end of the report, within the reserved characters."""
        self._stream.write(text)

    def write_list(self, texts: Iterable[str], total: int, noun: str, *, limit: int) -> int:
        """Write at most `limit` of `total` list lines while they fit, then the number of omitted ones.

        Return the number of written lines. `texts` is consumed lazily, only as far as it is written.
        """
        written_count = self._write_first(texts, limit, keep=_MORE)
        if written_count < total:
            self.write(f"- and {total - written_count:,} more {noun}{'' if total - written_count == 1 else 's'}\n")
        return written_count

    def write_rows(self, rows: Iterable[str], total: int, noun: str, *, limit: int, keep: int = _MORE) -> int:
        """Write at most `limit` of `total` rows of a table as `write_list` does."""
        written_count = self._write_first(rows, limit, keep=keep)
        if written_count < total:
            self.write(f"\nand {count_noun(total - written_count, f'more {noun}')}\n")
        return written_count

    def _write_first(self, texts: Iterable[str], limit: int, *, keep: int) -> int:
        return sum(
            1 for _ in itertools.takewhile(lambda text: self.write(text, keep=keep), itertools.islice(texts, limit))
        )

    def fold(self, summary: str, *, keep: int = 0) -> bool:
        """Begin a folded section titled with the HTML `summary` if it and `keep` more characters fit."""
        return self.write(f"\n<details><summary>{summary}</summary>\n\n", keep=keep + _MORE + len(_END))

    def unfold(self) -> None:
        """End the folded section."""
        self._stream.write(_END)
        self._remaining -= len(_END)


_END: Final = "\n</details>\n"
