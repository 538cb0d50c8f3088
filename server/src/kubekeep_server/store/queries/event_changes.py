"""The findings that an event has opened, reopened, closed or lost, of one source, in a scope and with the filters of a rule.

Reads intervals by the time of the event. What has changed again since is left out: a message shows what is still true.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, select

from kubekeep_server.store.coverage import load_coverage
from kubekeep_server.store.finding_context import EXPOSED_CONTEXT, get_level
from kubekeep_server.store.image_schema import image, image_finding, image_name, package, runs, source_image
from kubekeep_server.store.notification_schema import outbox
from kubekeep_server.store.numbers import format_key
from kubekeep_server.store.outbox import Event, EventKind, read_events
from kubekeep_server.store.queries.definitions import (
    contains_text,
    has_priority,
    list_definition_conditions,
    read_levels,
)
from kubekeep_server.store.queries.finding_filter import list_other_subject_conditions, list_subject_conditions
from kubekeep_server.store.queries.label_filter import list_label_conditions
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.rule_documents import RuleDocument, RuleEvent, RuleFilter
from kubekeep_server.store.schema import IS_SUBJECT, definition, finding, source, subject
from kubekeep_server.store.scopes import Scope, shows_subject
from kubekeep_server.store.urgency import EXPOSED, LEVELS, SEVERITY_NAMES

MOST_FINDINGS: Final = 20_000
"""Findings of an event that are read; of more, the first are counted."""
_LISTED: Final = 20
_BATCH: Final = 500
_NEWEST: Final = 100
"""Events in which a preview looks for a match."""
_FINDING_EVENTS: Final = (RuleEvent.FINDING_OPENED, RuleEvent.FINDING_REOPENED, RuleEvent.FINDING_FIXED)


class ChangedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that an event has changed. priority: its level. path: of the page that shows it. fix: of its package."""

    definition: str
    title: str
    remediation: str
    priority: str
    subject: str
    namespace: str
    path: str
    fix: str = ""


class SourceChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one source that events have changed.

    counts: of findings by definition. levels: of findings by priority. rows: the most urgent findings.
    """

    event: RuleEvent
    source: int
    key: str
    name: str
    counts: Mapping[str, int]
    levels: Mapping[str, int]
    rows: Sequence[ChangedFinding]

    @property
    def total(self) -> int:
        """The number of findings."""
        return sum(self.counts.values())


class Selection(msgspec.Struct, frozen=True):
    """The findings that a rule shows to its destination. definition: empty for all."""

    scope: Scope
    filter: RuleFilter
    definition: str = ""


def list_events(event: Event) -> tuple[RuleEvent, ...]:
    """Return the events of rules that an event of the outbox may be."""
    content = event.content
    if event.kind is EventKind.SUBMISSION:
        numbers = {
            RuleEvent.FINDING_OPENED: content.opened,
            RuleEvent.FINDING_REOPENED: content.opened,
            RuleEvent.FINDING_FIXED: content.closed,
            RuleEvent.COVERAGE_LOST: content.lost,
        }
        return tuple(change for change, number in numbers.items() if number)
    if event.kind is EventKind.MATCH:
        numbers = {RuleEvent.ADVISORY_NEW: content.opened, RuleEvent.FINDING_FIXED: content.closed}
        return tuple(change for change, number in numbers.items() if number)
    return (RuleEvent(event.kind.value),)


def list_sources(connection: Connection, event: Event) -> list[Any]:
    """Return the rows of the sources that an event is about: its own, or those that have its images."""
    query = select(source.c.id, source.c.key, source.c.document, source.c.finished).order_by(source.c.id)
    if event.source is not None:
        return list(connection.execute(query.where(source.c.id == event.source)))
    rows: dict[int, Any] = {}
    images = event.content.images
    for start in range(0, len(images), _BATCH):
        part = select(source_image.c.source).where(source_image.c.image.in_(images[start : start + _BATCH]))
        rows |= {row.id: row for row in connection.execute(query.where(source.c.id.in_(part)))}
    return [rows[number] for number in sorted(rows)]


def find_source_key(connection: Connection, scope: Scope, number: int) -> str | None:
    """Return the key of a source in a scope; None if it does not exist, or the scope does not show it."""
    row = connection.execute(select(source.c.key).where(source.c.id == number)).first()
    return row.key if row is not None and _may_show(scope, number) else None


def load_source_changes(
    connection: Connection, selection: Selection, change: RuleEvent, number: int, events: Sequence[Event]
) -> SourceChanges | None:
    """Return what events have changed in a source; None if nothing is left, or the scope does not show it."""
    row = connection.execute(select(source).where(source.c.id == number)).first()
    if row is None or not selection.filter.covers(row.key) or not _may_show(selection.scope, number):
        return None
    findings = list(_list_findings(connection, selection, change, number, events))
    findings += _list_problems(connection, selection, change, number, events)
    if not findings:
        return None
    ranks = {name: rank for rank, name in enumerate(SEVERITY_NAMES)}
    findings.sort(key=lambda entry: (-ranks[entry.priority], entry.definition, entry.namespace, entry.subject))
    return SourceChanges(
        event=change,
        source=number,
        key=row.key,
        name=name_source(row.document),
        counts=collections.Counter(entry.definition for entry in findings),
        levels=collections.Counter(entry.priority for entry in findings),
        rows=findings[:_LISTED],
    )


def find_newest_changes(connection: Connection, scope: Scope, document: RuleDocument) -> SourceChanges | None:
    """Return what the newest event changed that a rule selects; None without one."""
    selection = Selection(scope, document.filter)
    query = select(outbox).order_by(outbox.c.id.desc()).limit(_NEWEST)
    for event in read_events(connection.execute(query)):
        for row in list_sources(connection, event):
            for change in list_events(event):
                if change not in document.events or event.content.text is not None:
                    continue
                changes = load_source_changes(connection, selection, change, row.id, [event])
                if changes is not None:
                    return changes
    return None


def has_open_findings(connection: Connection, selection: Selection, number: int) -> bool:
    """Return True if a source has an open finding that a rule selects."""
    conditions = [
        finding.c.source == number,
        finding.c.closed.is_(None),
        ~finding.c.is_suppressed,
        *load_coverage(connection).list_conditions(),
        *_list_conditions(selection),
    ]
    query = select(finding.c.source).join(subject, IS_SUBJECT).join(definition, definition.c.id == finding.c.definition)
    if connection.execute(query.where(*conditions).limit(1)).first() is not None:
        return True
    problems = [image_finding.c.closed.is_(None), ~image_finding.c.is_suppressed]
    return next(_read_problems(connection, selection, number, problems), None) is not None


def _may_show(scope: Scope, number: int) -> bool:
    return scope.sources is None or bool(scope.everywhere) or number in scope.sources


def _list_findings(
    connection: Connection, selection: Selection, change: RuleEvent, number: int, events: Sequence[Event]
) -> Iterator[ChangedFinding]:
    """Yield the findings of workloads and other subjects."""
    coverage = load_coverage(connection)
    moments = sorted({event.moment for event in events if event.kind is EventKind.SUBMISSION})
    for start in range(0, len(moments), _BATCH):
        part = moments[start : start + _BATCH]
        query = (
            select(finding, subject.c.kind, subject.c.namespace, subject.c.name)
            .add_columns(definition.c.key, definition.c.document, definition.c.urgency)
            .join(subject, IS_SUBJECT)
            .join(definition, definition.c.id == finding.c.definition)
            .where(finding.c.source == number, *_list_change(change, part), *_list_conditions(selection))
            .where(*coverage.list_conditions())
        )
        for row in connection.execute(query.limit(MOST_FINDINGS)):
            text = _decoder.decode(row.document)
            yield ChangedFinding(
                definition=row.key,
                title=text.title,
                remediation=text.remediation,
                priority=SEVERITY_NAMES[get_level(row.context, row.urgency)],
                subject=f"{row.kind} {row.name}",
                namespace=row.namespace,
                path=f"/workloads/{number}/{format_key(row.subject)}",
            )


def _list_change(change: RuleEvent, moments: Sequence[int]) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the intervals that were changed at some moments, and have not changed since."""
    yield ~finding.c.is_suppressed
    other = finding.alias()
    is_same = and_(
        other.c.source == finding.c.source,
        other.c.subject == finding.c.subject,
        other.c.fingerprint == finding.c.fingerprint,
    )
    if change is RuleEvent.FINDING_FIXED:
        yield finding.c.closed.in_(moments)
        yield ~exists().where(is_same, other.c.closed.is_(None))
        return
    yield finding.c.closed.is_(None)
    if change is RuleEvent.COVERAGE_LOST:
        yield finding.c.unknown_since.in_(moments)
        return
    was_open = exists().where(is_same, other.c.closed.is_not(None))
    yield finding.c.opened.in_(moments)
    yield was_open if change is RuleEvent.FINDING_REOPENED else ~was_open


