"""Conditions of the labels of subjects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, tuple_

from kubekeep_server.store.label_schema import label, subject_label
from kubekeep_server.store.schema import subject


class LabelConditions(NamedTuple):
    """Conditions of subjects. indexed: those that few subjects fulfil, which an index has."""

    indexed: tuple[ColumnElement[bool], ...] = ()
    others: tuple[ColumnElement[bool], ...] = ()


def build_label_conditions(connection: Connection, labels: Iterable[str], most: int) -> LabelConditions:
    """Return the conditions of labels: of those with the same key one, and of different keys all.

    labels: `key=value`, or `key` for any value. most: subjects that are few.
    """
    indexed, others = [], []
    for is_label in _group(labels):
        joined = select(subject_label).join(label, label.c.id == subject_label.c.label).where(is_label)
        rows = joined.with_only_columns(subject_label.c.source, subject_label.c.subject)
        few = rows.limit(most + 1).subquery()
        if connection.execute(select(func.count()).select_from(few)).scalar_one() <= most:
            indexed.append(tuple_(subject.c.source, subject.c.id).in_(rows))
            continue
        others.append(_has_label(is_label))
    return LabelConditions(tuple(indexed), tuple(others))


def list_label_conditions(labels: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of labels for subjects that others select, as `build_label_conditions` describes them."""
    return map(_has_label, _group(labels))


def _has_label(is_label: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a subject has one of the labels with a condition."""
    is_of_subject = and_(subject_label.c.source == subject.c.source, subject_label.c.subject == subject.c.id)
    is_selected = subject_label.c.label.in_(select(label.c.id).where(is_label))
    return exists().where(is_of_subject, is_selected).correlate(subject)


def _group(labels: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    """Yield a condition of `label` for each key."""
    groups: dict[str, list[ColumnElement[bool]]] = {}
    for text in labels:
        key, separator, value = text.partition("=")
        is_label = label.c.key == key
        groups.setdefault(key, []).append(and_(is_label, label.c.value == value) if separator else is_label)
    for parts in groups.values():
        yield or_(*parts)
