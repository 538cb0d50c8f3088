"""Versions of Conan 2: parts of any kind, separated by dots, then a pre-release and build metadata, both ordered.

Conan compares a number with a text as texts, so its order is not transitive for mixed parts.
"""

from __future__ import annotations

import functools
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme


@functools.total_ordering
class ConanPart:
    """A part of a version: a number, or a text."""

    __slots__ = ("number", "text")

    def __init__(self, text: str) -> None:
        try:
            self.number: int | None = int(text)
        except ValueError:
            self.number = None
        self.text = text if self.number is None else str(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConanPart) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __lt__(self, other: ConanPart) -> bool:
        if self.number is not None and other.number is not None:
            return self.number < other.number
        return self.text < other.text


class ConanScheme(VersionScheme):
    """The order of Conan; every text is a version."""

    name = "Conan"

    def _parse(self, version: str) -> Any:
        rest, has_build, build = version.rpartition("+")
        if not has_build:
            rest, build = version, ""
        release, has_pre_release, pre_release = rest.partition("-")
        return (
            _parse_parts(release),
            (0, _parse_parts(pre_release)) if has_pre_release else (1, ()),
            (1, _parse_parts(build)) if has_build else (0, ()),
        )


def _parse_parts(text: str) -> tuple[ConanPart, ...]:
    parts = [ConanPart(part) for part in text.split(".")]
    while parts and parts[-1].number == 0:
        parts.pop()
    return tuple(parts)


CONAN = ConanScheme()
