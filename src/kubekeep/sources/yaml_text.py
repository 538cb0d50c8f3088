"""YAML text as documents with the place of every node.

The native part reads: libyaml's events, kubectl's meaning of scalars, the mappings. Here are only its limits and
the shape of what it gives. Never recursive, so no document can exhaust the stack.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from kubekeep._native import YamlDocuments
from kubekeep.sources.tree import Document, Limits, Problem, finished


def documents(text: str, lines: array[int], limits: Limits) -> Iterator[Document | Problem | None]:
    """The documents of a YAML text in order.

    A document that cannot be read is a Problem; after an error of syntax the rest of the text is not read.
    A document without content is None: it counts, and holds nothing.
    """
    for found in YamlDocuments(text, limits.depth, limits.aliased, limits.documents, limits.nodes):
        match found:
            case None:
                yield None
            case (message, at):
                yield Problem(message, at)
            case (value, marks, duplicates):
                yield finished(value, marks, duplicates, lines)
