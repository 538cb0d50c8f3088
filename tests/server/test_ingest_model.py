"""Ingest compared with a model in memory: random sequences of whole submissions and deltas on both databases."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, func, select

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import (
    EvaluatedScope,
    GapEntry,
    HiddenObjects,
    NotEvaluatedEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
)
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import compute_delta
from kubekeep_server.store import schema
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.numbers import to_key, to_number
from tests.selection.shares import count_examples
from tests.server.conftest import Database
from tests.server.test_ingest import SEVERITIES, build, build_finding, build_subject, check_totals, submit

DEFINITIONS = tuple(SEVERITIES)
SCOPES = (
    EvaluatedScope(DEFINITIONS),
    EvaluatedScope(DEFINITIONS[:2]),
    EvaluatedScope(DEFINITIONS[2:]),
    EvaluatedScope(DEFINITIONS, include_namespaces=("shop",)),
    EvaluatedScope(DEFINITIONS, exclude_namespaces=("shop",)),
    EvaluatedScope(DEFINITIONS, is_partial=True),
)
GAPS = ((), (GapEntry("forbidden", hides=HiddenObjects("apps", "Deployment", "shop")),), (GapEntry("no data"),))
Interval = tuple[int, int, int, int | None]
"""Subject, fingerprint, opened and closed."""


@st.composite
def subjects(draw: st.DrawFn, number: int, evaluated: tuple[str, ...]) -> SubjectEntry:
    unevaluated = draw(st.lists(st.sampled_from(evaluated), unique=True, max_size=1))
    failed = [name for name in evaluated if name not in unevaluated and draw(st.booleans())]
    levels = st.sampled_from(("", "", "low", "critical"))
    findings = tuple(
        build_finding(number, name, is_suppressed=draw(st.booleans()), level=draw(levels)) for name in failed
    )
    gaps = (NotEvaluatedEntry(tuple(unevaluated), "no data"),) if unevaluated else ()
    namespace = "shop" if number % 2 else "blog"
    exposure = draw(st.sampled_from(("", "reachable from the internet")))
    return build_subject(number, namespace=namespace, findings=findings, not_evaluated=gaps, exposure=exposure)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Submission, bool]]:
    """Return submissions of consecutive days, and True for those that are sent as a delta."""
    history = []
    for day in range(draw(st.integers(1, 6))):
        scope = draw(st.sampled_from(SCOPES))
        numbers = sorted(draw(st.sets(st.integers(0, 3))))
        entries = [draw(subjects(number, scope.definitions)) for number in numbers]
        history.append((build(day, *entries, scope=scope, gaps=draw(st.sampled_from(GAPS))), draw(st.booleans())))
    return history


class Model:
    """The intervals of one source, as the rules of submissions have them."""

    def __init__(self) -> None:
        self.closed: list[Interval] = []
        self._open: dict[tuple[int, int], tuple[int, SubmittedFinding, SubjectEntry]] = {}
        self._last: dict[int, SubjectEntry] = {}

    def apply(self, submission: Submission) -> None:
        moment = to_number(submission.finished)
        present = {to_key(entry.key): entry for entry in submission.subjects}
        current = {
            (key, to_key(finding.fingerprint)): finding for key, entry in present.items() for finding in entry.findings
        }
        for (key, fingerprint), (opened, finding, _) in list(self._open.items()):
            if (key, fingerprint) in current:
                continue
            if submission.closes(finding, "misconfiguration", self._last[key], present.get(key)):
                self.closed.append((key, fingerprint, opened, moment))
                del self._open[key, fingerprint]
        for place, finding in current.items():
            opened = self._open[place][0] if place in self._open else moment
            self._open[place] = opened, finding, present[place[0]]
        self._last |= present

    @property
    def intervals(self) -> list[Interval]:
        return sorted((*self.closed, *((*key, opened, None) for key, (opened, _, _) in self._open.items())), key=str)


def list_intervals(connection: Connection) -> list[Interval]:
    finding = schema.finding
    rows = connection.execute(select(finding.c.subject, finding.c.fingerprint, finding.c.opened, finding.c.closed))
    return sorted((tuple(row) for row in rows), key=str)


def empty(connection: Connection) -> None:
    for table in reversed(schema.metadata.sorted_tables):
        connection.execute(delete(table))


@settings(
    max_examples=count_examples(10, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories())
def test_store_has_the_intervals_of_the_model(database: Database, history: list[tuple[Submission, bool]]) -> None:
    database.run(empty)
    model = Model()
    previous: Submission | None = None
    for submission, is_delta in history:
        sent = compute_delta(previous, submission) if previous is not None and is_delta else submission
        submit(database, sent)
        model.apply(submission)
        previous = submission
        assert database.run(list_intervals) == model.intervals
        check_totals(database)


def test_concurrent_submissions_are_applied_one_after_the_other(database: Database) -> None:
    """Submit scans of the same and of other sources at once, while the severity of a definition changes in all of them."""
    documents = []
    for number, day in itertools.product(range(5), range(4)):
        severities = {**SEVERITIES, "C-0001": ("high", "low", "critical", "medium")[day]}
        entries = [build_subject(key, *DEFINITIONS[: (key + day) % 4]) for key in range(5)]
        source = SourceCluster(f"cluster-{number}")
        submission = build(day, *entries, scope=DEFINITIONS, source=source, severities=severities)
        documents.append(encode_json(submission).encode())

    async def submit_all() -> list[Any]:
        now = dt.datetime.now(dt.UTC)
        return await asyncio.gather(*(database.start(ingest, document, now) for document in documents))

    receipts = database.run_async(submit_all)
    assert len(receipts) == len(documents)
    counts = database.run(
        lambda connection: [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (schema.scan, schema.source, schema.audit)
        ]
    )
    assert counts == [20, 5, 20]
    check_totals(database)
    again = database.run_async(submit_all)
    assert all(receipt.is_known for receipt in again)
    last = msgspec.json.decode(documents[-1], type=Submission)
    assert {receipt.manifest for receipt in again} == {last.manifest}
