"""One session of a watch: follows a cluster and evaluates changes, until its version, settings or address change.

Knows only the sink that receives its results; never prints and never changes the cluster.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Final, Protocol

import msgspec

from kubekeep.admission.enforcement import EnforcementCollector
from kubekeep.admission.policy import is_binding, is_policy
from kubekeep.engine.compile import compile_rules
from kubekeep.engine.policy_set import RuleQuery, Shard, StoppablePolicySet
from kubekeep.exceptions.custom_resources import is_security_exception
from kubekeep.exceptions.load import ScanExceptions
from kubekeep.kube.errors import ConnectionLostError, KubeError
from kubekeep.library.params import ParamsError, find_params
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.posture.cluster_permissions import WatchedPermissions
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.resource_filter import ResourceFilter
from kubekeep.posture.select import Selection
from kubekeep.reports.format import Extra
from kubekeep.sources.cluster.follower import FollowerCounters
from kubekeep.sources.cluster.scope import NamespaceSelection
from kubekeep.usecases.cluster import SETTINGS, LiveCluster
from kubekeep.usecases.request import minor_of_cluster
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.submission_source import identify_cluster
from kubekeep.usecases.watching.changes import CurrentAssessment
from kubekeep.usecases.watching.request import WatchRequest
from kubekeep.usecases.watching.schedule import DiscoverySchedule, SleepDetector

_IDLE: Final = 0.5
"""Seconds between checks for the end of the watch."""
_MAX_PAUSE: Final = 30.0
"""Maximum seconds for which changes are collected before an evaluation."""
_EXPIRY: Final = 60.0
"""Seconds between evaluations without changes, since exceptions expire."""
_RECOVERY: Final = 5.0
"""Seconds, beside the retry interval, in which a recovered server should serve all kinds again."""
_PARAMS_GAP: Final = CoverageGap(group="kubescape.io", kind="ControlInput", resource="controlinputs", reason="")
"""Gap for malformed parameters."""


class SessionResults(msgspec.Struct, frozen=True):
    """The results of all objects by key, as in the assessment, which has the coverage gaps too.

    objects: their number. unmatched: a sentence for each name in the resource selection that matches nothing, with the
    first evaluation.
    """

    results: Mapping[str, SubjectResult]
    assessment: CurrentAssessment
    objects: int
    counters: FollowerCounters
    unmatched: tuple[str, ...]


class SessionSink(Protocol):
    """Receives the results of a session, in its thread."""

    def evaluated(self, evaluation: SessionResults) -> None:
        """Receive an evaluation."""

    def lost(self, reason: str) -> bool:
        """Receive the state of the connection: the reason of its loss, or "". Return True to end the session."""

    def turned(self, *, is_evaluating: bool) -> None:
        """Receive a sign of life of the loop: before each turn, and before an evaluation."""


class WatchRules(msgspec.Struct, frozen=True):
    """The rules of a session: the selection with the settings of its cluster, its selector, and the exceptions."""

    selector: RuleSelector
    selection: Selection
    exceptions: ScanExceptions


class FrozenObjects:
    """Keeps the objects of a session out of the search for cycles, which would delay verdicts: they are long-lived.

    The garbage collector freezes and releases all objects of the process, so the end of one session releases those of
    the others, which freeze theirs again after their next evaluation.
    """

    _releases: ClassVar[int] = 0

    def __init__(self) -> None:
        self._frozen_after = -1

    def freeze(self) -> None:
        """Freeze the objects, unless they still are."""
        if self._frozen_after != FrozenObjects._releases:
            self._frozen_after = FrozenObjects._releases
            gc.freeze()

    def release(self) -> None:
        """Release the objects."""
        FrozenObjects._releases += 1
        gc.unfreeze()


class WatchSession:
    """One period of a watch, until the cluster's version, its settings or its address change."""

    def __init__(
        self,
        request: WatchRequest,
        cluster: LiveCluster,
        rules: WatchRules,
        sink: SessionSink,
        stopped: threading.Event,
    ) -> None:
        self._request = request
        self._cluster = cluster
        self._rules = rules
        self._sink = sink
        self._stopped = stopped
        scan = request.scan
        self._selection = rules.selection
        self._minor = minor_of_cluster(scan.evaluation.kubernetes_version, cluster.minor, [])
        self._facts = cluster.facts()
        self._source = identify_cluster(cluster, "") if Extra.SOURCE in scan.needs.extras else None
        self._resource_filter = ResourceFilter(scan.evaluation.resource_selection)
        in_scope = self._resource_filter if str(scan.evaluation.resource_selection) else None
        self._evaluator = IncrementalEvaluator(
            self._selection, self._compile, kubernetes_minor=self._minor, in_scope=in_scope
        )
        self._missing: AbstractSet[str] | None = None
        """Permissions of the gaps of the last evaluation; None before the first one."""
        self._frozen = FrozenObjects()
        self._exception_context: dict[str, Resource] = {}
        """Namespaces and exception resources, by key: an exception may select namespaces by label."""
        self._exception_context_changed = False
        self._policies: dict[str, Resource] = {}
        self._settings: dict[str, Resource] = {}
        self._settings_changed = False
        self._roles = WatchedPermissions(is_active=self._source is not None and in_scope is None)
        self._nodes: set[str] = set()
        self._keys: set[str] = set()
        self._complete_by = time.monotonic() + 1.5 * request.pace.max_wait + _RECOVERY
        """Monotonic time until which an evaluation waits for kinds that were listed before."""
        self._by_pattern = NamespaceSelection(scan.evaluation.resource_selection.include_namespaces).has_patterns
        self._changed_at = 0.0
        """Monotonic time of the last new namespace that a pattern may match, or of the last recovery."""
        self._was_lost = False
        self._schedule = DiscoverySchedule(request.resync)
        self._definitions = cluster.definitions(request.pace)
        self._following = cluster.follow(self._selection, scan.evaluation.resource_selection, request.pace)

    def _compile(
        self, shards: Sequence[Shard], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
    ) -> StoppablePolicySet:
        return StoppablePolicySet(compile_rules(shards, groups, context), self._stopped)

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(self._keys)

    @property
    def is_current(self) -> bool:
        """True if all kinds that can be listed are being followed at this moment."""
        return self._following.is_current

    def _list_gaps(self) -> tuple[CoverageGap, ...]:
        """Return the current coverage gaps; malformed parameters count as one."""
        try:
            find_params(self._settings.values())
        except ParamsError as error:
            return (*self._following.gaps, msgspec.structs.replace(_PARAMS_GAP, reason=visible(str(error))))
        return self._following.gaps

    def _list_enforcement(self) -> Mapping[str, tuple[Enforcement, ...]]:
        """Return the admission policies that enforce each control, by slug."""
        enforcers = EnforcementCollector()
        for _ in enforcers.collect(self._policies.values()):
            pass
        return enforcers.list_enforcement(self._selection.controls)

    def run(self, missing: AbstractSet[str] | None) -> None:
        """Follow the cluster until the watch is stopped or the session must restart.

        missing: permissions of the gaps of the session before, which are not waited for; None if there was none.
        """
        self._missing = missing
        try:
            self._follow()
        finally:
            self._frozen.release()
            self._definitions.stop()
            self._following.stop()

    def _follow(self) -> None:
        gaps, expiry = None, 0.0
        due, evaluation_seconds, sleep = False, 0.0, SleepDetector()
        while not self._stopped.is_set():
            self._sink.turned(is_evaluating=False)
            if self._cluster.is_closed:
                raise ConnectionLostError("the connection to the cluster was closed")
            # After a slow evaluation, collect more changes: objects that change often are evaluated once.
            changes = self._following.changes(
                _IDLE, self._request.pause, min(evaluation_seconds / 4, _MAX_PAUSE), self._stopped
            )
            for key, resource in changes.items():
                self._record_object(key, resource)
            if sleep.has_slept():
                self._cluster.interrupt()
            due = due or bool(changes) or self._following.gaps != gaps or time.monotonic() > expiry
            if not self._following.is_known:
                continue
            if due and self._is_complete():
                gaps, due, expiry = self._following.gaps, False, time.monotonic() + _EXPIRY
                started = time.monotonic()
                self._sink.turned(is_evaluating=True)
                self._evaluate()
                evaluation_seconds = time.monotonic() - started
                self._frozen.freeze()
            if self._sink.lost(self._following.disconnect_reason) or self._must_restart():
                return
            self._poll_discovery()

    def _evaluate(self) -> None:
        """Evaluate changed objects and pass the results on."""
        started, gaps = time.monotonic(), self._list_gaps()
        self._evaluator.update(gaps)
        now = dt.datetime.now(dt.UTC)
        results: dict[str, SubjectResult] = self._evaluator.results
        uses: tuple[ExceptionUse, ...] = ()
        if self._rules.exceptions.has_any or self._exception_context_changed:
            results, uses = self._apply_exceptions(now)
        facts = msgspec.structs.replace(
            self._facts, gaps=gaps, nodes=len(self._nodes), provider=self._evaluator.provider or ""
        )
        enforcement = self._list_enforcement()
        current = CurrentAssessment(
            now - dt.timedelta(seconds=time.monotonic() - started),
            now,
            self._selection,
            self._minor,
            facts,
            tuple(results.values()),
            uses,
            enforcement,
            self._source,
            self._roles.describe(gaps),
        )
        unmatched = () if self._missing is not None else tuple(self._explain_unmatched())
        self._missing = {gap.permission for gap in gaps}
        self._sink.evaluated(SessionResults(results, current, self.objects, self._following.counters, unmatched))

    def _explain_unmatched(self) -> Iterator[str]:
        return self._resource_filter.explain_unmatched(
            has_all_resources=False, missing_namespaces=self._following.missing_namespaces
        )

    def _apply_exceptions(self, now: dt.datetime) -> tuple[dict[str, SubjectResult], tuple[ExceptionUse, ...]]:
        """Return all results with exceptions applied, and the use of each exception."""
        exceptions = self._rules.exceptions
        exceptions.forget()
        for _ in exceptions.collect(self._exception_context.values()):
            pass
        self._exception_context_changed = False
        evaluated = self._evaluator.results
        results, uses = exceptions.apply([*evaluated.values()], self._selection, now)
        return dict(zip(evaluated, results, strict=True)), uses

    def _is_complete(self) -> bool:
        """Return True if all kinds are listed again: a recovered server may not serve them at once."""
        if self._missing is None:
            return True
        now = time.monotonic()
        if self._following.is_disconnected:
            self._complete_by = now + 1.5 * self._request.pace.max_wait + _RECOVERY
            return False
        return now > self._complete_by or {gap.permission for gap in self._following.unlisted} <= self._missing

    def _must_restart(self) -> bool:
        """Return True if the parameters or the version of the cluster have changed."""
        version = self._request.scan.evaluation.kubernetes_version
        return self._settings_differ() or minor_of_cluster(version, self._cluster.minor, []) != self._minor

    def _poll_discovery(self) -> None:
        """Update the followed kinds if a discovery poll is due; a failed poll changes nothing."""
        # Do not wait for a lost server; after its return, its version and kinds may differ.
        if self._following.is_disconnected:
            self._was_lost = True
            return
        if self._was_lost:
            self._was_lost, self._changed_at = False, time.monotonic()
        if not self._schedule.is_due(
            max(self._definitions.last_change, self._following.unserved_since, self._changed_at)
        ):
            return
        started = time.monotonic()
        with contextlib.suppress(KubeError):
            resource_selection, routine = self._request.scan.evaluation.resource_selection, self._schedule.is_routine
            self._cluster.refresh(self._selection, resource_selection, self._following, routine=routine)
        self._schedule.record_poll(time.monotonic() - started)

    def _record_object(self, key: str, resource: Resource | None) -> None:
        """Record an added, changed or removed object (None)."""
        is_new = key not in self._keys
        self._exception_context_changed |= self._exception_context.pop(key, None) is not None
        self._settings_changed |= self._settings.pop(key, None) is not None
        self._policies.pop(key, None)
        self._roles.put(key, resource)
        self._nodes.discard(key)
        self._keys.discard(key)
        if resource is None:
            self._evaluator.remove(key)
            return
        self._keys.add(key)
        self._evaluator.put(key, resource)
        if resource.kind == "Node" and not resource.group:
            self._nodes.add(key)
        elif (resource.kind == "Namespace" and not resource.group) or is_security_exception(resource.object):
            self._exception_context[key] = resource
            self._exception_context_changed = True
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
            return self._rules.selector.select(tuple(self._settings.values())).params != self._selection.params
        return False
