"""Decisions: made by one person, approved by another where the settings require it, and in force until they end or expire.

A change of a decision, its effects and the entry in the log are one transaction. Never changes the state of a finding.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, insert, or_, select, update

from kubekeep.model.decision import DecisionKind, DecisionScope, DecisionState
from kubekeep.model.definition import FindingKind
from kubekeep.model.scanned_source import ANY_SOURCE
from kubekeep.model.text import encode_json
from kubekeep_server.store.batches import is_key, lock_rows, select_by_keys
from kubekeep_server.store.changes import record_changes, record_image_changes
from kubekeep_server.store.control_states import refresh_states
from kubekeep_server.store.coverage import ActiveDecision
from kubekeep_server.store.decision_effects import cover_findings, uncover_findings
from kubekeep_server.store.decision_schema import decision, decision_comment, decision_definition
from kubekeep_server.store.image_findings import refresh_findings
from kubekeep_server.store.image_schema import image, image_finding, image_name, package, repository
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.outbox import EventContent, EventKind, EventText, add_event
from kubekeep_server.store.schema import definition, source
from kubekeep_server.store.urgency import LEVELS

_Effect = Callable[[Connection, ActiveDecision, int], frozenset[int]]
"""A change of what is counted; returns the sources that changed."""
SYSTEM: Final = "kubekeep server"
"""The actor of what happens by itself."""
_IMAGES: Final = 200
"""Images that one transaction refreshes."""
_NOTICE: Final = dt.timedelta(days=7)
"""Time before the end of a decision at which it is announced."""
_TITLES: Final = {
    EventKind.DECISION_WAITS: "A decision waits for approval: {kind}, {names}",
    EventKind.DECISION_EXPIRES: "A decision ends within a week: {kind}, {names}",
    EventKind.DECISION_EXPIRED: "A decision has expired, its findings count again: {kind}, {names}",
}
_OPEN: Final = (DecisionState.ACTIVE, DecisionState.PROPOSED)
_WAITING: Final = select(decision).where(decision.c.images_after.is_not(None)).order_by(decision.c.id)


class DecisionConflictError(ValueError):
    """A change that the state of a decision does not allow."""


class NoPersonError(Exception):
    """A program decides where another person must agree: nobody could say that they are two."""

    def __init__(self) -> None:
        super().__init__("a person must decide this: sign in, or use a token of a user")


class DecisionWork(msgspec.Struct, frozen=True):
    """Work that a decision is about. owner: empty for nobody. due: for the owner. links: addresses of tickets and pull requests."""

    owner: str = ""
    due: dt.datetime | None = None
    links: tuple[str, ...] = ()


class NewDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision to make. approval_level: the lowest level of findings that require a second person; None if none do."""

    kind: DecisionKind
    scope: DecisionScope
    reason: str
    expires: dt.datetime
    work: DecisionWork = DecisionWork()
    approval_level: int | None = None


class Person(msgspec.Struct, frozen=True):
    """The sender of a request. account: None for a program."""

    name: str
    account: int | None = None


