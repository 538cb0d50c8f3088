"""YAML text as documents with a source map.

The native code parses with libyaml and types scalars as kubectl does. Never recursive, so that no document exhausts the
stack.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from kubekeep._native import YamlDocuments
from kubekeep.sources.tree import Document, Limits, Problem, build_document


def parse_documents(text: str, lines: array[int], limits: Limits) -> Iterator[Document | Problem | None]:
    """Yield the documents of a YAML text in order.

    A Problem for a document that cannot be read; after a syntax error the rest is not read. None for an empty document,
    which counts.
    """
    for document in YamlDocuments(text, limits.depth, limits.aliased, limits.documents, limits.nodes):
        match document:
            case None:
                yield None
            case (message, at):
                yield Problem(message, at)
            case (value, marks, duplicates):
                yield build_document(value, marks, duplicates, lines)
