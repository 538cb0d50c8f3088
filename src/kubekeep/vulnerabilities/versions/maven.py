"""Versions of Maven, as ComparableVersion of Maven 3.9 orders them (https://maven.apache.org/pom.html#Version_Order_Specification).

The order of Maven is not transitive for a few unusual versions, such as "1", "1-1" and "1.0.alpha.1".
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable
from typing import Any

from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_RUNS = re.compile(r"[0-9]+|[^0-9.-]+|[.-]")
_QUALIFIERS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_ALIASES = {"ga": "", "final": "", "release": "", "cr": "rc"}
_SHORT_NAMES = {"a": "alpha", "b": "beta", "m": "milestone"}
_TEXT, _LIST, _NUMBER = range(3)

VersionPart = tuple[int, Any]
"""A type and its value: a number, or the rank of a qualifier as text."""

_RELEASE = str(_QUALIFIERS.index(""))
_SUBLIST: VersionPart = (_LIST, "")
_EMPTY_PARTS: tuple[VersionPart, ...] = ((_NUMBER, 0), (_TEXT, _RELEASE))

Levels = tuple[tuple[VersionPart, ...], ...]
"""The lists of a version: each list but the last ends with _SUBLIST, which stands for the next one."""


class MavenScheme(VersionScheme):
    """The order of Maven; every text is a version."""

    name = "Maven"

    def _parse(self, version: str) -> Any:
        return functools.cmp_to_key(_compare)(_MavenParser().parse(version.lower()))


class _MavenParser:
    """Splits a version into levels."""

    def __init__(self) -> None:
        self.levels: list[list[VersionPart]] = [[]]
        self.pending = ""

    def parse(self, version: str) -> Levels:
        """Return the levels without parts that are equal to nothing, as ".0" and "-ga" at the end of a list."""
        for run in _RUNS.findall(version):
            if run in ".-":
                self.levels[-1].append(_read(self.pending or "0"))
                self.pending = ""
                if run == "-":
                    self.levels.append([])
            else:
                self._add_run(run)
        if self.pending:
            if not self.pending[0].isdigit():
                self._open_list_for_text()
            self.levels[-1].append(_read(self.pending))
        for level in self.levels:
            while level and level[-1] in _EMPTY_PARTS:
                level.pop()
        while len(self.levels) > 1 and not self.levels[-1]:
            self.levels.pop()
        *former, last = self.levels
        return (*((*level, _SUBLIST) for level in former), tuple(last))

    def _add_run(self, run: str) -> None:
        """Add digits or text; a change between both is as a hyphen."""
        if self.pending:
            if run[0].isdigit():
                self._open_list_for_text()
                self.pending = _SHORT_NAMES.get(self.pending, self.pending)
            self.levels[-1].append(_read(self.pending))
            self.levels.append([])
        self.pending = run

    def _open_list_for_text(self) -> None:
        """Treat ".X" as "-X" for a text X."""
        if self.levels[-1]:
            self.levels.append([])


def _read(run: str) -> VersionPart:
    if "0" <= run[0] <= "9":
        return _NUMBER, int(run)
    qualifier = _ALIASES.get(run, run)
    rank = _QUALIFIERS.index(qualifier) if qualifier in _QUALIFIERS else f"{len(_QUALIFIERS)}-{qualifier}"
    return _TEXT, str(rank)


def _compare(first: Levels, second: Levels) -> int:
    for depth, (parts, other_parts) in enumerate(zip(first, second, strict=False)):
        if parts == other_parts:
            continue
        for part, other in zip(parts, other_parts, strict=False):
            if part != other:
                return -1 if part < other else 1
        if len(parts) > len(other_parts):
            return _compare_to_nothing([parts[len(other_parts) :], *first[depth + 1 :]])
        return -_compare_to_nothing([other_parts[len(parts) :], *second[depth + 1 :]])
    return 0


def _compare_to_nothing(levels: Iterable[tuple[VersionPart, ...]]) -> int:
    """Compare the rest of a version with a missing one: a positive number is after it, "alpha" before it."""
    for kind, value in itertools.chain.from_iterable(levels):
        if kind != _LIST:
            order = (value > 0) if kind == _NUMBER else (value > _RELEASE) - (value < _RELEASE)
            if order:
                return int(order)
    return 0


MAVEN = MavenScheme()
