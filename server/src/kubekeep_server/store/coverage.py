"""Findings that active decisions cover.

A decision on a definition in whole sources is a condition of each query, and has its numbers apart in `definition_total.covered`:
no finding has a mark of it, however many there are. A decision on some subjects or findings is in the rows that it covers.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, or_, select

from kubekeep.model.decision import DecisionKind, DecisionScope, DecisionState
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.decision_schema import decision, decision_definition, decode_scope
from kubekeep_server.store.schema import finding, source

_COVERING: Final = [kind for kind in DecisionKind if kind.covers]
_COLUMNS: Final = (decision.c.id, decision.c.kind, decision.c.scope, decision_definition.c.definition)
_IS_ACTIVE: Final = decision.c.state == DecisionState.ACTIVE


class ActiveDecision(NamedTuple):
    """A decision in force. definitions: numbers."""

    id: int
    kind: DecisionKind
    scope: DecisionScope
    definitions: frozenset[int]


def _select_active(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the query of active decisions with conditions, a row for each definition."""
    joined = decision_definition.c.decision == decision.c.id
    query = select(*_COLUMNS).join(decision_definition, joined).where(_IS_ACTIVE, *conditions)
    return query.order_by(decision.c.id)


_COVERS: Final = decision.c.kind.in_(_COVERING)
_WIDE: Final = _select_active(_COVERS, decision.c.is_wide)
_NARROW: Final = _select_active(_COVERS, ~decision.c.is_wide)
_OF_SOURCE: Final = _select_active(_COVERS, decision.c.source.in_(["", bindparam("key")]))
_OF_DEFINITIONS: Final = _select_active(is_key(decision_definition.c.definition))


def _group(rows: Iterable[Row[Any]]) -> list[ActiveDecision]:
    """Return the decisions of rows, the first one first."""
    definitions: dict[int, set[int]] = {}
    first: dict[int, Row[Any]] = {}
    for row in rows:
        first.setdefault(row.id, row)
        definitions.setdefault(row.id, set()).add(row.definition)
    return [
        ActiveDecision(number, DecisionKind(first[number].kind), decode_scope(first[number].scope), frozenset(keys))
        for number, keys in sorted(definitions.items())
    ]


def load_narrow_decisions(connection: Connection, definitions: Iterable[int]) -> list[ActiveDecision]:
    """Return the decisions that cover some subjects or findings of definitions."""
    required = frozenset(definitions)
    return [one for one in _group(connection.execute(_NARROW)) if one.definitions & required]


def load_decisions(connection: Connection, definitions: Iterable[int]) -> list[ActiveDecision]:
    """Return all active decisions on definitions, also those that cover nothing."""
    return _group(sorted(select_by_keys(connection, _OF_DEFINITIONS, definitions), key=lambda row: int(row.id)))


class SourceCoverage(NamedTuple):
    """The findings that decisions cover in a source. wide: definitions of which all findings are covered. narrow: by definition."""

    wide: frozenset[int] = frozenset()
    narrow: Mapping[int, tuple[ActiveDecision, ...]] = {}

    def find(self, definition: int, subject: Mapping[str, str], fingerprint: str) -> int | None:
        """Return the number of the first decision on a finding alone. subject: kind, namespace and name."""
        for one in self.narrow.get(definition, ()):
            if one.scope.selects_finding(subject["namespace"], subject["kind"], subject["name"], fingerprint):
                return one.id
        return None


def load_source_coverage(connection: Connection, key: str) -> SourceCoverage:
    """Return what decisions cover in a source. The caller has locked the definitions."""
    wide: set[int] = set()
    narrow: dict[int, list[ActiveDecision]] = {}
    for one in _group(connection.execute(_OF_SOURCE, {"key": key})):
        if not one.scope.selects_subjects or not one.scope.selects_source(key):
            continue
        if not one.scope.is_limited_to_subjects:
            wide |= one.definitions
            continue
        for number in one.definitions:
            narrow.setdefault(number, []).append(one)
    return SourceCoverage(frozenset(wide), {number: tuple(group) for number, group in narrow.items()})


def load_source_decisions(connection: Connection, key: str) -> Iterator[tuple[Row[Any], DecisionScope]]:
    """Yield the rows of decisions that cover findings of a source or problems of images, with their scopes."""
    conditions = (_IS_ACTIVE, _COVERS, decision.c.source.in_(["", key]))
    for row in connection.execute(select(decision).where(*conditions).order_by(decision.c.id)):
        scope = decode_scope(row.scope)
        if scope.selects_source(key):
            yield row, scope


class Coverage(NamedTuple):
    """Definitions that decisions cover in whole sources. everywhere: in all sources. partly: in some, by their numbers."""

    everywhere: frozenset[int] = frozenset()
    partly: Mapping[int, frozenset[int]] = {}

    def list_covered(self, number: int) -> frozenset[int]:
        """Return the definitions that are covered in a source."""
        return self.everywhere | {key for key, sources in self.partly.items() if number in sources}

    def list_conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions that a finding is not covered."""
        if self.everywhere:
            yield finding.c.definition.not_in(sorted(self.everywhere))
        for sources, definitions in self._group():
            yield ~and_(finding.c.definition.in_(definitions), finding.c.source.in_(sorted(sources)))

    def covers(self) -> ColumnElement[bool] | None:
        """Return the condition that a finding is covered; None if nothing is."""
        parts: list[ColumnElement[bool]] = []
        if self.everywhere:
            parts.append(finding.c.definition.in_(sorted(self.everywhere)))
        parts += [
            and_(finding.c.definition.in_(definitions), finding.c.source.in_(sorted(sources)))
            for sources, definitions in self._group()
        ]
        return or_(*parts) if parts else None

    def _group(self) -> Iterator[tuple[frozenset[int], list[int]]]:
        """Yield sources with the definitions that are covered in all of them: most decisions are on the same sources."""
        groups: dict[frozenset[int], list[int]] = {}
        for number, sources in sorted(self.partly.items()):
            groups.setdefault(sources, []).append(number)
        yield from groups.items()


NOTHING: Final = Coverage()


def load_coverage(connection: Connection) -> Coverage:
    """Return the definitions that decisions cover in whole sources."""
    decisions = _group(connection.execute(_WIDE))
    everywhere: set[int] = set()
    for one in decisions:
        if one.scope.has_every_source:
            everywhere |= one.definitions
    limited = [one for one in decisions if not one.definitions <= everywhere]
    if not limited:
        return Coverage(frozenset(everywhere))
    numbers: dict[str, list[int]] = collections.defaultdict(list)
    for row in connection.execute(select(source.c.id, source.c.key)).all():
        numbers[row.key].append(row.id)
    partly: dict[int, set[int]] = collections.defaultdict(set)
    for one in limited:
        selected = {number for key in one.scope.select_sources(numbers) for number in numbers[key]}
        for definition in one.definitions - everywhere:
            partly[definition] |= selected
    return Coverage(frozenset(everywhere), {number: frozenset(sources) for number, sources in partly.items()})
