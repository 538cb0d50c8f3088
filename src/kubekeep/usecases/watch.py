"""Continuous assessment of a cluster, with events for changed verdicts. Never prints and never changes the cluster."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.admission.enforcement import EnforcementCollector
from kubekeep.admission.policy import is_binding, is_policy
from kubekeep.engine.compile import compile_rules
from kubekeep.engine.policy_set import RuleQuery, Shard, StoppablePolicySet, StoppedError
from kubekeep.exceptions.custom_resources import is_security_exception
from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.errors import ConnectionLostError, KubeError
from kubekeep.kube.watching import WatchTiming
from kubekeep.library.params import ParamsError, find_params
from kubekeep.model.assessment import Assessment, SubjectResult, Target
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status, Verdict
from kubekeep.model.watch import (
    ConnectionChanged,
    CoverageChanged,
    UnmatchedName,
    VerdictChange,
    VerdictChanged,
    WatchEvent,
    WatchMetrics,
    WatchStarted,
)
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.resource_filter import ResourceFilter
from kubekeep.posture.select import Selection
from kubekeep.sources.cluster.follower import ClusterFollower
from kubekeep.sources.cluster.scope import NamespaceSelection
from kubekeep.usecases.assemble import EvaluationFacts, assemble, unread_gaps
from kubekeep.usecases.cluster import SETTINGS, LiveCluster, connect_cluster
from kubekeep.usecases.request import ScanRequest, minor_of_cluster
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import load_exceptions
from kubekeep.usecases.watch_schedule import DiscoverySchedule, SleepDetector

_IDLE: Final = 0.5
"""Seconds between checks for the end of the watch."""
_MAX_PAUSE: Final = 30.0
"""Maximum seconds for which changes are collected before an evaluation."""
_EXPIRY: Final = 60.0
"""Seconds between evaluations without changes, since exceptions expire."""
_RECOVERY: Final = 5.0
"""Seconds, beside the retry interval, in which a recovered server should serve all kinds again."""
_PATIENCE: Final = 5.0
"""Seconds before a lost connection is reported: most interrupted streams resume at once."""

_PARAMS_GAP: Final = CoverageGap(group="kubescape.io", kind="ControlInput", resource="controlinputs", reason="")
"""Gap for malformed parameters."""

_UNWATCHABLE_RULES: Final = (
    "rules that evaluate all objects together, and admission policies, cannot be watched: use `kubekeep scan`"
)

EventCallback = Callable[[Sequence[WatchEvent]], None]
"""Receives the events of one moment; never an empty sequence."""


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The scan to repeat; times in seconds.

    After a change, further changes are collected for `pause`. API discovery is polled every `resync`, and soon after a
    definition has changed. A connection lost for longer than `patience` is reported, and the kubeconfig is read again in
    the same interval, since it may refer to another cluster.
    """

    scan: ScanRequest
    pace: WatchTiming = WatchTiming()
    pause: float = 0.2
    resync: float = 600.0
    patience: float = _PATIENCE


class CurrentAssessment(msgspec.Struct, frozen=True):
    """The parts of the latest assessment."""

    started: dt.datetime
    finished: dt.datetime
    selection: Selection
    minor: int
    facts: ClusterFacts
    results: tuple[SubjectResult, ...]
    uses: tuple[ExceptionUse, ...]
    enforcement: Mapping[str, tuple[Enforcement, ...]]

    def assessment(self, request: ScanRequest) -> Assessment:
        """Return the assessment for reports."""
        context = EvaluationFacts(
            target=Target((), "", self.facts),
            started=self.started,
            finished=self.finished,
            kubernetes_minor=self.minor,
            selection=self.selection,
            resource_selection=request.evaluation.resource_selection,
            enforcement=self.enforcement,
            gaps=self.facts.gaps,
        )
        return assemble(context, self.results, unread=unread_gaps(self.facts.gaps), exceptions=self.uses)


