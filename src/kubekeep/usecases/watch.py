"""Keep the assessment of a cluster current, and tell which verdicts change. Never prints and never changes the cluster."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.admission.enforcement import Enforcers
from kubekeep.admission.policy import is_binding, is_policy
from kubekeep.engine.policy_set import RuleQuery, StoppablePolicySet, StoppedError
from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.exceptions.custom_resources import is_security_exception
from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.errors import ConnectionLostError, KubeError
from kubekeep.kube.watching import WatchTiming
from kubekeep.library.params import ParamsError, params_of
from kubekeep.model.assessment import Assessment, ResourceResult, Target
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
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
from kubekeep.posture.choice import Chooser
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.select import Selection
from kubekeep.sources.cluster.follower import ClusterFollower
from kubekeep.sources.cluster.scope import NamespaceSelection
from kubekeep.usecases.assemble import Context, assemble, unread_gaps
from kubekeep.usecases.cluster import SETTINGS, LiveCluster, connected
from kubekeep.usecases.request import ScanRequest, minor_of_cluster
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import load_exceptions
from kubekeep.usecases.watch_schedule import Agenda, Sleep

_IDLE: Final = 0.5
"""Seconds to wait for something to happen before looking whether all is over."""
_LONGEST: Final = 30.0
"""Seconds for which changes are gathered at most."""
_EXPIRY: Final = 60.0
"""Seconds after which exceptions are looked at again, as some are for a time."""
_RETURN: Final = 5.0
"""Seconds that a server which comes back has, beside the time until it is asked again, to show what it did before."""
_PATIENCE: Final = 5.0
"""Seconds for which a cluster that cannot be followed is nothing to tell of: most streams that break off go on at once."""

_PARAMS: Final = CoverageGap(group="kubescape.io", kind="ControlInput", resource="controlinputs", why="")
"""What sets parameters, where nobody can tell which."""

_AT_ONCE: Final = "rules that get all objects at once, and admission policies, cannot be watched: scan instead"

Tell = Callable[[Sequence[WatchEvent]], None]
"""Takes what has happened at one moment; there is something."""


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch, and against what; times in seconds.

    After a change, others are waited for for `pause`. What the cluster serves is looked at every `resync`, and soon after
    a definition has changed. Where it cannot be followed for longer than `patience`, that is told, and the kubeconfig is
    read anew as often: the cluster may be elsewhere by now.
    """

    scan: ScanRequest
    pace: WatchTiming = WatchTiming()
    pause: float = 0.2
    resync: float = 600.0
    patience: float = _PATIENCE


class Current(msgspec.Struct, frozen=True):
    """The assessment as of one moment, in parts."""

    started: dt.datetime
    finished: dt.datetime
    selection: Selection
    minor: int
    facts: ClusterFacts
    results: tuple[ResourceResult, ...]
    uses: tuple[ExceptionUse, ...]
    enforced: Mapping[str, tuple[Enforcement, ...]]

    def assessment(self, request: ScanRequest) -> Assessment:
        """All that a report needs."""
        context = Context(
            target=Target((), "", self.facts),
            started=self.started,
            finished=self.finished,
            kubernetes_minor=self.minor,
            selection=self.selection,
            choice=request.evaluation.choice,
            enforcement=self.enforced,
            gaps=self.facts.gaps,
        )
        return assemble(context, self.results, unread=unread_gaps(self.facts.gaps), exceptions=self.uses)


