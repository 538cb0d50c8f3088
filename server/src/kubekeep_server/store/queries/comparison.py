"""Comparison of findings: of two scans of a source, two branches of a repository, or two sources of any kind.

A finding that one side does not have is new or gone only if that side evaluated its control on its subject. Otherwise it cannot be
compared. Findings that exceptions or decisions cover are compared too. Problems of images are not: they do not depend on the source.
"""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import enum
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, select

from kubekeep.model.resource import ResourceSubject
from kubekeep.model.submission import DefinitionEntry, NotEvaluatedEntry
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.compression import decompress
from kubekeep_server.store.evaluations import Evaluation, load_evaluation, may_hide
from kubekeep_server.store.finding_context import RANKS, get_level
from kubekeep_server.store.numbers import format_key, to_moment
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.queries.source_names import name_source
from kubekeep_server.store.queries.sources import load_source
from kubekeep_server.store.schema import definition, finding, scan, subject
from kubekeep_server.store.scopes import Scope, shows_subject
from kubekeep_server.store.urgency import SEVERITY_NAMES

MOST_FINDINGS: Final = 50_000
"""Findings of a side: both sides are in memory."""
_MOST_CONTROLS: Final = 200


class Change(enum.StrEnum):
    """States of a finding in a comparison."""

    NEW = "new"
    GONE = "gone"
    BOTH = "both"
    INCOMPARABLE = "incomparable"
    """One side has it, and the other one did not evaluate it."""


class SideName(msgspec.Struct, frozen=True):
    """A side of a comparison. source: its number. scan: empty for the present state."""

    source: int
    scan: str = ""


class ComparedSide(Document, frozen=True):
    """A side. finished: end of the scan. findings: their number. is_evaluation_known: False if it is not stored what the scan evaluated."""

    source: int
    name: str
    branch: str
    scan: str
    finished: dt.datetime
    findings: int
    is_evaluation_known: bool


class ComparedControl(Document, frozen=True):
    """The numbers of the findings of a control."""

    definition: str
    title: str
    severity: str
    new: int
    gone: int
    both: int
    incomparable: int


class Comparison(Document, frozen=True):
    """The numbers of a comparison. controls: those with most changes first, at most 200."""

    before: ComparedSide
    after: ComparedSide
    counts: dict[str, int]
    controls: tuple[ComparedControl, ...]


class ComparedFinding(Document, frozen=True):
    """A finding of one side or both. source, subject: where it is, on the later side if that has it. reason: why it cannot be compared."""

    change: Change
    definition: str
    title: str
    priority: str
    severity: str
    source: int
    subject: str
    kind: str
    namespace: str
    name: str
    reason: str


class ComparisonFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of compared findings. text: a part of the name of the subject, or of its namespace."""

    changes: tuple[Change, ...] = ()
    definition: str = ""
    text: str = ""


class _Finding(NamedTuple):
    """A finding with its subject."""

    source: int
    subject: int
    fingerprint: int
    definition: int
    context: int
    unknown_since: int | None
    urgency: int
    kind: str
    namespace: str
    name: str


class _Side(NamedTuple):
    """A side with its findings by their identity on both sides."""

    described: ComparedSide
    rows: Mapping[tuple[Any, ...], _Finding]
    evaluation: Evaluation | None
    moment: int | None


class _Outcome(NamedTuple):
    change: Change
    row: _Finding
    reason: str = ""


def compare(connection: Connection, scope: Scope, before: SideName, after: SideName) -> Comparison:
    """Return the numbers of a comparison. Raises LookupError for a side that is not in the scope, ValueError for too many findings."""
    first, second = _load_sides(connection, scope, before, after)
    counts: collections.Counter[str] = collections.Counter()
    controls: dict[int, collections.Counter[str]] = {}
    for outcome in _list_outcomes(connection, first, second):
        counts[outcome.change] += 1
        controls.setdefault(outcome.row.definition, collections.Counter())[outcome.change] += 1
    ranked = sorted(controls.items(), key=lambda pair: (pair[1][Change.BOTH] - pair[1].total(), pair[0]))
    return Comparison(
        first.described,
        second.described,
        {change.value: counts[change] for change in Change},
        tuple(_describe_controls(connection, dict(ranked[:_MOST_CONTROLS]))),
    )


def count_changes(
    connection: Connection, scope: Scope, default: int, numbers: Iterable[int]
) -> dict[int, dict[str, int] | None]:
    """Return the numbers of findings by change in branches of a repository against the default one; None for too many findings."""
    counts: dict[int, dict[str, int] | None] = dict.fromkeys(numbers)
    # A side of too many findings cannot be compared.
    with contextlib.suppress(ValueError):
        first = _load_branch(connection, scope, default)
        for number in counts:
            with contextlib.suppress(ValueError):
                second = _load_branch(connection, scope, number)
                changes = collections.Counter(one.change for one in _list_outcomes(connection, first, second))
                counts[number] = {change.value: changes[change] for change in Change}
    return counts


def list_compared_findings(
    connection: Connection,
    scope: Scope,
    before: SideName,
    after: SideName,
    selection: ComparisonFilter,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[ComparedFinding]:
    """Return a page of the findings of a comparison, the most urgent first. Raises what `compare` raises."""
    position = read_cursor(cursor, "comparison", tuple[int, int, int, int, int])
    first, second = _load_sides(connection, scope, before, after)
    number = connection.execute(select(definition.c.id).where(definition.c.key == selection.definition)).scalar()
    outcomes = {
        _locate(outcome.row): outcome
        for outcome in _list_outcomes(connection, first, second)
        if _is_selected(outcome, selection, number)
    }
    keys = sorted(key for key in outcomes if position is None or key > position)[: limit + 1]
    page, following = cut_page(keys, limit, "comparison", tuple)
    documents = _load_documents(connection, {outcomes[key].row.definition for key in page})
    return Page(tuple(_describe(outcomes[key], documents) for key in page), following)


def _load_sides(connection: Connection, scope: Scope, before: SideName, after: SideName) -> tuple[_Side, _Side]:
    """Return both sides; those of one source in the order of their scans."""
    if before.source != after.source and (before.scan or after.scan):
        raise ValueError("scans of two sources cannot be compared: leave out the scans to compare their present states")
    heads = [load_source(connection, scope, name.source) for name in (before, after)]
    is_same = heads[0].key == heads[1].key
    first, second = (
        _load_side(connection, scope, name, head, by_fingerprint=is_same)
        for name, head in zip((before, after), heads, strict=True)
    )
    is_swapped = before.source == after.source and first.described.finished > second.described.finished
    return (second, first) if is_swapped else (first, second)


def _load_branch(connection: Connection, scope: Scope, number: int) -> _Side:
    """Return the present state of a source, to compare it with those of the same key."""
    head = load_source(connection, scope, number)
    return _load_side(connection, scope, SideName(number), head, by_fingerprint=True)


def _load_side(connection: Connection, scope: Scope, name: SideName, head: Any, *, by_fingerprint: bool) -> _Side:
    """Return a side. head: the row of its source."""
    finished, moment = head.finished, None
    if name.scan:
        # A scan has all namespaces of its source.
        query = select(scan.c.finished).where(scan.c.source == name.source, scan.c.id == name.scan, scan.c.is_applied)
        moment = connection.execute(query).scalar() if scope.has_whole(name.source) else None
        if moment is None:
            raise LookupError(f"source {name.source} has no scan {name.scan} that was applied")
        finished = moment
    rows = _load_findings(connection, scope, name.source, moment)
    identify = _identify_finding if by_fingerprint else _identify_by_name
    evaluation = load_evaluation(connection, name.source, name.scan or head.scan)
    described = ComparedSide(
        name.source,
        name_source(head.document),
        head.branch,
        name.scan,
        to_moment(finished),
        len(rows),
        evaluation is not None,
    )
    return _Side(described, {identify(row): row for row in rows}, evaluation, moment)


def _load_findings(connection: Connection, scope: Scope, number: int, moment: int | None) -> list[_Finding]:
    """Return the findings of a source that were open at a time; now without one."""
    table = finding
    columns = (table.c.subject, table.c.fingerprint, table.c.definition, table.c.context, table.c.unknown_since)
    query = select(*columns).where(table.c.source == number)
    # Open and closed findings have an index each.
    parts: list[ColumnElement[bool]] = [table.c.closed.is_(None)]
    if moment is not None:
        parts = [and_(parts[0], table.c.opened <= moment), and_(table.c.closed > moment, table.c.opened <= moment)]
    rows: list[Any] = []
    for part in parts:
        rows += connection.execute(query.where(part).limit(MOST_FINDINGS + 1 - len(rows))).all()
        if len(rows) > MOST_FINDINGS:
            raise ValueError(f"source {number} has more than {MOST_FINDINGS:,} findings, which is too many to compare")
    # Joined here: a database would read the subject and the definition of each finding.
    names = select(subject.c.id, subject.c.kind, subject.c.namespace, subject.c.name)
    shown = {
        row.id: (row.kind, row.namespace, row.name)
        for row in connection.execute(names.where(subject.c.source == number, shows_subject(scope)))
    }
    urgencies = load_urgencies(connection, {row[2] for row in rows})
    return [
        _Finding(number, row[0], row[1], row[2], row[3], row[4], urgencies[row[2]], *shown[row[0]])
        for row in rows
        if row[0] in shown
    ]


def load_urgencies(connection: Connection, numbers: Iterable[int]) -> dict[int, int]:
    """Return the urgencies of definitions by their number."""
    query = select(definition.c.id, definition.c.urgency).where(is_key(definition.c.id))
    return dict(select_by_keys(connection, query, numbers))


def _identify_finding(row: _Finding) -> tuple[Any, ...]:
    return row.subject, row.fingerprint


def _identify_by_name(row: _Finding) -> tuple[Any, ...]:
    return row.definition, row.kind, row.namespace, row.name


def _list_outcomes(connection: Connection, before: _Side, after: _Side) -> Iterator[_Outcome]:
    """Yield what both sides have of each finding."""
    keys = _load_definition_keys(connection, before, after)
    lack_before, lack_after = (_Absence(connection, side, keys) for side in (before, after))
    is_one_source = before.described.source == after.described.source
    for key, row in after.rows.items():
        if key not in before.rows:
            # The store has opened it after the first scan, which had seen everything of the source that it could.
            reason = lack_before.explain_definition(row) if is_one_source else lack_before.explain(row)
            yield _Outcome(Change.INCOMPARABLE if reason else Change.NEW, row, reason)
        elif reason := lack_before.explain_unseen(before.rows[key]) or lack_after.explain_unseen(row):
            yield _Outcome(Change.INCOMPARABLE, row, reason)
        else:
            yield _Outcome(Change.BOTH, row)
    for key, row in before.rows.items():
        if key not in after.rows:
            # The store closes a finding only if a scan has looked for it.
            reason = "" if is_one_source else lack_after.explain(row)
            yield _Outcome(Change.INCOMPARABLE if reason else Change.GONE, row, reason)


class _Absence:
    """Reasons why a side may not have a finding, although it exists."""

    def __init__(self, connection: Connection, side: _Side, keys: Mapping[int, str]) -> None:
        self._connection = connection
        self._side = side
        self._keys = keys
        self._evaluation = side.evaluation
        self._definitions = frozenset(side.evaluation.scope.definitions if side.evaluation else ())
        self._hidden = [gap.hides for gap in side.evaluation.gaps if gap.hides is not None] if side.evaluation else []

    def explain_definition(self, row: _Finding) -> str:
        """Return the reason if the control was not evaluated; empty if it was, or if it is not stored."""
        if self._evaluation is None or self._keys[row.definition] in self._definitions:
            return ""
        return f"{self._name} did not evaluate the control"

    def explain_unseen(self, row: _Finding) -> str:
        """Return the reason if the side has a finding that its scan did not evaluate or could not see."""
        if reason := self.explain_definition(row):
            return reason
        limit = self._side.moment
        if row.unknown_since is not None and (limit is None or row.unknown_since <= limit):
            return f"{self._name} could not see if it is still there"
        return ""

    def explain(self, row: _Finding) -> str:
        """Return the reason for a finding of the other source; empty if this one would have it."""
        if self._evaluation is None:
            return f"it is not stored what {self._name} evaluated"
        if reason := self.explain_definition(row):
            return reason
        known = self._not_evaluated.get((row.kind, row.namespace, row.name))
        if known is not None:
            is_evaluated = self._keys[row.definition] not in known
            return "" if is_evaluated else f"{self._name} did not evaluate the control on this subject"
        if not self._evaluation.scope.contains(ResourceSubject("", row.kind, row.name, row.namespace)):
            return f"{self._name} did not look for this subject"
        if self._evaluation.gap_count > len(self._evaluation.gaps) or any(
            may_hide(one, row.kind, row.namespace, row.name) for one in self._hidden
        ):
            return f"{self._name} could not list all subjects of this kind"
        return ""

    @property
    def _name(self) -> str:
        side = self._side.described
        return f"the scan of {side.name}{f' ({side.branch})' if side.branch else ''}"

    @functools.cached_property
    def _not_evaluated(self) -> dict[tuple[str, str, str], frozenset[str]]:
        """Controls that were not evaluated on the subjects of the present state, by kind, namespace and name."""
        table = subject
        query = select(table.c.kind, table.c.namespace, table.c.name, table.c.content)
        is_present = (
            table.c.source == self._side.described.source,
            table.c.closed.is_(None),
            table.c.digest.is_not(None),
        )
        known: dict[tuple[str, str, str], frozenset[str]] = {}
        for row in self._connection.execute(query.where(*is_present)).all():
            key = (row.kind, row.namespace, row.name)
            known[key] = known.get(key, frozenset()) | _read_not_evaluated(row.content)
        return known


class _SlimEntry(msgspec.Struct, rename="camel"):
    """The part of a `SubjectEntry` about controls that were not evaluated."""

    not_evaluated: tuple[NotEvaluatedEntry, ...] = ()


_slim_decoder: Final = msgspec.msgpack.Decoder(_SlimEntry)


def _read_not_evaluated(content: bytes) -> frozenset[str]:
    if not content:
        return frozenset()
    entry = _slim_decoder.decode(decompress(content))
    return frozenset(key for each in entry.not_evaluated for key in each.definitions)


def _is_selected(outcome: _Outcome, selection: ComparisonFilter, number: int | None) -> bool:
    """Return True if a filter selects a finding. number: of the definition of the filter."""
    if selection.changes and outcome.change not in selection.changes:
        return False
    if selection.definition and outcome.row.definition != number:
        return False
    text = selection.text.lower()
    return not text or text in f"{outcome.row.namespace}/{outcome.row.name}".lower()


def _locate(row: _Finding) -> tuple[int, int, int, int, int]:
    return RANKS[row.context, row.urgency], row.definition, row.source, row.subject, row.fingerprint


def _load_definition_keys(connection: Connection, *sides: _Side) -> dict[int, str]:
    numbers = {row.definition for side in sides for row in side.rows.values()}
    query = select(definition.c.id, definition.c.key).where(is_key(definition.c.id))
    return dict(select_by_keys(connection, query, numbers))


def _describe_controls(
    connection: Connection, controls: Mapping[int, collections.Counter[str]]
) -> Iterator[ComparedControl]:
    documents = _load_documents(connection, controls)
    for number, counts in controls.items():
        known = documents[number]
        yield ComparedControl(
            known.key,
            msgspec.json.decode(known.document, type=DefinitionEntry).title,
            SEVERITY_NAMES[known.severity],
            *(counts[change] for change in Change),
        )


def _load_documents(connection: Connection, numbers: Iterable[int]) -> dict[int, Any]:
    query = select(definition).where(is_key(definition.c.id))
    return {row.id: row for row in select_by_keys(connection, query, numbers)}


def _describe(outcome: _Outcome, documents: Mapping[int, Any]) -> ComparedFinding:
    row, known = outcome.row, documents[outcome.row.definition]
    return ComparedFinding(
        outcome.change,
        known.key,
        msgspec.json.decode(known.document, type=DefinitionEntry).title,
        SEVERITY_NAMES[get_level(row.context, row.urgency)],
        SEVERITY_NAMES[known.severity],
        row.source,
        format_key(row.subject),
        row.kind,
        row.namespace,
        row.name,
        outcome.reason,
    )
