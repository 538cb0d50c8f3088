"""Decisions on the findings of a page."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from kubekeep._native import sum_counts
from kubekeep_server.store.coverage import load_decisions
from kubekeep_server.store.finding_context import CONTEXTS
from kubekeep_server.store.numbers import format_key
from kubekeep_server.store.schema import definition_total, finding

Key = tuple[int, int, int]
"""Source, subject and fingerprint."""


def key_of(row: Any) -> Key:
    """Return the key of an open finding."""
    return row.source, row.subject, row.fingerprint


class AppliedDecision(NamedTuple):
    """The active decision on a finding. covers: False for one in progress."""

    number: int
    covers: bool


def find_decisions(connection: Connection, rows: Sequence[Any]) -> dict[Key, AppliedDecision]:
    """Return the active decision by finding: the one that covers it, or the first one on it.

    rows: of open findings with the mark of a decision, the key of the source, and kind, namespace and name of the subject.
    """
    decisions = load_decisions(connection, {row.definition for row in rows})
    applied: dict[Key, AppliedDecision] = {}
    for row in rows:
        selected = [
            one
            for one in decisions
            if row.definition in one.definitions
            and one.scope.selects_source(row.source_key)
            and one.scope.selects_finding(row.namespace, row.kind, row.name, format_key(row.fingerprint))
        ]
        if row.decision is not None:
            applied[key_of(row)] = AppliedDecision(row.decision, covers=True)
        elif selected:
            first = min(selected, key=lambda one: (not one.kind.covers, one.id))
            applied[key_of(row)] = AppliedDecision(first.id, covers=first.kind.covers and not row.is_suppressed)
    return applied


def count_decided(connection: Connection, sources: Iterable[int] | None) -> dict[tuple[int, int], int]:
    """Return the most findings that decisions cover, by definition and context. sources: None for all."""
    query = select(definition_total.c.covered).where(definition_total.c.covered.is_not(None))
    if sources is not None:
        query = query.where(definition_total.c.source.in_(sorted(sources)))
    covered = sum_counts(list(connection.execute(query).scalars()))
    counts = collections.Counter({divmod(key, CONTEXTS): count for key, count in covered})
    # A comparison and the sum keep SQLite from the index of definitions, which has all findings in this order.
    columns = ((finding.c.definition + 0).label("number"), finding.c.context)
    is_marked = (finding.c.closed.is_(None), finding.c.decision > 0)
    marked = select(*columns, func.count()).where(*is_marked).group_by(*columns)
    for number, context, count in connection.execute(marked):
        counts[number, context] += count
    return counts
