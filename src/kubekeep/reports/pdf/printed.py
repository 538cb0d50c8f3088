"""Text as it is printed: harmless, bounded, and with marks where a long word may break.

Knows no document: what a mark looks like in print, and which characters a font has, is the typesetter's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from kubekeep.model.text import visible

BREAK: Final = "\u200b"
"""Where a line may break. `visible` leaves none of these in the text of others."""
LONGEST: Final = 400
"""Characters of a name, a path or a message that are printed; an ellipsis stands for the rest."""
LONGEST_PROSE: Final = 5000
"""Characters of a paragraph that are printed."""
_LONG: Final = 16
"""Words up to this many characters fit in every column and need no marks."""
_JOINT: Final = re.compile(r"(?<=[/._:=,@\[\]-])(?=[^/._:=,@\[\]-])|(?<=[a-z])(?=[A-Z])")
_BLANKS: Final = re.compile(r"(\s+)")
_SHAPELESS: Final = frozenset({"Cn", "Co", "Cs"})
"""Categories of characters (Unicode UAX #44) that mean nothing to others: unassigned, private, surrogates."""


def line(text: str, longest: int = LONGEST) -> str:
    """`text` on one line of at most `longest` characters, with marks to break it by."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(map(_breakable, _BLANKS.split(_assigned(visible(cut)))))


def code_line(text: str) -> str:
    """A line of a file with its indentation, in blanks that print."""
    text = text.expandtabs(4).rstrip()
    inner = text.lstrip(" ")
    return "\xa0" * (len(text) - len(inner)) + line(inner)


def paragraphs(text: str) -> list[list[list[str]]]:
    """Prose as paragraphs of runs, each with its kind: `text`, or `code` for what stands in backticks."""
    return [list(_runs(" ".join(part.split()))) for part in re.split(r"\n\s*\n", text) if part.strip()]


def escape(char: str) -> str:
    """The code of a character that cannot be printed, as `visible` writes it."""
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def without(text: str, missing: Iterable[str]) -> str:
    """JSON `text` with the code of each character of `missing` in its place."""
    return text.translate({ord(char): f"{BREAK}\\{escape(char)}" for char in missing})


def _breakable(word: str) -> str:
    """`word` with a mark at each joint if it is long, and within long parts that have none."""
    if len(word) <= _LONG:
        return word
    parts = (part[at : at + _LONG] for part in _JOINT.split(word) for at in range(0, len(part), _LONG))
    return BREAK.join(parts)


def _assigned(text: str) -> str:
    if text.isascii():
        return text
    return "".join(escape(char) if unicodedata.category(char) in _SHAPELESS else char for char in text)


def _runs(paragraph: str) -> Iterator[list[str]]:
    parts = paragraph.split("`")
    if len(parts) % 2 == 0:  # a backtick without its pair is a character like any other
        parts = [paragraph]
    for number, part in enumerate(parts):
        if part:
            yield ["code" if number % 2 else "text", line(part, LONGEST_PROSE)]
