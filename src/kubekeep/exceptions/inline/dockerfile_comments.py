"""Suppression comments in Dockerfiles: on a line of their own, for the instruction or the line that follows.

A Dockerfile has no comments at the end of a line, and none in heredocs. Opens no file and applies nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

from kubekeep.exceptions.inline.comment import SuppressionComment
from kubekeep.exceptions.inline.comment_text import (
    LINE_END,
    CommentCandidate,
    CommentFields,
    continues,
    find_candidates,
    parse_comment_text,
)
from kubekeep.model.location import Position, Region, line_starts
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.instructions import Instruction, split_instructions

_OWN_LINE: Final = "a comment in a Dockerfile needs a line of its own"
_EMBEDDED: Final = "kubekeep:ignore must be at the start of its comment"
_IN_HEREDOC: Final = "it is inside of a heredoc: move it above the instruction"
_TORN: Final = "the end of the comment must be on the same line"


def find_dockerfile_comments(text: str) -> tuple[SuppressionComment, ...]:
    """Find the suppression comments of a Dockerfile, in order; none in a file that cannot be read."""
    try:
        instructions = split_instructions(text).instructions
    except DockerfileError:
        return ()
    lines = _CommentLines(text, instructions)
    return tuple(filter(None, map(lines.read, find_candidates(text))))


class _CommentLines:
    """A text by lines, numbered from 1, with its instructions."""

    def __init__(self, text: str, instructions: tuple[Instruction, ...]) -> None:
        self._text = text
        self._starts = line_starts(text)
        self._rows = LINE_END.split(text)
        self._instructions = instructions
        self._last_lines = [instruction.last_line for instruction in instructions]

    def read(self, candidate: CommentCandidate) -> SuppressionComment | None:
        """Return the comment of a candidate; None for text that nobody could take for a comment."""
        number = bisect_right(self._starts, candidate.start)
        before = self._text[self._starts[number - 1] : candidate.start]
        if candidate.opening != "#":
            is_comment = before.lstrip().startswith("#") and candidate.numbered
            problem = _EMBEDDED if is_comment else None
        elif before.lstrip().startswith("#"):
            problem = _EMBEDDED if candidate.numbered else None
        elif before.strip():
            is_quoted = before.count('"') % 2 or before.count("'") % 2
            problem = None if is_quoted else _OWN_LINE
        else:
            problem = candidate.problem
        return None if problem is None else self._build(candidate, number, problem)

    def _build(self, candidate: CommentCandidate, number: int, problem: str) -> SuppressionComment:
        first, last = self._find_covered(number)
        text = self._text[candidate.text_start : candidate.end].rstrip()
        offset = self._starts[number - 1] - 1
        start, end = candidate.start - offset, candidate.text_start + len(text) - offset
        region = Region(Position(number, start), Position(number, end))
        problem = problem or self._check_surroundings(number)
        fields = CommentFields(problem=problem) if problem else parse_comment_text(text)
        return SuppressionComment(region, first, last, fields.names, fields.until, fields.reason, fields.problem)

    def _check_surroundings(self, number: int) -> str:
        instruction = self._find_instruction(number)
        if instruction is not None and number in _list_heredoc_lines(instruction):
            return _IN_HEREDOC
        following = self._rows[number].strip() if number < len(self._rows) else ""
        return _TORN if following.startswith("#") and continues(following) else ""

    def _find_covered(self, number: int) -> tuple[int, int]:
        """Return the first and last line that a comment covers: the next instruction, or the next line inside of one."""
        instruction = self._find_instruction(number)
        if instruction is None:
            return number, number
        if number < instruction.first_line:
            return instruction.first_line, instruction.last_line
        following = range(number + 1, instruction.last_line + 1)
        line = next((line for line in following if self._has_content(line)), number)
        return line, line

    def _find_instruction(self, number: int) -> Instruction | None:
        """Return the instruction at a line or after it."""
        at = bisect_left(self._last_lines, number)
        return self._instructions[at] if at < len(self._instructions) else None

    def _has_content(self, line: int) -> bool:
        text = self._rows[line - 1].strip()
        return bool(text) and not text.startswith("#")


def _list_heredoc_lines(instruction: Instruction) -> Iterator[int]:
    """Yield the lines of the heredocs of an instruction and their ends, from the last to the first."""
    line = instruction.last_line
    count = sum(entry.content.count("\n") + 1 for entry in instruction.heredocs)
    yield from range(line, line - count, -1)
