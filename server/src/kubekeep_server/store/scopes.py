"""Scopes: what a user may see, as conditions of queries.

A scope is a set of sources, each whole or limited to namespaces. It is resolved from grants once a request, and each query applies
it: a row outside of the scope does not exist for its user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select, true, union

from kubekeep_server.identity import ANY_SOURCE, Grant
from kubekeep_server.store.image_schema import image, runs, source_image
from kubekeep_server.store.schema import source, subject


class Scope(msgspec.Struct, frozen=True):
    """Sources by their number.

    whole: sources without a limit; None for all sources, also those that will be added. limited: namespaces by source.
    """

    whole: frozenset[int] | None = None
    limited: Mapping[int, frozenset[str]] = {}

    @property
    def sources(self) -> frozenset[int] | None:
        """All sources of the scope, also the limited ones; None for every source."""
        return None if self.whole is None else self.whole | self.limited.keys()

    def narrow(self, sources: Iterable[int]) -> Scope:
        """Return the scope with some of its sources only."""
        selected = frozenset(sources)
        whole = selected if self.whole is None else selected & self.whole
        return Scope(whole, {number: self.limited[number] for number in selected - whole if number in self.limited})

    def contains(self, number: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that a source is in the scope."""
        return true() if self.sources is None else number.in_(sorted(self.sources))

    def shows(self, number: ColumnElement[int], namespace: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that a subject is in the scope."""
        if self.whole is None:
            return true()
        parts: list[ColumnElement[bool]] = [number.in_(sorted(self.whole))] if self.whole else []
        parts += [and_(number == key, namespace.in_(sorted(names))) for key, names in sorted(self.limited.items())]
        return or_(*parts) if parts else false()


Result = TypeVar("Result")
EVERYTHING: Final = Scope()


def resolve_scope(connection: Connection, grants: Iterable[Grant]) -> Scope:
    """Return the union of grants."""
    grants = tuple(grants)
    if any(grant.scope == ANY_SOURCE and not grant.namespaces for grant in grants):
        return EVERYTHING
    whole: set[int] = set()
    limited: dict[int, set[str]] = {}
    for number, key in connection.execute(select(source.c.id, source.c.key)):
        for grant in grants:
            if grant.covers(key) and grant.namespaces:
                limited.setdefault(number, set()).update(grant.namespaces)
            elif grant.covers(key):
                whole.add(number)
    partial = {number: frozenset(names) for number, names in limited.items() if number not in whole}
    return Scope(frozenset(whole), partial)


def shows_subject(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row of `subject` is in the scope."""
    return scope.shows(subject.c.source, subject.c.namespace)


def select_images(scope: Scope) -> Select[tuple[int]] | None:
    """Return the query of the images in a scope; None for all that a source has.

    Who may see a workload may see the image that it runs.
    """
    if scope.whole is None:
        return None
    table = source_image
    query = select(table.c.image).where(table.c.source.in_(sorted(scope.whole)))
    if not scope.limited:
        return query
    visible = (
        select(runs.c.image)
        .join(subject, and_(subject.c.source == runs.c.source, subject.c.id == runs.c.subject))
        .where(runs.c.source.in_(sorted(scope.limited)), shows_subject(scope))
    )
    return select(union(query, visible).subquery().c.image)


def shows_image(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row of `image` is in the scope: a source has it."""
    images = select_images(scope)
    return image.c.sources > 0 if images is None else image.c.id.in_(images)


def run_in_scope(
    connection: Connection, grants: Iterable[Grant], query: Callable[..., Result], *arguments: Any
) -> Result:
    """Return the result of a query, which gets the connection, the scope of grants and the arguments."""
    return query(connection, resolve_scope(connection, grants), *arguments)
