"""Groups of the open findings that no exception covers: by control, or by the change that removes them. Reads totals, and no finding."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, RANKS, STEPS, get_exposure, get_level
from kubekeep_server.store.queries.definitions import (
    DefinitionFilter,
    contains_text,
    count_by_definition,
    list_definition_conditions,
    read_levels,
)
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.urgency import SEVERITY_NAMES

_Position = tuple[int, int, int]
"""Rank of the most urgent finding, number of findings as a negative number, and number of the most urgent definition."""


class Grouping(enum.StrEnum):
    """Groups of findings: of one control, or of all controls with the same remediation."""

    CONTROL = "control"
    CHANGE = "change"


class FindingGroup(Document, frozen=True):
    """Findings of definitions. definitions: keys, the most urgent first; title, severity and exposure are those of the first.

    priority: level of the most urgent finding. exposed: findings of subjects that can be reached from outside their cluster.
    """

    definitions: tuple[str, ...]
    title: str
    remediation: str
    priority: str
    severity: str
    exposure: int
    findings: int
    exposed: int


class _DefinitionText(msgspec.Struct):
    title: str = ""
    remediation: str = ""


class _Counted(msgspec.Struct, frozen=True):
    """A definition with the numbers of its selected findings by context."""

    row: Any
    text: _DefinitionText
    counts: collections.Counter[int]

    def locate(self) -> _Position:
        return self._find_rank(), -self.counts.total(), self.row.id

    @property
    def context(self) -> int:
        """The context of the most urgent finding."""
        return STEPS[self._find_rank()][0]

    @property
    def exposed(self) -> int:
        """The number of findings of subjects that can be reached."""
        return sum(count for context, count in self.counts.items() if context >= EXPOSED_CONTEXT)

    def _find_rank(self) -> int:
        return min(RANKS[context, self.row.urgency] for context in self.counts)


_decoder: Final = msgspec.json.Decoder(_DefinitionText)


def list_finding_groups(
    connection: Connection,
    scope: Scope,
    selection: DefinitionFilter,
    grouping: Grouping = Grouping.CONTROL,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[FindingGroup]:
    """Return a page of groups, those with the most urgent findings first. Raises ValueError for a cursor of another list."""
    after = read_cursor(cursor, grouping, tuple[int, int, int])
    scope = scope.narrow(selection.sources) if selection.sources else scope
    groups: dict[str, list[_Counted]] = {}
    for counted in _load_counted(connection, scope, selection):
        shared = counted.text.remediation if grouping is Grouping.CHANGE else ""
        groups.setdefault(shared or f"\0{counted.row.id}", []).append(counted)
    located = {_locate(members): members for members in groups.values()}
    ranked = sorted(position for position in located if after is None or position > after)
    page, following = cut_page(ranked, limit, grouping, tuple)
    return Page(tuple(_describe(located[position]) for position in page), following)


def _load_counted(connection: Connection, scope: Scope, selection: DefinitionFilter) -> Iterator[_Counted]:
    """Yield the selected definitions with findings."""
    counts: dict[int, collections.Counter[int]] = {}
    for number, by_context in count_by_definition(connection, scope).items():
        for context, count in by_context.items():
            if count > 0 and selection.is_exposed in (None, context >= EXPOSED_CONTEXT):
                counts.setdefault(number, collections.Counter())[context] = count
    levels = read_levels(selection.priorities)
    query = select(definition).where(is_key(definition.c.id), *list_definition_conditions(selection))
    if selection.text:
        query = query.where(contains_text(selection.text))
    for row in select_by_keys(connection, query, counts):
        selected = collections.Counter(
            {
                context: count
                for context, count in counts[row.id].items()
                if not levels or get_level(context, row.urgency) in levels
            }
        )
        if selected:
            yield _Counted(row, _decoder.decode(row.document), selected)


def _locate(members: list[_Counted]) -> _Position:
    """Return the position of a group, and sort its definitions."""
    members.sort(key=_Counted.locate)
    rank, _, number = members[0].locate()
    return rank, -sum(member.counts.total() for member in members), number


def _describe(members: list[_Counted]) -> FindingGroup:
    first = members[0]
    return FindingGroup(
        definitions=tuple(member.row.key for member in members),
        title=first.text.title,
        remediation=first.text.remediation,
        priority=SEVERITY_NAMES[get_level(first.context, first.row.urgency)],
        severity=SEVERITY_NAMES[first.row.severity],
        exposure=get_exposure(first.context),
        findings=sum(member.counts.total() for member in members),
        exposed=sum(member.exposed for member in members),
    )
