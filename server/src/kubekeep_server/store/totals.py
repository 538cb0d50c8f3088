"""Numbers of open findings by source and severity, and their changes by day. They change with the findings, in one transaction."""

from __future__ import annotations

import collections
from typing import Final

from sqlalchemy import Connection, func, select

from kubekeep_server.store import schema
from kubekeep_server.store.upsert import add_to_rows

_DAY: Final = 86_400_000_000
"""Microseconds of a day."""


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
        totals = [
            {"source": source, "severity": severity, "findings": self._opened[severity] - self._closed[severity]}
            for severity in severities
        ]
        days = [
            {
                "source": source,
                "day": moment // _DAY,
                "severity": severity,
                "opened": self._opened[severity],
                "closed": self._closed[severity],
            }
            for severity in severities
        ]
        add_to_rows(connection, schema.total, ("findings",), [row for row in totals if row["findings"]])
        add_to_rows(connection, schema.day, ("opened", "closed"), days)


def move_severity(connection: Connection, definition: int, before: int, after: int, moment: int) -> None:
    """Move the open findings of a definition to its new severity, in all sources. The caller has locked the definitions."""
    finding = schema.finding
    counts = connection.execute(
        select(finding.c.source, func.count())
        .where(finding.c.definition == definition, finding.c.closed.is_(None), ~finding.c.is_suppressed)
        .group_by(finding.c.source)
        .order_by(finding.c.source)
    ).all()
    for severity, sign in ((before, -1), (after, 1)):
        totals = [{"source": source, "severity": severity, "findings": sign * count} for source, count in counts]
        add_to_rows(connection, schema.total, ("findings",), totals)
        days = [
            {
                "source": source,
                "day": moment // _DAY,
                "severity": severity,
                "opened": count if sign > 0 else 0,
                "closed": count if sign < 0 else 0,
            }
            for source, count in counts
        ]
        add_to_rows(connection, schema.day, ("opened", "closed"), days)
