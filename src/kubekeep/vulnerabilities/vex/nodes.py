"""Typed access to decoded documents: a wrong type ends in VexError with the position in the document. No I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.vex.errors import VexError

LONGEST: Final = 65_536
"""Maximum characters of a text."""
MAX_TARGETS: Final = 1_000_000
"""Maximum number of products in all statements of a document together."""


class DocumentNode:
    """A value of a document with its position, as `statements[2].products[0]`."""

    __slots__ = ("position", "value")

    def __init__(self, value: Any, position: str = "") -> None:
        self.value = value
        self.position = position

    def get(self, key: str) -> DocumentNode:
        """Return the node at a key of a mapping; its value is None if the key is absent."""
        if not isinstance(self.value, dict):
            if self.value is None:
                return DocumentNode(None, self._join(key))
            raise self.error("is not an object")
        return DocumentNode(self.value.get(key), self._join(key))

    def has(self, key: str) -> bool:
        """Return True if a mapping has a value at the key."""
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def entries(self) -> Iterator[DocumentNode]:
        """Yield the nodes of a list; none if it is absent."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.error("is not a list")
        for number, entry in enumerate(self.value):
            yield DocumentNode(entry, f"{self.position}[{number}]")

    def fields(self) -> Iterator[tuple[str, DocumentNode]]:
        """Yield keys and nodes of a mapping; none if it is absent."""
        if self.value is None:
            return
        if not isinstance(self.value, dict):
            raise self.error("is not an object")
        for key, entry in self.value.items():
            yield key, DocumentNode(entry, self._join(key))

    def text(self) -> str:
        """Return a text without surrounding spaces; empty if it is absent."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise self.error("is not text")
        if len(self.value) > LONGEST:
            raise self.error(f"has more than {LONGEST:,} characters")
        return self.value.strip()

    def texts(self) -> tuple[str, ...]:
        """Return the texts of a list that are not empty."""
        return tuple(filter(None, (entry.text() for entry in self.entries())))

    def moment(self) -> dt.datetime | None:
        """Return a time in RFC 3339 in UTC; None if it is absent."""
        text = self.text()
        if not text:
            return None
        try:
            moment = msgspec.convert(text, dt.datetime)
            return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
        except (msgspec.ValidationError, OverflowError, ValueError):
            raise self.error(f"is not a time in RFC 3339: {visible(text[:80])}") from None

    def version(self) -> tuple[int, ...]:
        """Return a version such as 2, "2" or "1.4.0" as numbers; (1,) if it is absent."""
        if self.value is None:
            return (1,)
        text = str(self.value) if isinstance(self.value, int) and not isinstance(self.value, bool) else self.text()
        parts = text.partition("-")[0].partition("+")[0].split(".")
        if len(parts) > 4 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            raise self.error(f"is not a version: {visible(text[:80])}")
        return tuple(map(int, parts))

    def error(self, message: str) -> VexError:
        """Return the error for this position."""
        return VexError(f"{visible(self.position)} {message}" if self.position else f"the document {message}")

    def _join(self, key: str) -> str:
        return f"{self.position}.{key[:80]}" if self.position else key[:80]


class TargetCounter:
    """Limits the products of a document: documents may name the same list of products many times."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, number: int, node: DocumentNode) -> None:
        """Count products. Raises VexError beyond the limit."""
        self._count += number
        if self._count > MAX_TARGETS:
            raise node.error(f"exceeds the limit of {MAX_TARGETS:,} products in a document")
