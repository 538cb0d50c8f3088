"""Workloads and other subjects with their open findings, the most urgent first.

No table has the urgency of a subject. The list of findings is read in its order, and a subject is at its most urgent finding;
its others are skipped. A page reads a limited number of findings, so that it costs no more for many findings than for few.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from kubekeep_server.store.coverage import Coverage, load_coverage
from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, RANKS, get_level
from kubekeep_server.store.numbers import format_key, to_key
from kubekeep_server.store.queries.definitions import contains_text, has_priority, list_definition_conditions
from kubekeep_server.store.queries.due import DueDates, load_due_dates
from kubekeep_server.store.queries.finding_filter import FindingFilter, list_period_conditions, list_state_conditions
from kubekeep_server.store.queries.findings import FindingOrder, FindingRow, list_findings
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page
from kubekeep_server.store.queries.subject_rows import SubjectRow
from kubekeep_server.store.schema import IS_SUBJECT, definition, finding, subject
from kubekeep_server.store.scopes import Scope
from kubekeep_server.store.urgency import SEVERITY_NAMES

MAX_SUBJECTS: Final = 100
"""Rows of a page at most: SQLite refuses a condition with more parts."""
_MOST_READS: Final = 5
"""Lists of findings that one page reads at most."""
_Key = tuple[int, str]
"""Source and subject."""


class SubjectGroup(SubjectRow, frozen=True):
    """A subject with the numbers of its findings by level of priority. The other fields are those of its most urgent finding."""

    definition: str
    title: str
    remediation: str
    priority: str
    severity: str
    exposure: int
    findings: dict[str, int]


class _Group(msgspec.Struct):
    """The findings of a subject. first: position and fingerprint of the most urgent one."""

    first: tuple[Any, ...]
    counts: collections.Counter[str]


def list_finding_subjects(
    connection: Connection, scope: Scope, selection: FindingFilter, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[SubjectGroup]:
    """Return a page of the subjects with selected findings. It may have fewer rows than `limit`, and none, before the last page.

    Raises ValueError for a cursor of another list.
    """
    rows: list[SubjectGroup] = []
    for _ in range(_MOST_READS):
        page = list_findings(connection, scope, selection, FindingOrder.PRIORITY, cursor, limit - len(rows))
        groups = _load_groups(connection, selection, page.rows)
        rows += [_describe(row, groups[_key(row)]) for row in page.rows if _is_first(row, groups[_key(row)])]
        cursor = page.cursor
        if not cursor or 2 * len(rows) >= limit:
            break
    return Page(tuple(rows), cursor)


def _key(row: FindingRow) -> _Key:
    return row.source, row.subject


def _is_first(row: FindingRow, group: _Group) -> bool:
    return bool(group.first[-1] == to_key(row.fingerprint))


def _load_groups(connection: Connection, selection: FindingFilter, rows: Iterable[FindingRow]) -> dict[_Key, _Group]:
    """Return the groups of the subjects of some findings."""
    subjects: dict[int, set[int]] = {}
    for selected in rows:
        subjects.setdefault(selected.source, set()).add(to_key(selected.subject))
    if not subjects:
        return {}
    parts = [and_(finding.c.source == number, finding.c.subject.in_(keys)) for number, keys in subjects.items()]
    # SQLite reads all open findings for an alternative alone.
    indexed = finding.c.source.in_(subjects), finding.c.subject.in_(set().union(*subjects.values()))
    query = (
        select(finding, definition.c.severity, definition.c.urgency)
        .join(definition, definition.c.id == finding.c.definition)
        .where(finding.c.closed.is_(None), *indexed, or_(*parts))
        .where(*_list_conditions(selection, load_coverage(connection), load_due_dates(connection)))
    )
    if selection.text:
        query = query.join(subject, IS_SUBJECT)
    groups: dict[_Key, _Group] = {}
    for row in connection.execute(query):
        first = (RANKS[row.context, row.urgency], row.definition, -row.opened, row.fingerprint)
        group = groups.setdefault((row.source, format_key(row.subject)), _Group(first, collections.Counter()))
        group.first = min(group.first, first)
        group.counts[SEVERITY_NAMES[get_level(row.context, row.urgency)]] += 1
    return groups


def _list_conditions(selection: FindingFilter, coverage: Coverage, due: DueDates) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a subject's findings; the subject itself is selected."""
    yield from list_state_conditions(selection, coverage)
    yield from list_period_conditions(selection)
    yield from due.list_conditions(selection)
    if selection.is_exposed is not None:
        highest = finding.c.context >= EXPOSED_CONTEXT
        yield highest if selection.is_exposed else ~highest
    yield from list_definition_conditions(selection)
    if selection.priorities:
        yield has_priority(selection.priorities)
    if selection.text:
        has_name = func.lower(subject.c.name).contains(selection.text.lower(), autoescape=True)
        yield or_(contains_text(selection.text), has_name)


def _describe(row: FindingRow, group: _Group) -> SubjectGroup:
    shared = {name: getattr(row, name) for name in SubjectGroup.__struct_fields__ if name != "findings"}
    return SubjectGroup(**shared, findings=dict(group.counts))
