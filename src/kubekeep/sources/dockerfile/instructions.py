"""Instructions of a Dockerfile: lines joined as BuildKit does, with the position of every character in the file.

Follows `frontend/dockerfile/parser` of BuildKit: parser directives, continuation lines with comments inside, heredocs,
CR LF and a byte order mark. `dockerfile-parse` on PyPI knows no heredocs, and `dockerfile` is a Go program; neither has
columns. Does not know the arguments of an instruction: see `arguments`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.sources.dockerfile.arguments import Arguments, parse_heredoc, read_arguments
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.words import SPACES, split_heredoc_words

MAX_LINE_BYTES: Final = 65_535
"""Length of a line, as in BuildKit."""
_MAX_INSTRUCTIONS: Final = 5_000
_MAX_HEREDOCS: Final = 500
_DIRECTIVE: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")
_DIRECTIVES: Final = ("syntax", "escape", "check")
_CONTINUATIONS: Final = {
    escape: re.compile(rf"(?:([^{re.escape(escape)}])|^){re.escape(escape)}[ \t]*\Z", re.DOTALL)
    for escape in ("\\", "`")
}


class InstructionText:
    """The text of an instruction in one line, with the index in the file of each of its parts."""

    __slots__ = ("_starts", "_targets", "text")

    def __init__(self, text: str, starts: array[int], targets: array[int]) -> None:
        """starts: indexes in `text` at which a line of the file begins. targets: indexes in the file of these."""
        self.text = text
        self._starts = starts
        self._targets = targets

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Return the start and end index in the file of a part of the text."""
        first = self._locate(start)
        return first, (self._locate(end - 1) + 1 if end > start else first)

    def _locate(self, at: int) -> int:
        number = max(bisect_right(self._starts, at) - 1, 0)
        return self._targets[number] + at - self._starts[number]


class Heredoc(msgspec.Struct, frozen=True):
    """A heredoc with its content as in the file. start: index of the content in the file."""

    name: str
    content: str
    start: int
    expands: bool
    strips_tabs: bool


class Instruction(msgspec.Struct, frozen=True):
    """An instruction with its arguments, whose positions are those in `text`. first_line, last_line: from 1."""

    arguments: Arguments
    text: InstructionText
    first_line: int
    last_line: int
    heredocs: tuple[Heredoc, ...]


class DockerfileText(msgspec.Struct, frozen=True):
    """The instructions of a file, and its parser directives. escape: the character that continues a line."""

    instructions: tuple[Instruction, ...]
    escape: str
    syntax: str


def split_instructions(text: str) -> DockerfileText:
    """Return the instructions of a file without a byte order mark. Raises DockerfileError."""
    return _Splitter(text).split()


class _Line(msgspec.Struct, frozen=True):
    """A line with its index in the file, its end included in `text`."""

    text: str
    start: int


