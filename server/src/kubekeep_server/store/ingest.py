"""Ingest of submissions: one transaction that changes subjects, intervals of findings, totals and the log.

What a submission says nothing about stays as it is: `Submission.closes` decides. Each submission is stored as it was
received. Knows no HTTP, and trusts the caller that the sender may speak for the source.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.submission import Submission, compute_manifest
from kubekeep.model.text import encode_json
from kubekeep_server.store import schema
from kubekeep_server.store.changes import record_changes
from kubekeep_server.store.control_states import end_overdue, record_scan
from kubekeep_server.store.document import SubmittedDocument
from kubekeep_server.store.evaluations import store_evaluation
from kubekeep_server.store.hash_chain import chain_entry
from kubekeep_server.store.numbers import SECOND, to_moment, to_number
from kubekeep_server.store.outbox import EventContent, EventKind, add_event
from kubekeep_server.store.permissions import store_permissions
from kubekeep_server.store.proofs import store_document
from kubekeep_server.store.state import StateCounts, apply_submission, compute_scope
from kubekeep_server.store.upsert import insert_missing

_MOST_AHEAD: Final = dt.timedelta(minutes=10)
"""Largest difference of the clocks of a sender and the server."""


class EarlySubmissionError(ValueError):
    """A submission that finished after the present time of the server. seconds: until the server can store it."""

    def __init__(self, submission: Submission, seconds: int) -> None:
        super().__init__(
            f"the scan finished at {submission.finished.isoformat()}, which is in the future of the server: check both clocks"
        )
        self.seconds = seconds


class Receipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to a submission. manifest: of the state after it. opened, closed: numbers of findings.

    is_known: True if it was received before. is_applied: False if a later scan of the source was received before it.
    """

    scan: str
    manifest: str
    opened: int = 0
    closed: int = 0
    is_known: bool = False
    is_applied: bool = True


def ingest(connection: Connection, document: bytes, received: dt.datetime) -> Receipt:
    """Store a submission and apply it, all or nothing; the caller commits. received: the time of the server.

    A scan that is earlier than the last one of its source is not applied. If the clock of the server was set back, so that the
    last one is in the future, it is: no later scan could be applied otherwise.

    Raises EarlySubmissionError for a scan in the future, msgspec.DecodeError for a document that is no submission, LookupError for one with an undefined key, and
    DivergenceError for a delta of another state, and a document without the state that its manifest names.
    """
    submitted = SubmittedDocument(document)
    submission = submitted.submission
    source = _lock_source(connection, submission, to_number(received))
    scan = schema.scan
    query = select(scan).where(scan.c.source == source.id, scan.c.id == submission.id)
    if (known := connection.execute(query).first()) is not None:
        return Receipt(
            scan=submission.id,
            manifest=source.manifest,
            opened=known.opened,
            closed=known.closed,
            is_known=True,
            is_applied=known.is_applied,
        )
    latest = to_number(received + _MOST_AHEAD)
    finished = to_number(submission.finished)
    if finished > latest:
        raise EarlySubmissionError(submission, (finished - latest) // SECOND + 1)
    is_applied = finished >= source.finished or source.finished > latest
    if is_applied:
        end_overdue(connection, source, submission)
    counts = apply_submission(connection, submitted, source) if is_applied else StateCounts()
    if is_applied:
        store_permissions(connection, submitted, source.id)
    opened, closed = counts.opened, counts.closed
    row = {
        "source": source.id,
        "id": submission.id,
        "started": to_number(submission.started),
        "finished": finished,
        "received": to_number(received),
        "document": store_document(connection, source.id, document),
        "is_applied": is_applied,
        "opened": opened,
        "closed": closed,
        "evaluation": store_evaluation(connection, submission),
    }
    connection.execute(insert(scan), [row])
    if is_applied:
        states = record_scan(connection, source, submission, counts.states)
        _update_source(connection, source.id, submitted, states)
    if opened or closed or counts.lost:
        content = EventContent(opened, closed, counts.lost, tuple(sorted(counts.images)))
        add_event(connection, EventKind.SUBMISSION, received, content, source=source.id, moment=finished)
    _log(connection, source.id, to_number(received), f"submitted {submission.id}: {opened} opened, {closed} closed")
    record_changes(connection, [source.id], to_number(received))
    manifest = submission.manifest if is_applied else source.manifest
    return Receipt(scan=submission.id, manifest=manifest, opened=opened, closed=closed, is_applied=is_applied)


def ingest_results(
    connection: Connection,
    source: ScannedSource,
    build: Callable[[Connection, dt.datetime], Submission],
    clock: Callable[[], dt.datetime],
) -> Receipt:
    """Store the results of another tool and apply them; the caller commits. Raises what `ingest` and `build` raise.

    build: returns the submission that has finished at a time. This is the time at which the results are stored, not that of
    their document: results of several tools about one source arrive in any order, and none of them replaces a later one.
    """
    columns = schema.source.c
    query = select(columns.finished).where(columns.key == source.key, columns.branch == source.branch_name)
    last = connection.execute(query.with_for_update(key_share=True)).scalar()
    moment = clock()
    # The clock of another process may be ahead a little; this one may have been set back far.
    if last is not None and last <= to_number(moment + _MOST_AHEAD):
        moment = max(moment, to_moment(last))
    return ingest(connection, encode_json(build(connection, moment)).encode(), moment)


def _lock_source(connection: Connection, submission: Submission, now: int) -> Any:
    """Return the row of the source, which no other transaction changes until the end of this one."""
    table, key, branch = schema.source, submission.source.key, submission.source.branch_name
    start = {
        "created": now,
        "scan": "",
        "finished": 0,
        "manifest": compute_manifest(()),
        "scope": b"",
        "definitions": b"",
    }
    row = {"key": key, "branch": branch, "document": encode_json(submission.source), **start}
    # Other sources may insert rows that refer to this one: those of a definition whose severity changes.
    query = select(table).where(table.c.key == key, table.c.branch == branch).with_for_update(key_share=True)
    locked = None
    while locked is None:
        # Another transaction may delete the source between both statements.
        insert_missing(connection, table, [row])
        locked = connection.execute(query).first()
    return locked


def _update_source(
    connection: Connection, source: int, submitted: SubmittedDocument, states: Mapping[str, Any]
) -> None:
    """Write the columns of a source that follow from a scan. states: those of `record_scan`."""
    submission = submitted.submission
    values: dict[str, Any] = {
        "document": encode_json(submission.source),
        "scan": submission.id,
        "finished": to_number(submission.finished),
        "manifest": submission.manifest,
        "scope": compute_scope(submission),
        **states,
    }
    if not submission.base:
        values["definitions"] = submitted.definitions_digest
    connection.execute(update(schema.source).where(schema.source.c.id == source).values(**values))


def _log(connection: Connection, source: int, moment: int, text: str) -> None:
    """Add an entry to the log of a source, chained to the one before."""
    audit = schema.audit
    query = (
        select(audit.c.number, audit.c.digest).where(audit.c.source == source).order_by(audit.c.number.desc()).limit(1)
    )
    last = connection.execute(query).first()
    entry = chain_entry(last, moment, text)
    connection.execute(insert(audit), [{"source": source, "moment": moment, **entry._asdict()}])
