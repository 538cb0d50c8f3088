"""Numbers of open findings by source and class, and their changes by day. They change with the findings, in one transaction."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from kubekeep._native import pack_counts, sum_counts
from kubekeep_server.store import schema
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.coverage import load_coverage
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
    """The changes of a transaction to the findings of one source, without those that an exception covers.

    covered: definitions that a decision covers in the source, whose findings are numbers of their own.
    """

    def __init__(self, covered: frozenset[int] = frozenset()) -> None:
        self._covered = covered
        self._changes: collections.Counter[FindingClass] = collections.Counter()
        self._definitions: collections.Counter[int] = collections.Counter()
        """Changes by the keys of `definition_total`."""
        self._opened: collections.Counter[int] = collections.Counter()
        self._closed: collections.Counter[int] = collections.Counter()

    def open(self, definition: int, urgency: int, context: int, number: int = 1) -> None:
        """Count findings that are open now."""
        self._add(definition, urgency, context, number)
        if definition not in self._covered:
            self._opened[get_level(context, urgency)] += number

    def close(self, definition: int, urgency: int, context: int, number: int = 1) -> None:
        """Count findings that are no longer open."""
        self._add(definition, urgency, context, -number)
        if definition not in self._covered:
            self._closed[get_level(context, urgency)] += number

    def move(self, definition: int, urgency: int, before: int, after: int) -> None:
        """Count an open finding whose context has changed."""
        self._add(definition, urgency, before, -1)
        self._add(definition, urgency, after, 1)
        if definition in self._covered:
            return
        if (level := get_level(before, urgency)) != (new := get_level(after, urgency)):
            self._closed[level] += 1
            self._opened[new] += 1

    def _add(self, definition: int, urgency: int, context: int, number: int) -> None:
        if definition not in self._covered:
            self._changes[FindingClass(get_exposure(context), get_level(context, urgency))] += number
        self._definitions[definition * CONTEXTS + context] += number

    def write(self, connection: Connection, source: int, moment: int) -> None:
        """Add the changes to all totals of a source and to its day."""
        write_counts(connection, {source: self}, moment)
        write_definition_counts(connection, {source: self})

    def list_totals(self, source: int) -> Iterator[dict[str, int]]:
        """Yield the changes as rows of `total`."""
        for key, change in sorted(self._changes.items()):
            if change:
                yield {"source": source, **key._asdict(), "findings": change}

    def list_days(self, source: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the changes by source and level: numbers of opened and closed findings."""
        for level in sorted(self._opened.keys() | self._closed.keys()):
            yield source, level, self._opened[level], self._closed[level]

    def update_definitions(self, content: bytes, covered: bytes | None) -> tuple[bytes, bytes | None]:
        """Return the columns of `definition_total` with the changes."""
        packed: list[bytes | None] = [content, covered]
        for index, is_covered in enumerate((False, True)):
            changes = {
                key: change
                for key, change in self._definitions.items()
                if is_covered == (key // CONTEXTS in self._covered)
            }
            if changes:
                counts = collections.Counter(dict(sum_counts([before] if (before := packed[index]) else [])))
                counts.update(changes)
                packed[index] = pack_counts([pair for pair in counts.items() if pair[1]])
        return packed[0] or b"", packed[1]

    @property
    def has_definitions(self) -> bool:
        """True if the numbers of a definition change."""
        return any(self._definitions.values())


def write_counts(connection: Connection, changes: Mapping[int, FindingCounts], moment: int) -> None:
    """Add the changes of sources to their totals by exposure and level, and to their day."""
    totals = [row for source, counts in sorted(changes.items()) for row in counts.list_totals(source)]
    add_to_rows(connection, schema.total, ("findings",), totals)
    _write_days(
        connection, [row for source, counts in sorted(changes.items()) for row in counts.list_days(source)], moment
    )


def write_definition_counts(connection: Connection, changes: Mapping[int, FindingCounts]) -> None:
    """Add the changes of sources to their totals by definition."""
    table = schema.definition_total
    changed = {source: counts for source, counts in changes.items() if counts.has_definitions}
    query = select(table).where(is_key(table.c.source))
    before = {row.source: row for row in select_by_keys(connection, query, changed)}
    rows = []
    for source, counts in sorted(changed.items()):
        row = before.get(source)
        content, covered = counts.update_definitions(row.content if row else b"", row.covered if row else None)
        rows.append({"source": source, "content": content, "covered": covered})
    replace_rows(connection, table, ("content", "covered"), rows)


def move_level(connection: Connection, definition: int, before: int, after: int, moment: int) -> None:
    """Move the counted findings of a definition without a priority of their own to another level, in all sources.

    The caller has locked the definitions.
    """
    finding, coverage = schema.finding, load_coverage(connection)
    counts = connection.execute(
        select(finding.c.source, finding.c.context, func.count())
        .where(finding.c.definition == definition, finding.c.closed.is_(None), ~finding.c.is_suppressed)
        .where(finding.c.context.in_(WITHOUT_LEVEL), *coverage.list_conditions())
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
