"""Positions of some values in a JSON text that was read before. Reports no errors, and builds no source map.

The decoder of the standard library skips all other values, so that this costs little more than decoding the text again, and
memory for one of the values at a time.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from typing import Final

from kubekeep.model.location import Path

_SPACE: Final = re.compile(r"\s*")
Span = tuple[int, int]


class _Step:
    """A step of paths: the steps after it, and the span of its value once it is known."""

    __slots__ = ("children", "span")

    def __init__(self) -> None:
        self.children: dict[str | int, _Step] = {}
        self.span: Span | None = None


def find_spans(text: str, paths: Iterable[Path]) -> dict[Path, Span]:
    """Return the start and end index of the value at each path; of a collection, the end is that of its first key.

    The nearest ancestor stands for a value that the text does not have. In a text of several documents, all paths begin
    with the number of a document. Paths in a text that is not valid may have no span.
    """
    root = _Step()
    for path in paths:
        step = root
        for key in path:
            child = step.children.get(key)
            if child is None:
                child = step.children[key] = _Step()
            step = child
    # The spans before an error are correct.
    with contextlib.suppress(ValueError, IndexError, RecursionError):
        _SpanFinder(text).find(root)
    spans: dict[Path, Span] = {}
    for path in paths:
        step, span = root, root.span
        for key in path:
            step = step.children[key]
            span = step.span or span
        if span is not None:
            spans[path] = span
    return spans


class _SpanFinder:
    """Finder of the spans of steps in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._decode = json.JSONDecoder(parse_int=str, parse_float=str, strict=False).raw_decode

    def find(self, root: _Step) -> None:
        """Set the spans below the only document, or below each of several documents."""
        at = self._skip_space(0)
        if not all(isinstance(key, int) for key in root.children):
            self._follow(at, root)
            return
        for number in range(1 + max((key for key in root.children if isinstance(key, int)), default=-1)):
            at = self._skip_space(self._follow(at, root.children.get(number)))

    def _follow(self, at: int, step: _Step | None) -> int:
        """Set the spans of the value at an index and of the values below it; return the end of the value."""
        opening = self._text[at]
        if step is None:
            # An entry at a time: a list may be most of the document.
            return self._follow_list(at, _Step()) if opening == "[" else self._decode(self._text, at)[1]
        if step.children and opening in "{[":
            step.span = at, self._find_head_end(at)
            return self._follow_mapping(at, step) if opening == "{" else self._follow_list(at, step)
        end: int = self._decode(self._text, at)[1]
        step.span = at, self._find_head_end(at) if opening in "{[" else end
        return end

    def _find_head_end(self, at: int) -> int:
        """Return the end of the first key or text of a collection, as a source map does; else of its opening bracket."""
        first = self._skip_space(at + 1)
        return self._decode(self._text, first)[1] if self._text[first] == '"' else at + 1

    def _follow_mapping(self, at: int, step: _Step) -> int:
        at = self._skip_space(at + 1)
        while self._text[at] != "}":
            key, at = self._decode(self._text, at)
            at = self._skip_space(self._skip_space(at) + 1)
            at = self._skip_comma(self._follow(at, step.children.get(key)))
        return at + 1

    def _follow_list(self, at: int, step: _Step) -> int:
        at, number = self._skip_space(at + 1), 0
        while self._text[at] != "]":
            at, number = self._skip_comma(self._follow(at, step.children.get(number))), number + 1
        return at + 1

    def _skip_comma(self, at: int) -> int:
        at = self._skip_space(at)
        return self._skip_space(at + 1) if self._text[at] == "," else at

    def _skip_space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at
