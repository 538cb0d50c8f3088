"""Lists of decisions, and one decision with its comments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from kubekeep.model.decision import DecisionEntry, DecisionKind, DecisionScope, DecisionState
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.coverage import load_source_decisions
from kubekeep_server.store.decision_effects import count_covered, count_marked
from kubekeep_server.store.decision_schema import decision, decision_comment, decode_links, decode_scope
from kubekeep_server.store.decisions import load_active, load_row
from kubekeep_server.store.image_schema import image_finding
from kubekeep_server.store.numbers import to_moment, to_optional_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition

_READ: Final = 500
"""Rows of one statement, of which a user may not see all."""
_MOST_READS: Final = 10
_MOST_WORK: Final = 1_000


class _Scoped(NamedTuple):
    """A row of `decision` with its scope."""

    row: Any
    scope: DecisionScope


class _Title(msgspec.Struct):
    title: str = ""


_titles: Final = msgspec.json.Decoder(_Title)


class DecisionRow(Document, frozen=True, kw_only=True):
    """A decision. approver: who has approved or rejected it; empty before. changed: the last change of its state.

    titles: of the definitions in the scope, in its order. links: addresses of tickets and pull requests.
    """

    id: int
    kind: DecisionKind
    state: DecisionState
    scope: DecisionScope
    titles: tuple[str, ...]
    reason: str
    owner: str
    author: str
    approver: str
    created: dt.datetime
    changed: dt.datetime
    due: dt.datetime | None
    expires: dt.datetime
    links: tuple[str, ...]


class DecisionFilter(msgspec.Struct, frozen=True):
    """Decisions to list. states, kinds: empty for all. owner: empty for all; only this one, exactly."""

    states: tuple[DecisionState, ...] = ()
    kinds: tuple[DecisionKind, ...] = ()
    owner: str = ""

    def list_conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of the query."""
        if self.states:
            yield decision.c.state.in_(self.states)
        if self.kinds:
            yield decision.c.kind.in_(self.kinds)
        if self.owner:
            yield decision.c.owner == self.owner


class Work(Document, frozen=True):
    """A decision in progress: somebody works on what it selects. links: addresses of tickets and pull requests."""

    decision: int
    owner: str
    due: dt.datetime | None
    links: tuple[str, ...]


class DecisionComment(Document, frozen=True):
    """A comment on a decision."""

    author: str
    moment: dt.datetime
    text: str


class DecisionPage(DecisionRow, frozen=True, kw_only=True):
    """A decision with its comments. findings, problems: open ones of subjects and of images that it covers now."""

    findings: int
    problems: int
    comments: tuple[DecisionComment, ...]


def list_decisions(
    connection: Connection,
    selection: DecisionFilter,
    is_visible: Callable[[DecisionScope], bool],
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[DecisionRow]:
    """Return a page of decisions, the newest first. It may have fewer rows than `limit` before the last page.

    Raises ValueError for a cursor of another list.
    """
    position = read_cursor(cursor, "decisions", tuple[int])
    query = select(decision).where(*selection.list_conditions()).order_by(decision.c.id.desc()).limit(_READ)
    rows: list[_Scoped] = []
    last = position[0] if position else None
    for _ in range(_MOST_READS):
        part = connection.execute(query if last is None else query.where(decision.c.id < last)).all()
        rows += [each for each in map(_read, part) if is_visible(each.scope)]
        if len(rows) > limit or len(part) < _READ:
            break
        last = part[-1].id
    page, following = cut_page(rows, limit, "decisions", lambda each: (each.row.id,))
    titles = _load_titles(connection, page)
    return Page(tuple(_describe(each, titles) for each in page), following)


def describe_decisions(
    connection: Connection, rows: Iterable[Any], is_visible: Callable[[DecisionScope], bool]
) -> tuple[DecisionRow, ...]:
    """Return the decisions of rows that may be read, with the titles of their definitions."""
    scoped = [each for each in map(_read, rows) if is_visible(each.scope)]
    titles = _load_titles(connection, scoped)
    return tuple(_describe(each, titles) for each in scoped)


def get_decision(connection: Connection, number: int) -> DecisionPage:
    """Return a decision. Raises LookupError."""
    row = load_row(connection, number)
    active = load_active(connection, row)
    findings = problems = 0
    if row.state == DecisionState.ACTIVE and active.kind.covers:
        findings = count_covered(connection, active) if row.is_wide else count_marked(connection, number)
        table = image_finding
        counted = select(func.count()).where(table.c.closed.is_(None), table.c.decision == number)
        problems = connection.execute(counted).scalar_one()
    query = select(decision_comment).where(decision_comment.c.decision == number).order_by(decision_comment.c.number)
    comments = tuple(DecisionComment(one.author, to_moment(one.moment), one.text) for one in connection.execute(query))
    scoped = _read(row)
    fields = msgspec.structs.asdict(_describe(scoped, _load_titles(connection, [scoped])))
    return DecisionPage(**fields, findings=findings, problems=problems, comments=comments)


def list_in_force(connection: Connection, key: str) -> tuple[DecisionEntry, ...]:
    """Return the decisions that cover findings of a source or of images, for a scan of it."""
    return tuple(
        DecisionEntry(
            id=row.id,
            kind=DecisionKind(row.kind),
            reason=row.reason,
            expires=to_moment(row.expires).isoformat(),
            scope=scope,
        )
        for row, scope in load_source_decisions(connection, key)
    )


def list_work(
    connection: Connection, is_visible: Callable[[DecisionScope], bool]
) -> tuple[tuple[DecisionScope, Work], ...]:
    """Return the newest decisions in progress with their scopes, at most 1,000."""
    is_work = (decision.c.state == DecisionState.ACTIVE, decision.c.kind == DecisionKind.IN_PROGRESS)
    query = select(decision).where(*is_work).order_by(decision.c.id.desc()).limit(_MOST_WORK)
    return tuple(
        (scope, Work(row.id, row.owner, to_optional_moment(row.due), decode_links(row.links)))
        for row, scope in map(_read, connection.execute(query))
        if is_visible(scope)
    )


def _read(row: Any) -> _Scoped:
    return _Scoped(row, decode_scope(row.scope))


def _load_titles(connection: Connection, rows: Iterable[_Scoped]) -> dict[str, str]:
    """Return the titles of the definitions of decisions by key."""
    keys = {key for each in rows for key in each.scope.definitions}
    query = select(definition.c.key, definition.c.document).where(is_key(definition.c.key))
    return {row.key: _titles.decode(row.document).title for row in select_by_keys(connection, query, keys)}


def _describe(scoped: _Scoped, titles: dict[str, str]) -> DecisionRow:
    row, scope = scoped
    return DecisionRow(
        id=row.id,
        kind=DecisionKind(row.kind),
        state=DecisionState(row.state),
        scope=scope,
        titles=tuple(titles.get(key, "") for key in scope.definitions),
        reason=row.reason,
        owner=row.owner,
        author=row.author,
        approver=row.approver,
        created=to_moment(row.created),
        changed=to_moment(row.changed),
        due=to_optional_moment(row.due),
        expires=to_moment(row.expires),
        links=decode_links(row.links),
    )
