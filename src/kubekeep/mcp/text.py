"""Text of answers: without control characters, and cut to a length with a mark. Never translates."""

from __future__ import annotations

from typing import Final

from kubekeep.model.text import visible

_CUT: Final = "… [cut: {} of {} characters]"


def clean(text: str, longest: int) -> str:
    """Return `text` on one line, with control characters as escapes, of at most `longest` characters before the mark."""
    return cut(visible(text), longest)


def clean_lines(text: str, longest: int) -> str:
    """Return `text` with its lines, each without control characters; cut as `clean` does."""
    return cut("\n".join(visible(line.replace("\t", "    ")) for line in text.splitlines()), longest)


def cut(text: str, longest: int) -> str:
    """Return `text`, or its first `longest` characters and a mark."""
    return text if len(text) <= longest else text[:longest] + _CUT.format(longest, len(text))
