"""Insertion of a suppression comment into a text, proven by parsing the result. Opens no file and writes none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from kubekeep.exceptions.inline.comment import MARKER, SuppressionComment
from kubekeep.exceptions.inline.comment_text import LINE_END
from kubekeep.exceptions.inline.comments import find_comments
from kubekeep.model.location import line_starts
from kubekeep.model.source import CommentSyntax
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_SPACES: Final = re.compile(r"[ \t]*")


class Insertion(msgspec.Struct, frozen=True):
    """A text to insert at an index."""

    at: int
    text: str


def format_comment(names: Sequence[str], until: dt.date, reason: str) -> str:
    """Return a suppression comment in one line."""
    words = " ".join(reason.split())
    return f"# {MARKER} {', '.join(names)} until={until:%Y-%m-%d} reason={words}"


def insert_comment(text: str, line: int, comment: str, syntax: CommentSyntax) -> Insertion | None:
    """Return the insertion that makes `comment` cover a line (from 1); None if no position is certain.

    The end of the line is preferred; a line that has a comment or ends inside of a value gets the comment above it.
    """
    starts = line_starts(text)
    if not 1 <= line <= len(starts):
        return None
    original = _read(text, syntax)
    for insertion in _list_insertions(text, starts[line - 1], comment, syntax):
        shift = insertion.text.count("\n") + insertion.text.count("\r") - insertion.text.count("\r\n")
        changed = _read(text[: insertion.at] + insertion.text + text[insertion.at :], syntax)
        if _is_proven(original, changed, line + shift):
            return insertion
    return None


def _list_insertions(text: str, start: int, comment: str, syntax: CommentSyntax) -> Iterator[Insertion]:
    match = LINE_END.search(text, start)
    end, line_end = (match.start(), match[0]) if match else (len(text), "\n")
    row = text[start:end]
    if row.strip() and "#" not in row and syntax is not CommentSyntax.DOCKERFILE:
        yield Insertion(start + len(row.rstrip()), f" {comment}")
    spaces = _SPACES.match(row)
    indent = spaces[0] if spaces else ""
    yield Insertion(start, f"{indent}{comment}{line_end}")


class _ReadText(NamedTuple):
    """The values of the documents of a YAML text, empty for another syntax, and the suppression comments."""

    values: list[Any]
    comments: tuple[SuppressionComment, ...]


def _read(text: str, syntax: CommentSyntax) -> _ReadText:
    if syntax is not CommentSyntax.YAML:
        return _ReadText([], tuple(find_comments(text, syntax, ())))
    parsed = yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS)
    documents = [document for document in parsed if isinstance(document, Document)]
    scalars = sorted(span for document in documents for span in document.source_map.list_scalars())
    return _ReadText([document.value for document in documents], tuple(find_comments(text, syntax, scalars)))


def _is_proven(original: _ReadText, changed: _ReadText, line: int) -> bool:
    """Return True if the new comment covers the line, and the documents keep their values and other comments."""
    is_kept = changed.values == original.values and len(changed.comments) == len(original.comments) + 1
    return is_kept and any(
        comment.covers(line) and comment.names and not comment.problem
        for comment in changed.comments
        if comment not in original.comments
    )