def make_decision(connection: Connection, new: NewDecision, person: Person, now: dt.datetime) -> int:
    """Store a decision, and return its number. It is in force at once, or waits for approval.

    Raises LookupError for a definition that no source has, ValueError for a scope that selects nothing, WideDecisionError, and
    NoPersonError for a program that makes a decision which requires approval.
    """
    lock_definitions(connection, is_exclusive=True)
    scope, moment = new.scope, to_number(now)
    definitions = _load_definitions(connection, scope)
    level = max(LEVELS[0][row.urgency] for row in definitions)
    requires_approval = new.kind.covers and new.approval_level is not None and level >= new.approval_level
    if requires_approval and person.account is None:
        raise NoPersonError
    state = DecisionState.PROPOSED if requires_approval else DecisionState.ACTIVE
    values = {
        "kind": new.kind.value,
        "state": state.value,
        "scope": encode_json(scope),
        "source": scope.sources[0] if len(scope.sources) == 1 and not scope.sources[0].endswith(ANY_SOURCE) else "",
        "is_wide": scope.selects_subjects and not scope.is_limited_to_subjects,
        "reason": new.reason,
        **_write_work(new.work),
        "author": person.name,
        "author_account": person.account,
        "approver": "",
        "created": moment,
        "changed": moment,
        "expires": to_number(new.expires),
        # An end that everybody knows when the decision is made is no news.
        "is_announced": new.expires - now <= _NOTICE,
    }
    number: int = connection.execute(insert(decision).values(**values).returning(decision.c.id)).scalar_one()
    rows = [{"decision": number, "definition": row.id} for row in definitions]
    connection.execute(insert(decision_definition), rows)
    details: dict[str, Any] = {"decision": number, "kind": new.kind.value, "scope": msgspec.to_builtins(scope)}
    append_entry(connection, now, person.name, f"{state.value} decision", **details, reason=new.reason)
    row = load_row(connection, number)
    if state is DecisionState.ACTIVE:
        _change_effects(connection, row, moment, cover_findings)
    else:
        _announce(connection, EventKind.DECISION_WAITS, row, now)
    return number


def answer_decision(
    connection: Connection, number: int, person: Person, now: dt.datetime, *, is_approved: bool, comment: str = ""
) -> None:
    """Approve or reject a proposed decision.

    Raises LookupError, NoPersonError, WideDecisionError, and DecisionConflictError for another state or the author.
    """
    lock_definitions(connection, is_exclusive=True)
    row = load_row(connection, number)
    if row.state != DecisionState.PROPOSED:
        raise DecisionConflictError(f"decision {number} is {row.state}, and does not wait for approval")
    if person.account is None:
        raise NoPersonError
    if row.author_account == person.account:
        raise DecisionConflictError(
            f"{person.name} has made decision {number}: another person must approve or reject it"
        )
    moment = to_number(now)
    if is_approved and row.expires <= moment:
        raise DecisionConflictError(f"decision {number} has expired: make another one")
    state = DecisionState.ACTIVE if is_approved else DecisionState.REJECTED
    _change_state(connection, number, state, person.name, now, comment, approver=person.name)
    if is_approved:
        _change_effects(connection, row, moment, cover_findings)


def end_decision(connection: Connection, number: int, person: Person, now: dt.datetime, comment: str = "") -> None:
    """End a decision, or withdraw a proposed one. Raises LookupError and DecisionConflictError."""
    lock_definitions(connection, is_exclusive=True)
    row = load_row(connection, number)
    if row.state not in _OPEN:
        raise DecisionConflictError(f"decision {number} is {row.state} already")
    _change_state(connection, number, DecisionState.ENDED, person.name, now, comment)
    if row.state == DecisionState.ACTIVE:
        _change_effects(connection, row, to_number(now), uncover_findings)


def change_work(connection: Connection, number: int, work: DecisionWork, person: Person, now: dt.datetime) -> None:
    """Replace owner, due date and links of a decision. Raises LookupError, and DecisionConflictError for one that has ended."""
    lock_definitions(connection, is_exclusive=True)
    row = load_row(connection, number)
    if row.state not in _OPEN:
        raise DecisionConflictError(f"decision {number} is {row.state}: its work is over")
    values = _write_work(work)
    connection.execute(update(decision).where(decision.c.id == number).values(**values))
    append_entry(connection, now, person.name, "changed decision", decision=number, **msgspec.to_builtins(work))


def has_work(connection: Connection, now: dt.datetime) -> bool:
    """Return True if a decision has expired or ends soon, or images are to be refreshed."""
    queries = (_select_expired(now), _select_expiring(now), _WAITING)
    return any(connection.execute(query.limit(1)).first() is not None for query in queries)


