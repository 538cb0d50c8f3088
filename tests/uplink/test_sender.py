"""A watch sends its latest state as deltas, survives an absent server, and says how many states it dropped."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import ClusterFacts
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.sources.cluster.follower import FollowerCounters
from kubekeep.uplink.client import SubmissionRefusal, SubmissionResult, Unavailability
from kubekeep.uplink.connection import ServerAccess
from kubekeep.uplink.selection import SelectedServer
from kubekeep.uplink.token import TokenSource
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import scan
from kubekeep.usecases.watching.changes import CurrentAssessment
from kubekeep.usecases.watching.sender import SendingPace, SubmissionSender
from kubekeep.usecases.watching.subscribers import WatchUpdate
from tests.cluster.cluster import eventually
from tests.uplink.service import TOKEN, Handler, Service, serve

RULES = RuleOptions(controls=("C-0057", "C-0004"))
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop}}
spec: {{containers: [{{name: web, image: nginx, securityContext: {{privileged: true}}}}]}}
---
"""
PACE = SendingPace(interval=0.05, longest_pause=0.2)


class Updates:
    """Evaluations of a cluster with some pods."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pods.yaml"
        self.request = ScanRequest(ScanInput(paths=(str(self._file),)), rules=RULES)
        self._results: dict[str, SubjectResult] = {}
        self.uid = "uid"

    def create(self, *names: str) -> WatchUpdate:
        """Return the evaluation of a cluster with these pods."""
        started = dt.datetime.now(dt.UTC)
        self._file.write_text("".join(POD.format(name=name) for name in names))
        results = scan(self.request).results if names else ()
        current = CurrentAssessment(
            started=started,
            finished=dt.datetime.now(dt.UTC),
            selection=RuleSelector(RULES, whole_cluster=True).selection,
            minor=37,
            facts=ClusterFacts(name="production", info={}),
            results=tuple(results),
            uses=(),
            enforcement={},
            source=SourceCluster(self.uid, "production"),
        )
        return WatchUpdate(assessment=current, changes=(), gaps=(), counters=FollowerCounters())


class Sending:
    """A running sender with its messages."""

    def __init__(self, service: Service, updates: Updates) -> None:
        self.results: list[tuple[SubmissionResult, int]] = []
        self.updates = updates
        server = SelectedServer(ServerAccess(address=service.address), TokenSource(TOKEN))
        self.sender = SubmissionSender(
            updates.request, server, lambda result, dropped: self.results.append((result, dropped)), PACE
        )

    def evaluate(self, *names: str) -> None:
        self.sender.evaluated(self.updates.create(*names))


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running


@contextlib.contextmanager
def sending(service: Service, folder: Path) -> Iterator[Sending]:
    running = Sending(service, Updates(folder))
    running.sender.start()
    try:
        yield running
    finally:
        assert running.sender.end()


def list_subjects(service: Service, uid: str = "uid") -> list[str]:
    """Return the names of the pods in the state of the server."""
    state = service.states.get((f"cluster/{uid}", ""))
    return [] if state is None else sorted(getattr(entry.subject, "name", "") for entry in state.subjects)


def has_subjects(service: Service, *names: str) -> bool:
    return list_subjects(service) == [*names]


def test_first_state_is_whole_and_later_ones_are_deltas(service: Service, tmp_path: Path) -> None:
    with sending(service, tmp_path) as running:
        for names in (["a"], ["a", "b"], ["b"]):
            running.evaluate(*names)
            eventually(functools.partial(has_subjects, service, *names))
        running.evaluate("b")
    assert [bool(document.base) for document in service.documents] == [False, True, True]
    assert list(map(len, (document.subjects for document in service.documents))) == [1, 1, 0]
    ((receipt, dropped),) = running.results
    assert isinstance(receipt, SubmissionReceipt)
    assert dropped == 0


def test_absent_server_gets_the_latest_state(service: Service, tmp_path: Path) -> None:
    released = threading.Event()

    def fail(handler: Handler) -> None:
        handler.read_body()
        released.wait()
        handler.answer(503, {"detail": "the database is gone"})

    with sending(service, tmp_path) as running:
        service.replies.append(fail)
        running.evaluate("a")
        eventually(lambda: service.requests)
        for _ in range(3):
            service.fail(503)
        released.set()
        eventually(lambda: running.results)
        for names in (["b"], ["c"], ["a", "d"]):
            running.evaluate(*names)
        eventually(lambda: list_subjects(service) == ["a", "d"])
        eventually(lambda: len(running.results) == 2)
    (failure, _), (receipt, dropped) = running.results
    assert isinstance(failure, Unavailability)
    assert "503: the database is gone" in failure.reason
    assert isinstance(receipt, SubmissionReceipt)
    assert 1 <= dropped <= 3
    assert dropped + len(service.documents) == 4


def test_delta_of_another_state_is_replaced_by_the_whole_state(service: Service, tmp_path: Path) -> None:
    with sending(service, tmp_path) as running:
        running.evaluate("a")
        eventually(lambda: list_subjects(service) == ["a"])
        service.states.clear()
        running.evaluate("a", "b")
        eventually(lambda: list_subjects(service) == ["a", "b"])
        running.evaluate("a", "b", "c")
        eventually(lambda: list_subjects(service) == ["a", "b", "c"])
    assert [bool(document.base) for document in service.documents] == [False, False, True]


def test_another_cluster_begins_with_its_whole_state(service: Service, tmp_path: Path) -> None:
    with sending(service, tmp_path) as running:
        running.evaluate("a")
        eventually(lambda: list_subjects(service) == ["a"])
        running.updates.uid = "other"
        running.evaluate("b")
        eventually(lambda: list_subjects(service, "other") == ["b"])
    assert [bool(document.base) for document in service.documents] == [False, False]


def test_state_that_is_not_applied_has_no_delta(service: Service, tmp_path: Path) -> None:
    def answer_late(handler: Handler) -> None:
        status, receipt = handler.service.store_body(handler.read_body())
        handler.answer(status, receipt | {"isApplied": False})

    service.replies.append(answer_late)
    with sending(service, tmp_path) as running:
        running.evaluate("a")
        eventually(lambda: running.results)
        running.evaluate("a", "b")
        eventually(lambda: list_subjects(service) == ["a", "b"])
    assert [bool(document.base) for document in service.documents] == [False, False]


def test_last_state_is_sent_at_the_end(service: Service, tmp_path: Path) -> None:
    updates = Updates(tmp_path)
    running = Sending(service, updates)
    server = SelectedServer(ServerAccess(address=service.address), TokenSource(TOKEN))
    slow = SubmissionSender(updates.request, server, lambda *_: None, SendingPace(interval=3600))
    slow.start()
    for names in (["a"], ["a", "b"]):
        slow.evaluated(updates.create(*names))
        eventually(lambda: list_subjects(service))
    assert list_subjects(service) == ["a"]
    assert slow.end()
    assert list_subjects(service) == ["a", "b"]
    assert running.results == []


def test_failure_at_the_end_is_reported(service: Service, tmp_path: Path) -> None:
    with sending(service, tmp_path) as running:
        for _ in range(99):
            service.fail(403, {"detail": "the token is for another cluster"})
        running.evaluate("a")
        eventually(lambda: running.results)
        running.evaluate("a", "b")
    assert len(running.results) == 2
    for result, _ in running.results:
        assert isinstance(result, SubmissionRefusal)
        assert "the token is for another cluster" in result.reason
    assert service.documents == []
