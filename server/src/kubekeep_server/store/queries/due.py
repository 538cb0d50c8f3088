"""Due dates of findings: the time at which they were opened, and the days of the service level that fits them."""

from __future__ import annotations

import collections
import datetime as dt
import functools
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, false, or_, select

from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, get_level
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.queries.definitions import has_priority
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.schema import finding, source
from kubekeep_server.store.service_levels import ServiceLevels, load_service_levels
from kubekeep_server.store.urgency import SEVERITY_NAMES

_DAY: Final = 86_400_000_000
"""Microseconds."""
_WITHOUT_DATE: Final = (FindingState.SUPPRESSED, FindingState.DECIDED)


class _Class(NamedTuple):
    """Findings with the same service level in each environment. level: name of the level of their priority."""

    level: str
    is_exposed: bool


class DueDates:
    """The due dates that follow from service levels. Statements are executed only for environments."""

    def __init__(self, connection: Connection, levels: ServiceLevels) -> None:
        self._connection = connection
        self._levels = levels

    def compute(self, context: int, urgency: int, opened: int, source_name: str) -> dt.datetime | None:
        """Return the due date of an open finding that nothing covers; None without a service level. opened: microseconds since 1970."""
        if not self._levels.levels:
            return None
        level, is_exposed = _classify(context, urgency)
        environment = self._levels.find_environment(source_name)
        days = self._levels.find_days(level, environment, is_exposed=is_exposed)
        return None if days is None else to_moment(opened + days * _DAY)

    def narrow(self, selection: FindingFilter) -> FindingFilter | None:
        """Return a filter with the times at which findings were opened that are due in its period; None if there can be none.

        Raises ValueError for a state without due dates.
        """
        if not selection.has_due_period:
            return selection
        if selection.state in _WITHOUT_DATE:
            raise ValueError(
                "findings that an exception or a decision covers have no due date: remove `due` or `state`"
            )
        days = [one.days for one in self._levels.levels]
        if not days:
            return None
        since, before = selection.opened_since, selection.opened_before
        if selection.due_since is not None:
            first = selection.due_since - dt.timedelta(days=max(days))
            since = first if since is None else max(since, first)
        if selection.due_before is not None:
            last = selection.due_before - dt.timedelta(days=min(days))
            before = last if before is None else min(before, last)
        return selection.replace_period(since, before)

    def list_conditions(self, selection: FindingFilter) -> Iterator[ColumnElement[bool]]:
        """Yield the condition that a finding is due in the period of a filter, if it has one."""
        if selection.has_due_period:
            yield or_(
                false(),
                *(
                    and_(has_priority([level]), _is_exposed(is_exposed=is_exposed), condition)
                    for level in {one.level for one in self._levels.levels}
                    for is_exposed in (False, True)
                    if (condition := self._build(_Class(level, is_exposed), selection)) is not None
                ),
            )

    def build_condition(
        self, selection: FindingFilter, context: int, urgencies: dict[int, int]
    ) -> ColumnElement[bool] | None:
        """Return the condition that findings of a context and of definitions are due in the period; None if they never are.

        urgencies: by number of the definition.
        """
        groups: dict[_Class, list[int]] = collections.defaultdict(list)
        for number, urgency in urgencies.items():
            groups[_classify(context, urgency)].append(number)
        built = [(numbers, self._build(one, selection)) for one, numbers in groups.items()]
        if len(built) == 1:
            return built[0][1]
        parts = [and_(finding.c.definition.in_(numbers), part) for numbers, part in built if part is not None]
        return or_(*parts) if parts else None

    def _build(self, one: _Class, selection: FindingFilter) -> ColumnElement[bool] | None:
        """Return the condition that findings of a class are due in the period of a filter; None if they never are."""
        by_days: dict[int | None, list[str]] = {}
        for name in ("", *self._environments):
            days = self._levels.find_days(one.level, name, is_exposed=one.is_exposed)
            by_days.setdefault(days, []).append(name)
        parts = []
        for days, names in by_days.items():
            if days is not None:
                sources = [] if len(by_days) == 1 else [self._is_in(names)]
                parts.append(and_(*sources, *_list_bounds(selection, days * _DAY)))
        return or_(*parts) if parts else None

    def _is_in(self, names: list[str]) -> ColumnElement[bool]:
        """Return the condition that the source of a finding has one of some environments; the empty name is none."""
        # The sum keeps a database from the findings of the sources.
        number = finding.c.source + 0
        if "" not in names:
            return number.in_(sorted(set[int]().union(*(self._environments[name] for name in names))))
        others = (sources for name, sources in self._environments.items() if name not in names)
        return number.not_in(sorted(set[int]().union(*others)))

    @functools.cached_property
    def _environments(self) -> dict[str, set[int]]:
        """The numbers of sources by the environments that service levels name."""
        named = {one.environment for one in self._levels.levels if one.environment}
        sources: dict[str, set[int]] = {name: set() for name in sorted(named)}
        if named:
            for row in self._connection.execute(select(source.c.id, source.c.document)):
                environment = self._levels.find_environment(name_source(row.document))
                if environment in sources:
                    sources[environment].add(row.id)
        return sources


def load_due_dates(connection: Connection) -> DueDates:
    """Return the due dates that follow from the service levels in force."""
    return DueDates(connection, load_service_levels(connection))


def _classify(context: int, urgency: int) -> _Class:
    return _Class(SEVERITY_NAMES[get_level(context, urgency)], context >= EXPOSED_CONTEXT)


def _is_exposed(*, is_exposed: bool) -> ColumnElement[bool]:
    highest = finding.c.context >= EXPOSED_CONTEXT
    return highest if is_exposed else ~highest


def _list_bounds(selection: FindingFilter, length: int) -> Iterator[ColumnElement[Any]]:
    """Yield the conditions that findings are due in the period of a filter. length: from their opening, in microseconds."""
    if selection.due_since is not None:
        yield finding.c.opened >= to_number(selection.due_since) - length
    if selection.due_before is not None:
        yield finding.c.opened < to_number(selection.due_before) - length
