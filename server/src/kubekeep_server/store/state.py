"""The state of a source after a submission: subjects, and findings as intervals.

A subject whose entry is equal to that of the last submission needs no work if the same definitions were evaluated. Of the
others, and of those that the submission does not contain, the open findings are compared: with those of the entry before, which
says what their rows are, or with the rows where it does not. For example, a scan of the
namespace `shop` that could not list Secrets closes nothing in other namespaces, and marks the findings of each Secret of
`shop` as unknown since that scan.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from kubekeep.model.finding_document import AnySubject, name_subject
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.submission import SubjectEntry, Submission, SubmittedFinding
from kubekeep.uplink.delta import DivergenceError, merge_entry
from kubekeep_server.store import schema
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.control_states import StateChanges, list_unevaluated
from kubekeep_server.store.coverage import SourceCoverage, load_source_coverage
from kubekeep_server.store.definitions import (
    DefinitionChanges,
    StoredDefinition,
    load_definitions,
    store_definitions,
)
from kubekeep_server.store.document import SubmittedDocument, digest_entry, sum_digests
from kubekeep_server.store.finding_context import build_context, move_context
from kubekeep_server.store.image_reports import ImageReport
from kubekeep_server.store.images import ImageChanges, get_image_digest
from kubekeep_server.store.numbers import to_key, to_number
from kubekeep_server.store.subject_labels import LabelChanges
from kubekeep_server.store.totals import FindingCounts
from kubekeep_server.store.upsert import insert_many, insert_missing, replace_rows
from kubekeep_server.store.urgency import classify_subject

_DIGEST_BYTES: Final = 16
_DEFINITION: Final = list(schema.finding.c).index(schema.finding.c.definition)


class _OpenFinding(NamedTuple):
    """An open finding in the store. Its fields are read many times, which takes long for rows of SQLAlchemy."""

    subject: int
    fingerprint: int
    definition: int
    context: int
    is_suppressed: bool
    unknown_since: int | None
    decision: int | None


_STATE: Final = _OpenFinding._fields.index("context")
"""Index of the first field that a submission may change."""
_SUBJECTS: Final = select(schema.subject).where(
    schema.subject.c.source == bindparam("source"), is_key(schema.subject.c.id)
)
_FINDINGS: Final = select(*(schema.finding.c[name] for name in _OpenFinding._fields)).where(
    schema.finding.c.source == bindparam("source"),
    is_key(schema.finding.c.subject),
    schema.finding.c.closed.is_(None),
)
_OPEN_FINDING: Final = (
    (schema.finding.c.source == bindparam("number"))
    & (schema.finding.c.subject == bindparam("key"))
    & (schema.finding.c.fingerprint == bindparam("print"))
    & schema.finding.c.closed.is_(None)
)
_CLOSE: Final = update(schema.finding).where(_OPEN_FINDING).values(closed=bindparam("moment"))
_CHANGE: Final = (
    update(schema.finding)
    .where(_OPEN_FINDING)
    .values(
        context=bindparam("new_context"),
        is_suppressed=bindparam("suppressed"),
        unknown_since=bindparam("since"),
        decision=bindparam("new_decision"),
    )
)
_REMOVE_SUBJECT: Final = (
    update(schema.subject)
    .where((schema.subject.c.source == bindparam("number")) & (schema.subject.c.id == bindparam("key")))
    .values(digest=None, closed=bindparam("moment"))
)


class _KnownSubject:
    """A stored subject that may exist. Its entry is decoded on first use.

    is_listed: True if its open findings are those of the entry, as the last submission left them. findings: the open ones by
    fingerprint; empty for an image and with `is_listed`.
    """

    def __init__(self, row: Any, report: ImageReport | None, *, is_listed: bool) -> None:
        self.opened: int = row.opened
        self.exposure: int = row.exposure
        self.is_listed = is_listed
        self.findings: dict[int, _OpenFinding] = {}
        self._row = row
        self._report = report

    @functools.cached_property
    def entry(self) -> SubjectEntry:
        """The entry of the last submission that contained it."""
        return self._report.entry if self._report else _unpack(self._row.content, SubjectEntry)

    @functools.cached_property
    def retained(self) -> tuple[SubmittedFinding, ...]:
        """Open findings that are not in the entry."""
        if self._report is not None:
            return self._report.retained
        return _unpack(self._row.retained, tuple[SubmittedFinding, ...]) if self._row.retained else ()

    @functools.cached_property
    def details(self) -> dict[int, SubmittedFinding]:
        """Its findings, as submissions had them, by fingerprint."""
        return {to_key(finding.fingerprint): finding for finding in (*self.retained, *self.entry.findings)}


class _SubjectChange(NamedTuple):
    """A subject that is compared. exposure: of the entry. known: as the store has it.

    findings: of the entry, without those that are as before. previous: of the entry before that differ; empty if the rows of
    the open findings are known.
    """

    key: int
    entry: SubjectEntry
    exposure: int
    known: _KnownSubject | None
    findings: tuple[SubmittedFinding, ...]
    previous: tuple[SubmittedFinding, ...] = ()


class StateCounts(NamedTuple):
    """Numbers of findings that were opened and closed, and of those that could be seen before. images: with opened or closed ones.

    states: from which those of definitions follow.
    """

    opened: int = 0
    closed: int = 0
    lost: int = 0
    images: frozenset[int] = frozenset()
    states: StateChanges = StateChanges()


def apply_submission(connection: Connection, document: SubmittedDocument, source: Any) -> StateCounts:
    """Write the state after a submission; return what it changes.

    source: the locked row. Raises LookupError for an undefined key and DivergenceError for a delta of another state.
    """
    return _StateChange(connection, document, source).apply()


def load_entry(connection: Connection, source: ScannedSource, key: str) -> SubjectEntry | None:
    """Return the last entry of a subject that is no image; None if the source has no such subject.

    The source stays locked until the end of the transaction, so that a submission made from the entry replaces no later one.
    """
    table, subject = schema.source, schema.subject
    query = select(table.c.id).where(table.c.key == source.key, table.c.branch == source.branch_name)
    number = connection.execute(query.with_for_update(key_share=True)).scalar()
    columns = select(subject.c.content).where(subject.c.source == number, subject.c.id == to_key(key))
    content = connection.execute(columns.where(subject.c.closed.is_(None))).scalar()
    return _unpack(content, SubjectEntry) if content else None


def compute_scope(submission: Submission) -> bytes:
    """Return the digest of the evaluated definitions."""
    return hashlib.blake2b("\n".join(sorted(submission.scope.definitions)).encode(), digest_size=_DIGEST_BYTES).digest()


class _StateChange:
    """The rows that a submission changes."""

    def __init__(self, connection: Connection, document: SubmittedDocument, source: Any) -> None:
        self._connection = connection
        self._document = document
        self._submission = submission = document.submission
        self._source = source
        self._moment = to_number(submission.finished)
        self._scope = frozenset(submission.scope.definitions)
        self._has_scope = compute_scope(submission) == source.scope
        """True if the last submission evaluated the same definitions."""
        self._coverage = SourceCoverage()
        self._counts = FindingCounts()
        self._new: list[tuple[Any, ...]] = []
        """Rows of `finding`."""
        self._closed: list[dict[str, Any]] = []
        self._changed: list[dict[str, Any]] = []
        self._subjects: list[dict[str, Any]] = []
        self._absent: list[dict[str, Any]] = []
        self._lost = 0
        self._touched: set[int] = set()
        """Definitions whose findings change."""
        self._unevaluated: collections.Counter[str] = collections.Counter()
        self._ids: dict[str, int] = {}
        """Definitions of the submission by key."""
        self._definitions: dict[int, StoredDefinition] = {}
        self._images = ImageChanges(connection, document, source.id)
        self._labels = LabelChanges(connection, source.id)

    def apply(self) -> StateCounts:
        """Compare and write."""
        submission = self._submission
        if submission.base and submission.base != self._source.manifest:
            raise DivergenceError(
                f"the delta {submission.id} changes state {submission.base}, but the last state is {self._source.manifest}"
            )
        digests = self._load_digests()
        present = self._list_present(digests)
        absent = frozenset(digests.keys() - present)
        compared = self._select_compared(digests, present)
        entries = {key: self._document.decode(key) for key in sorted(compared & self._document.keys)}
        # A partial submission says nothing about subjects that it does not contain.
        expected = frozenset[int]() if submission.scope.is_partial else absent
        known = self._load_subjects((compared | expected) & digests.keys(), absent)
        listed = {key for key, digest in digests.items() if digest}
        changes = [
            _describe_change(key, entry, known.get(key))
            for key, entry in self._merge_entries(compared, entries, {key: known[key] for key in compared & listed})
        ]
        self._store_definitions(changes)
        # Decisions change with the definitions locked.
        self._coverage = load_source_coverage(self._connection, self._source.key)
        self._counts = FindingCounts(self._coverage.wide)
        self._load_findings(known)
        for change in changes:
            digest = self._document.digests.get(change.key) or digest_entry(change.entry)
            if get_image_digest(change.entry):
                self._compare_image(change, digest)
            else:
                self._compare_present(change, digest)
            digests[change.key] = digest
        for key in sorted(absent):
            self._compare_absent(key, known.get(key), is_listed=bool(digests.pop(key)))
        if sum_digests(digests.values()) != submission.manifest:
            raise DivergenceError(f"{submission.id} does not lead to state {submission.manifest}")
        self._write()
        opened, closed = self._images.write(present)
        changed = self._images.changed
        states = self._describe_states()
        return StateCounts(len(self._new) + opened, len(self._closed) + closed, self._lost, changed, states)

    def _describe_states(self) -> StateChanges:
        unevaluated = {key: change for key, change in self._unevaluated.items() if change}
        return StateChanges(frozenset(self._touched), unevaluated)

    def _store_definitions(self, changes: Iterable[_SubjectChange]) -> None:
        used = {finding.definition for change in changes for finding in (*change.findings, *change.previous)}
        # Those of the last submission are stored, or are those of another author.
        is_known = not self._submission.base and self._document.definitions_digest == self._source.definitions
        documents = {} if is_known else self._document.definitions
        is_complete = not (is_known or self._submission.base or self._submission.scope.is_partial)
        submitted = DefinitionChanges(documents, self._moment, self._source.id, self._scope, is_complete)
        required = used if self._has_scope else used | self._scope
        definitions = store_definitions(self._connection, submitted, required)
        self._ids = {key: stored.id for key, stored in definitions.items()}
        self._definitions = {stored.id: stored for stored in definitions.values()}

    def _load_digests(self) -> dict[int, bytes]:
        """Return the digests of the subjects that may exist; empty for those that the last submission did not contain."""
        table = schema.subject
        query = select(table.c.id, table.c.digest).where(table.c.source == self._source.id, table.c.closed.is_(None))
        return {key: digest or b"" for key, digest in self._connection.execute(query).all()}

    def _list_present(self, digests: Mapping[int, bytes]) -> frozenset[int]:
        """Return the subjects of the state that the submission describes."""
        if not self._submission.base:
            return self._document.keys
        removed = {to_key(key) for key in self._submission.removed}
        return self._document.keys | ({key for key, digest in digests.items() if digest} - removed)

    def _select_compared(self, digests: Mapping[int, bytes], present: frozenset[int]) -> frozenset[int]:
        """Return the subjects whose findings may have changed: those of which the entry or the scope has changed."""
        if not self._has_scope:
            return present
        if self._submission.base:
            return self._document.keys
        return frozenset(key for key, digest in self._document.digests.items() if digests.get(key) != digest)

    def _load_subjects(self, keys: Iterable[int], absent: frozenset[int]) -> dict[int, _KnownSubject]:
        """Return stored subjects. absent: those whose entry does not say which of their findings are open and how."""
        rows = list(select_by_keys(self._connection, _SUBJECTS, keys, source=self._source.id))
        reports = self._images.load(row.id for row in rows if not row.content)
        return {row.id: _KnownSubject(row, reports.get(row.id), is_listed=self._is_listed(row, absent)) for row in rows}

    def _is_listed(self, row: Any, absent: frozenset[int]) -> bool:
        """Return `_KnownSubject.is_listed` of a stored subject."""
        return self._has_scope and bool(row.digest and row.content) and row.retained is None and row.id not in absent

    def _load_findings(self, known: Mapping[int, _KnownSubject]) -> None:
        """Add the rows of the open findings where an entry does not say what they are."""
        keys = [key for key, subject in known.items() if not subject.is_listed]
        rows = select_by_keys(self._connection, _FINDINGS, keys, source=self._source.id)
        for finding in map(_OpenFinding._make, rows):
            known[finding.subject].findings[finding.fingerprint] = finding
        ids = {finding.definition for one in known.values() for finding in one.findings.values()}
        self._definitions |= load_definitions(self._connection, ids - self._definitions.keys())

    def _merge_entries(
        self, compared: Iterable[int], submitted: Mapping[int, SubjectEntry], listed: Mapping[int, _KnownSubject]
    ) -> Iterator[tuple[int, SubjectEntry]]:
        """Yield the whole entries of subjects that are compared. listed: those in the state that a delta changes."""
        closed = {*self._submission.closed}
        for key in sorted(compared):
            entry, before = submitted.get(key), listed.get(key)
            if entry is None:
                yield key, listed[key].entry
            elif before is None or not self._submission.base:
                yield key, entry
            else:
                yield key, merge_entry(before.entry, entry, closed)

    def _compare_image(self, change: _SubjectChange, digest: bytes) -> None:
        known = change.known
        self._images.compare(change.key, change.entry, ImageReport(known.entry, known.retained) if known else None)
        self._add_subject(change, digest=digest, content=b"", retained=None)

    def _compare_present(self, change: _SubjectChange, digest: bytes) -> None:
        key, entry, exposure, known = change.key, change.entry, change.exposure, change.known
        self._images.runs.compare(key, entry, known, exposure)
        self._labels.compare(key, entry.labels, known.entry.labels if known else {})
        self._unevaluated.update(list_unevaluated(entry))
        if known is not None:
            self._unevaluated.subtract(list_unevaluated(known.entry))
        rows = self._list_rows(change)
        current = {to_key(finding.fingerprint): finding for finding in change.findings}
        for fingerprint, finding in current.items():
            self._keep_open(change, fingerprint, finding, rows.get(fingerprint))
        retained = []
        for fingerprint, row in rows.items():
            if fingerprint in current or known is None:
                continue
            definition = self._definitions[row.definition]
            if self._is_absent(definition, entry, known, fingerprint):
                self._close(row)
                continue
            retained.append(known.details[fingerprint])
            if definition.key in self._scope or definition.kind in entry.listed_kinds:
                self._mark_unknown(row, exposure)
            elif known.exposure != exposure:
                self._change(row, row._replace(context=move_context(row.context, exposure)))
        packed = _pack(tuple(retained)) if retained else None
        self._add_subject(change, digest=digest, content=_pack(entry), retained=packed)

    def _list_rows(self, change: _SubjectChange) -> Mapping[int, _OpenFinding]:
        """Return the open findings of a subject that may change, by fingerprint."""
        if change.known is None:
            return {}
        if not change.known.is_listed:
            return change.known.findings
        rows = {}
        for finding in change.previous:
            row = self._describe_finding(change, finding, change.known.exposure)
            rows[row.fingerprint] = row
        return rows

    def _describe_finding(self, change: _SubjectChange, finding: SubmittedFinding, exposure: int) -> _OpenFinding:
        """Return the row of a finding of a subject. exposure: of the subject."""
        definition, decision = self._ids[finding.definition], None
        if finding.is_open and definition in self._coverage.narrow:
            decision = self._coverage.find(definition, _describe_subject(change.entry.subject), finding.fingerprint)
        is_suppressed = not finding.is_open or decision is not None
        context = build_context(exposure, finding.priority)
        return _OpenFinding(change.key, to_key(finding.fingerprint), definition, context, is_suppressed, None, decision)

    def _is_absent(
        self, definition: StoredDefinition, entry: SubjectEntry, known: _KnownSubject, fingerprint: int
    ) -> bool:
        """Return True if a subject no longer has a finding. Only the packages of problems that it lists itself need its detail."""
        if definition.key in self._scope:
            finding = SubmittedFinding(definition.key, "")
        elif definition.kind in entry.listed_kinds:
            finding = known.details[fingerprint]
        else:
            return False
        return entry.shows_absence(finding, definition.kind, self._submission.scope)

    def _add_subject(self, change: _SubjectChange, **content: bytes | None) -> None:
        """Note a row of `subject`. content: the encoded columns."""
        entry, known = change.entry, change.known
        self._subjects.append(
            {
                "source": self._source.id,
                "id": change.key,
                **_describe_subject(entry.subject),
                "exposure": change.exposure,
                "owner": entry.owner or None,
                **content,
                "opened": known.opened if known else self._moment,
                "closed": None,
            }
        )

    def _compare_absent(self, key: int, known: _KnownSubject | None, *, is_listed: bool) -> None:
        """Close a subject and its findings if the submission would have them. known: None if it says nothing about others."""
        if known is None:
            if is_listed:
                self._absent.append({"number": self._source.id, "key": key, "moment": None})
            return
        submission, details = self._submission, known.details
        is_expected = submission.scope.contains(known.entry.subject)
        is_gone = is_expected and submission.find_gap(known.entry) is None
        for fingerprint, row in known.findings.items():
            finding = details[fingerprint]
            if submission.closes(finding, self._definitions[row.definition].kind, known.entry, None):
                self._close(row)
                continue
            is_gone = False
            if is_expected and finding.definition in self._scope:
                self._mark_unknown(row, known.exposure)
        if is_gone:
            self._images.runs.remove(key, known)
            self._labels.compare(key, {}, known.entry.labels)
            self._unevaluated.subtract(list_unevaluated(known.entry))
        if is_listed or is_gone:
            closed = self._moment if is_gone else None
            self._absent.append({"number": self._source.id, "key": key, "moment": closed})

    def _keep_open(
        self, change: _SubjectChange, fingerprint: int, finding: SubmittedFinding, row: _OpenFinding | None
    ) -> None:
        """Open a finding, or change its row."""
        current = self._describe_finding(change, finding, change.exposure)
        if row is not None and row.definition != current.definition:
            self._close(row)
            row = None
        if row is None:
            values = (current.definition, current.context, current.is_suppressed, self._moment, None, None)
            self._touched.add(current.definition)
            self._new.append((self._source.id, change.key, fingerprint, *values, current.decision))
            if not current.is_suppressed:
                urgency = self._definitions[current.definition].urgency
                self._counts.open(current.definition, urgency, current.context)
        elif row[_STATE:] != current[_STATE:]:
            self._change(row, current)

    def _close(self, row: _OpenFinding) -> None:
        self._touched.add(row.definition)
        self._closed.append({**self._locate(row), "moment": self._moment})
        if not row.is_suppressed:
            self._counts.close(row.definition, self._definitions[row.definition].urgency, row.context)

    def _locate(self, row: _OpenFinding) -> dict[str, Any]:
        """Return the parameters of a statement that changes a finding."""
        return {"number": self._source.id, "key": row.subject, "print": row.fingerprint}

    def _mark_unknown(self, row: _OpenFinding, exposure: int) -> None:
        since, context = row.unknown_since or self._moment, move_context(row.context, exposure)
        self._lost += row.unknown_since is None and not row.is_suppressed
        if (row.unknown_since, row.context) != (since, context):
            self._change(row, row._replace(unknown_since=since, context=context))

    def _change(self, row: _OpenFinding, current: _OpenFinding) -> None:
        """Change a row, and the totals with it."""
        values = {
            "new_context": current.context,
            "suppressed": current.is_suppressed,
            "since": current.unknown_since,
            "new_decision": current.decision,
        }
        self._touched.add(row.definition)
        self._changed.append({**self._locate(row), **values})
        urgency = self._definitions[row.definition].urgency
        if not current.is_suppressed and not row.is_suppressed:
            self._counts.move(row.definition, urgency, row.context, current.context)
        elif not current.is_suppressed:
            self._counts.open(row.definition, urgency, current.context)
        elif not row.is_suppressed:
            self._counts.close(row.definition, urgency, row.context)

    def _write(self) -> None:
        connection = self._connection
        if self._closed:
            connection.execute(_CLOSE, self._closed)
        if self._changed:
            connection.execute(_CHANGE, self._changed)
        if self._new:
            # Neighbours in the index of definitions together.
            insert_many(connection, schema.finding, sorted(self._new, key=operator.itemgetter(_DEFINITION)))
        columns = [column.name for column in schema.subject.c if not column.primary_key]
        replace_rows(connection, schema.subject, columns, self._subjects)
        self._labels.write()
        names = sorted({row["name"] for row in self._subjects})
        insert_missing(connection, schema.subject_name, [{"name": name} for name in names])
        if self._absent:
            connection.execute(_REMOVE_SUBJECT, self._absent)
        self._counts.write(connection, self._source.id, self._moment)


def _describe_change(key: int, entry: SubjectEntry, known: _KnownSubject | None) -> _SubjectChange:
    """Compare the findings of an entry with those of the entry before, if they are what is open."""
    exposure = classify_subject(entry)
    if known is None or not known.is_listed:
        return _SubjectChange(key, entry, exposure, known, entry.findings)
    before = {finding.fingerprint: finding for finding in known.entry.findings}
    after = {finding.fingerprint: finding for finding in entry.findings}
    if known.exposure == exposure:
        for fingerprint in [key for key, finding in after.items() if before.get(key) == finding]:
            del before[fingerprint], after[fingerprint]
    return _SubjectChange(key, entry, exposure, known, tuple(after.values()), tuple(before.values()))


def _describe_subject(subject: AnySubject) -> dict[str, str]:
    """Return the columns by which subjects are listed."""
    return name_subject(subject)._asdict()


def _pack(value: object) -> bytes:
    return compress(msgspec.msgpack.encode(value))


def _unpack(content: bytes, kind: Any) -> Any:
    return msgspec.msgpack.decode(decompress(content), type=kind)