class Watch:
    """One watch of a cluster. `current` and `metrics` may be read from other threads."""

    def __init__(self, request: WatchRequest, notify: EventCallback) -> None:
        """Raises the errors of `scan`, and ValueError for rules and inputs that cannot be watched."""
        self._cluster = _require_cluster(request.scan)
        self.metrics = WatchMetrics()
        self.current: CurrentAssessment | None = None
        """None until the first evaluation is complete."""
        self._request = request
        self._notify = notify
        self.rules = RuleSelector(request.scan.rules, whole_cluster=True)
        self._exceptions = load_exceptions(request.scan, self.rules)
        self._previous_results: dict[str, SubjectResult] = {}
        self._gaps: tuple[CoverageGap, ...] = ()
        self._lost_at = 0.0
        self._loss_reported = False
        self._selection = self.rules.selection
        if self._selection.evaluators:
            raise ValueError(_UNWATCHABLE_RULES)

    def run(self, stopped: threading.Event) -> None:
        """Watch until `stopped` is set. Raises KubeError if the cluster is unreachable at the start."""
        wait = self._request.pace.first_wait
        while not stopped.is_set():
            try:
                with connect_cluster(self._cluster) as cluster:
                    wait = self._request.pace.first_wait
                    _Session(self, cluster, self._request, stopped).run()
            except StoppedError:
                return
            except KubeError as error:
                if self.current is None and not stopped.is_set():
                    raise
                self.metrics.is_current = False
                self.report_loss(str(error))
                stopped.wait(wait)
                wait = min(2 * wait, self._request.pace.max_wait)
                self.reload_access()

    @property
    def missing(self) -> frozenset[str]:
        """The permissions of all reported gaps."""
        return frozenset(gap.permission for gap in self._gaps)

    def reload_access(self) -> bool:
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

    def report_loss(self, why: str) -> None:
        """Report a lasting loss of the connection, and its recovery if `why` is empty."""
        now = time.monotonic()
        if not why:
            if self._loss_reported:
                self._notify([ConnectionChanged(dt.datetime.now(dt.UTC), "")])
            self._lost_at, self._loss_reported = 0.0, False
            return
        self._lost_at = self._lost_at or now
        if now - self._lost_at >= self._request.patience and not self._loss_reported and self.current is not None:
            self._loss_reported = True
            self._notify([ConnectionChanged(dt.datetime.now(dt.UTC), why)])

    def select_for(self, cluster: LiveCluster) -> Selection:
        """Return the selection with the settings of the cluster; malformed settings keep the previous one."""
        try:
            self._selection = self.rules.select(cluster.settings(policies=False))
        except ValueError:
            if self.current is None:
                raise
        return self._selection

    def update(self, session: _Session) -> None:
        """Evaluate changed objects and send events."""
        started = time.monotonic()
        gaps = session.gaps
        session.evaluator.update(gaps)
        now = dt.datetime.now(dt.UTC)
        results: dict[str, SubjectResult] = session.evaluator.results
        uses: tuple[ExceptionUse, ...] = ()
        if self._exceptions.has_any or session.exception_context_changed:
            results, uses = self._apply_exceptions(session, now)
        changes = [*self._list_changes(results, gaps, now)]
        current_facts = {"gaps": gaps, "nodes": session.nodes, "provider": session.evaluator.provider or ""}
        facts = msgspec.structs.replace(session.facts, **current_facts)
        is_first = self.current is None
        self.current = CurrentAssessment(
            now - dt.timedelta(seconds=time.monotonic() - started),
            now,
            session.selection,
            session.minor,
            facts,
            tuple(results.values()),
            uses,
            session.enforcement(),
        )
        self._count(session.following, started, len(changes) if not is_first else 0)
        events: list[WatchEvent] = []
        if is_first:
            failed = sum(
                verdict.status is Status.FAILED for result in results.values() for verdict in result.verdicts.values()
            )
            events.append(WatchStarted(now, facts.name, session.objects, failed, len(gaps)))
            unmatched = session.resource_filter.explain_unmatched(
                has_all_resources=False, missing_namespaces=session.following.missing_namespaces
            )
            events += [UnmatchedName(now, text) for text in unmatched]
        changed_gaps = (gap for gap in (*gaps, *self._gaps) if (gap in gaps) != (gap in self._gaps))
        events += [CoverageChanged(now, gap, is_restored=gap not in gaps) for gap in changed_gaps]
        self._gaps = gaps
        self.metrics.gaps = len(gaps)
        events += () if is_first else changes
        if events:
            self._notify(events)

    def _apply_exceptions(
        self, session: _Session, now: dt.datetime
    ) -> tuple[dict[str, SubjectResult], tuple[ExceptionUse, ...]]:
        """Return all results with exceptions applied, and the use of each exception."""
        self._exceptions.forget()
        for _ in self._exceptions.collect(session.exception_context.values()):
            pass
        session.exception_context_changed = False
        evaluated = session.evaluator.results
        results, uses = self._exceptions.apply([*evaluated.values()], session.selection, now)
        return dict(zip(evaluated, results, strict=True)), uses

    def _list_changes(
        self, results: Mapping[str, SubjectResult], gaps: Sequence[CoverageGap], now: dt.datetime
    ) -> Iterator[VerdictChanged]:
        """Yield the changed verdicts, the most severe first, and store the new ones.

        A verdict that disappears because of one of `gaps` is unknown instead of gone.
        """
        controls = {control.slug: control for control in self._selection.controls}
        previous_results, self._previous_results = self._previous_results, dict(results)
        changes: list[VerdictChanged] = []
        for key in previous_results.keys() | results.keys():
            previous, result = previous_results.get(key), results.get(key)
            any_result = result or previous
            if previous is result or any_result is None:
                continue
            old = previous.verdicts if previous else {}
            new = result.verdicts if result else {}
            disappearance = (
                VerdictChange.UNKNOWN if result is None and _is_hidden(any_result.subject, gaps) else VerdictChange.GONE
            )
            for slug in old.keys() | new.keys():
                change = _compare_verdicts(old.get(slug), new.get(slug), disappearance)
                if change is not None and slug in controls:
                    changes.append(VerdictChanged(now, change, controls[slug], any_result.subject, new.get(slug)))
        changes.sort(key=lambda changed: (-changed.control.severity, changed.resource.id, changed.control.id))
        yield from changes

    def _count(self, following: ClusterFollower, started: float, changes: int) -> None:
        metrics, counters = self.metrics, following.counters
        metrics.events, metrics.lists, metrics.lost = counters.events, counters.lists, counters.lost
        metrics.last_event = counters.last_event
        metrics.assessments += 1
        metrics.assess_seconds += time.monotonic() - started
        metrics.changes += changes


