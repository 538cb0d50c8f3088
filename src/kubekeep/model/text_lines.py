"""Lines of a text in a YAML file, from the lengths of the lines of the file. Never opens a file.

A scan does not keep the text of files. The lengths of the lines are enough to align a block scalar with its value.
"""

from __future__ import annotations

from collections.abc import Sequence


def find_block_lines(lengths: Sequence[int], text: str) -> dict[int, int]:
    """Return the 0-based lines of a block scalar by the lines of its text, from 1; empty if it is no block scalar.

    lengths: lengths of the lines below the header of the scalar, without their ends. A line of a folded scalar may have
    several lines in the file: the result has the first of them.
    """
    for indentation in range(1, max(lengths, default=0) + 1):
        lines = _align(lengths, text, indentation)
        if lines is not None:
            return lines
    return {}


def _align(lengths: Sequence[int], text: str, indentation: int) -> dict[int, int] | None:
    """Return the lines of the file by the lines of the text; None if the text does not have this indentation."""
    lines: dict[int, int] = {}
    position, number = _skip_breaks(text, 0, 1)
    for at, length in enumerate(lengths):
        if length <= indentation:
            continue
        end = position + length - indentation
        if end > len(text) or text.find("\n", position, end) >= 0:
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
    end = position
    while text.startswith("\n", end):
        end += 1
    return end, number + end - position
