"""Conditions of queries on definitions, and the numbers of their findings."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, select

from kubekeep._native import sum_counts
from kubekeep.model.severity import Severity
from kubekeep_server.store.schema import definition, definition_total
from kubekeep_server.store.urgency import EXPOSURES


def has_severity(names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a definition has one of some severities, such as `critical`."""
    return definition.c.severity.in_([int(Severity.parse(name)) for name in names])


def contains_text(text: str) -> ColumnElement[bool]:
    """Return the condition that the identifier, an alias or the title contains a text, in any case."""
    return definition.c.text.contains(text.casefold(), autoescape=True)


def count_by_definition(connection: Connection, sources: Iterable[int] | None) -> dict[tuple[int, int], int]:
    """Return the numbers of open findings that no exception covers, by definition and exposure. sources: None for all."""
    query = select(definition_total.c.content)
    if sources is not None:
        query = query.where(definition_total.c.source.in_(sorted(sources)))
    sums = sum_counts(list(connection.execute(query).scalars()))
    return {divmod(key, EXPOSURES): count for key, count in sums}
