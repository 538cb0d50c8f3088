"""Text for print: escaped, bounded, and with break marks in long words.

Does not define the form of a mark or the characters of a font: `typesetting` does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from kubekeep.model.text import visible

BREAK: Final = "\u200b"
"""Break opportunity in a line. `visible` removes all others from untrusted text."""
LONGEST: Final = 400
"""Maximum characters of a name, a path or a message, followed by an ellipsis."""
LONGEST_PROSE: Final = 5000
"""Maximum characters of a paragraph."""
_LONG: Final = 16
"""Maximum length of a word that fits in every column and needs no marks."""
_JOINT: Final = re.compile(r"(?<=[/._:=,@\[\]-])(?=[^/._:=,@\[\]-])|(?<=[a-z])(?=[A-Z])")
_BLANKS: Final = re.compile(r"(\s+)")
_NO_GLYPH_CATEGORIES: Final = frozenset({"Cn", "Co", "Cs"})
"""Categories of characters without a glyph (Unicode UAX #44): unassigned, private use, surrogates."""


def line(text: str, longest: int = LONGEST) -> str:
    """Return text on one line of at most `longest` characters, with break marks."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(map(_mark_breaks, _BLANKS.split(_escape_unassigned(visible(cut)))))


def code_line(text: str) -> str:
    """Return a line of a file with its indentation as non-breaking spaces."""
    text = text.expandtabs(4).rstrip()
    inner = text.lstrip(" ")
    return "\xa0" * (len(text) - len(inner)) + line(inner)


def paragraphs(text: str) -> list[list[list[str]]]:
    """Return prose as paragraphs of runs, each with its kind: `text`, or `code` for text in backticks."""
    return [list(_runs(" ".join(part.split()))) for part in re.split(r"\n\s*\n", text) if part.strip()]


def escape(char: str) -> str:
    """Return the escape of an unprintable character in the notation of `visible`."""
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escape_missing(text: str, missing: Iterable[str]) -> str:
    """Return JSON text in which the characters of `missing` are replaced by their escapes."""
    return text.translate({ord(char): f"{BREAK}\\{escape(char)}" for char in missing})


def _mark_breaks(word: str) -> str:
    """Return the word with a mark after separators and before capitals, and within longer parts."""
    if len(word) <= _LONG:
        return word
    parts = (part[at : at + _LONG] for part in _JOINT.split(word) for at in range(0, len(part), _LONG))
    return BREAK.join(parts)


def _escape_unassigned(text: str) -> str:
    """Return text in which characters without a glyph are escaped."""
    if text.isascii():
        return text
    return "".join(escape(char) if unicodedata.category(char) in _NO_GLYPH_CATEGORIES else char for char in text)


def _runs(paragraph: str) -> Iterator[list[str]]:
    cut = paragraph if len(paragraph) <= LONGEST_PROSE else f"{paragraph[:LONGEST_PROSE]}…"
    parts = cut.split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick is a normal character
        parts = [cut]
    for number, part in enumerate(parts):
        if part:
            yield ["code" if number % 2 else "text", line(part, len(part))]