def _list_conditions(selection: Selection) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the scope and the filters."""
    yield shows_subject(selection.scope)
    yield from _list_definition_conditions(selection)
    criteria = selection.filter
    yield from _list_subject_conditions(criteria)
    if criteria.priorities:
        yield has_priority(criteria.priorities)
    if criteria.exposed is not None:
        is_exposed = finding.c.context >= EXPOSED_CONTEXT
        yield is_exposed if criteria.exposed else ~is_exposed


def _list_subject_conditions(criteria: RuleFilter) -> Iterator[ColumnElement[bool]]:
    selected = criteria.to_finding_filter()
    yield from list_subject_conditions(selected)
    yield from list_other_subject_conditions(selected)
    yield from list_label_conditions(criteria.labels)


def _list_definition_conditions(selection: Selection) -> Iterator[ColumnElement[bool]]:
    yield from list_definition_conditions(selection.filter.to_definition_filter())
    if selection.filter.text:
        yield contains_text(selection.filter.text)
    if selection.definition:
        yield definition.c.key == selection.definition


def _list_problems(
    connection: Connection, selection: Selection, change: RuleEvent, number: int, events: Sequence[Event]
) -> Iterator[ChangedFinding]:
    """Yield the problems of images that a source has."""
    kind = EventKind.MATCH if change is RuleEvent.ADVISORY_NEW else EventKind.SUBMISSION
    kinds = (EventKind.MATCH, EventKind.SUBMISSION) if change is RuleEvent.FINDING_FIXED else (kind,)
    if change not in (*_FINDING_EVENTS, RuleEvent.ADVISORY_NEW):
        return
    for event in events:
        if event.kind in kinds:
            for start in range(0, len(event.content.images), _BATCH):
                images = event.content.images[start : start + _BATCH]
                conditions = [image_finding.c.image.in_(images), *_list_problem_change(change, event.moment)]
                yield from _read_problems(connection, selection, number, conditions)


def _list_problem_change(change: RuleEvent, moment: int) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the intervals of images that were changed at a moment."""
    yield ~image_finding.c.is_suppressed
    other = image_finding.alias()
    is_same = and_(
        other.c.image == image_finding.c.image,
        other.c.definition == image_finding.c.definition,
        other.c.package == image_finding.c.package,
    )
    if change is RuleEvent.FINDING_FIXED:
        yield image_finding.c.closed == moment
        yield ~exists().where(is_same, other.c.closed.is_(None))
        return
    yield image_finding.c.closed.is_(None)
    yield image_finding.c.opened == moment
    if change is not RuleEvent.ADVISORY_NEW:
        was_open = exists().where(is_same, other.c.closed.is_not(None))
        yield was_open if change is RuleEvent.FINDING_REOPENED else ~was_open


def _read_problems(
    connection: Connection, selection: Selection, number: int, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[ChangedFinding]:
    """Yield the problems of images of a source with conditions; none if the filters are about other subjects."""
    criteria = selection.filter
    if criteria.kinds and "Image" not in criteria.kinds:
        return
    query = (
        select(image_finding.c.image, image_finding.c.fixed_version, image.c.digest, source_image.c.exposure)
        .add_columns(definition.c.key, definition.c.document, definition.c.urgency, definition.c.kind, package.c.purl)
        .join(source_image, source_image.c.image == image_finding.c.image)
        .join(image, image.c.id == image_finding.c.image)
        .join(definition, definition.c.id == image_finding.c.definition)
        .join(package, package.c.id == image_finding.c.package)
        .where(source_image.c.source == number, *conditions, *_list_definition_conditions(selection))
    )
    if (is_run := _list_run_conditions(selection, number)) is not None:
        query = query.where(is_run)
    if criteria.exposed is not None:
        is_exposed = source_image.c.exposure >= EXPOSED
        query = query.where(is_exposed if criteria.exposed else ~is_exposed)
    levels = read_levels(criteria.priorities)
    names: dict[int, str] = {}
    for row in connection.execute(query.limit(MOST_FINDINGS)).all():
        level = LEVELS[row.exposure if row.kind == "vulnerability" else 0][row.urgency]
        if levels and level not in levels:
            continue
        name = names.get(row.image) or _name_image(connection, row.image, row.digest)
        names[row.image] = name
        if criteria.names and name not in criteria.names:
            continue
        yield _describe_problem(row, name, SEVERITY_NAMES[level])


def _list_run_conditions(selection: Selection, number: int) -> ColumnElement[bool] | None:
    """Return the condition that a visible workload of the selected ones runs the image; None for any image."""
    is_limited = number in selection.scope.limited or bool(selection.scope.everywhere)
    if not selection.filter.selects_workloads and (selection.scope.has_whole(number) or not is_limited):
        return None
    is_workload = and_(subject.c.source == runs.c.source, subject.c.id == runs.c.subject, subject.c.closed.is_(None))
    conditions = [runs.c.source == number, runs.c.image == image_finding.c.image, is_workload]
    conditions.append(shows_subject(selection.scope))
    # Kinds and names are those of the image.
    conditions += _list_subject_conditions(msgspec.structs.replace(selection.filter, kinds=(), names=()))
    return exists().where(*conditions)


def _name_image(connection: Connection, number: int, digest: str) -> str:
    query = select(image_name.c.reference).where(image_name.c.image == number).order_by(image_name.c.reference).limit(1)
    return connection.execute(query).scalar() or digest


def _describe_problem(row: Any, name: str, level: str) -> ChangedFinding:
    text = _decoder.decode(row.document)
    return ChangedFinding(
        definition=row.key,
        title=text.title,
        remediation=text.remediation,
        priority=level,
        subject=f"Image {name}",
        namespace="",
        path=f"/vulnerabilities/{quote(row.key, safe='')}",
        fix=f"{row.purl} to {row.fixed_version}" if row.fixed_version and row.purl else row.purl,
    )


class _DefinitionText(msgspec.Struct):
    title: str = ""
    remediation: str = ""


_decoder: Final = msgspec.json.Decoder(_DefinitionText)
