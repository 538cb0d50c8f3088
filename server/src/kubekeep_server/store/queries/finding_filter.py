"""Filters of findings, and the conditions of their subjects, states and times."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, or_, true

from kubekeep_server.store.coverage import Coverage
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.owners import NO_OWNER, is_owned
from kubekeep_server.store.schema import finding, subject


class FindingState(enum.StrEnum):
    """States of open findings."""

    OPEN = "open"
    SUPPRESSED = "suppressed"
    """Exceptions of a scan cover it."""
    DECIDED = "decided"
    """A decision covers it."""
    UNKNOWN = "unknown"


INDEXED: Final = (FindingState.SUPPRESSED, FindingState.UNKNOWN)
"""States of which an index has the findings."""


class FindingFilter(DefinitionFilter, frozen=True, kw_only=True):
    """Filters of a list of findings; an empty one selects all.

    kinds, owners: of subjects. labels: `key=value`, or `key` for any value. text: also a part of the subject's name. opened_since, opened_before: the first time in the period, and the
    first one after it. due_since, due_before: the same of their due dates.
    """

    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    opened_since: dt.datetime | None = None
    opened_before: dt.datetime | None = None
    due_since: dt.datetime | None = None
    due_before: dt.datetime | None = None
    state: FindingState = FindingState.OPEN

    @property
    def has_due_period(self) -> bool:
        """True if it selects findings by their due dates."""
        return self.due_since is not None or self.due_before is not None

    def replace_period(self, since: dt.datetime | None, before: dt.datetime | None) -> FindingFilter:
        """Return the filter with another period in which findings were opened."""
        return msgspec.structs.replace(self, opened_since=since, opened_before=before)


def list_subject_conditions(selection: FindingFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of subjects that indexes of subjects have."""
    for column, values in ((subject.c.namespace, selection.namespaces), (subject.c.name, selection.names)):
        if values:
            yield column.in_(values)
    if selection.owners and NO_OWNER not in selection.owners:
        yield is_owned(selection.owners)


def list_other_subject_conditions(selection: FindingFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the other conditions of subjects."""
    if selection.kinds:
        yield subject.c.kind.in_(selection.kinds)
    if NO_OWNER in selection.owners:
        yield is_owned(selection.owners)


def list_state_conditions(selection: FindingFilter, coverage: Coverage) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the state of open findings."""
    is_suppressed, is_covered = finding.c.is_suppressed.is_(true()), coverage.covers()
    match selection.state:
        case FindingState.SUPPRESSED:
            yield is_suppressed
            yield finding.c.decision.is_(None)
        case FindingState.DECIDED:
            is_decided = finding.c.decision > 0
            yield is_decided if is_covered is None else or_(is_decided, and_(~is_suppressed, is_covered))
        case _:
            yield ~is_suppressed
            yield from coverage.list_conditions()
            if selection.state is FindingState.UNKNOWN:
                yield finding.c.unknown_since.is_not(None)


def list_period_conditions(selection: FindingFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the time at which findings were opened."""
    if selection.opened_since is not None:
        yield finding.c.opened >= to_number(selection.opened_since)
    if selection.opened_before is not None:
        yield finding.c.opened < to_number(selection.opened_before)