def _require_cluster(request: ScanRequest) -> ClusterRequest:
    """Return the cluster to watch. Raises ValueError for inputs that require a scan."""
    if request.input.cluster is None:
        raise ValueError("only a cluster can be watched")
    if request.rules.cluster_policies:
        raise ValueError(_UNWATCHABLE_RULES)
    if request.input.paths or request.input.cloud is not None or request.input.cluster.host_scan is True:
        raise ValueError("data of nodes and clouds cannot be watched: use `kubekeep scan` with the collected data")
    return request.input.cluster


class _Session:
    """One period of a watch, until the cluster's version or its settings change."""

    def __init__(self, watch: Watch, cluster: LiveCluster, request: WatchRequest, stopped: threading.Event) -> None:
        self._watch = watch
        self._cluster = cluster
        self._request = request
        self._stopped = stopped
        scan = request.scan
        self.selection = watch.select_for(cluster)
        self.minor = minor_of_cluster(scan.evaluation.kubernetes_version, cluster.minor, [])
        self.facts = cluster.facts()
        self.resource_filter = ResourceFilter(scan.evaluation.resource_selection)
        in_scope = self.resource_filter if str(scan.evaluation.resource_selection) else None
        self.evaluator = IncrementalEvaluator(
            self.selection, self._compile, kubernetes_minor=self.minor, in_scope=in_scope
        )
        self.exception_context: dict[str, Resource] = {}
        """Namespaces and exception resources, by key: an exception may select namespaces by label."""
        self.exception_context_changed = False
        self._policies: dict[str, Resource] = {}
        self._settings: dict[str, Resource] = {}
        self._settings_changed = False
        self._nodes: set[str] = set()
        self._keys: set[str] = set()
        self._complete_by = time.monotonic() + 1.5 * request.pace.max_wait + _RECOVERY
        """Monotonic time until which an evaluation waits for kinds that were listed before."""
        self._by_pattern = NamespaceSelection(scan.evaluation.resource_selection.include_namespaces).has_patterns
        self._changed_at = 0.0
        """Monotonic time of the last new namespace that a pattern may match, or of the last recovery."""
        self._was_lost = False
        self._schedule = DiscoverySchedule(request.resync)
        self._next_access_check = 0.0
        """Monotonic time of the next kubeconfig check while the connection is lost."""
        self._definitions = cluster.definitions(request.pace)
        self.following = cluster.follow(self.selection, scan.evaluation.resource_selection, request.pace)

    def _compile(
        self, shards: Sequence[Shard], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
    ) -> StoppablePolicySet:
        return StoppablePolicySet(compile_rules(shards, groups, context), self._stopped)

    @property
    def nodes(self) -> int:
        """Number of Nodes."""
        return len(self._nodes)

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(self._keys)

    @property
    def gaps(self) -> tuple[CoverageGap, ...]:
        """The current coverage gaps; malformed parameters count as one."""
        try:
            find_params(self._settings.values())
        except ParamsError as error:
            return (*self.following.gaps, msgspec.structs.replace(_PARAMS_GAP, reason=visible(str(error))))
        return self.following.gaps

    def enforcement(self) -> Mapping[str, tuple[Enforcement, ...]]:
        """Return the admission policies that enforce each control, by slug."""
        enforcers = EnforcementCollector()
        for _ in enforcers.collect(self._policies.values()):
            pass
        return enforcers.list_enforcement(self.selection.controls)

    def run(self) -> None:
        """Follow the cluster until the watch is stopped or the session must restart."""
        try:
            self._follow()
        finally:
            gc.unfreeze()
            self._definitions.stop()
            self.following.stop()

    def _follow(self) -> None:
        metrics, gaps, expiry = self._watch.metrics, None, 0.0
        due, evaluation_seconds, sleep = False, 0.0, SleepDetector()
        while not self._stopped.is_set():
            if self._cluster.is_closed:
                raise ConnectionLostError("the connection to the cluster was closed")
            # After a slow evaluation, collect more changes: objects that change often are evaluated once.
            changes = self.following.changes(
                _IDLE, self._request.pause, min(evaluation_seconds / 4, _MAX_PAUSE), self._stopped
            )
            for key, resource in changes.items():
                self._record_object(key, resource)
            if sleep.has_slept():
                self._cluster.interrupt()
            metrics.is_current, metrics.objects = self.following.is_current, len(self._keys)
            due = due or bool(changes) or self.following.gaps != gaps or time.monotonic() > expiry
            if not self.following.is_known:
                continue
            if due and self._is_complete():
                gaps, due, expiry = self.following.gaps, False, time.monotonic() + _EXPIRY
                started = time.monotonic()
                self._watch.update(self)
                evaluation_seconds = time.monotonic() - started
                if not gc.get_freeze_count():
                    # The objects are long-lived: repeated searches for cycles in them would delay verdicts.
                    gc.freeze()
            self._watch.report_loss(self.following.disconnect_reason)
            if self._must_restart():
                return
            self._poll_discovery()

    def _is_complete(self) -> bool:
        """Return True if all kinds are listed again: a recovered server may not serve them at once."""
        if self._watch.current is None:
            return True
        now = time.monotonic()
        if self.following.is_disconnected:
            self._complete_by = now + 1.5 * self._request.pace.max_wait + _RECOVERY
            return False
        return now > self._complete_by or {gap.permission for gap in self.following.unlisted} <= self._watch.missing

    def _must_restart(self) -> bool:
        """Return True if the parameters, the version or the address of the cluster have changed."""
        if (
            self._settings_differ()
            or minor_of_cluster(self._request.scan.evaluation.kubernetes_version, self._cluster.minor, []) != self.minor
        ):
            return True
        started = time.monotonic()
        if self.following.disconnect_reason and started >= self._next_access_check:
            self._next_access_check = started + self._request.patience
            if self._watch.reload_access():
                return True
        return False

    def _poll_discovery(self) -> None:
        """Update the followed kinds if a discovery poll is due; a failed poll changes nothing."""
        # Do not wait for a lost server; after its return, its version and kinds may differ.
        if self.following.is_disconnected:
            self._was_lost = True
            return
        if self._was_lost:
            self._was_lost, self._changed_at = False, time.monotonic()
        if not self._schedule.is_due(
            max(self._definitions.last_change, self.following.unserved_since, self._changed_at)
        ):
            return
        started = time.monotonic()
        with contextlib.suppress(KubeError):
            resource_selection, routine = self._request.scan.evaluation.resource_selection, self._schedule.is_routine
            self._cluster.refresh(self.selection, resource_selection, self.following, routine=routine)
        self._schedule.record_poll(time.monotonic() - started)

    def _record_object(self, key: str, resource: Resource | None) -> None:
        """Record an added, changed or removed object (None)."""
        is_new = key not in self._keys
        self.exception_context_changed |= self.exception_context.pop(key, None) is not None
        self._settings_changed |= self._settings.pop(key, None) is not None
        self._policies.pop(key, None)
        self._nodes.discard(key)
        self._keys.discard(key)
        if resource is None:
            self.evaluator.remove(key)
            return
        self._keys.add(key)
        self.evaluator.put(key, resource)
        if resource.kind == "Node" and not resource.group:
            self._nodes.add(key)
        elif (resource.kind == "Namespace" and not resource.group) or is_security_exception(resource.object):
            self.exception_context[key] = resource
            self.exception_context_changed = True
            if is_new and self._by_pattern and resource.kind == "Namespace":
                self._changed_at = time.monotonic()
        elif is_policy(resource) or is_binding(resource):
            self._policies[key] = resource
        elif not resource.kind_names.isdisjoint(SETTINGS):
            self._settings[key] = resource
            self._settings_changed = True

    def _settings_differ(self) -> bool:
        """Return True if changed settings result in other parameters."""
        if not self._settings_changed:
            return False
        self._settings_changed = False
        with contextlib.suppress(ValueError):
            return self._watch.rules.select(tuple(self._settings.values())).params != self.selection.params
        return False


def _is_hidden(resource: Subject, gaps: Sequence[CoverageGap]) -> bool:
    """Return True if one of `gaps` hides `resource` or one of its related objects."""
    parts = resource.related or (resource,)
    return any(gap.may_hide(part.group, part.kind, part.namespace, part.name) for part in parts for gap in gaps)


def _compare_verdicts(
    previous_results: Verdict | None, after: Verdict | None, disappearance: VerdictChange
) -> VerdictChange | None:
    """Return the change of a verdict, `disappearance` if it has disappeared; None if it is not reported."""
    was = None if previous_results is None else previous_results.status
    status = None if after is None else after.status
    if status is Status.FAILED:
        return VerdictChange.FAILED if was is not Status.FAILED else None
    if status is Status.NOT_EVALUATED:
        return VerdictChange.UNKNOWN if was in (Status.PASSED, Status.FAILED) else None
    if was is not Status.FAILED:
        return None
    if after is None:
        return disappearance
    return VerdictChange.ACCEPTED if after.is_excepted else VerdictChange.FIXED
