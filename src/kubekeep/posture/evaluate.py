"""Evaluation of rules on resources: verdicts by resource, streaming.

`Evaluator` compiles the rules of a selection once; `evaluate` runs them over a whole input, and
`posture.incremental` keeps their verdicts current while resources change. Never scores.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import msgspec

from kubekeep import _native
from kubekeep.engine.policy_set import Compile, Outcome, PolicySet, stop_after_error
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import SUBJECT, Provider
from kubekeep.model.resource import PackedObject, Resource
from kubekeep.model.verdict import Cause, Reason, Status, Verdict
from kubekeep.model.workload import MalformedWorkloadError, build_pod_views
from kubekeep.posture.coverage_gaps import AffectedControls, find_affected_controls
from kubekeep.posture.index import Index, kinds_to_index
from kubekeep.posture.packing import ObjectPacker
from kubekeep.posture.release_namespace import (
    RELEASE_NAMESPACE,
    InstalledResource,
    OriginalResources,
    word_release_namespace,
)
from kubekeep.posture.roles import RoleCoverage
from kubekeep.posture.rulebook import Rulebook, RulePlan, Stage
from kubekeep.posture.select import Selection
from kubekeep.posture.templates import TemplatePolicySet, encode_workload
from kubekeep.posture.verdicts import (
    EvaluationContext,
    build_not_evaluated_verdicts,
    build_verdicts,
    withhold_unknown_values,
)

BATCH: Final = 256
"""Documents per call of the engine: enough to keep all cores busy, few enough to keep memory flat."""
_MAX_RUNNING: Final = 3
"""Maximum number of batches in evaluation; a queue absorbs differences between the times to evaluate and to fill one."""
_encode = msgspec.json.Encoder().encode


class RuleInput(NamedTuple):
    """The input of the rules for one resource: its rule plan and its workload as JSON (see `encode_workload`).

    `problem` is the reason why no rule can read the resource; empty if there is none.
    """

    plan: RulePlan
    workload: bytes
    problem: str


class Evaluator:
    """The compiled rules of a selection, shared by whole and incremental evaluation."""

    def __init__(
        self, selection: Selection, compile_rules: Compile, *, kubernetes_minor: int, separate_related: bool = False
    ) -> None:
        """Group and compile the library's rules. Raises ValueError for a rule that does not compile.

        With `separate_related`, each rule that relates resources is a group by itself.
        """
        unconfigured = {slug for slug, reason in selection.skip_reasons.items() if reason.cause is Cause.CONFIGURATION}
        self.selection = selection
        self.active = [control for control in selection.library_controls if control.slug not in selection.skip_reasons]
        silent = [control for control in selection.library_controls if control.slug in unconfigured]
        self.rulebook = Rulebook(selection.library, self.active, silent, separate_related=separate_related)
        # Third-party rules that target joined subjects need all of them.
        self.keeps_subjects = any(SUBJECT in control.targets for control in selection.third_party_controls)
        self.joins_subjects = self.keeps_subjects or any(SUBJECT in control.targets for control in self.active)
        self.kinds = kinds_to_index(self.active)
        self._unconfigured = {slug: selection.skip_reasons[slug] for slug in unconfigured}
        self._parameters = {"params": selection.params, "kubernetes": {"minor": kubernetes_minor}}
        self.policies = TemplatePolicySet(compile_rules(self.rulebook.shards, self.rulebook.groups, self._parameters))

    def prepare(self, resource: Resource) -> RuleInput:
        """Return the rule plan and the workload view of `resource`."""
        problem, views = "", []
        try:
            views = build_pod_views(resource)
        except MalformedWorkloadError as error:
            problem = str(error)
        plan = self.rulebook.plan(resource, has_pod=bool(views or problem))
        return RuleInput(plan, encode_workload(views), problem)

    def build_related_policies(self, cluster: Mapping[str, Any], provider: Provider | None) -> PolicySet:
        """Return the rules with the index `cluster` as `input.cluster`."""
        return self.policies.with_context({**self._parameters, "cluster": {**cluster, "provider": provider}})

    def build_context(self, affected: AffectedControls, provider: Provider | None) -> EvaluationContext:
        """Build the context of all verdicts on a cluster of `provider` with `affected` controls."""
        reasons: dict[str, Reason] = {**affected.unreliable, **self._unconfigured}
        other_platforms = frozenset(
            control.slug
            for control in self.active
            if control.providers
            and provider not in control.providers
            and control.slug not in self.selection.requested_controls
        )
        by_target = {
            slug: build_not_evaluated_verdicts(by_target) for slug, by_target in affected.unreliable_for.items()
        }
        return EvaluationContext(
            build_not_evaluated_verdicts(reasons),
            self.rulebook.conditional,
            other_platforms,
            by_target,
            self.selection.list_implications(),
            build_not_evaluated_verdicts(affected.exempting),
        )


def evaluate(
    resources: Iterable[Resource],
    selection: Selection,
    compile_rules: Compile,
    *,
    kubernetes_minor: int,
    on_progress: Callable[[int], None] = lambda _: None,
    in_scope: Callable[[Resource], bool] | None = None,
    gaps: Sequence[CoverageGap] = (),
) -> list[SubjectResult]:
    """Return the verdicts on every resource that a control of `selection` applies to, in the order of `resources`.

    Joined RBAC subjects follow the resources. `on_progress` receives the number of resources read so far. With
    `in_scope`, only the resources that it accepts, and subjects with an accepted binding or role, get verdicts; rules
    can still look up the others. `gaps` is complete once `resources` is exhausted; rules that compare with a gap are not
    evaluated. Resources with verdicts are packed in place (see `posture.packing`), so that little memory is needed while
    they wait and in reports.
    Raises ValueError for a library rule that does not compile.
    """
    evaluator = Evaluator(selection, compile_rules, kubernetes_minor=kubernetes_minor)
    roles = RoleCoverage(selection.is_whole_cluster, gaps)
    index = Index(evaluator.kinds, join_subjects=evaluator.joins_subjects, roles=roles)
    with ThreadPoolExecutor(max_workers=1) as pool, stop_after_error(evaluator.policies.stop):
        batcher = _Batcher(evaluator.policies, pool)
        collector = _Collector(index, evaluator, batcher, in_scope)
        for count, resource in enumerate(resources, start=1):
            collector.add(resource)
            on_progress(count)
        collector.add_subjects()
        batcher.finish()
        provider = selection.provider or index.provider
        affected = find_affected_controls(gaps, selection, provider)
        related = _Batcher(evaluator.build_related_policies(index.build(), provider), pool)
        entries, others = collector.entries, collector.others
        # The index holds objects, and the batcher outcomes, that are not needed any more.
        del index, collector, batcher
        results = _evaluate_related(entries, related, evaluator.build_context(affected, provider))
    if not selection.evaluators:
        return results
    return _add_third_party(results, others, selection, affected, kubernetes_minor)


def _evaluate_related(entries: list[_Entry], batcher: _Batcher, context: EvaluationContext) -> list[SubjectResult]:
    """Run the rules that relate resources and return the results, consuming `entries` to free memory early."""
    equal_verdicts: dict[bytes, dict[str, Verdict]] = {}
    results: list[SubjectResult] = []
    entries.reverse()
    pending: deque[tuple[int, _Entry]] = deque()
    while entries:
        entry = entries.pop()
        entry.send_related(batcher)
        pending.append((batcher.sent, entry))
        while pending and pending[0][0] <= batcher.completed:
            results.append(pending.popleft()[1].build_result(context, equal_verdicts))
    batcher.finish()
    results += [entry.build_result(context, equal_verdicts) for _, entry in pending]
    return results


def _add_third_party(
    results: Sequence[SubjectResult],
    others: Sequence[Resource],
    selection: Selection,
    affected: AffectedControls,
    kubernetes_minor: int,
) -> list[SubjectResult]:
    """Add the verdicts of third-party rules and drop resources without any verdict.

    Third-party rules can compare with `others`, which get no verdicts. A pass becomes "not evaluated" if a coverage gap
    affects the control.
    """
    verdicts = [dict(result.verdicts) for result in results]
    resources = [result.subject for result in results if isinstance(result.subject, Resource)]
    for evaluator in selection.evaluators:
        for position, slug, verdict in evaluator.evaluate([*resources, *others], kubernetes_minor=kubernetes_minor):
            if slug not in selection.skip_reasons and position < len(verdicts):
                certain = withhold_unknown_values(verdict, resources[position])
                reason = affected.unreliable.get(slug) if certain.status is Status.PASSED else None
                verdicts[position][slug] = certain if reason is None else Verdict(Status.NOT_EVALUATED, reason=reason)
    return [
        SubjectResult(resource, own)
        for resource, own in zip(resources, verdicts, strict=True)
        if own or resource.has_problems
    ]


class _Collector:
    """Adds resources to the index and sends those in scope to the rules that can run at once."""

    def __init__(
        self,
        index: Index,
        evaluator: Evaluator,
        batcher: _Batcher,
        in_scope: Callable[[Resource], bool] | None,
    ) -> None:
        self.entries: list[_Entry] = []
        self.others: list[Resource] = []
        """Resources out of scope, which third-party rules may compare with."""
        self._index = index
        self._evaluator = evaluator
        self._batcher = batcher
        self._in_scope = in_scope
        self._originals = OriginalResources()
        self._keeps_all = bool(evaluator.selection.evaluators)
        self._packer = ObjectPacker()

    def add(self, resource: Resource) -> None:
        """Add one resource; it is kept for third-party rules even if no control of the library applies."""
        installed = InstalledResource.install(resource)
        self._originals.add(installed)
        self._index.add(installed.evaluated)
        if self._in_scope is None or self._in_scope(resource):
            self._send(installed, keep=self._keeps_all)
        elif self._keeps_all:
            self.others.append(resource)

    def add_subjects(self) -> None:
        """Add the RBAC subjects of all resources so far, joined with their bindings and roles."""
        for subject in self._index.iterate_subjects():
            installed = self._originals.restore(subject)
            if self._in_scope is None or any(map(self._in_scope, installed.resource.related)):
                self._send(installed, keep=self._evaluator.keeps_subjects)

    def _send(self, installed: InstalledResource, *, keep: bool) -> None:
        plan, workload, problem = self._evaluator.prepare(installed.evaluated)
        if not plan.controls and not keep and not installed.resource.has_problems:
            return
        related = bool(plan.groups[Stage.RELATED]) and not problem
        text = encode_object(installed.evaluated)
        self._packer.add(installed.evaluated, text, workload)
        if installed.evaluated is not installed.resource:
            self._packer.add(installed.resource)
        entry = _Entry(installed, plan, problem)
        if related and not isinstance(installed.evaluated.content, PackedObject):
            entry.keep_document(build_document(text, workload))
        self.entries.append(entry)
        if not problem:
            self._batcher.send_local(workload, text, plan, entry.outcome)


def build_document(text: bytes, workload: bytes) -> bytes:
    """Return the rule input of a resource from its JSON and its workload view (empty for none)."""
    return b'{"workload":%b,"object":%b}' % (workload, text) if workload else b'{"object":%b}' % text


def encode_document(resource: Resource) -> bytes:
    """Return the rule input of a resource, computing its workload view."""
    return build_document(encode_object(resource), encode_workload(build_pod_views(resource.unpack())))


def encode_object(resource: Resource) -> bytes:
    """Return the object of a resource as JSON."""
    content = resource.content
    return content.text if isinstance(content, PackedObject) else _encode(content)


def build_local_document(workload: bytes) -> bytes:
    """Return the input of rules that read only the workload view."""
    return b'{"workload":%b}' % workload


class _Entry:
    """A resource under evaluation: its rule plan and the outcomes so far."""

    __slots__ = ("_document", "installed", "outcome", "plan", "problem", "resource")

    def __init__(self, installed: InstalledResource, plan: RulePlan, problem: str) -> None:
        self.installed = installed
        self.resource = installed.resource
        self.plan = plan
        self.problem = problem
        self.outcome: dict[str, Any] = {}
        self._document = b""
        """The input of the rules that relate resources, compressed; empty if the packed resource holds it."""

    def keep_document(self, document: bytes) -> None:
        """Keep the input of the rules that relate resources: building it again takes longer than compressing it."""
        self._document = _native.pack(document)

    def send_related(self, batcher: _Batcher) -> None:
        groups = self.plan.groups[Stage.RELATED]
        if groups and not self.problem:
            content = self.installed.evaluated.content
            if self._document or not isinstance(content, PackedObject):
                text = _native.unpack(self._document)
            else:
                text = build_document(*content.texts)
            batcher.send(text, groups, self.outcome)
            self._document = b""

    def build_result(
        self, context: EvaluationContext, equal_verdicts: dict[bytes, dict[str, Verdict]]
    ) -> SubjectResult:
        """Return the verdicts; equal mappings of verdicts are shared to save memory."""
        verdicts = build_verdicts(self.resource, self.plan, self.outcome, context, self.problem)
        if self.installed.evaluated is not self.resource:
            verdicts = {slug: _word_verdict(verdict) for slug, verdict in verdicts.items()}
        if self.resource.source is not None and any(verdict.evidence for verdict in verdicts.values()):
            # Evidence with a place in a file equals no other.
            return SubjectResult(self.resource, verdicts)
        key = array("Q", (id(self.plan), *map(id, verdicts.values()))).tobytes()
        return SubjectResult(self.resource, equal_verdicts.setdefault(key, verdicts))


def _word_verdict(verdict: Verdict) -> Verdict:
    """Return a verdict on a resource of a chart with texts that do not name the placeholder for its namespace."""
    if verdict.reason is not None and RELEASE_NAMESPACE in verdict.reason.text:
        reason = msgspec.structs.replace(verdict.reason, text=word_release_namespace(verdict.reason.text))
        return msgspec.structs.replace(verdict, reason=reason)
    if not any(RELEASE_NAMESPACE in evidence.message for evidence in verdict.evidence):
        return verdict
    evidence = tuple(
        msgspec.structs.replace(entry, message=word_release_namespace(entry.message)) for entry in verdict.evidence
    )
    return msgspec.structs.replace(verdict, evidence=evidence)


class _PendingResults:
    """The receiver of the outcome of one document, and those of its part that depends on the workload view only."""

    __slots__ = ("_local", "_names", "_others", "_receiver")

    def __init__(self, receiver: dict[str, Any], names: frozenset[str]) -> None:
        """`names` are the rules of that part."""
        self._receiver = receiver
        self._names = names
        self._others: list[dict[str, Any]] = []
        self._local: Outcome | None = None

    def add(self, receiver: dict[str, Any]) -> None:
        """Add the receiver of an equal workload."""
        if self._local is None:
            self._others.append(receiver)
        else:
            receiver.update(self._local)

    def deliver(self, outcome: Outcome) -> None:
        """Update the receivers after the evaluation."""
        self._receiver.update(outcome)
        if self._names:
            self._local = {name: value for name, value in outcome.items() if name in self._names}
            for receiver in self._others:
                receiver.update(self._local)


class _Batcher:
    """Groups documents into batches; one batch fills while others are evaluated."""

    def __init__(self, policies: PolicySet, pool: ThreadPoolExecutor) -> None:
        self._policies = policies
        self._pool = pool
        self._documents: list[tuple[bytes, tuple[int, ...]]] = []
        self._waiting: list[_PendingResults] = []
        self._running: deque[tuple[Future[list[Outcome]], list[_PendingResults]]] = deque()
        self._local: dict[tuple[bytes, tuple[int, ...]], _PendingResults] = {}
        """Evaluations of workloads, by the digest of the workload view and the groups of rules."""

        self.sent = self.completed = 0
        """Documents sent to evaluation, and those with an outcome delivered."""

    def send(self, text: bytes, groups: tuple[int, ...], receiver: dict[str, Any]) -> None:
        """Evaluate `groups` on a document and update `receiver`, at once or when the batch is full."""
        self._add(text, groups, _PendingResults(receiver, frozenset()))

    def send_local(self, workload: bytes, text: bytes, plan: RulePlan, receiver: dict[str, Any]) -> None:
        """Evaluate the rules that read the workload view, and those that read the object, with one document for both.

        The former are evaluated once for equal workloads. `text` is the JSON of the object, empty if no rule reads it.
        """
        local, whole = plan.groups[Stage.LOCAL], plan.groups[Stage.OBJECT]
        names = frozenset[str]()
        if local:
            key = hashlib.blake2b(workload, digest_size=16).digest(), local
            first = self._local.get(key)
            if first is None:
                names = plan.local_rules
            else:
                first.add(receiver)
                local = ()
        if local or whole:
            pending = _PendingResults(receiver, names)
            if local:
                self._local[key] = pending
            document = build_document(text, workload) if whole else build_local_document(workload)
            self._add(document, (*local, *whole), pending)

    def _add(self, text: bytes, groups: tuple[int, ...], pending: _PendingResults) -> None:
        self.sent += 1
        self._documents.append((text, groups))
        self._waiting.append(pending)
        if len(self._documents) >= BATCH:
            self._start()

    def finish(self) -> None:
        """Evaluate the last batch and deliver every outcome."""
        self._start()
        while self._running:
            self._deliver()

    def _start(self) -> None:
        documents, waiting = self._documents, self._waiting
        self._documents, self._waiting = [], []
        if documents:
            self._running.append((self._pool.submit(self._policies.evaluate, documents), waiting))
        while len(self._running) > _MAX_RUNNING or (self._running and self._running[0][0].done()):
            self._deliver()

    def _deliver(self) -> None:
        future, waiting = self._running.popleft()
        self.completed += len(waiting)
        for pending, outcome in zip(waiting, future.result(), strict=True):
            pending.deliver(outcome)
