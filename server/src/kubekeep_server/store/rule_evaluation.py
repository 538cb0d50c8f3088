"""Comparison of events with rules: the messages that an event requires. Reads only.

A message is about the source whose state has changed, never about another one with the same findings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from kubekeep_server.identity import Role
from kubekeep_server.store.deliveries import PlannedDelivery
from kubekeep_server.store.notification_rules import Rule
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.outbox import Event
from kubekeep_server.store.queries.event_changes import Selection, list_events, list_sources, load_source_changes
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.rule_documents import Grouping, RuleEvent, RuleFilter
from kubekeep_server.store.schema import source
from kubekeep_server.store.scopes import Scope, resolve_scope

DIGEST: Final = "digest"
_MOST_MESSAGES: Final = 5
"""Messages of one event, rule and source, one for each definition; more definitions are one message."""
_SILENT: Final = RuleEvent.SOURCE_SILENT


def plan_deliveries(
    connection: Connection, event: Event, rules: Sequence[Rule], roles: frozenset[Role], now: dt.datetime
) -> list[PlannedDelivery]:
    """Return the messages of an event. roles: whose grants show findings."""
    changes = list_events(event)
    interested = [rule for rule in rules if rule.is_enabled and not {*rule.document.events}.isdisjoint(changes)]
    if not interested:
        return []
    sources = list_sources(connection, event)
    planned: list[PlannedDelivery] = []
    for rule in interested:
        scope = resolve_scope(connection, rule.list_grants(roles))
        selected = [change for change in rule.document.events if change in changes]
        if event.content.text is not None:
            planned += _plan_text(event, rule, scope, [row.key for row in sources], now)
            continue
        for row in sources:
            for change in selected:
                planned += _plan_changes(connection, event, rule, scope, change, row.id, now)
    return planned


def plan_silent(
    connection: Connection, rules: Iterable[Rule], roles: frozenset[Role], now: dt.datetime
) -> list[PlannedDelivery]:
    """Return the messages about sources without a scan for longer than rules allow, one for each last scan."""
    planned = []
    for rule in rules:
        if not rule.is_enabled or _SILENT not in rule.document.events:
            continue
        scope = resolve_scope(connection, rule.list_grants(roles))
        for row, title in list_silent(connection, rule, scope, now):
            planned.append(_plan(rule, _SILENT, row.id, now, subject=f"{row.id}/{row.finished}", title=title))
    return planned


def plan_due(rules: Iterable[Rule], now: dt.datetime) -> list[PlannedDelivery]:
    """Return the next summary of each rule that sends what is due, whatever happens until then."""
    return [
        _plan(rule, RuleEvent.FINDING_DUE, None, now, subject=f"due/{rule.document.compute_due(now).isoformat()}")
        for rule in rules
        if rule.is_enabled and RuleEvent.FINDING_DUE in rule.document.events
    ]


def list_silent(connection: Connection, rule: Rule, scope: Scope, now: dt.datetime) -> Iterator[tuple[Any, str]]:
    """Yield the sources in a scope without a scan for longer than a rule allows, with the title of the message."""
    limit = to_number(now - dt.timedelta(hours=rule.document.silent_hours))
    query = select(source).where(source.c.finished < limit, source.c.finished > 0, scope.contains(source.c.id))
    for row in connection.execute(query):
        if rule.document.filter.covers(row.key):
            last = to_moment(row.finished)
            yield row, f"{name_source(row.document)} is silent: its last scan finished at {last:%Y-%m-%d %H:%M} UTC"


def _plan_text(
    event: Event, rule: Rule, scope: Scope, keys: Sequence[str], now: dt.datetime
) -> Iterator[PlannedDelivery]:
    """Yield the message of an event with a text, if its source and its namespace are in the scope."""
    text = event.content.text
    if text is not None and shows_text(event, rule.document.filter, scope, keys[0] if keys else ""):
        change = RuleEvent(event.kind.value)
        yield _plan(rule, change, event.source, now, subject=str(event.id), title=text.title)


def shows_text(event: Event, criteria: RuleFilter, scope: Scope, key: str) -> bool:
    """Return True if an event with a text is in a scope and selected. key: of its source; empty without one."""
    text = event.content.text
    if text is None or (criteria.namespaces and text.namespace not in criteria.namespaces):
        return False
    if criteria.owners or criteria.labels:
        # The text is about findings of many workloads.
        return False
    if event.source is None:
        return scope.whole is None and not criteria.sources
    if not key or not criteria.covers(key):
        return False
    names = scope.limited.get(event.source, frozenset()) | scope.everywhere
    return scope.has_whole(event.source) or (bool(text.namespace) and text.namespace in names)


def _plan_changes(
    connection: Connection, event: Event, rule: Rule, scope: Scope, change: RuleEvent, number: int, now: dt.datetime
) -> Iterator[PlannedDelivery]:
    """Yield the messages about the findings of a source."""
    changes = load_source_changes(connection, Selection(scope, rule.document.filter), change, number, [event])
    if changes is None:
        return
    keys = sorted(changes.counts)
    if rule.document.grouping is Grouping.SOURCE or len(keys) > _MOST_MESSAGES or rule.document.digest:
        keys = [""]
    for key in keys:
        yield _plan(rule, change, number, now, definition=key)


def _plan(
    rule: Rule,
    change: RuleEvent,
    number: int | None,
    now: dt.datetime,
    *,
    definition: str = "",
    subject: str = "",
    title: str = "",
) -> PlannedDelivery:
    """Return a message. subject: its identity if it is no message about findings."""
    document = rule.document
    is_digest = document.digest is not None
    return PlannedDelivery(
        rule=rule.id,
        destination=rule.destination,
        event=DIGEST if is_digest else change.value,
        source=None if is_digest else number,
        definition="" if is_digest else definition,
        due=document.compute_due(now),
        window=dt.timedelta(minutes=0 if subject else document.grouping_minutes),
        subject=subject,
        title="" if is_digest else title,
    )
