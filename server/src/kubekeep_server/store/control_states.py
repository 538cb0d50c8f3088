"""States of definitions in sources, as intervals: what failed, what held, and what was not evaluated, and since when.

A state follows from the open findings of a definition in a source, and from the last scan of the source that was not partial. It
holds until a later scan or a decision changes it, and at most `LONGEST_SILENCE` after that scan. A finding that is open counts as
failed, whatever later scans evaluate. The transaction that changes findings changes the states.
"""

from __future__ import annotations

import collections
import datetime as dt
import enum
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from kubekeep._native import pack_counts, sum_counts
from kubekeep.model.cluster import expand_kind_names
from kubekeep.model.submission import ANY, HiddenObjects, SubjectEntry, Submission
from kubekeep.model.text import encode_json
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.finding_context import CONTEXTS
from kubekeep_server.store.framework_schema import control_interval, library_control, source_evaluation
from kubekeep_server.store.locks import lock_definitions
from kubekeep_server.store.numbers import DAY, to_number
from kubekeep_server.store.schema import definition, definition_total, finding, source, subject
from kubekeep_server.store.upsert import replace_rows


class ControlState(enum.IntEnum):
    """States of a definition in a source, by the numbers in the store."""

    NOT_EVALUATED = 0
    FAILED = 1
    COVERED = 2
    """All of its findings are covered by exceptions or decisions, and the whole source was evaluated."""
    PARTLY = 3
    """No finding counts, but a part of the source was not evaluated."""
    PASSED = 4

    @property
    def label(self) -> str:
        """The name in the API."""
        return self.name.lower().replace("_", "-")


STATES: Final = len(ControlState)
LONGEST_SILENCE: Final = 15 * DAY
"""A source that is scanned every two weeks is evaluated all the time."""
_DIGEST_BYTES: Final = 16
_MOST_GAPS: Final = 500
_LONGEST_TEXT: Final = 500
_SILENT: Final = 100
"""Sources of a transaction."""


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """A gap of a scan. definition: key of one that was evaluated on no subject; empty for objects that were not read."""

    message: str
    definition: str
    next_step: str


class StateChanges(NamedTuple):
    """Definitions whose findings a scan changes, and changes of the numbers of subjects on which it did not evaluate one, by key."""

    touched: frozenset[int] = frozenset()
    unevaluated: Mapping[str, int] = {}


_gaps: Final = msgspec.msgpack.Decoder(tuple[Gap, ...])
_entries: Final = msgspec.msgpack.Decoder(SubjectEntry)
_kinds: Final = msgspec.json.Decoder(tuple[str, ...])
_EVALUATIONS: Final = (
    select(definition_total.c.content, definition_total.c.covered, source.c.id.label("number"), source_evaluation)
    .select_from(source)
    .join(source_evaluation, source_evaluation.c.source == source.c.id)
    .outerjoin(definition_total, definition_total.c.source == source.c.id)
    .where(is_key(source.c.id))
)
_COLUMNS: Final = [column.name for column in source_evaluation.c]
_COVERED: Final = (
    select(finding.c.source, finding.c.definition, func.count().label("number"))
    .where(finding.c.closed.is_(None), finding.c.is_suppressed.is_(True), is_key(finding.c.source))
    .group_by(finding.c.source, finding.c.definition)
)
_END: Final = (
    update(control_interval)
    .where(
        (control_interval.c.source == bindparam("number"))
        & (control_interval.c.definition == bindparam("key"))
        & control_interval.c.until.is_(None)
    )
    .values(until=bindparam("moment"))
)


def pack_states(states: Mapping[int, int]) -> bytes:
    """Return the states by definition in one value, which `_native.sum_counts` can add to others."""
    return pack_counts([(number * STATES + state, 1) for number, state in states.items() if state])


