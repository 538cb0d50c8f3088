"""The findings that are overdue or due soon, and their numbers."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from kubekeep_server.store.queries.due import DueDates
from kubekeep_server.store.queries.finding_filter import FindingFilter
from kubekeep_server.store.queries.findings import FindingRow, list_findings
from kubekeep_server.store.queries.pages import MAX_LIMIT, Document
from kubekeep_server.store.rule_documents import RuleFilter
from kubekeep_server.store.schema import source
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.service_levels import ServiceLevels, load_service_levels

WEEK: Final = dt.timedelta(days=7)


class DueCounts(Document, frozen=True):
    """Open findings by level of priority: overdue ones, and those that are due within a week.

    is_complete: False if there are more than 1,000 of either; the most urgent ones are counted then. has_levels: False without
    service levels.
    """

    overdue: dict[str, int]
    week: dict[str, int]
    is_complete: bool
    has_levels: bool


class DueFindings(msgspec.Struct, frozen=True):
    """The findings that are overdue, and those that are due within a week; the most urgent first.

    is_complete: False if there are more than 1,000 of either, of which the others are left out.
    """

    overdue: Sequence[FindingRow]
    week: Sequence[FindingRow]
    is_complete: bool


def list_due(
    connection: Connection, scope: Scope, selection: FindingFilter, now: dt.datetime, due: DueDates | None = None
) -> DueFindings:
    """Return the findings of a selection without a period that are due. due: by the service levels in force without it."""
    periods = ((None, now), (now, now + WEEK))
    pages = [
        list_findings(
            connection,
            scope,
            msgspec.structs.replace(selection, due_since=since, due_before=before),
            limit=MAX_LIMIT,
            due=due,
        )
        for since, before in periods
    ]
    overdue, week = pages
    return DueFindings(overdue.rows, week.rows, not (overdue.cursor or week.cursor))


def list_selected_due(
    connection: Connection, scope: Scope, criteria: RuleFilter, now: dt.datetime
) -> DueFindings | None:
    """Return the findings that a rule selects and that are due; None without any."""
    sources: tuple[int, ...] = ()
    if criteria.sources:
        rows = connection.execute(select(source.c.id, source.c.key))
        sources = tuple(row.id for row in rows if criteria.covers(row.key))
        if not sources:
            return None
    findings = list_due(connection, scope, criteria.to_finding_filter(sources), now)
    return findings if findings.overdue or findings.week else None


def count_due(
    connection: Connection,
    scope: Scope,
    selection: FindingFilter,
    now: dt.datetime,
    levels: ServiceLevels | None = None,
) -> DueCounts:
    """Return the numbers of findings of a selection that are due. levels: those in force without them."""
    levels = levels or load_service_levels(connection)
    findings = list_due(connection, scope, selection, now, DueDates(connection, levels))
    overdue, week = (
        dict(collections.Counter(row.priority for row in rows)) for rows in (findings.overdue, findings.week)
    )
    return DueCounts(overdue, week, findings.is_complete, bool(levels.levels))
