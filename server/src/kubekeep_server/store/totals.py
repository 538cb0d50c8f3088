"""Numbers of open findings by source and class, and their changes by day. They change with the findings, in one transaction."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from kubekeep._native import pack_counts, sum_counts
from kubekeep_server.store import schema
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_findings import recount
from kubekeep_server.store.image_schema import image_finding
from kubekeep_server.store.numbers import DAY
from kubekeep_server.store.upsert import add_to_rows, replace_rows
from kubekeep_server.store.urgency import EXPOSURES


class Rating(NamedTuple):
    """The rating of a definition: severity, and urgency (`urgency.classify_definition`)."""

    severity: int
    urgency: int


class FindingClass(NamedTuple):
    """The class of a finding: the exposure of its subject, and the rating of its definition."""

    exposure: int
    urgency: int
    severity: int


class FindingCounts:
    """The changes of a transaction to the findings of one source, without those that an exception covers."""

    def __init__(self) -> None:
        self._changes: collections.Counter[FindingClass] = collections.Counter()
        self._definitions: collections.Counter[int] = collections.Counter()
        """Changes by the keys of `definition_total`."""
        self._opened: collections.Counter[int] = collections.Counter()
        self._closed: collections.Counter[int] = collections.Counter()

    def open(self, definition: int, rating: Rating, exposure: int) -> None:
        """Count a finding that is open now."""
        self._add(definition, rating, exposure, 1)
        self._opened[rating.severity] += 1

    def close(self, definition: int, rating: Rating, exposure: int) -> None:
        """Count a finding that is no longer open."""
        self._add(definition, rating, exposure, -1)
        self._closed[rating.severity] += 1

    def move(self, definition: int, rating: Rating, before: int, after: int) -> None:
        """Count an open finding of a subject whose exposure has changed."""
        self._add(definition, rating, before, -1)
        self._add(definition, rating, after, 1)

    def _add(self, definition: int, rating: Rating, exposure: int, number: int) -> None:
        self._changes[FindingClass(exposure, rating.urgency, rating.severity)] += number
        self._definitions[definition * EXPOSURES + exposure] += number

    def write(self, connection: Connection, source: int, moment: int) -> None:
        """Add the changes to the totals of a source and to its day."""
        totals = [
            {"source": source, **key._asdict(), "findings": change}
            for key, change in sorted(self._changes.items())
            if change
        ]
        add_to_rows(connection, schema.total, ("findings",), totals)
        self._write_definitions(connection, source)
        severities = sorted(self._opened.keys() | self._closed.keys())
        _write_days(
            connection, [(source, level, self._opened[level], self._closed[level]) for level in severities], moment
        )

    def _write_definitions(self, connection: Connection, source: int) -> None:
        if not any(self._definitions.values()):
            return
        table = schema.definition_total
        content = connection.execute(select(table.c.content).where(table.c.source == source)).scalar()
        counts = collections.Counter(dict(sum_counts([content] if content else [])))
        counts.update(self._definitions)
        row = {"source": source, "content": pack_counts([pair for pair in counts.items() if pair[1]])}
        replace_rows(connection, table, ("content",), [row])


def move_rating(connection: Connection, definition: int, before: Rating, after: Rating, moment: int) -> None:
    """Move the open findings of a definition to its new rating, in all sources and images.

    The caller has locked the definitions.
    """
    finding = schema.finding
    counts = connection.execute(
        select(finding.c.source, finding.c.exposure, func.count())
        .where(finding.c.definition == definition, finding.c.closed.is_(None), ~finding.c.is_suppressed)
        .group_by(finding.c.source, finding.c.exposure)
        .order_by(finding.c.source, finding.c.exposure)
    ).all()
    totals = [
        {"source": source, "exposure": exposure, **rating._asdict(), "findings": sign * count}
        for rating, sign in ((before, -1), (after, 1))
        for source, exposure, count in counts
    ]
    add_to_rows(connection, schema.total, ("findings",), totals)
    if before.severity != after.severity:
        days = [(source, before.severity, 0, count) for source, _, count in counts]
        _write_days(connection, [*days, *((source, after.severity, count, 0) for source, _, count in counts)], moment)


def recount_images(connection: Connection, definitions: Iterable[int]) -> None:
    """Write the totals of the images with open problems of definitions whose rating has changed."""
    table = image_finding
    query = select(table.c.image).where(is_key(table.c.definition), table.c.closed.is_(None)).distinct()
    recount(connection, {row.image for row in select_by_keys(connection, query, definitions)})


def _write_days(connection: Connection, changes: Iterable[tuple[int, int, int, int]], moment: int) -> None:
    """Add opened and closed findings, by source and severity, to the day of a moment."""
    rows = [
        {"source": source, "day": moment // DAY, "severity": severity, "opened": opened, "closed": closed}
        for source, severity, opened, closed in changes
    ]
    add_to_rows(connection, schema.day, ("opened", "closed"), rows)