def unpack_states(content: bytes) -> dict[int, int]:
    """Return the states by definition; those that were not evaluated are left out."""
    return {key // STATES: key % STATES for key, _ in sum_counts([content])}


def unpack_gaps(content: bytes) -> tuple[Gap, ...]:
    """Return the gaps of the last scan that was not partial."""
    return _gaps.decode(decompress(content)) if content else ()


def end_overdue(connection: Connection, row: Any, submission: Submission) -> None:
    """End the states of a source that was not scanned for too long, before the next scan changes its findings.

    row: of the source, locked.
    """
    if _is_overdue(row, to_number(submission.finished)):
        lock_definitions(connection, is_exclusive=False)
        _end_evaluation(connection, [row])


def record_scan(connection: Connection, row: Any, submission: Submission, changes: StateChanges) -> dict[str, Any]:
    """Change the states of a source after a scan was applied; return the columns of `source` that follow from it.

    row: of the source before the scan, locked.
    """
    moment = to_number(submission.finished)
    evaluation = None if _is_overdue(row, moment) else row.evaluation
    if submission.scope.is_partial:
        columns = {"evaluation": evaluation, "evaluated": row.evaluated}
    else:
        columns = {"evaluation": digest_evaluation(submission), "evaluated": moment}
    has_changed = columns["evaluation"] != evaluation
    if has_changed or changes.touched or changes.unevaluated:
        _create_evaluation(connection, row, changes)
    if has_changed:
        _store_evaluation(connection, row.id, submission)
        _refresh(connection, {row.id: None}, moment)
    elif changes.touched or changes.unevaluated:
        numbers = _load_numbers(connection, changes.unevaluated).values()
        _refresh(connection, {row.id: changes.touched.union(numbers)}, moment)
    return columns


def refresh_states(connection: Connection, sources: Iterable[int], definitions: frozenset[int], moment: int) -> None:
    """Change the states of definitions in sources after a decision. The caller has changed the totals."""
    _refresh(connection, dict.fromkeys(sources, definitions), moment)


def end_silent(connection: Connection, now: dt.datetime) -> int:
    """End the states of the first sources that were not scanned for too long, and return their number."""
    rows = connection.execute(_select_silent(now).limit(_SILENT).with_for_update(key_share=True)).all()
    if rows:
        lock_definitions(connection, is_exclusive=False)
    _end_evaluation(connection, rows)
    numbers = [row.id for row in rows]
    connection.execute(update(source).where(source.c.id.in_(numbers)).values(evaluation=None))
    return len(rows)


def has_silent(connection: Connection, now: dt.datetime) -> bool:
    """Return True if a source was not scanned for too long."""
    return connection.execute(_select_silent(now).limit(1)).first() is not None


def _select_silent(now: dt.datetime) -> Select[Any]:
    is_silent = (source.c.evaluation.is_not(None), source.c.evaluated < to_number(now) - LONGEST_SILENCE)
    return select(source).where(*is_silent).order_by(source.c.id)


def _is_overdue(row: Any, moment: int) -> bool:
    return row.evaluation is not None and moment - row.evaluated > LONGEST_SILENCE


def digest_evaluation(submission: Submission) -> bytes:
    """Return the digest of what a scan has evaluated, and of its gaps."""
    scope = msgspec.structs.replace(submission.scope, definitions=tuple(sorted(submission.scope.definitions)))
    content = encode_json([scope, submission.gaps]).encode()
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _end_evaluation(connection: Connection, rows: Iterable[Any]) -> None:
    """End the states of sources when the last scan was too long ago. rows: of `source`."""
    for row in rows:
        nothing = {"evaluated": b"", "incomplete": b""}
        statement = update(source_evaluation).where(source_evaluation.c.source == row.id)
        connection.execute(statement.values(**nothing))
        _refresh(connection, {row.id: None}, row.evaluated + LONGEST_SILENCE)


def _create_evaluation(connection: Connection, row: Any, changes: StateChanges) -> None:
    """Make the row of a source if there is none, and count the subjects on which definitions were not evaluated."""
    table = source_evaluation
    unevaluated = changes.unevaluated
    # Only a source without such a scan may have none.
    if (
        row.evaluated is None
        and connection.execute(select(table.c.source).where(table.c.source == row.id)).first() is None
    ):
        nothing = dict.fromkeys(("evaluated", "incomplete", "unevaluated", "states", "gaps"), b"")
        connection.execute(insert(table), [{"source": row.id, "changed": 0, "is_limited": False, **nothing}])
        if row.scan:
            # An earlier version of the server has stored its subjects, and counted nothing.
            unevaluated = _sum_entries(connection, row.id)
    if unevaluated:
        _count_unevaluated(connection, row.id, unevaluated)


def _store_evaluation(connection: Connection, number: int, submission: Submission) -> None:
    """Write what a scan of a source has evaluated."""
    scope = submission.scope
    numbers = _load_numbers(connection, scope.definitions)
    hidden = [gap.hides for gap in submission.gaps if gap.hides is not None]
    incomplete = _list_incomplete(connection, hidden, numbers) if hidden else frozenset[str]()
    gaps = tuple(
        Gap(gap.message[:_LONGEST_TEXT], gap.definition, gap.next_step[:_LONGEST_TEXT])
        for gap in submission.gaps[:_MOST_GAPS]
    )
    values = {
        "is_limited": bool(scope.include_namespaces or scope.exclude_namespaces),
        "evaluated": pack_counts([(key, 1) for key in numbers.values()]),
        "incomplete": pack_counts([(numbers[key], 1) for key in incomplete]),
        "gaps": compress(msgspec.msgpack.encode(gaps)) if gaps else b"",
    }
    connection.execute(update(source_evaluation).where(source_evaluation.c.source == number).values(**values))


def _list_incomplete(
    connection: Connection, hidden: Iterable[HiddenObjects], numbers: Mapping[str, int]
) -> frozenset[str]:
    """Return the definitions that read a kind of which a gap hides objects; all that are not in the library, and so unknown."""
    hidden = tuple(hidden)
    if any(objects.kind == ANY for objects in hidden):
        return frozenset(numbers)
    names = frozenset[str]().union(*(expand_kind_names(objects.group, objects.kind) for objects in hidden))
    rows = connection.execute(select(library_control.c.key, library_control.c.kinds)).all()
    kinds = {row.key: _kinds.decode(row.kinds) for row in rows}
    return frozenset(key for key in numbers if key not in kinds or not names.isdisjoint(kinds[key]))


def _load_numbers(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    query = select(definition.c.key, definition.c.id).where(is_key(definition.c.key))
    return {row.key: row.id for row in select_by_keys(connection, query, set(keys))}


def _sum_entries(connection: Connection, number: int) -> Mapping[str, int]:
    """Return the numbers of subjects on which definitions were not evaluated."""
    query = select(subject.c.content).where(subject.c.source == number, subject.c.closed.is_(None))
    counts: collections.Counter[str] = collections.Counter()
    for content in connection.execute(query).scalars():
        if content:
            counts.update(list_unevaluated(_entries.decode(decompress(content))))
    return counts


def list_unevaluated(entry: SubjectEntry) -> Iterator[str]:
    """Yield the definitions that were not evaluated on a subject, each once."""
    yield from {key for part in entry.not_evaluated for key in part.definitions}


def _count_unevaluated(connection: Connection, number: int, changes: Mapping[str, int]) -> None:
    """Add numbers of subjects by definition to those of a source."""
    table = source_evaluation
    numbers = _load_numbers(connection, changes)
    content = connection.execute(select(table.c.unevaluated).where(table.c.source == number)).scalar_one()
    counts = collections.Counter(dict(sum_counts([content])))
    for key, change in changes.items():
        if key in numbers:
            counts[numbers[key]] += change
    packed = pack_counts([pair for pair in counts.items() if pair[1] > 0])
    connection.execute(update(table).where(table.c.source == number).values(unevaluated=packed))


def _refresh(connection: Connection, changed: Mapping[int, frozenset[int] | None], moment: int) -> None:
    """Compute and write the states of definitions by source; None for all."""
    ended, begun, rows = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    covered = _Covered(connection, changed)
    for row in select_by_keys(connection, _EVALUATIONS, changed):
        states = unpack_states(row.states)
        since = max(moment, row.changed)
        new = dict(_compute_states(row, states, changed[row.source], covered))
        moved = {key: state for key, state in new.items() if state != states.get(key, 0)}
        if not moved:
            continue
        ended += [{"number": row.source, "key": key, "moment": since} for key in sorted(moved)]
        begun += [
            {
                "source": row.source,
                "definition": key,
                "since": since,
                "state": int(state),
                "before": states.get(key, 0),
                "until": None,
            }
            for key, state in sorted(moved.items())
        ]
        known = {name: getattr(row, name) for name in _COLUMNS}
        rows.append({**known, "changed": since, "states": pack_states({**states, **moved})})
    if ended:
        connection.execute(_END, ended)
    # Two changes at one moment: the second one counts.
    replace_rows(connection, control_interval, ("state", "until"), begun)
    replace_rows(connection, source_evaluation, ("changed", "states"), rows)


class _Covered:
    """Numbers of open findings that exceptions or decisions on some subjects cover. They are read on first use."""

    def __init__(self, connection: Connection, sources: Iterable[int]) -> None:
        self._connection = connection
        self._sources = sources
        self._pairs: frozenset[tuple[int, int]] | None = None

    def has(self, number: int, key: int) -> bool:
        """Return True if a definition has such a finding in a source."""
        if self._pairs is None:
            rows = select_by_keys(self._connection, _COVERED, self._sources)
            self._pairs = frozenset((row.source, row.definition) for row in rows)
        return (number, key) in self._pairs


def _compute_states(
    row: Any, states: Mapping[int, int], selected: frozenset[int] | None, covered: _Covered
) -> Iterator[tuple[int, ControlState]]:
    """Yield the states of definitions in a source. row: of `_EVALUATIONS`. states: before. selected: None for all."""
    failed, decided = _list_definitions(row.content), _list_definitions(row.covered)
    evaluated = {key for key, _ in sum_counts([row.evaluated])}
    incomplete = {key for key, _ in sum_counts([row.incomplete, row.unevaluated])}
    for key in states.keys() | failed | evaluated if selected is None else selected:
        if key in failed:
            yield key, ControlState.FAILED
        elif key not in evaluated:
            yield key, ControlState.NOT_EVALUATED
        elif row.is_limited or key in incomplete:
            yield key, ControlState.PARTLY
        elif key in decided or covered.has(row.source, key):
            yield key, ControlState.COVERED
        else:
            yield key, ControlState.PASSED


def _list_definitions(totals: bytes | None) -> set[int]:
    """Return the definitions of a value of `definition_total`; None without one."""
    return {key // CONTEXTS for key, _ in sum_counts([totals])} if totals else set()
