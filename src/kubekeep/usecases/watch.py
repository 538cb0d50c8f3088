"""Continuous assessment of a cluster, with updates for subscribers. Never prints and never changes the cluster.

A process may run several watches, each in its own thread.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.engine.policy_set import StoppedError
from kubekeep.kube.errors import KubeError
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.verdict import Status
from kubekeep.model.watch import ConnectionChanged, CoverageChanged, UnmatchedName, WatchStarted
from kubekeep.posture.select import Selection
from kubekeep.usecases.cluster import LiveCluster, connect_cluster
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import load_exceptions
from kubekeep.usecases.watching.changes import CurrentAssessment, list_changes
from kubekeep.usecases.watching.request import UNWATCHABLE_RULES, WatchRequest, require_cluster
from kubekeep.usecases.watching.session import SessionResults, WatchRules, WatchSession
from kubekeep.usecases.watching.subscribers import WatchSubscriber, WatchUpdate

_MAX_TURN: Final = 60.0
"""Seconds after which a loop that has not turned is stuck."""
_MAX_EVALUATION: Final = 600.0
"""The same during an evaluation, which takes minutes in a very large cluster."""


class Watch:
    """One watch of a cluster. `current`, `objects`, `is_current` and `is_alive` may be read from other threads."""

    def __init__(self, request: WatchRequest, subscribers: Sequence[WatchSubscriber]) -> None:
        """Raises the errors of `scan`, and ValueError for rules and inputs that cannot be watched."""
        self._cluster = require_cluster(request.scan)
        self.current: CurrentAssessment | None = None
        """None until the first evaluation is complete."""
        self._request = request
        self._subscribers = tuple(subscribers)
        self._rules = RuleSelector(request.scan.rules, whole_cluster=True)
        self._exceptions = load_exceptions(request.scan, self._rules)
        self._session: WatchSession | None = None
        self._previous_results: Mapping[str, SubjectResult] = {}
        self._gaps: tuple[CoverageGap, ...] = ()
        self._stuck_at = time.monotonic() + _MAX_TURN
        """Monotonic time after which the loop is stuck, unless it gives another sign of life."""
        self._lost_at = 0.0
        self._loss_reported = False
        self._next_access_check = 0.0
        """Monotonic time of the next kubeconfig check while the connection is lost."""
        self._selection = self._rules.selection
        if self._selection.evaluators:
            raise ValueError(UNWATCHABLE_RULES)

    @property
    def objects(self) -> int:
        """Number of watched objects."""
        session = self._session
        return 0 if session is None else session.objects

    @property
    def is_current(self) -> bool:
        """True if all kinds that can be listed are being followed at this moment."""
        session = self._session
        return session is not None and session.is_current

    @property
    def is_alive(self) -> bool:
        """True if the loop has turned within the last minute, or an evaluation has begun within ten."""
        return time.monotonic() < self._stuck_at

    def turned(self, *, is_evaluating: bool) -> None:
        """Record a sign of life of the loop."""
        self._stuck_at = time.monotonic() + (_MAX_EVALUATION if is_evaluating else _MAX_TURN)

    def run(self, stopped: threading.Event) -> None:
        """Watch until `stopped` is set. Raises KubeError if the cluster is unreachable at the start."""
        wait = self._request.pace.first_wait
        while not stopped.is_set():
            self.turned(is_evaluating=False)
            try:
                with connect_cluster(self._cluster) as cluster:
                    wait = self._request.pace.first_wait
                    self._run_session(cluster, stopped)
            except StoppedError:
                return
            except KubeError as error:
                if self.current is None and not stopped.is_set():
                    raise
                self._report_connection(str(error))
                stopped.wait(wait)
                wait = min(2 * wait, self._request.pace.max_wait)
                self._reload_access()

    def evaluated(self, evaluation: SessionResults) -> None:
        """Pass an evaluation of the session to the subscribers, with the changes since the one before."""
        current, results = evaluation.assessment, dict(evaluation.results)
        changes = list_changes(self._previous_results, results, current)
        is_first, gaps, now = self.current is None, current.facts.gaps, current.finished
        changed_gaps = (gap for gap in (*gaps, *self._gaps) if (gap in gaps) != (gap in self._gaps))
        update = WatchUpdate(
            assessment=current,
            changes=() if is_first else changes,
            gaps=tuple(CoverageChanged(now, gap, is_restored=gap not in gaps) for gap in changed_gaps),
            counters=evaluation.counters,
            start=_describe_start(evaluation) if is_first else None,
            unmatched=tuple(UnmatchedName(now, text) for text in evaluation.unmatched),
        )
        self.current, self._previous_results, self._gaps = current, results, gaps
        for subscriber in self._subscribers:
            subscriber.evaluated(update)

    def lost(self, reason: str) -> bool:
        """Report the state of the connection. Return True if the kubeconfig refers to another cluster meanwhile."""
        self._report_connection(reason)
        now = time.monotonic()
        if not reason or now < self._next_access_check:
            return False
        self._next_access_check = now + self._request.patience
        return self._reload_access()

    def _run_session(self, cluster: LiveCluster, stopped: threading.Event) -> None:
        rules = WatchRules(self._rules, self._select_for(cluster), self._exceptions)
        missing = None if self.current is None else {gap.permission for gap in self._gaps}
        self._next_access_check = 0.0
        self._session = WatchSession(self._request, cluster, rules, self, stopped)
        try:
            self._session.run(missing)
        finally:
            self._session = None

    def _select_for(self, cluster: LiveCluster) -> Selection:
        """Return the selection with the settings of the cluster; malformed settings keep the previous one."""
        try:
            self._selection = self._rules.select(cluster.settings(policies=False))
        except ValueError:
            if self.current is None:
                raise
        return self._selection

    def _reload_access(self) -> bool:
        """Reload the kubeconfig. Return True if it refers to another cluster or user."""
        if self._cluster.reload_access is None:
            return False
        with contextlib.suppress(KubeError):
            # An unreadable file may be half-written: it is read again the next time.
            access = self._cluster.reload_access()
            if access != self._cluster.access:
                self._cluster = msgspec.structs.replace(self._cluster, access=access)
                return True
        return False

    def _report_connection(self, reason: str) -> None:
        """Report a lasting loss of the connection, and its recovery if `reason` is empty."""
        now = time.monotonic()
        if not reason:
            if self._loss_reported:
                self._change_connection("")
            self._lost_at, self._loss_reported = 0.0, False
            return
        self._lost_at = self._lost_at or now
        if now - self._lost_at >= self._request.patience and not self._loss_reported and self.current is not None:
            self._loss_reported = True
            self._change_connection(reason)

    def _change_connection(self, reason: str) -> None:
        change = ConnectionChanged(dt.datetime.now(dt.UTC), reason)
        for subscriber in self._subscribers:
            subscriber.connection_changed(change)


def _describe_start(evaluation: SessionResults) -> WatchStarted:
    current = evaluation.assessment
    failed = sum(verdict.status is Status.FAILED for result in current.results for verdict in result.verdicts.values())
    return WatchStarted(current.finished, current.facts.name, evaluation.objects, failed, len(current.facts.gaps))
