"""Conditions of queries on definitions, and the numbers of their findings."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, Connection, func, select

from kubekeep._native import sum_counts
from kubekeep.model.severity import Severity
from kubekeep_server.store.schema import definition, definition_total, finding, subject
from kubekeep_server.store.scopes import Scope, shows_subject
from kubekeep_server.store.urgency import EXPOSURES


def has_severity(names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a definition has one of some severities, such as `critical`."""
    return definition.c.severity.in_([int(Severity.parse(name)) for name in names])


def contains_text(text: str) -> ColumnElement[bool]:
    """Return the condition that the identifier, an alias or the title contains a text, in any case."""
    return definition.c.text.contains(text.casefold(), autoescape=True)


def sum_totals(connection: Connection, sources: Iterable[int] | None) -> dict[tuple[int, int], int]:
    """Return the numbers of open findings that no exception covers, by definition and exposure. sources: None for all."""
    query = select(definition_total.c.content)
    if sources is not None:
        query = query.where(definition_total.c.source.in_(sorted(sources)))
    sums = sum_counts(list(connection.execute(query).scalars()))
    return {divmod(key, EXPOSURES): count for key, count in sums}


def count_by_definition(connection: Connection, scope: Scope) -> dict[int, collections.Counter[int]]:
    """Return the numbers of open findings that no exception covers, by definition and exposure. Those of images are left out."""
    counts: dict[int, collections.Counter[int]] = {}
    whole = sum_totals(connection, scope.whole)
    for (number, exposure), count in (*whole.items(), *_count_limited(connection, scope)):
        counts.setdefault(number, collections.Counter())[exposure] += count
    return counts


def _count_limited(connection: Connection, scope: Scope) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the numbers of findings in the sources of which a scope has some namespaces, by definition and exposure."""
    if not scope.limited:
        return
    limited = Scope(frozenset(), scope.limited)
    query = (
        select(finding.c.definition, finding.c.exposure, func.count())
        .join(subject, (subject.c.source == finding.c.source) & (subject.c.id == finding.c.subject))
        .where(finding.c.closed.is_(None), ~finding.c.is_suppressed, shows_subject(limited))
        .group_by(finding.c.definition, finding.c.exposure)
    )
    for number, exposure, count in connection.execute(query):
        yield (number, exposure), count