class Watch:
    """One watch. `current` and `figures` may be looked at from other threads."""

    def __init__(self, request: WatchRequest, tell: Tell) -> None:
        """Raises what a scan does for names, versions, rules and exceptions, and ValueError for what cannot be watched."""
        self._cluster = _watchable(request.scan)
        self.figures = WatchMetrics()
        self.current: Current | None = None
        """None until everything has been judged once."""
        self._request = request
        self._tell = tell
        self.rules = RuleSelector(request.scan.rules, whole_cluster=True)
        self._exceptions = load_exceptions(request.scan, self.rules)
        self._known: dict[str, ResourceResult] = {}
        self._gaps: tuple[CoverageGap, ...] = ()
        self._lost_at = 0.0
        self._lost_told = False
        self._selection = self.rules.selection
        if self._selection.evaluators:
            raise ValueError(_AT_ONCE)

    def run(self, stopped: threading.Event) -> None:
        """Watch until `stopped` is set. Raises KubeError if the cluster cannot be reached at the beginning."""
        wait = self._request.pace.first_wait
        while not stopped.is_set():
            try:
                with connected(self._cluster) as cluster:
                    wait = self._request.pace.first_wait
                    _Session(self, cluster, self._request, stopped).run()
            except StoppedError:
                return
            except KubeError as error:
                if self.current is None and not stopped.is_set():
                    raise
                self.figures.is_current = False
                self.note_loss(str(error))
                stopped.wait(wait)
                wait = min(2 * wait, self._request.pace.longest_wait)
                self.has_moved()

    @property
    def missing(self) -> frozenset[str]:
        """The permissions for what is not shown, as far as that has been told."""
        return frozenset(gap.permission for gap in self._gaps)

    def has_moved(self) -> bool:
        """Whether the kubeconfig leads elsewhere by now, or as somebody else; takes it from there."""
        if self._cluster.reload_access is None:
            return False
        with contextlib.suppress(KubeError):
            # What is being written at this moment is read the next time.
            access = self._cluster.reload_access()
            if access != self._cluster.access:
                self._cluster = msgspec.structs.replace(self._cluster, access=access)
                return True
        return False

    def note_loss(self, why: str) -> None:
        """The cluster cannot be followed at this moment, or can if `why` is empty: tell what lasts."""
        now = time.monotonic()
        if not why:
            if self._lost_told:
                self._tell([ConnectionChanged(dt.datetime.now(dt.UTC), "")])
            self._lost_at, self._lost_told = 0.0, False
            return
        self._lost_at = self._lost_at or now
        if now - self._lost_at >= self._request.patience and not self._lost_told and self.current is not None:
            self._lost_told = True
            self._tell([ConnectionChanged(dt.datetime.now(dt.UTC), why)])

    def select_for(self, cluster: LiveCluster) -> Selection:
        """What the cluster wants to be judged by; the same as before where what it says makes no sense any more."""
        try:
            self._selection = self.rules.select(cluster.settings(policies=False))
        except ValueError:
            if self.current is None:
                raise
        return self._selection

    def settle(self, session: _Session) -> None:
        """Judge what has changed, and tell."""
        started = time.monotonic()
        gaps = session.gaps
        session.standing.settle(gaps)
        now = dt.datetime.now(dt.UTC)
        results: dict[str, ResourceResult] = session.standing.results
        uses: tuple[ExceptionUse, ...] = ()
        if self._exceptions.has_any or session.notes_changed:
            results, uses = self._accepted(session, now)
        turns = [*self._turned(results, gaps, now)]
        told = {"gaps": gaps, "nodes": session.nodes, "provider": session.standing.provider or ""}
        facts = msgspec.structs.replace(session.facts, **told)
        first = self.current is None
        self.current = Current(
            now - dt.timedelta(seconds=time.monotonic() - started),
            now,
            session.selection,
            session.minor,
            facts,
            tuple(results.values()),
            uses,
            session.enforced(),
        )
        self._count(session.following, started, len(turns) if not first else 0)
        happened: list[WatchEvent] = []
        if first:
            failed = sum(item.status is Status.FAILED for one in results.values() for item in one.verdicts.values())
            happened.append(WatchStarted(now, facts.name, session.objects, failed, len(gaps)))
            unmatched = session.chooser.unmatched(all_read=False, absent=session.following.missing_namespaces)
            happened += [UnmatchedName(now, text) for text in unmatched]
        turned = (gap for gap in (*gaps, *self._gaps) if (gap in gaps) != (gap in self._gaps))
        happened += [CoverageChanged(now, gap, is_restored=gap not in gaps) for gap in turned]
        self._gaps = gaps
        self.figures.gaps = len(gaps)
        happened += () if first else turns
        if happened:
            self._tell(happened)

    def _accepted(
        self, session: _Session, now: dt.datetime
    ) -> tuple[dict[str, ResourceResult], tuple[ExceptionUse, ...]]:
        """All results with what exceptions cover."""
        self._exceptions.forget()
        for _ in self._exceptions.collect(session.notes.values()):
            pass
        session.notes_changed = False
        found = session.standing.results
        results, uses = self._exceptions.apply([*found.values()], session.selection, now)
        return dict(zip(found, results, strict=True)), uses

    def _turned(
        self, results: Mapping[str, ResourceResult], gaps: Sequence[CoverageGap], now: dt.datetime
    ) -> Iterator[VerdictChanged]:
        """The verdicts that are others than before, the worst first; takes note of them. `gaps` hide what is not there."""
        controls = {control.slug: control for control in self._selection.controls}
        before, self._known = self._known, dict(results)
        found: list[VerdictChanged] = []
        for key in before.keys() | results.keys():
            known, result = before.get(key), results.get(key)
            either = result or known
            if known is result or either is None:
                continue
            old = known.verdicts if known else {}
            new = result.verdicts if result else {}
            gone = VerdictChange.UNKNOWN if result is None and _is_hidden(either.resource, gaps) else VerdictChange.GONE
            for slug in old.keys() | new.keys():
                turn = _turn(old.get(slug), new.get(slug), gone)
                if turn is not None and slug in controls:
                    found.append(VerdictChanged(now, turn, controls[slug], either.resource, new.get(slug)))
        found.sort(key=lambda item: (-item.control.severity, item.resource.id, item.control.id))
        yield from found

    def _count(self, following: ClusterFollower, started: float, turns: int) -> None:
        figures, tally = self.figures, following.counters
        figures.events, figures.lists, figures.lost = tally.events, tally.lists, tally.lost
        figures.last_event = tally.last_event
        figures.assessments += 1
        figures.assess_seconds += time.monotonic() - started
        figures.changes += turns


