"""Run the rules of a selection over resources: verdicts by resource, streaming.

A resource is turned into JSON once. Rules that look only at the workload are evaluated as resources arrive,
and equal workloads once; rules that relate resources run when all have been seen. Never scores.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec

from kubekeep.engine.policy_set import Compile, Outcome, PolicySet
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import SUBJECT, Control, Provider
from kubekeep.model.finding import Cause, Reason, Status, Verdict
from kubekeep.model.resource import PackedObject, Resource
from kubekeep.model.workload import MalformedWorkloadError, build_pod_view
from kubekeep.posture.coverage_gaps import Unseen, unseen
from kubekeep.posture.index import Index, kept_for
from kubekeep.posture.release_namespace import Pair, Written
from kubekeep.posture.rulebook import Rulebook, RulePlan, Stage
from kubekeep.posture.select import Selection
from kubekeep.posture.verdicts import EvaluationContext, as_far_as_known, unset_by, verdicts_of

_BATCH: Final = 256
"""Documents an evaluation: enough to keep all cores busy, few enough to keep memory flat."""
_AHEAD: Final = 3
"""Batches that may be under way: some take longer to evaluate than the next takes to fill, others less."""
_encode = msgspec.json.Encoder().encode


def run(
    resources: Iterable[Resource],
    selection: Selection,
    compile_rules: Compile,
    *,
    kubernetes_minor: int,
    note: Callable[[int], None] = lambda _: None,
    focus: Callable[[Resource], bool] | None = None,
    gaps: Sequence[CoverageGap] = (),
    pack: bool = False,
) -> list[ResourceResult]:
    """The verdicts of every resource that some control of `selection` applies to, in the order given.

    Joined RBAC subjects follow the resources. `note` is told how many resources have been seen. With `focus`, only
    resources that it takes, and subjects whose binding or role it takes, are judged; the others are known to the
    rules all the same. `gaps` are what a cluster did not show, complete when `resources` has ended: what compares with
    that is not evaluated. With `pack`, resources are packed while they wait, and in the results. Raises ValueError when a rule of the library does not compile.
    """
    own = selection.own
    active = [control for control in own if control.slug not in selection.set_aside]
    told = {slug: reason for slug, reason in selection.set_aside.items() if reason.cause is Cause.CONFIGURATION}
    book = Rulebook(selection.library, active, [control for control in own if control.slug in told])
    # Judges too may look at joined subjects: then every subject is kept, whatever the library says of it.
    joined = any(SUBJECT in control.targets for control in selection.judged)
    index = _index(active, join_subjects=joined)
    context = {"params": selection.params, "kubernetes": {"minor": kubernetes_minor}}
    policies = compile_rules(book.shards, book.groups, context)
    with ThreadPoolExecutor(max_workers=1) as pool:
        desk = _Batcher(policies, pool)
        intake = _Collector(index, book, desk, focus, pack=pack)
        for seen, resource in enumerate(resources, start=1):
            intake.resource(resource, judged=bool(selection.judges))
            note(seen)
        intake.subjects(judged=joined)
        desk.finish()
        provider = selection.provider or index.provider
        hidden = unseen(gaps, selection, provider)
        around = evaluation_context(hidden, told, book, elsewhere_of(active, selection, provider))
        cluster = {**index.data(), "provider": provider}
        desk = _Batcher(policies.with_context({**context, "cluster": cluster}), pool)
        results = _related(intake.entries, desk, around)
    return _judged(results, intake.others, selection, hidden) if selection.judges else results


def _related(entries: list[_Entry], desk: _Batcher, around: EvaluationContext) -> list[ResourceResult]:
    """The results, when rules that relate have been asked too; what they have said goes into those at once."""
    alike: dict[bytes, dict[str, Verdict]] = {}
    results: list[ResourceResult] = []
    entries.reverse()
    asked: deque[tuple[int, _Entry]] = deque()
    while entries:
        entry = entries.pop()
        entry.relate(desk)
        asked.append((desk.sent, entry))
        while asked and asked[0][0] <= desk.answered:
            results.append(asked.popleft()[1].result(around, alike))
    desk.finish()
    results += [entry.result(around, alike) for _, entry in asked]
    return results


def _judged(
    results: Sequence[ResourceResult], others: Sequence[Resource], selection: Selection, hidden: Unseen
) -> list[ResourceResult]:
    """The results with what judges say of controls not set aside; without those of which nobody says anything.

    Of `others` judges know too; what they say of those is left out. Where something is `hidden`, nothing passes.
    """
    said = [dict(result.verdicts) for result in results]
    resources = [result.resource for result in results]
    for judge in selection.judges:
        for place, slug, outcome in judge.judge([*resources, *others]):
            if slug not in selection.set_aside and place < len(said):
                known = as_far_as_known(outcome, resources[place])
                doubt = hidden.related.get(slug) if known.status is Status.PASSED else None
                said[place][slug] = known if doubt is None else Verdict(Status.NOT_EVALUATED, reason=doubt)
    return [ResourceResult(*pair) for pair in zip(resources, said, strict=True) if pair[1]]


def evaluation_context(
    hidden: Unseen, told: Mapping[str, Reason], book: Rulebook, elsewhere: frozenset[str]
) -> EvaluationContext:
    """What the verdicts depend on where something is `hidden`, and controls are set aside for what they are `told`."""
    partly = {slug: unset_by(reasons) for slug, reasons in hidden.partly.items()}
    return EvaluationContext(unset_by({**hidden.related, **told}), book.conditional, elsewhere, partly)


def elsewhere_of(controls: Iterable[Control], selection: Selection, provider: Provider | None) -> frozenset[str]:
    """Slugs of the controls about other platforms than `provider`, but for those asked for by name."""
    return frozenset(
        control.slug
        for control in controls
        if control.providers and provider not in control.providers and control.slug not in selection.named
    )


def _index(controls: Sequence[Control], *, join_subjects: bool) -> Index:
    return Index(
        kept_for(controls), join_subjects=join_subjects or any(SUBJECT in control.targets for control in controls)
    )


class _Collector:
    """Takes in what there is to judge: into the index, and to the rules that can run on it at once."""

    def __init__(
        self, index: Index, book: Rulebook, desk: _Batcher, focus: Callable[[Resource], bool] | None, *, pack: bool
    ) -> None:
        self.entries: list[_Entry] = []
        self.others: list[Resource] = []
        """Resources out of focus, for judges to know of."""
        self._index = index
        self._book = book
        self._desk = desk
        self._focus = focus
        self._written = Written()
        self._pack = pack

    def resource(self, resource: Resource, *, judged: bool) -> None:
        """Take in one resource; with `judged`, keep it for judges even if no control of the library applies."""
        pair = Pair.of(resource)
        self._written.add(pair)
        self._index.add(pair.judged)
        if self._focus is None or self._focus(resource):
            self._take(pair, always=judged)
        elif judged:
            self.others.append(resource)

    def subjects(self, *, judged: bool) -> None:
        """Take in the RBAC subjects of all resources so far, joined with their bindings and roles."""
        for subject in self._index.subjects():
            pair = self._written.joined(subject)
            if self._focus is None or any(map(self._focus, pair.resource.related)):
                self._take(pair, always=judged)

    def _take(self, pair: Pair, *, always: bool) -> None:
        problem, workload = "", None
        try:
            workload = build_pod_view(pair.judged)
        except MalformedWorkloadError as error:
            problem = str(error)
        rule_plan = self._book.rule_plan(pair.judged, has_pod=workload is not None or bool(problem))
        if not rule_plan.controls and not always:
            return
        # Large objects of which no rule wants to see all are many.
        text = _encode(pair.judged.object) if self._pack or rule_plan.groups[Stage.OBJECT] else b""
        derived = _encode(workload) if workload is not None else b""
        entry = _Entry(pair.packed(text, derived) if self._pack else pair, rule_plan, problem)
        self.entries.append(entry)
        if not problem:
            self._desk.send(local_document(derived), rule_plan.groups[Stage.LOCAL], entry.outcome, remember=True)
            self._desk.send(document(text, derived), rule_plan.groups[Stage.OBJECT], entry.outcome)


def document(text: bytes, workload: bytes) -> bytes:
    """What rules get of a resource and its workload view, both as JSON; the view is empty where there is none."""
    return b'{"object":%b,"workload":%b}' % (text, workload) if workload else b'{"object":%b}' % text


def document_of(resource: Resource) -> bytes:
    """The document of a resource; its view is made anew."""
    workload = build_pod_view(resource.unpacked())
    return document(text_of(resource), b"" if workload is None else _encode(workload))


def text_of(resource: Resource) -> bytes:
    """The object of a resource as JSON."""
    content = resource.content
    return content.text if isinstance(content, PackedObject) else _encode(content)


def local_document(workload: bytes) -> bytes:
    """What rules get that look at nothing but the workload view."""
    return b'{"workload":%b}' % workload


class _Entry:
    """A resource on its way: what applies to it and what the rules have said so far."""

    __slots__ = ("outcome", "pair", "problem", "resource", "rule_plan")

    def __init__(self, pair: Pair, rule_plan: RulePlan, problem: str) -> None:
        self.pair = pair
        self.resource = pair.resource
        self.rule_plan = rule_plan
        self.problem = problem
        self.outcome: dict[str, Any] = {}

    def relate(self, desk: _Batcher) -> None:
        groups = self.rule_plan.groups[Stage.RELATED]
        if groups and not self.problem:
            desk.send(self._document(), groups, self.outcome)

    def _document(self) -> bytes:
        judged = self.pair.judged
        return document(*judged.content.texts) if isinstance(judged.content, PackedObject) else document_of(judged)

    def result(self, around: EvaluationContext, alike: dict[bytes, dict[str, Verdict]]) -> ResourceResult:
        """The verdicts; those of others that are `alike` are the same."""
        found = verdicts_of(self.resource, self.rule_plan, self.outcome, around, self.problem)
        key = array("Q", (id(self.rule_plan), *map(id, found.values()))).tobytes()
        return ResourceResult(self.resource, alike.setdefault(key, found))


class _PendingResults:
    """Who gets the outcome of one document, and the outcome once it is there: equal documents may come later."""

    __slots__ = ("entries", "outcome")

    def __init__(self, first: dict[str, Any]) -> None:
        self.entries = [first]
        self.outcome: Outcome | None = None

    def add(self, into: dict[str, Any]) -> None:
        if self.outcome is None:
            self.entries.append(into)
        else:
            into.update(self.outcome)


class _Batcher:
    """Gathers documents into batches; the next is being filled while others are evaluated or wait for that."""

    def __init__(self, policies: PolicySet, pool: ThreadPoolExecutor) -> None:
        self._policies = policies
        self._pool = pool
        self._documents: list[tuple[bytes, tuple[int, ...]]] = []
        self._waiting: list[_PendingResults] = []
        self._running: deque[tuple[Future[list[Outcome]], list[_PendingResults]]] = deque()
        self._known: dict[tuple[bytes, tuple[int, ...]], _PendingResults] = {}
        self.sent = self.answered = 0
        """How many documents came to be evaluated, and of how many of them the outcome has been handed out."""

    def send(self, text: bytes, groups: tuple[int, ...], into: dict[str, Any], *, remember: bool = False) -> None:
        """Evaluate `groups` on a document and put what they say into `into`, now or when the batch is full.

        With `remember`, an equal document is evaluated only once.
        """
        if not groups:
            return
        takers = _PendingResults(into)
        if remember:
            digest = hashlib.blake2b(text, digest_size=16).digest()
            first = self._known.setdefault((digest, groups), takers)
            if first is not takers:
                first.add(into)
                return
        self.sent += 1
        self._documents.append((text, groups))
        self._waiting.append(takers)
        if len(self._documents) >= _BATCH:
            self._start()

    def finish(self) -> None:
        """Evaluate what is left and hand out every outcome."""
        self._start()
        while self._running:
            self._collect()

    def _start(self) -> None:
        documents, waiting = self._documents, self._waiting
        self._documents, self._waiting = [], []
        if documents:
            self._running.append((self._pool.submit(self._policies.evaluate, documents), waiting))
        while len(self._running) > _AHEAD or (self._running and self._running[0][0].done()):
            self._collect()

    def _collect(self) -> None:
        future, waiting = self._running.popleft()
        self.answered += len(waiting)
        for takers, outcome in zip(waiting, future.result(), strict=True):
            takers.outcome = outcome
            for into in takers.entries:
                into.update(outcome)