class _Splitter:
    """Reader of the lines of one file."""

    def __init__(self, text: str) -> None:
        self._lines = list(_split_lines(text))
        self._number = 0
        self._escape = "\\"
        self._directives: dict[str, str] = {}
        self._is_after_directives = False
        self._heredocs = 0

    def split(self) -> DockerfileText:
        """Return the instructions."""
        instructions: list[Instruction] = []
        while self._number < len(self._lines):
            instruction = self._read_instruction()
            if instruction is not None:
                instructions.append(instruction)
            if len(instructions) > _MAX_INSTRUCTIONS:
                raise DockerfileError(f"more than {_MAX_INSTRUCTIONS} instructions", self._number)
        if not instructions:
            raise DockerfileError("the file has no instructions", self._number)
        return DockerfileText(tuple(instructions), self._escape, self._directives.get("syntax", ""))

    def _read_instruction(self) -> Instruction | None:
        """Read the next line and its continuation; None for an empty line or a comment."""
        line = self._next_line()
        content = line.text.rstrip("\r\n")
        stripped = content.lstrip(SPACES)
        self._read_directive(stripped)
        if stripped.startswith("#"):
            return None
        first = self._number
        parts: list[str] = []
        starts, targets = array("L"), array("L")
        length = 0
        part, is_continued = self._trim_continuation(stripped)
        if not part and not is_continued:
            return None
        offset = line.start + len(content) - len(stripped)
        while True:
            starts.append(length)
            targets.append(offset)
            parts.append(part)
            length += len(part)
            following = self._next_continuation() if is_continued else None
            if following is None:
                break
            part, is_continued = self._trim_continuation(following.text.rstrip("\r\n"))
            offset = following.start
        text = InstructionText("".join(parts), starts, targets)
        return self._finish(text, first)

    def _next_line(self) -> _Line:
        line = self._lines[self._number]
        self._number += 1
        return line

    def _next_continuation(self) -> _Line | None:
        """Return the next line of an instruction: not a comment and not empty; None at the end of the file."""
        while self._number < len(self._lines):
            line = self._next_line()
            content = line.text.lstrip(SPACES)
            if content and not content.startswith("#"):
                return line
        return None

    def _trim_continuation(self, text: str) -> tuple[str, bool]:
        """Return the text without the character that continues it, and True if there is one."""
        end = text.rstrip(" \t")
        if not end.endswith(self._escape):
            return text, False
        match = _CONTINUATIONS[self._escape].search(text, max(len(end) - 2, 0))
        return (text[: match.start()] + (match[1] or ""), True) if match else (text, False)

    def _read_directive(self, line: str) -> None:
        """Read a parser directive; all of them precede any other line."""
        if self._is_after_directives:
            return
        match = _DIRECTIVE.match(line[1:].lstrip(SPACES)) if line.startswith("#") else None
        name = match[1].lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            self._is_after_directives = True
            return
        if name in self._directives:
            raise DockerfileError(f"the parser directive {name} occurs twice", self._number)
        self._directives[name] = match[2]
        if name == "escape":
            if match[2] not in _CONTINUATIONS:
                raise DockerfileError("the parser directive escape must be \\ or `", self._number)
            self._escape = match[2]

    def _finish(self, text: InstructionText, first: int) -> Instruction:
        try:
            arguments = read_arguments(text.text, self._escape)
            heredocs = tuple(self._read_heredocs(text.text)) if "<<" in text.text and arguments.takes_heredocs else ()
        except DockerfileError as error:
            raise DockerfileError(str(error), first) from None
        return Instruction(arguments, text, first, self._number, heredocs)

    def _read_heredocs(self, text: str) -> Iterator[Heredoc]:
        """Read the contents of the heredocs of an instruction, which follow it in their order."""
        for opening in filter(None, map(parse_heredoc, split_heredoc_words(text))):
            name, expands, strips_tabs = opening
            self._heredocs += 1
            if self._heredocs > _MAX_HEREDOCS:
                raise DockerfileError(f"more than {_MAX_HEREDOCS} heredocs")
            contents: list[str] = []
            start = self._lines[self._number].start if self._number < len(self._lines) else 0
            while True:
                if self._number == len(self._lines):
                    raise DockerfileError("the end of a heredoc is missing")
                line = self._next_line().text
                content = line.rstrip("\r\n")
                if (content.lstrip("\t") if strips_tabs else content) == name:
                    break
                contents.append(line)
            yield Heredoc(name, "".join(contents), start, expands, strips_tabs)


def _split_lines(text: str) -> Iterator[_Line]:
    """Yield the lines. Raises DockerfileError for a line that BuildKit does not read."""
    at = number = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        number += 1
        line = text[at:end]
        content = line.removesuffix("\n")
        if len(content) > MAX_LINE_BYTES // 4 and len(content.encode("utf-8", "replace")) > MAX_LINE_BYTES:
            raise DockerfileError(f"the line is longer than {MAX_LINE_BYTES} bytes", number)
        yield _Line(line, at)
        at = end