def _watchable(request: ScanRequest) -> ClusterRequest:
    """The cluster to watch. Raises ValueError for what only a scan can look at."""
    if request.input.cluster is None:
        raise ValueError("only a cluster can be watched")
    if request.rules.cluster_policies:
        raise ValueError(_AT_ONCE)
    if request.input.paths or request.input.cloud is not None or request.input.cluster.host_scan is True:
        raise ValueError("nodes and clouds cannot be watched: scan with what was collected of them instead")
    return request.input.cluster


class _Session:
    """What is followed at a stretch, until the cluster is of another version or wants to be judged otherwise."""

    def __init__(self, watch: Watch, cluster: LiveCluster, request: WatchRequest, stopped: threading.Event) -> None:
        self._watch = watch
        self._cluster = cluster
        self._request = request
        self._stopped = stopped
        scan = request.scan
        self.selection = watch.select_for(cluster)
        self.minor = minor_of_cluster(scan.evaluation.kubernetes_version, cluster.minor, [])
        self.facts = cluster.facts()
        self.chooser = Chooser(scan.evaluation.choice)
        in_scope = self.chooser if str(scan.evaluation.choice) else None
        self.standing = IncrementalEvaluator(
            self.selection, self._compiled, kubernetes_minor=self.minor, in_scope=in_scope
        )
        self.notes: dict[str, Resource] = {}
        """What exceptions have to know of, by key."""
        self.notes_changed = False
        self._policies: dict[str, Resource] = {}
        self._settings: dict[str, Resource] = {}
        self._settings_changed = False
        self._nodes: set[str] = set()
        self._keys: set[str] = set()
        self._whole_by = time.monotonic() + 1.5 * request.pace.longest_wait + _RETURN
        """Until when kinds are waited for that were shown before; on the monotonic clock."""
        self._by_pattern = NamespaceSelection(scan.evaluation.choice.include_namespaces).has_patterns
        self._heard = 0.0
        """When a namespace came that may be meant by a pattern, or the cluster came back; on the monotonic clock."""
        self._was_lost = False
        self._agenda = Agenda(request.resync)
        self._elsewhere = 0.0
        """When to look again whether the kubeconfig leads elsewhere, where the cluster is lost; on the monotonic clock."""
        self._definitions = cluster.definitions(request.pace)
        self.following = cluster.follow(self.selection, scan.evaluation.choice, request.pace)

    def _compiled(
        self, shards: Sequence[Mapping[str, str]], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
    ) -> StoppablePolicySet:
        return StoppablePolicySet(RegoPolicySet(shards, groups, context), self._stopped)

    @property
    def nodes(self) -> int:
        """How many Nodes there are."""
        return len(self._nodes)

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return len(self._keys)

    @property
    def gaps(self) -> tuple[CoverageGap, ...]:
        """What is not shown at this moment; parameters that make no sense are as good as not shown."""
        try:
            params_of(self._settings.values())
        except ParamsError as error:
            return (*self.following.gaps, msgspec.structs.replace(_PARAMS, why=visible(str(error))))
        return self.following.gaps

    def enforced(self) -> Mapping[str, tuple[Enforcement, ...]]:
        """Which admission policies enforce which controls."""
        enforcers = Enforcers()
        for _ in enforcers.noting(self._policies.values()):
            pass
        return enforcers.of(self.selection.controls)

    def run(self) -> None:
        """Follow until somebody wants an end or all has to begin anew."""
        try:
            self._follow()
        finally:
            gc.unfreeze()
            self._definitions.stop()
            self.following.stop()

    def _follow(self) -> None:
        figures, gaps, expiry = self._watch.figures, None, 0.0
        due, took, sleep = False, 0.0, Sleep()
        while not self._stopped.is_set():
            if self._cluster.is_closed:
                raise ConnectionLostError("the connection to the cluster was closed")
            # Who is behind looks at more together: that costs less, and what changes often is judged once.
            changes = self.following.changes(_IDLE, self._request.pause, min(took / 4, _LONGEST), self._stopped)
            for key, resource in changes.items():
                self._take(key, resource)
            if sleep.is_over():
                self._cluster.interrupt()
            figures.is_current, figures.objects = self.following.is_current, len(self._keys)
            due = due or bool(changes) or self.following.gaps != gaps or time.monotonic() > expiry
            if not self.following.is_known:
                continue
            if due and self._is_whole():
                gaps, due, expiry = self.following.gaps, False, time.monotonic() + _EXPIRY
                started = time.monotonic()
                self._watch.settle(self)
                took = time.monotonic() - started
                if not gc.get_freeze_count():
                    # What is known by now stays: looking for cycles in all of it, again and again, delays verdicts.
                    gc.freeze()
            self._watch.note_loss(self.following.disconnect_reason)
            if self._has_to_begin_anew():
                return
            self._look()

    def _is_whole(self) -> bool:
        """Whether what is known is worth judging: a server that comes back does not show at once all that it did before."""
        if self._watch.current is None:
            return True
        now = time.monotonic()
        if self.following.is_disconnected:
            self._whole_by = now + 1.5 * self._request.pace.longest_wait + _RETURN
            return False
        return now > self._whole_by or {gap.permission for gap in self.following.unlisted} <= self._watch.missing

    def _has_to_begin_anew(self) -> bool:
        """Whether the cluster wants to be judged otherwise by now, is of another version, or is elsewhere."""
        if (
            self._wants_otherwise()
            or minor_of_cluster(self._request.scan.evaluation.kubernetes_version, self._cluster.minor, []) != self.minor
        ):
            return True
        started = time.monotonic()
        if self.following.disconnect_reason and started >= self._elsewhere:
            self._elsewhere = started + self._request.patience
            if self._watch.has_moved():
                return True
        return False

    def _look(self) -> None:
        """Follow what the cluster serves by now, if it is time to look; a cluster that cannot be asked serves the same."""
        # Who does not answer is not waited for, and may be another one when it does.
        if self.following.is_disconnected:
            self._was_lost = True
            return
        if self._was_lost:
            self._was_lost, self._heard = False, time.monotonic()
        if not self._agenda.is_due(max(self._definitions.changed, self.following.unserved_since, self._heard)):
            return
        started = time.monotonic()
        with contextlib.suppress(KubeError):
            choice, routine = self._request.scan.evaluation.choice, self._agenda.is_routine
            self._cluster.look(self.selection, choice, self.following, routine=routine)
        self._agenda.looked(time.monotonic() - started)

    def _take(self, key: str, resource: Resource | None) -> None:
        """An object is there, or it is not any more."""
        is_new = key not in self._keys
        self.notes_changed |= self.notes.pop(key, None) is not None
        self._settings_changed |= self._settings.pop(key, None) is not None
        self._policies.pop(key, None)
        self._nodes.discard(key)
        self._keys.discard(key)
        if resource is None:
            self.standing.remove(key)
            return
        self._keys.add(key)
        self.standing.put(key, resource)
        if resource.kind == "Node" and not resource.group:
            self._nodes.add(key)
        elif (resource.kind == "Namespace" and not resource.group) or is_security_exception(resource.object):
            self.notes[key] = resource
            self.notes_changed = True
            if is_new and self._by_pattern and resource.kind == "Namespace":
                self._heard = time.monotonic()
        elif is_policy(resource) or is_binding(resource):
            self._policies[key] = resource
        elif not resource.kind_names.isdisjoint(SETTINGS):
            self._settings[key] = resource
            self._settings_changed = True

    def _wants_otherwise(self) -> bool:
        """Whether the cluster says by now that it is to be judged otherwise."""
        if not self._settings_changed:
            return False
        self._settings_changed = False
        with contextlib.suppress(ValueError):
            return self._watch.rules.select(tuple(self._settings.values())).params != self.selection.params
        return False


def _is_hidden(resource: Resource, gaps: Sequence[CoverageGap]) -> bool:
    """Whether one of `gaps` hides `resource`, or for one made of related objects some of these."""
    parts = resource.related or (resource,)
    return any(gap.hides(item.group, item.kind, item.namespace, item.name) for item in parts for gap in gaps)


def _turn(before: Verdict | None, after: Verdict | None, gone: VerdictChange) -> VerdictChange | None:
    """What became of a verdict, `gone` where there is none any more; None for nothing that anybody has to know."""
    was = None if before is None else before.status
    status = None if after is None else after.status
    if status is Status.FAILED:
        return VerdictChange.FAILED if was is not Status.FAILED else None
    if status is Status.NOT_EVALUATED:
        return VerdictChange.UNKNOWN if was in (Status.PASSED, Status.FAILED) else None
    if was is not Status.FAILED:
        return None
    if after is None:
        return gone
    return VerdictChange.ACCEPTED if after.is_excepted else VerdictChange.FIXED
