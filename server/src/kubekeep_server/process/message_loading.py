"""The message of a delivery as it is true now, in the scope that the author of its rule has now. Reads only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from kubekeep_server.auth.permissions import ROLES, Permission
from kubekeep_server.notifications.composition import (
    Frame,
    compose_changes,
    compose_digest,
    compose_note,
    compose_test,
)
from kubekeep_server.notifications.messages import Line, Message
from kubekeep_server.store.deliveries import Delivery, load_events
from kubekeep_server.store.notification_rules import Rule, find_rule
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.outbox import Event
from kubekeep_server.store.queries.due_findings import list_selected_due
from kubekeep_server.store.queries.event_changes import (
    Selection,
    SourceChanges,
    find_source_key,
    has_open_findings,
    list_events,
    list_sources,
    load_source_changes,
)
from kubekeep_server.store.rule_documents import RuleEvent
from kubekeep_server.store.rule_evaluation import DIGEST, list_silent, shows_text
from kubekeep_server.store.scopes import Scope, resolve_scope

READERS = ROLES[Permission.READ]
TEST = "test"


def load_message(connection: Connection, delivery: Delivery, address: str, now: dt.datetime) -> Message | None:
    """Return a message; None if nothing is left to send. address: of the server for its users.

    Raises LookupError without the rule.
    """
    number = f"{to_number(delivery.created)}-{delivery.id}"
    if delivery.rule is None:
        return compose_test(Frame(id=number, rule=0, rule_name="", address=address, moment=now), delivery.title)
    rule = find_rule(connection, delivery.rule, now)
    frame = Frame(id=number, rule=rule.id, rule_name=rule.name, address=address, moment=now)
    scope = resolve_scope(connection, rule.list_grants(READERS))
    if delivery.event == TEST or not rule.is_enabled:
        return None
    events = load_events(connection, delivery.id)
    if delivery.event == DIGEST:
        return _load_digest(connection, frame, rule, scope, events, now)
    return _load_single(connection, frame, rule, scope, delivery, events)


def _load_single(
    connection: Connection, frame: Frame, rule: Rule, scope: Scope, delivery: Delivery, events: Sequence[Event]
) -> Message | None:
    """Return the message about one source."""
    key = "" if delivery.source is None else find_source_key(connection, scope, delivery.source)
    if key is None:
        return None
    if delivery.event == RuleEvent.SOURCE_SILENT:
        return compose_note(frame, delivery.event, delivery.title, "", f"/sources/{delivery.source}", key)
    for event in events:
        if (text := event.content.text) is not None:
            is_visible = shows_text(event, rule.document.filter, scope, key)
            return compose_note(frame, delivery.event, text.title, text.text, text.path, key) if is_visible else None
    if delivery.source is None:
        return None
    change, selection = RuleEvent(delivery.event), Selection(scope, rule.document.filter, delivery.definition)
    changes = load_source_changes(connection, selection, change, delivery.source, events)
    if changes is None:
        return None
    resolved = tuple(_list_resolved(connection, selection, changes)) if change is RuleEvent.FINDING_FIXED else ()
    return compose_changes(frame, changes, delivery.definition, resolved)


def _list_resolved(connection: Connection, selection: Selection, changes: SourceChanges) -> Iterator[str]:
    """Yield the definitions of which nothing is open any more; an empty one if all that the rule selects is fixed."""
    for definition in (*sorted(changes.counts), ""):
        narrowed = Selection(selection.scope, selection.filter, definition)
        if not has_open_findings(connection, narrowed, changes.source):
            yield definition


def _load_digest(
    connection: Connection, frame: Frame, rule: Rule, scope: Scope, events: Sequence[Event], now: dt.datetime
) -> Message | None:
    """Return the summary of events."""
    selection = Selection(scope, rule.document.filter)
    sources = {event.id: list_sources(connection, event) for event in events}
    by_source: dict[int, list[Event]] = {}
    for event in events:
        for row in sources[event.id]:
            by_source.setdefault(row.id, []).append(event)
    due = (
        list_selected_due(connection, scope, rule.document.filter, now)
        if RuleEvent.FINDING_DUE in rule.document.events
        else None
    )
    lines = [
        Line(text=text.title, url=frame.address + text.path)
        for event in events
        if (text := event.content.text) is not None
        and shows_text(event, rule.document.filter, scope, next((row.key for row in sources[event.id]), ""))
    ]
    if RuleEvent.SOURCE_SILENT in rule.document.events:
        lines += [
            Line(text=title, url=f"{frame.address}/sources/{row.id}")
            for row, title in list_silent(connection, rule, scope, now)
        ]
    all_changes = [*_load_changes(connection, selection, rule, by_source)]
    return compose_digest(frame, all_changes, lines, due) if all_changes or lines or due else None


def _load_changes(
    connection: Connection, selection: Selection, rule: Rule, by_source: Mapping[int, Sequence[Event]]
) -> Iterator[SourceChanges]:
    """Yield the changes of sources for each event of a rule."""
    for change in rule.document.events:
        for number, events in sorted(by_source.items()):
            concerned = [event for event in events if event.content.text is None and change in list_events(event)]
            changes = load_source_changes(connection, selection, change, number, concerned) if concerned else None
            if changes is not None:
                yield changes
