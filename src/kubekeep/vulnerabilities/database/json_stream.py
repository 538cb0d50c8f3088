"""JSON objects in a stream: one per line, in an array, or one after the other. Splits only; never decodes an object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from kubekeep.vulnerabilities.database.compression import MAX_RECORD

_CHUNK: Final = 1 << 20
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|(\\?\Z))|[{}]', re.DOTALL)
"""A string, possibly without its end (group 1), or a brace."""
_BETWEEN: Final = re.compile(rb"[\s,\[\]\xef\xbb\xbf\x1e]*")
"""Text between objects: an array, separators, a byte order mark, record separators (RFC 7464)."""
_TOO_LARGE: Final = f"the record has more than {MAX_RECORD:,} bytes"


class JsonText(msgspec.Struct, frozen=True, gc=False):
    """The text of an object, its first line from 1, and a reason if it cannot be used."""

    content: bytes
    line: int
    problem: str = ""


def split_lines(stream: BinaryIO) -> Iterator[JsonText]:
    """Yield the lines that are not empty. A line above the limit is skipped and yielded as a problem."""
    number = 0
    while line := stream.readline(MAX_RECORD + 1):
        number += 1
        if len(line) > MAX_RECORD and not line.endswith(b"\n"):
            while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass
            yield JsonText(b"", number, _TOO_LARGE)
        elif content := line.strip(b" \t\r\n\xef\xbb\xbf\x1e"):
            yield JsonText(content, number)


def split_objects(stream: BinaryIO) -> Iterator[JsonText]:
    """Yield the objects at the top level or in a top-level array. A problem ends the stream."""
    splitter = _ObjectSplitter()
    while chunk := stream.read(_CHUNK):
        yield from splitter.feed(chunk)
        if splitter.problem:
            break
    yield from splitter.finish()


class _ObjectSplitter:
    """State of splitting: text that is not finished, the object's start and the position in it, and the open braces."""

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0
        self._position = 0
        self._depth = 0
        self._open_arrays = 0
        self._line = 1
        self.problem = ""

    def feed(self, chunk: bytes) -> Iterator[JsonText]:
        """Yield the objects that end in `chunk`."""
        self._buffer += chunk
        self._start = 0
        for match in _TOKEN.finditer(self._buffer, self._position):
            if match[1] is not None:
                self._position = match.start()
                break
            self._position = match.end()
            text = self._accept(match[0], match.start())
            if text is not None:
                yield text
            if self.problem:
                return
        else:
            self._position = len(self._buffer)
        if self._depth == 0:
            self._skip_between(self._position)
        self._buffer = self._buffer[self._start :]
        self._position -= self._start
        if len(self._buffer) > MAX_RECORD:
            self.problem = _TOO_LARGE

    def _accept(self, token: bytes, position: int) -> JsonText | None:
        """Count a brace, or check a string; return the object that the token ends."""
        if token == b"{":
            if self._depth == 0:
                self._skip_between(position)
            self._depth += 1
        elif self._depth == 0:
            self.problem = self.problem or "not an object of JSON"
        elif token == b"}":
            self._depth -= 1
            if self._depth == 0:
                content = self._buffer[self._start : self._position]
                text = JsonText(content, self._line)
                self._line += content.count(b"\n")
                self._start = self._position
                return text
        return None

    def finish(self) -> Iterator[JsonText]:
        """Yield the problem, if there is one."""
        if not self.problem and (self._depth or self._buffer):
            self.problem = "the object is incomplete"
        if not self.problem and self._open_arrays:
            self.problem = "the array is incomplete"
        if self.problem:
            yield JsonText(b"", self._line, self.problem)

    def _skip_between(self, end: int) -> None:
        """Skip the text between two objects, which has no content."""
        match = _BETWEEN.match(self._buffer, self._start, end)
        if match is not None and match.end() != end:
            self.problem = self.problem or "text between the objects"
        for bracket, change in ((b"[", 1), (b"]", -1)):
            self._open_arrays += change * self._buffer.count(bracket, self._start, end)
        self._line += self._buffer.count(b"\n", self._start, end)
        self._start = end
