"""Numbers of open findings by source and severity, and their changes by day. They change with the findings, in one transaction."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from kubekeep_server.store import schema
from kubekeep_server.store.upsert import add_to_rows

_DAY: Final = 86_400_000_000
"""Microseconds of a day."""


class _CountChange(NamedTuple):
    """Findings of a source and a severity that were opened and closed."""

    source: int
    severity: int
    opened: int
    closed: int


class FindingCounts:
    """The changes of a transaction: opened and closed findings by severity, without those that an exception covers."""

    def __init__(self) -> None:
        self._opened: collections.Counter[int] = collections.Counter()
        self._closed: collections.Counter[int] = collections.Counter()

    def open(self, severity: int) -> None:
        """Count a finding that is open now."""
        self._opened[severity] += 1

    def close(self, severity: int) -> None:
        """Count a finding that is no longer open."""
        self._closed[severity] += 1

    def write(self, connection: Connection, source: int, moment: int) -> None:
        """Add the changes to the totals of a source and to its day."""
        severities = sorted(self._opened.keys() | self._closed.keys())
        changes = [
            _CountChange(source, severity, self._opened[severity], self._closed[severity]) for severity in severities
        ]
        _write_changes(connection, changes, moment)


def move_severity(connection: Connection, definition: int, before: int, after: int, moment: int) -> None:
    """Move the open findings of a definition to its new severity, in all sources. The caller has locked the definitions."""
    finding = schema.finding
    counts = connection.execute(
        select(finding.c.source, func.count())
        .where(finding.c.definition == definition, finding.c.closed.is_(None), ~finding.c.is_suppressed)
        .group_by(finding.c.source)
        .order_by(finding.c.source)
    ).all()
    changes = [_CountChange(source, before, 0, count) for source, count in counts]
    changes += [_CountChange(source, after, count, 0) for source, count in counts]
    _write_changes(connection, changes, moment)


def _write_changes(connection: Connection, changes: Sequence[_CountChange], moment: int) -> None:
    """Add changes to the totals and to the day of a moment."""
    totals = [
        {"source": change.source, "severity": change.severity, "findings": change.opened - change.closed}
        for change in changes
        if change.opened != change.closed
    ]
    days = [{"day": moment // _DAY, **change._asdict()} for change in changes]
    add_to_rows(connection, schema.total, ("findings",), totals)
    add_to_rows(connection, schema.day, ("opened", "closed"), days)
