"""Terminal output: wrapped lines with colours and hyperlinks if supported. Control characters are escaped.

Writes ANSI codes (ECMA-48) without a library, because importing one costs more than printing a few hundred lines.
"""

from __future__ import annotations

import io
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TextIO
from urllib.parse import quote_from_bytes

import msgspec

from kubekeep.model.text import visible
from kubekeep.reports.format import ReportOptions

_CODES: Final = {
    "bold": 1,
    "dim": 2,
    "underline": 4,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "cyan": 36,
    "white": 37,
    "bright_red": 91,
}
_ASCII: Final = {
    "✔": "ok",
    "✖": "x",
    "…": "...",
    "·": "-",
    "─": "-",
    "█": "#",
    "░": ".",
    "→": "->",
    "↑": "^",
    "↓": "v",
    "•": "*",
    "◌": "o",
}
"""ASCII replacements for the symbols of reports on streams that cannot encode them."""


_ESCAPE_CODES: Final = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;.*?\x1b\\")
"""Style codes and hyperlinks."""


class Span(msgspec.Struct, frozen=True):
    """A piece of a line in one style: names of `_CODES` separated by spaces, such as `bold red`.

    A span wraps at its spaces unless `whole` is true. `url` is the target of the hyperlink.
    """

    text: str
    style: str = ""
    whole: bool = False
    url: str = ""


class Terminal:
    """Writer of styled lines. Escapes control characters, so that texts from the input cannot control the terminal."""

    def __init__(self, stream: TextIO, options: ReportOptions) -> None:
        self._stream = stream
        self._options = options
        self.width = max(options.width, 40)
        encoding = getattr(stream, "encoding", None) or "utf-8"
        self._encoding = "" if encoding.lower().replace("-", "") == "utf8" else encoding

    def copy(self) -> BufferedTerminal:
        """Return a terminal with the same options that keeps its lines."""
        return BufferedTerminal(self._options)

    def write_lines(self, lines: Iterable[str]) -> None:
        """Write lines of a copy."""
        for line in lines:
            self._write(f"{line}\n")

    def line(self, *spans: Span | str, indent: int = 0, hang: int = 2) -> None:
        """Write the spans as one line; continuation lines are indented by `hang` more columns.

        A continuation line that holds one long word, such as a path, is indented less if it fits then.
        """
        rows: list[list[Span]] = [[]]
        room = self.width - indent
        used = 0
        for word in _words(spans):
            size = cells(word.text)
            if rows[-1] and used + size > room and word.text.strip():
                rows.append([])
                room = self.width - indent - hang
                used = 0
            if rows[-1] or word.text.strip():
                rows[-1].append(word)
                used += size
        for number, row in enumerate(rows):
            columns = indent + (hang if number else 0) if row else 0
            left = self.width - sum(cells(word.text) for word in row)
            indentation = " " * (min(columns, left) if number and left >= 0 else columns)
            self._write(indentation + "".join(self._styled(word) for word in _merge_styles(row)) + "\n")

    def table(self, rows: Sequence[Sequence[Span]], indent: int = 0, left: int = 1) -> None:
        """Write rows of cells in columns: the first `left` columns left-aligned, the others right-aligned."""
        sizes = [max(cells(visible(cell.text)) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            parts = [" " * indent]
            for number, (cell, size) in enumerate(zip(row, sizes, strict=True)):
                styled = self._styled(msgspec.structs.replace(cell, text=visible(cell.text)))
                gap = " " * (size - cells(visible(cell.text)))
                cell_text = f"{styled}{gap}" if number < left else f"{gap}{styled}"
                parts.append(f"  {cell_text}" if number else cell_text)
            self._write("".join(parts).rstrip() + "\n")

    def _styled(self, span: Span) -> str:
        text = span.text
        if self._options.colour and span.style and text.strip():
            codes = ";".join(str(_CODES[word]) for word in span.style.split())
            text = f"\x1b[{codes}m{text}\x1b[0m"
        if self._options.links and span.url:
            text = f"\x1b]8;;{span.url}\x1b\\{text}\x1b]8;;\x1b\\"
        return text

    def _write(self, text: str) -> None:
        if self._encoding:
            for sign, ascii_text in _ASCII.items():
                text = text.replace(sign, ascii_text)
            text = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        self._stream.write(text)


class BufferedTerminal(Terminal):
    """Terminal that keeps its lines, to count them before they are written."""

    def __init__(self, options: ReportOptions) -> None:
        self._buffer = io.StringIO()
        super().__init__(self._buffer, options)

    @property
    def lines(self) -> list[str]:
        """The lines so far, with their styles."""
        return self._buffer.getvalue().splitlines()

    @property
    def rows(self) -> int:
        """Number of rows of the screen that the lines take."""
        return sum(count_rows(_ESCAPE_CODES.sub("", line), self.width) for line in self.lines)


def count_rows(text: str, width: int) -> int:
    """Return the number of rows of a screen that a line takes."""
    return max(1, -(-cells(text) // width))


def cells(text: str) -> int:
    """Return the terminal columns of text: two for wide characters (Unicode UAX #11), none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def file_url(base: str, path: str) -> str:
    """Return the `file:` URL of a displayed path, percent-encoded so that no name can end the hyperlink sequence."""
    whole = path if path.startswith("/") else f"{base.rstrip('/')}/{path}"
    return f"file://{quote_from_bytes(whole.encode('utf-8', 'surrogatepass'))}"


def _words(spans: Iterable[Span | str]) -> Iterator[Span]:
    for span in spans:
        entry = Span(span) if isinstance(span, str) else span
        text = visible(entry.text)
        if entry.whole:
            yield msgspec.structs.replace(entry, text=text)
            continue
        for number, word in enumerate(text.split(" ")):
            if number:
                yield msgspec.structs.replace(entry, text=" ")
            if word:
                yield msgspec.structs.replace(entry, text=word)


def _merge_styles(row: list[Span]) -> Iterator[Span]:
    """Yield the words of a row, joined where their styles are equal, to write each style code once per phrase."""
    end = len(row)
    while end and not row[end - 1].text.strip():
        end -= 1
    for (style, url), words in itertools.groupby(row[:end], key=lambda word: (word.style, word.url)):
        yield Span("".join(word.text for word in words), style, url=url)
