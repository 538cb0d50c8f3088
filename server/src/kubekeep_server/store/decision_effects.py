"""Effects of decisions on totals, and on the findings that they cover. The caller has locked the definitions for itself.

Each function is repeatable: it changes what does not follow from the active decisions yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select, update

from kubekeep._native import pack_counts, sum_counts
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.coverage import ActiveDecision, load_coverage, load_narrow_decisions
from kubekeep_server.store.finding_context import CONTEXTS
from kubekeep_server.store.numbers import to_key
from kubekeep_server.store.schema import IS_SUBJECT, definition, definition_total, finding, source, subject
from kubekeep_server.store.totals import FindingCounts, write_counts, write_definition_counts
from kubekeep_server.store.upsert import replace_rows

MOST_MARKED: Final = 100_000
"""Findings that a decision on some subjects covers at most: each has a mark."""


class WideDecisionError(ValueError):
    """A decision on some subjects covers too many findings."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"the decision covers {number:,} findings of some subjects, and at most {MOST_MARKED:,} are possible: "
            "leave out namespaces, kinds and names to cover all findings of a definition, or name fewer of them"
        )


def cover_findings(connection: Connection, active: ActiveDecision, moment: int) -> frozenset[int]:
    """Cover the findings of a decision; return the sources that changed. Raises WideDecisionError."""
    if not active.scope.is_limited_to_subjects:
        return move_totals(connection, _list_sources(connection, active), moment)
    return _mark(connection, active, moment)


def uncover_findings(connection: Connection, ended: ActiveDecision, moment: int) -> frozenset[int]:
    """Count the findings of a decision again that no other one covers; return the sources that changed."""
    if not ended.scope.is_limited_to_subjects:
        return move_totals(connection, _list_sources(connection, ended), moment)
    conditions = (finding.c.closed.is_(None), finding.c.decision == ended.id)
    counts = _count(connection, *conditions)
    connection.execute(update(finding).where(*conditions).values(decision=None, is_suppressed=False))
    changed = _write(connection, counts, moment, is_opened=True)
    for other in load_narrow_decisions(connection, ended.definitions):
        changed |= _mark(connection, other, moment)
    return changed


def count_marked(connection: Connection, number: int) -> int:
    """Return the number of open findings with the mark of a decision."""
    query = select(func.count()).select_from(finding).where(finding.c.closed.is_(None), finding.c.decision == number)
    return int(connection.execute(query).scalar_one())


def count_covered(connection: Connection, active: ActiveDecision) -> int:
    """Return the number of open findings of a decision on whole sources."""
    query = select(definition_total.c.covered).where(is_key(definition_total.c.source))
    rows = select_by_keys(connection, query, _list_sources(connection, active))
    sums = sum_counts([row.covered for row in rows if row.covered])
    return sum(count for key, count in sums if key // CONTEXTS in active.definitions)


def move_totals(connection: Connection, sources: Iterable[int], moment: int) -> frozenset[int]:
    """Move the numbers of definitions between the counted and the covered ones, as decisions say; return changed sources."""
    coverage, table = load_coverage(connection), definition_total
    urgencies: dict[int, int] = dict(connection.execute(select(definition.c.id, definition.c.urgency)).all())
    rows, changes = [], dict[int, FindingCounts]()
    for row in select_by_keys(connection, select(table).where(is_key(table.c.source)), sources):
        counted, covered = _unpack(row.content), _unpack(row.covered)
        decided = coverage.list_covered(row.source)
        moved = {key: count for key, count in counted.items() if key // CONTEXTS in decided}
        returned = {key: count for key, count in covered.items() if key // CONTEXTS not in decided}
        if moved or returned:
            changes[row.source] = _count_moves(moved, returned, urgencies)
            content = _pack({**counted, **returned}, without=moved)
            rows.append(
                {"source": row.source, "content": content, "covered": _pack({**covered, **moved}, without=returned)}
            )
    write_counts(connection, changes, moment)
    replace_rows(connection, table, ("content", "covered"), rows)
    return frozenset(changes)


def _unpack(content: bytes | None) -> dict[int, int]:
    return dict(sum_counts([content])) if content else {}


def _pack(counts: Mapping[int, int], without: Mapping[int, int]) -> bytes:
    return pack_counts([pair for pair in counts.items() if pair[0] not in without])


def _count_moves(moved: Mapping[int, int], returned: Mapping[int, int], urgencies: Mapping[int, int]) -> FindingCounts:
    """Return the changes of a source by numbers that are no longer counted, and those that are counted again."""
    counts = FindingCounts()
    for pairs, change in ((moved, counts.close), (returned, counts.open)):
        for key, count in pairs.items():
            number, context = divmod(key, CONTEXTS)
            change(number, urgencies[number], context, count)
    return counts


def _list_sources(connection: Connection, active: ActiveDecision) -> list[int]:
    rows = connection.execute(select(source.c.id, source.c.key)).all()
    selected = active.scope.select_sources(row.key for row in rows)
    return [row.id for row in rows if row.key in selected]


def _mark(connection: Connection, active: ActiveDecision, moment: int) -> frozenset[int]:
    """Mark the counted findings of a decision on some subjects. Raises WideDecisionError."""
    scope = active.scope
    conditions: list[ColumnElement[bool]] = [
        finding.c.definition.in_(sorted(active.definitions)),
        finding.c.closed.is_(None),
        finding.c.is_suppressed.is_(False),
    ]
    if not scope.has_every_source:
        conditions.append(finding.c.source.in_(_list_sources(connection, active)))
    if scope.fingerprints:
        conditions.append(finding.c.fingerprint.in_([to_key(text) for text in scope.fingerprints]))
    selected = [
        column.in_(values)
        for column, values in (
            (subject.c.namespace, scope.namespaces),
            (subject.c.kind, scope.kinds),
            (subject.c.name, scope.names),
        )
        if values
    ]
    if selected:
        conditions.append(select(subject.c.id).where(IS_SUBJECT, *selected).correlate(finding).exists())
    counts = _count(connection, *conditions)
    if (total := sum(count for *_, count in counts)) > MOST_MARKED:
        raise WideDecisionError(total)
    connection.execute(update(finding).where(*conditions).values(decision=active.id, is_suppressed=True))
    return _write(connection, counts, moment, is_opened=False)


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> list[Any]:
    """Return numbers of findings by source, definition, its urgency and context."""
    columns = (finding.c.source, finding.c.definition, definition.c.urgency, finding.c.context)
    query = select(*columns, func.count()).join(definition, definition.c.id == finding.c.definition)
    return list(connection.execute(query.where(*conditions).group_by(*columns)))


def _write(connection: Connection, counts: Iterable[Any], moment: int, *, is_opened: bool) -> frozenset[int]:
    """Add or subtract numbers of findings of sources; return these."""
    coverage = load_coverage(connection)
    changes: dict[int, FindingCounts] = {}
    for number, key, urgency, context, count in counts:
        if number not in changes:
            changes[number] = FindingCounts(coverage.list_covered(number))
        change = changes[number].open if is_opened else changes[number].close
        change(key, urgency, context, count)
    write_counts(connection, changes, moment)
    write_definition_counts(connection, changes)
    return frozenset(changes)
