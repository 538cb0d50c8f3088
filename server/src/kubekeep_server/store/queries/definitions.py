"""Filters and conditions of queries on definitions, and the numbers of their findings."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, or_, select, true, union_all

from kubekeep._native import sum_counts
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.coverage import load_coverage
from kubekeep_server.store.finding_context import CONTEXTS, OWN_LEVELS, WITHOUT_LEVEL
from kubekeep_server.store.schema import IS_SUBJECT, definition, definition_total, finding, subject
from kubekeep_server.store.scopes import Scope, shows_subject
from kubekeep_server.store.urgency import LEVELS, SEVERITIES


class DefinitionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of definitions and of their findings; an empty one selects all.

    sources: numbers. definitions: keys. definition_kinds: `misconfiguration`. priorities: names of levels, `critical`, of findings.
    severities: of definitions. text: a part of the definition's identifier, title or alias. is_exposed: True for subjects that can be
    reached from outside their cluster.
    """

    sources: tuple[int, ...] = ()
    definitions: tuple[str, ...] = ()
    definition_kinds: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    text: str = ""
    is_exposed: bool | None = None


def list_definition_conditions(selection: DefinitionFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that a definition has a selected key, kind and severity."""
    if selection.definitions:
        yield definition.c.key.in_(selection.definitions)
    if selection.definition_kinds:
        yield definition.c.kind.in_(selection.definition_kinds)
    if selection.severities:
        yield has_severity(selection.severities)


def has_severity(names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a definition has one of some severities, such as `critical`."""
    return definition.c.severity.in_(sorted(read_levels(names)))


def read_levels(names: Iterable[str]) -> frozenset[int]:
    """Return the numbers of severities or levels of priorities. Raises KeyError for another name."""
    return frozenset(SEVERITIES[name] for name in names)


def has_priority(names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a finding has a priority of one of some levels."""
    levels = read_levels(names)
    own = [context for context in range(CONTEXTS) if context % OWN_LEVELS and context % OWN_LEVELS in levels]
    urgencies = [urgency for urgency, level in enumerate(LEVELS[0]) if level in levels]
    is_definition = and_(definition.c.id == finding.c.definition, definition.c.urgency.in_(urgencies))
    follows = and_(finding.c.context.in_(WITHOUT_LEVEL), exists().where(is_definition).correlate(finding))
    return or_(finding.c.context.in_(own), follows)


def contains_text(text: str) -> ColumnElement[bool]:
    """Return the condition that the identifier, an alias or the title contains a text, in any case."""
    return definition.c.text.contains(text.casefold(), autoescape=True)


def sum_totals(connection: Connection, sources: Iterable[int] | None) -> dict[tuple[int, int], int]:
    """Return the numbers of open findings that no exception and no decision covers, by definition and context. sources: None for all."""
    query = select(definition_total.c.content)
    if sources is not None:
        query = query.where(definition_total.c.source.in_(sorted(sources)))
    sums = sum_counts(list(connection.execute(query).scalars()))
    return {divmod(key, CONTEXTS): count for key, count in sums}


def count_by_definition(
    connection: Connection, scope: Scope, is_selected: ColumnElement[bool] | None = None
) -> dict[int, collections.Counter[int]]:
    """Return the numbers of open findings that no exception and no decision covers, by definition and context.

    Those of images are left out. is_selected: a condition of the subjects, which are counted one by one.
    """
    counts: dict[int, collections.Counter[int]] = {}
    rows: Iterable[tuple[tuple[int, int], int]]
    if is_selected is not None:
        rows = _count_subjects(connection, shows_subject(scope), is_selected)
    else:
        limited = Scope(frozenset(), scope.limited)
        parts = _count_subjects(connection, shows_subject(limited)) if scope.limited else ()
        rows = (*sum_totals(connection, scope.whole).items(), *parts)
    for (number, context), count in rows:
        counts.setdefault(number, collections.Counter())[context] += count
    return counts


def _count_subjects(connection: Connection, *conditions: ColumnElement[bool]) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the numbers of findings of subjects with some conditions, by definition and context."""
    query = (
        select(finding.c.definition, finding.c.context, func.count())
        .join(subject, IS_SUBJECT)
        .where(finding.c.closed.is_(None), ~finding.c.is_suppressed, *conditions)
        .where(*load_coverage(connection).list_conditions())
        .group_by(finding.c.definition, finding.c.context)
    )
    for number, context, count in connection.execute(query):
        yield (number, context), count


def _select_definitions() -> Select[Any]:
    """Return the query of the definitions with open findings: one step in the index for each, not one for each finding."""
    is_open = finding.c.closed.is_(None)
    first = select(func.min(finding.c.definition).label("id")).where(is_open).cte("used", recursive=True)
    following = select(func.min(finding.c.definition)).where(is_open, finding.c.definition > first.c.id)
    steps = first.union_all(select(following.scalar_subquery()).where(first.c.id.is_not(None)))
    return select(steps.c.id).where(steps.c.id.is_not(None))


def select_contexts() -> Select[Any]:
    """Return the query of the definitions with open findings and their contexts, each by one search in the index."""
    numbers = _select_definitions().subquery()
    contexts = union_all(*(select(literal(context).label("context")) for context in range(CONTEXTS))).subquery()
    is_used = exists().where(
        finding.c.closed.is_(None), finding.c.definition == numbers.c.id, finding.c.context == contexts.c.context
    )
    # PostgreSQL would make a plain condition a join with all open findings.
    return select(numbers.c.id, contexts.c.context).join_from(numbers, contexts, true()).where(is_used.is_(true()))


def load_entries(connection: Connection, keys: Iterable[str]) -> dict[str, DefinitionEntry]:
    """Return the definitions that are known, by key."""
    query = select(definition.c.key, definition.c.document).where(is_key(definition.c.key))
    rows = select_by_keys(connection, query, keys)
    return {row.key: msgspec.json.decode(row.document, type=DefinitionEntry) for row in rows}
