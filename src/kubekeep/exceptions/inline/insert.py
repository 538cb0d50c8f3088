"""Insertion of a suppression comment into a text, proven by parsing the result. Opens no file and writes none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.inline.comment import MARKER
from kubekeep.exceptions.inline.comment_text import LINE_END
from kubekeep.exceptions.inline.comments import find_comments
from kubekeep.model.location import line_starts
from kubekeep.model.resource import CommentSyntax
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
    for insertion in _list_insertions(text, starts[line - 1], comment):
        shift = insertion.text.count("\n") + insertion.text.count("\r") - insertion.text.count("\r\n")
        if _is_proven(text, insertion, line + shift, syntax):
            return insertion
    return None


def _list_insertions(text: str, start: int, comment: str) -> Iterator[Insertion]:
    match = LINE_END.search(text, start)
    end, line_end = (match.start(), match[0]) if match else (len(text), "\n")
    row = text[start:end]
    if row.strip() and "#" not in row:
        yield Insertion(start + len(row.rstrip()), f" {comment}")
    spaces = _SPACES.match(row)
    indent = spaces[0] if spaces else ""
    yield Insertion(start, f"{indent}{comment}{line_end}")


def _is_proven(text: str, insertion: Insertion, line: int, syntax: CommentSyntax) -> bool:
    """Return True if the comment covers the line, and the documents keep their values and other comments."""
    changed = text[: insertion.at] + insertion.text + text[insertion.at :]
    documents, changed_documents = _parse(text), _parse(changed)
    is_yaml = syntax is CommentSyntax.YAML
    if is_yaml and [document.value for document in documents] != [document.value for document in changed_documents]:
        return False
    comments = find_comments(changed, syntax, _list_scalars(changed_documents) if is_yaml else ())
    previous = find_comments(text, syntax, _list_scalars(documents) if is_yaml else ())
    is_new = len(comments) == len(previous) + 1
    return is_new and any(
        comment.covers(line) and comment.names and not comment.problem
        for comment in comments
        if comment not in previous
    )


def _list_scalars(documents: Sequence[Document]) -> list[tuple[int, int]]:
    return sorted(span for document in documents for span in document.source_map.list_scalars())


def _parse(text: str) -> list[Document]:
    documents: list[Any] = list(yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS))
    return [document for document in documents if isinstance(document, Document)]
