"""Decisions of the demo: what its teams have accepted, what waits for approval, and what has expired."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from sqlalchemy import Connection

from kubekeep.model.decision import DecisionKind, DecisionScope
from kubekeep.model.scanned_source import ANY_SOURCE
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.accounts import create_account
from kubekeep_server.store.decisions import (
    DecisionWork,
    NewDecision,
    Person,
    add_comment,
    answer_decision,
    expire_decisions,
    make_decision,
    refresh_images,
)
from kubekeep_server.store.urgency import SEVERITIES

_CLUSTERS: Final = ("cluster/*",)
PLATFORM, SECURITY, PAYMENTS = "platform team", "security team", "payments team"
_APPROVAL: Final = SEVERITIES["high"]


class Event(NamedTuple):
    """Something that happens at a time. run: gets a connection and the time."""

    moment: dt.datetime
    run: Callable[[Connection, dt.datetime], None]


class _Draft(NamedTuple):
    """A decision. days: before the end of the demo. length: in days. author, approver: names of users."""

    days: int
    length: int
    kind: DecisionKind
    scope: DecisionScope
    reason: str
    author: str
    approver: str = ""
    comment: str = ""
    owner: str = ""
    due: int | None = None
    links: tuple[str, ...] = ()


_DRAFTS: Final = (
    _Draft(
        150,
        300,
        DecisionKind.ACCEPTED_RISK,
        DecisionScope(definitions=("C-0038", "C-0041", "C-0048"), sources=_CLUSTERS, namespaces=("observability",)),
        "The agents of the monitoring read processes and files of their node. Only the platform team deploys to the namespace.",
        PLATFORM,
        SECURITY,
        "Agreed. The admission policy of the namespace permits no other images.",
    ),
    _Draft(
        91,
        90,
        DecisionKind.ACCEPTED_RISK,
        DecisionScope(definitions=("C-0017",), sources=_CLUSTERS, namespaces=("ledger",)),
        "The reports of the ledger are written beside the program. A volume for them comes with the next release.",
        PAYMENTS,
    ),
    _Draft(
        85,
        90,
        DecisionKind.WILL_NOT_FIX,
        DecisionScope(definitions=("C-0018",), sources=_CLUSTERS, namespaces=("support",)),
        "The chat ends with the contract of its vendor; nothing is changed in it until then.",
        PLATFORM,
    ),
    _Draft(
        12,
        90,
        DecisionKind.IN_PROGRESS,
        DecisionScope(definitions=("C-0034",), namespaces=("payments",)),
        "Each service gets a service account of its own without a token.",
        PAYMENTS,
        owner=PAYMENTS,
        due=20,
        links=("https://tickets.example.com/browse/PAY-412",),
    ),
    _Draft(
        5,
        60,
        DecisionKind.IN_PROGRESS,
        DecisionScope(definitions=("CVE-2021-44228",), packages=("pkg:maven/org.apache.logging.log4j/log4j-core",)),
        "The search services move to log4j-core 2.17.1 with their next release.",
        PLATFORM,
        owner=PLATFORM,
        due=9,
        links=("https://git.example.com/search/indexer/pull/218", "https://tickets.example.com/browse/PLAT-97"),
    ),
    _Draft(
        2,
        90,
        DecisionKind.FALSE_POSITIVE,
        DecisionScope(definitions=("C-0012",), sources=_CLUSTERS, namespaces=("search",)),
        "The value is the public key of the search service, which every browser receives.",
        PLATFORM,
    ),
)


def add_teams(connection: Connection, now: dt.datetime) -> None:
    """Create the users who decide."""
    for name, scope in ((PLATFORM, "cluster/*"), (SECURITY, ANY_SOURCE), (PAYMENTS, "cluster/*")):
        create_account(connection, name, (Grant(Role.MANAGER, scope),), now=now, actor=SECURITY)


def list_events(accounts: dict[str, int], now: dt.datetime) -> Iterator[Event]:
    """Yield what happens with decisions in the year before a time, the earliest first. accounts: numbers by name."""
    events = [event for draft in _DRAFTS for event in _list_steps(draft, accounts, now)]
    yield from sorted(events, key=lambda event: event.moment)


def _list_steps(draft: _Draft, accounts: dict[str, int], now: dt.datetime) -> Iterator[Event]:
    made = now - dt.timedelta(days=draft.days)
    expires = made + dt.timedelta(days=draft.length)
    numbers: list[int] = []

    def make(connection: Connection, moment: dt.datetime) -> None:
        new = NewDecision(
            kind=draft.kind,
            scope=draft.scope,
            reason=draft.reason,
            expires=expires,
            work=DecisionWork(
                draft.owner, None if draft.due is None else now + dt.timedelta(days=draft.due), draft.links
            ),
            approval_level=_APPROVAL,
        )
        numbers.append(make_decision(connection, new, Person(draft.author, accounts[draft.author]), moment))
        refresh_images(connection, moment)

    def approve(connection: Connection, moment: dt.datetime) -> None:
        person = Person(draft.approver, accounts[draft.approver])
        answer_decision(connection, numbers[0], person, moment, is_approved=True)
        add_comment(connection, numbers[0], person.name, moment, draft.comment)

    def expire(connection: Connection, moment: dt.datetime) -> None:
        expire_decisions(connection, moment)

    yield Event(made, make)
    if draft.approver:
        yield Event(made + dt.timedelta(hours=3), approve)
    if expires <= now:
        yield Event(expires, expire)
