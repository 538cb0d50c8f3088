"""Lines of a text in a YAML file, from the lengths of the lines of the file. Never opens a file.

A scan does not keep the text of files. The lengths of the lines are enough to align a block scalar with its value.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def find_block_line(lengths: Sequence[int], text: str, line: int) -> int | None:
    """Return the 0-based line of a block scalar with line `line` of its text.

    lengths: lengths of the lines below the header of the scalar, without their ends. line: counts from 1. A line of a
    folded scalar may have several lines in the file: the result is the first of them. None for a scalar that is no
    block scalar.
    """
    for indentation in range(1, max(lengths, default=0) + 1):
        lines = _align(lengths, text, indentation)
        if lines is not None:
            return lines.get(line)
    return None


def _align(lengths: Sequence[int], text: str, indentation: int) -> dict[int, int] | None:
    """Return the lines of the file by the lines of the text; None if the text does not have this indentation."""
    lines: dict[int, int] = {}
    position, number = _skip_breaks(text, 0, 1)
    for at, length in enumerate(lengths):
        if length <= indentation:
            continue
        end = position + length - indentation
        if end > len(text) or "\n" in text[position:end]:
            return None
        lines.setdefault(number, at)
        position, number = _skip_breaks(text, end, number)
        if position == end < len(text):
            # A folded line continues in the next line of the file, after a space.
            if text[end] != " ":
                return None
            position += 1
    return lines if position == len(text) else None


def _skip_breaks(text: str, position: int, number: int) -> tuple[int, int]:
    """Return the position after line breaks, and the number of the line there."""
    breaks = sum(1 for _ in itertools.takewhile(lambda character: character == "\n", text[position:]))
    return position + breaks, number + breaks
