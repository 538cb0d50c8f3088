"""Scopes: what a user may see, as conditions of queries.

A scope is a set of sources, each whole or limited to namespaces. It is resolved from grants once a request, and each query applies
it: a row outside of the scope does not exist for its user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from kubekeep.model.scanned_source import ANY_SOURCE
from kubekeep_server.identity import Grant
from kubekeep_server.store.image_schema import image, runs, source_image
from kubekeep_server.store.schema import source, subject
from kubekeep_server.store.scope_schema import scope_image, stored_scope
from kubekeep_server.store.urgency import EXPOSED

MOST_COLLECTED: Final = 20
"""Sources whose images are collected at each request; those of more are stored."""
USES: Final = ("exposure", "workloads", "exposed_workloads")
"""Columns of the use of an image."""
_DIGEST_BYTES: Final = 16


class Scope(msgspec.Struct, frozen=True):
    """Sources by their number.

    whole: sources without a limit; None for all sources, also those that will be added. limited: namespaces by source.
    everywhere: namespaces that the scope has of each source, if all are in it. stored: number of the stored scope with its images;
    None if they are collected at each request.
    """

    whole: frozenset[int] | None = None
    limited: Mapping[int, frozenset[str]] = {}
    everywhere: frozenset[str] = frozenset()
    stored: int | None = None

    @property
    def sources(self) -> frozenset[int] | None:
        """All sources of the scope, also the limited ones; None for every source."""
        return None if self.whole is None else self.whole | self.limited.keys()

    def has_whole(self, number: int) -> bool:
        """Return True if all namespaces of a source are in the scope."""
        return self.whole is None or number in self.whole

    def narrow(self, sources: Iterable[int]) -> Scope:
        """Return the scope with some of its sources only."""
        selected = frozenset(sources)
        whole = selected if self.whole is None else selected & self.whole
        return Scope(whole, {number: self.limited[number] for number in selected - whole if number in self.limited})

    def contains(self, number: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that a source is in the scope."""
        return true() if self.sources is None or self.everywhere else number.in_(sorted(self.sources))

    def shows(self, number: ColumnElement[int], namespace: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that a subject is in the scope."""
        if self.whole is None:
            return true()
        parts: list[ColumnElement[bool]] = [number.in_(sorted(self.whole))] if self.whole else []
        if self.everywhere:
            parts.append(namespace.in_(sorted(self.everywhere)))
        # SQLite refuses a condition with a thousand parts, and most sources are limited to the same namespaces.
        groups: dict[frozenset[str], list[int]] = {}
        for key, names in sorted(self.limited.items()):
            if others := names - self.everywhere:
                groups.setdefault(others, []).append(key)
        parts += [and_(number.in_(keys), namespace.in_(sorted(names))) for names, keys in groups.items()]
        return or_(*parts) if parts else false()

    @property
    def is_wide(self) -> bool:
        """True if the images of the sources are too many to collect at each request."""
        return self.sources is not None and len(self.sources) > MOST_COLLECTED

    def compute_digest(self) -> bytes:
        """Return the digest of the sources and their namespaces."""
        limited = sorted((number, sorted(names)) for number, names in self.limited.items())
        content = msgspec.msgpack.encode((sorted(self.whole or ()), limited))
        return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


Result = TypeVar("Result")
EVERYTHING: Final = Scope()


def resolve_scope(connection: Connection, grants: Iterable[Grant]) -> Scope:
    """Return the union of grants."""
    grants = tuple(grants)
    if any(grant.scope == ANY_SOURCE and not grant.namespaces for grant in grants):
        return EVERYTHING
    exact: dict[str, list[Grant]] = {}
    prefixes = [grant for grant in grants if grant.scope.endswith(ANY_SOURCE)]
    for grant in grants:
        exact.setdefault(grant.scope, []).append(grant)
    begins = [source.c.key.startswith(grant.scope[: -len(ANY_SOURCE)], autoescape=True) for grant in prefixes]
    query = select(source.c.id, source.c.key).where(or_(source.c.key.in_(sorted(exact)), *begins))
    whole: set[int] = set()
    limited: dict[int, set[str]] = {}
    for number, key in connection.execute(query):
        for grant in (*exact.get(key, ()), *(grant for grant in prefixes if grant.covers(key))):
            if grant.namespaces:
                limited.setdefault(number, set()).update(grant.namespaces)
            else:
                whole.add(number)
    partial = {number: frozenset(names) for number, names in limited.items() if number not in whole}
    return _name_stored(connection, Scope(frozenset(whole), partial, _list_everywhere(grants)))


def _list_everywhere(grants: Iterable[Grant]) -> frozenset[str]:
    """Return the namespaces that grants show in each source."""
    return frozenset(name for grant in grants if grant.scope == ANY_SOURCE for name in grant.namespaces)


def _name_stored(connection: Connection, scope: Scope) -> Scope:
    """Return a scope with the number of its stored one, if it has one."""
    if not scope.is_wide:
        return scope
    query = select(stored_scope.c.id).where(stored_scope.c.digest == scope.compute_digest())
    return msgspec.structs.replace(scope, stored=connection.execute(query).scalar())


def shows_subject(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row of `subject` is in the scope."""
    return scope.shows(subject.c.source, subject.c.namespace)


def select_uses(scope: Scope) -> Select[tuple[int, int, int, int]]:
    """Return the query of the images in a scope: number, highest exposure, workloads and exposed workloads in the scope.

    Who may see a workload may see the image that it runs.
    """
    if scope.whole is None:
        return select(image.c.id.label("image"), *(image.c[name] for name in USES)).where(image.c.sources > 0)
    if scope.stored is not None:
        table = scope_image
        return select(table.c.image, *(table.c[name] for name in USES)).where(table.c.scope == scope.stored)
    table = source_image
    rows = select(table.c.image, *(table.c[name] for name in USES)).where(table.c.source.in_(sorted(scope.whole)))
    if scope.limited:
        is_visible = and_(runs.c.source.in_(sorted(scope.limited)), shows_subject(scope))
        uses = count_uses(select(runs.c.image).where(is_visible))
        rows = select(union_all(rows, uses).subquery())
    used = rows.subquery()
    return select(used.c.image, *sum_uses(used)).group_by(used.c.image)


def select_selected_uses(scope: Scope, is_selected: ColumnElement[bool]) -> Select[tuple[int, int, int, int]]:
    """Return the query of `select_uses` for the workloads in a scope with a condition of `subject`."""
    uses = count_uses(select(runs.c.image).where(shows_subject(scope), is_selected)).subquery()
    return select(uses.c.image, *sum_uses(uses)).group_by(uses.c.image)


def count_uses(query: Select[Any]) -> Select[Any]:
    """Return a query of columns of `runs` for each image, with what one workload adds to the use of it."""
    joined = query.join(subject, and_(subject.c.source == runs.c.source, subject.c.id == runs.c.subject))
    grouped = joined.group_by(*query.selected_columns, runs.c.source, runs.c.subject)
    workloads = grouped.add_columns(func.max(runs.c.exposure).label("exposure")).subquery()
    is_exposed = case((workloads.c.exposure >= EXPOSED, 1), else_=0)
    return select(workloads, literal(1).label("workloads"), is_exposed.label("exposed_workloads"))


def sum_uses(rows: FromClause) -> tuple[ColumnElement[int], ...]:
    """Return the columns of the use of an image, of several rows of it."""
    highest, *numbers = USES
    return func.max(rows.c[highest]).label(highest), *(func.sum(rows.c[name]).label(name) for name in numbers)


def shows_image(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row of `image` is in the scope: a source has it."""
    if scope.whole is None:
        return image.c.sources > 0
    return image.c.id.in_(select(select_uses(scope).subquery().c.image))


class UnstoredScopeError(Exception):
    """A scope of many sources is not stored yet."""

    def __init__(self, scope: Scope) -> None:
        super().__init__("the images of the scope are not stored")
        self.scope = scope


def run_in_scope(
    connection: Connection,
    grants: Iterable[Grant],
    query: Callable[..., Result],
    *arguments: Any,
    may_collect: bool = False,
) -> Result:
    """Return the result of a query, which gets the connection, the scope of grants and the arguments.

    Raises UnstoredScopeError, but with `may_collect`.
    """
    scope = resolve_scope(connection, grants)
    if scope.is_wide and scope.stored is None and not may_collect:
        raise UnstoredScopeError(scope)
    return query(connection, scope, *arguments)