def expire_decisions(connection: Connection, now: dt.datetime) -> int:
    """End the decisions that have expired, and return their number. This is the only way in which one expires."""
    lock_definitions(connection, is_exclusive=True)
    rows = connection.execute(_select_expired(now)).all()
    for row in rows:
        _change_state(connection, row.id, DecisionState.EXPIRED, SYSTEM, now, "")
        if row.state == DecisionState.ACTIVE:
            _announce(connection, EventKind.DECISION_EXPIRED, row, now)
            _change_effects(connection, row, to_number(now), uncover_findings)
    return len(rows)


def announce_ends(connection: Connection, now: dt.datetime) -> None:
    """Append an event for each decision that ends within a week, once."""
    # Another process may have the same rows.
    query = _select_expiring(now).with_for_update(skip_locked=True)
    for row in connection.execute(query).all():
        _announce(connection, EventKind.DECISION_EXPIRES, row, now)
        connection.execute(update(decision).where(decision.c.id == row.id).values(is_announced=True))


def refresh_images(connection: Connection, now: dt.datetime) -> bool:
    """Refresh the next images whose problems a decision covers or has covered; return False if there are none."""
    if connection.execute(_WAITING.limit(1)).first() is None:
        return False
    lock_definitions(connection, is_exclusive=True)
    row = connection.execute(_WAITING.limit(1)).first()
    if row is None:
        return False
    active = load_active(connection, row)
    numbers = _list_images(connection, active, row.images_after, is_active=row.state == DecisionState.ACTIVE)
    lock_rows(connection, image, numbers)
    refresh_findings(connection, numbers, to_number(now))
    record_image_changes(connection, numbers, to_number(now))
    position = numbers[-1] if len(numbers) == _IMAGES else None
    connection.execute(update(decision).where(decision.c.id == row.id).values(images_after=position))
    return True


def add_comment(connection: Connection, number: int, author: str, now: dt.datetime, text: str) -> None:
    """Add a comment to a decision. Raises LookupError."""
    # The row is locked, so that the numbers of comments have no gap.
    connection.execute(select(decision.c.id).where(decision.c.id == number).with_for_update())
    load_row(connection, number)
    table = decision_comment
    last = connection.execute(select(func.max(table.c.number)).where(table.c.decision == number)).scalar() or 0
    row = {"decision": number, "number": last + 1, "author": author, "moment": to_number(now), "text": text}
    connection.execute(insert(table), [row])


def load_row(connection: Connection, number: int) -> Any:
    """Return the row of a decision. Raises LookupError."""
    row = connection.execute(select(decision).where(decision.c.id == number)).first()
    if row is None:
        raise LookupError(f"there is no decision {number}")
    return row


def load_active(connection: Connection, row: Any) -> ActiveDecision:
    """Return a decision as it is applied. row: of `decision`."""
    table = decision_definition
    numbers = connection.execute(select(table.c.definition).where(table.c.decision == row.id)).scalars()
    scope = msgspec.json.decode(row.scope, type=DecisionScope)
    return ActiveDecision(row.id, DecisionKind(row.kind), scope, frozenset(numbers))


def _write_work(work: DecisionWork) -> dict[str, Any]:
    """Return the columns of the work of a decision."""
    due = None if work.due is None else to_number(work.due)
    return {"owner": work.owner, "due": due, "links": encode_json(work.links)}


def _announce(connection: Connection, kind: EventKind, row: Any, now: dt.datetime) -> None:
    """Append an event about a decision, of its source if it has only one."""
    scope = msgspec.json.decode(row.scope, type=DecisionScope)
    query = select(source.c.id).where(source.c.key == row.source).order_by(source.c.id).limit(1)
    number = connection.execute(query).scalar() if row.source else None
    names = ", ".join(key.rpartition("/")[2] for key in scope.definitions)
    text = EventText(
        title=_TITLES[kind].format(kind=row.kind.replace("-", " "), names=names),
        text=row.reason,
        path=f"/decisions?open={row.id}",
        namespace=scope.namespaces[0] if len(scope.namespaces) == 1 else "",
    )
    add_event(connection, kind, now, EventContent(text=text), source=number)


