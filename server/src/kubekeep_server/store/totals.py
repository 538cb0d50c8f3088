"""Numbers of open findings by source and class, and their changes by day. They change with the findings, in one transaction."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from kubekeep._native import pack_counts, sum_counts
from kubekeep_server.store import schema
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.finding_context import CONTEXTS, WITHOUT_LEVEL, get_exposure, get_level
from kubekeep_server.store.image_findings import recount
from kubekeep_server.store.image_schema import image_finding
from kubekeep_server.store.numbers import DAY
from kubekeep_server.store.upsert import add_to_rows, replace_rows


class FindingClass(NamedTuple):
    """The class of a finding: the exposure of its subject, and the level of its priority."""

    exposure: int
    level: int


class FindingCounts:
    """The changes of a transaction to the findings of one source, without those that an exception covers."""

    def __init__(self) -> None:
        self._changes: collections.Counter[FindingClass] = collections.Counter()
        self._definitions: collections.Counter[int] = collections.Counter()
        """Changes by the keys of `definition_total`."""
        self._opened: collections.Counter[int] = collections.Counter()
        self._closed: collections.Counter[int] = collections.Counter()

    def open(self, definition: int, urgency: int, context: int) -> None:
        """Count a finding that is open now."""
        self._add(definition, urgency, context, 1)
        self._opened[get_level(context, urgency)] += 1

    def close(self, definition: int, urgency: int, context: int) -> None:
        """Count a finding that is no longer open."""
        self._add(definition, urgency, context, -1)
        self._closed[get_level(context, urgency)] += 1

    def move(self, definition: int, urgency: int, before: int, after: int) -> None:
        """Count an open finding whose context has changed."""
        self._add(definition, urgency, before, -1)
        self._add(definition, urgency, after, 1)
        if (level := get_level(before, urgency)) != (new := get_level(after, urgency)):
            self._closed[level] += 1
            self._opened[new] += 1

    def _add(self, definition: int, urgency: int, context: int, number: int) -> None:
        self._changes[FindingClass(get_exposure(context), get_level(context, urgency))] += number
        self._definitions[definition * CONTEXTS + context] += number

    def write(self, connection: Connection, source: int, moment: int) -> None:
        """Add the changes to the totals of a source and to its day."""
        totals = [
            {"source": source, **key._asdict(), "findings": change}
            for key, change in sorted(self._changes.items())
            if change
        ]
        add_to_rows(connection, schema.total, ("findings",), totals)
        self._write_definitions(connection, source)
        levels = sorted(self._opened.keys() | self._closed.keys())
        _write_days(connection, [(source, level, self._opened[level], self._closed[level]) for level in levels], moment)

    def _write_definitions(self, connection: Connection, source: int) -> None:
        if not any(self._definitions.values()):
            return
        table = schema.definition_total
        content = connection.execute(select(table.c.content).where(table.c.source == source)).scalar()
        counts = collections.Counter(dict(sum_counts([content] if content else [])))
        counts.update(self._definitions)
        row = {"source": source, "content": pack_counts([pair for pair in counts.items() if pair[1]])}
        replace_rows(connection, table, ("content",), [row])


def move_level(connection: Connection, definition: int, before: int, after: int, moment: int) -> None:
    """Move the open findings of a definition without a priority of their own to another level, in all sources.

    The caller has locked the definitions.
    """
    finding = schema.finding
    counts = connection.execute(
        select(finding.c.source, finding.c.context, func.count())
        .where(finding.c.definition == definition, finding.c.closed.is_(None), ~finding.c.is_suppressed)
        .where(finding.c.context.in_(WITHOUT_LEVEL))
        .group_by(finding.c.source, finding.c.context)
        .order_by(finding.c.source, finding.c.context)
    ).all()
    totals = [
        {"source": source, "exposure": get_exposure(context), "level": level, "findings": sign * count}
        for level, sign in ((before, -1), (after, 1))
        for source, context, count in counts
    ]
    add_to_rows(connection, schema.total, ("findings",), totals)
    moved = collections.Counter[int]()
    for source, _, count in counts:
        moved[source] += count
    days = [(source, before, 0, count) for source, count in moved.items()]
    _write_days(connection, [*days, *((source, after, count, 0) for source, count in moved.items())], moment)


def recount_images(connection: Connection, definitions: Iterable[int]) -> None:
    """Write the totals of the images with open problems of definitions whose urgency has changed."""
    table = image_finding
    query = select(table.c.image).where(is_key(table.c.definition), table.c.closed.is_(None)).distinct()
    recount(connection, {row.image for row in select_by_keys(connection, query, definitions)})


def _write_days(connection: Connection, changes: Iterable[tuple[int, int, int, int]], moment: int) -> None:
    """Add opened and closed findings, by source and level, to the day of a moment."""
    rows = [
        {"source": source, "day": moment // DAY, "level": level, "opened": opened, "closed": closed}
        for source, level, opened, closed in changes
    ]
    add_to_rows(connection, schema.day, ("opened", "closed"), rows)