def _select_expiring(now: dt.datetime) -> Select[Any]:
    ends_soon = (decision.c.state == DecisionState.ACTIVE, decision.c.expires <= to_number(now + _NOTICE))
    return select(decision).where(*ends_soon, decision.c.is_announced.is_(False)).order_by(decision.c.id)


def _select_expired(now: dt.datetime) -> Select[Any]:
    is_expired = (decision.c.state.in_(_OPEN), decision.c.expires <= to_number(now))
    return select(decision).where(*is_expired).order_by(decision.c.id)


def _load_definitions(connection: Connection, scope: DecisionScope) -> Sequence[Any]:
    """Return the definitions of a scope. Raises LookupError and ValueError."""
    query = select(definition.c.id, definition.c.key, definition.c.kind, definition.c.urgency)
    rows = list(select_by_keys(connection, query.where(is_key(definition.c.key)), set(scope.definitions)))
    missing = sorted({*scope.definitions} - {row.key for row in rows})
    if missing:
        raise LookupError(f"no source has a finding of {missing[0]}: check the identifier")
    if scope.is_limited_to_images and not scope.selects_images:
        raise ValueError("the scope has subjects or sources and images: no finding has both, so name one of them")
    if not scope.selects_images and all(row.kind == FindingKind.VULNERABILITY for row in rows):
        raise ValueError(
            "vulnerabilities belong to images, which are the same in all sources: name images, repositories or packages"
        )
    return rows


def _change_state(
    connection: Connection, number: int, state: DecisionState, actor: str, now: dt.datetime, comment: str, **values: Any
) -> None:
    statement = update(decision).where(decision.c.id == number)
    connection.execute(statement.values(state=state.value, changed=to_number(now), **values))
    if comment:
        add_comment(connection, number, actor, now, comment)
    append_entry(connection, now, actor, f"{state.value} decision", decision=number)


def _change_effects(connection: Connection, row: Any, moment: int, change: _Effect) -> None:
    """Cover the findings of a decision, or count them again; its images follow in transactions of their own."""
    changed = load_active(connection, row)
    if not changed.kind.covers:
        return
    if changed.scope.selects_subjects:
        sources = change(connection, changed, moment)
        refresh_states(connection, sources, changed.definitions, moment)
        record_changes(connection, sources, moment)
    if changed.scope.selects_images:
        connection.execute(update(decision).where(decision.c.id == row.id).values(images_after=0))


def _list_images(connection: Connection, active: ActiveDecision, after: int, *, is_active: bool) -> list[int]:
    """Return the next images after a number with problems that a decision covers, or has covered."""
    table, scope = image_finding, active.scope
    conditions: Iterable[ColumnElement[bool]] = [table.c.closed.is_(None), table.c.image > after]
    query = select(table.c.image).where(*conditions)
    if not is_active:
        query = query.where(table.c.decision == active.id)
    else:
        query = query.where(table.c.definition.in_(sorted(active.definitions)), table.c.is_suppressed.is_(False))
        if scope.images:
            query = query.where(table.c.image.in_(select(image.c.id).where(image.c.digest.in_(scope.images))))
        if scope.repositories:
            named = select(image_name.c.image).join(repository, repository.c.id == image_name.c.repository)
            query = query.where(table.c.image.in_(named.where(repository.c.name.in_(scope.repositories))))
        if scope.packages:
            is_package = [package.c.purl.startswith(name, autoescape=True) for name in scope.packages]
            query = query.join(package, package.c.id == table.c.package).where(or_(*is_package))
    return list(connection.execute(query.distinct().order_by(table.c.image).limit(_IMAGES)).scalars())
