"""An assessment kept current: after each change, only what the change can affect is evaluated again.

Rules that read one object run again after that object changes; rules that relate objects run again after an index
slice they read changes. The verdicts always equal those of `evaluate` over all resources. Never sums up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from kubekeep.engine.policy_set import Compile, Outcome
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Control, Provider
from kubekeep.model.finding import Verdict
from kubekeep.model.resource import Resource
from kubekeep.posture.coverage_gaps import AffectedControls, affected_controls
from kubekeep.posture.evaluate import BATCH, Evaluator, document, document_of, local_document, text_of
from kubekeep.posture.index_slices import IndexSlices, SliceChange, SliceQuery, find_home_namespace
from kubekeep.posture.rule_scope import is_scope_verified
from kubekeep.posture.rulebook import RulePlan, Stage
from kubekeep.posture.select import Selection
from kubekeep.posture.verdicts import verdicts_of

_CONTROL_PLANE: Final = "kube-system"
_encode: Final = msgspec.json.Encoder().encode

Change = tuple[ResourceResult | None, ResourceResult | None]
"""The results of a resource before and after; None where the resource does not exist."""


class _Evaluated:
    """A resource with verdicts, and the outcomes of the rules by stage."""

    __slots__ = (
        *("digest", "home", "local", "namespaces", "object", "plan", "problem", "related", "resource", "result"),
        "stale",
    )

    def __init__(self, resource: Resource, plan: RulePlan, problem: str) -> None:
        self.resource = resource
        self.home = find_home_namespace(resource)
        self.plan = plan
        self.problem = problem
        self.digest = b""
        """Digest of the document that produced `local`."""
        self.local: Outcome = {}
        self.object: Outcome = {}
        self.related: Outcome = {}
        self.result: ResourceResult | None = None
        self.stale: AbstractSet[str] = frozenset()
        """Names of the rules with a new outcome since `result`."""
        self.namespaces: tuple[str, ...] | None = None
        """Namespaces with slices that the text of the object names; None if not yet searched."""

    def set_related(self, names: AbstractSet[str], outcome: Outcome) -> bool:
        """Store the outcome of the rules called `names`; return True if it differs from the previous one."""
        changed = {name for name in names if self.related.get(name) != outcome.get(name)}
        if changed:
            self.related = {**{name: value for name, value in self.related.items() if name not in names}, **outcome}
            self.stale |= changed
        return bool(changed)

    def set_local(self, outcome: Outcome) -> None:
        self.local = outcome

    def set_object(self, outcome: Outcome) -> None:
        self.object = outcome

    def mentions(self, names: Iterable[bytes]) -> bool:
        """Return True if the text of the object contains one of `names`."""
        text = text_of(self.resource)
        return any(name in text for name in names)

    def mentioned_namespaces(self, namespaces: Mapping[str, bytes]) -> tuple[str, ...]:
        """Return the keys of `namespaces` that the text of the object contains; cached for one set of namespaces."""
        if self.namespaces is None:
            text = text_of(self.resource)
            self.namespaces = tuple(name for name, encoded in namespaces.items() if encoded in text)
        return self.namespaces


_RelatedQuery = tuple[str, _Evaluated, tuple[int, ...]]
"""A resource by its key, and the groups of rules that relate it to others."""


class _Query(msgspec.Struct, frozen=True):
    """Groups to evaluate on a document, and the receiver of the outcome."""

    document: bytes
    groups: tuple[int, ...]
    deliver: Callable[[Outcome], None]


class IncrementalEvaluator:
    """Verdicts on resources that appear, change and disappear, each identified by a key."""

    def __init__(
        self,
        selection: Selection,
        compile_rules: Compile,
        *,
        kubernetes_minor: int,
        in_scope: Callable[[Resource], bool] | None = None,
    ) -> None:
        """Evaluate the library's controls of `selection`; with `in_scope`, only on resources it accepts.

        Raises ValueError for a selection with third-party rules, which need all resources at once, and for a rule that
        does not compile.
        """
        if selection.evaluators:
            raise ValueError("rules that get all objects at once cannot be kept current")
        self._evaluator = Evaluator(selection, compile_rules, kubernetes_minor=kubernetes_minor, separate_related=True)
        self._selection = selection
        self._in_scope = in_scope
        rulebook = self._evaluator.rulebook
        self._names = [frozenset(query.name for query in group) for group in rulebook.groups]
        self._scopes = [_RuleScope(controls) for controls in rulebook.controls_by_group]
        self._slices = IndexSlices(self._evaluator.kinds, join_subjects=self._evaluator.joins_subjects)
        self._evaluated: dict[str, _Evaluated] = {}
        self._by_namespace: dict[str, dict[str, _Evaluated]] = {}
        self._namespaces: dict[str, bytes] = {}
        """Namespaces with slices, and their names as bytes."""
        self._joined: dict[str, bytes] = {}
        """Digests of the joined subjects, by key."""
        self._changed: dict[str, Resource | None] = {}
        self._provider: Provider | None = selection.provider
        self.affected: AffectedControls = affected_controls((), selection, self._provider)
        """Controls affected by coverage gaps at the last `settle`."""
        self._context = self._evaluator.context(self.affected, self._provider)

    def put(self, key: str, resource: Resource) -> None:
        """Add `resource` under `key`, or replace the resource there; takes effect at `settle`."""
        self._changed[key] = resource.packed()

    def remove(self, key: str) -> None:
        """Remove the resource under `key`; takes effect at `settle`."""
        self._changed[key] = None

    @property
    def results(self) -> dict[str, ResourceResult]:
        """The verdicts on all resources by key, as of the last `settle`. RBAC subjects have keys of their own."""
        return {key: entry.result for key, entry in self._evaluated.items() if entry.result is not None}

    @property
    def provider(self) -> Provider | None:
        """The managed platform; None if unknown."""
        return self._provider

    def settle(self, gaps: Sequence[CoverageGap] = ()) -> dict[str, Change]:
        """Evaluate all changes, with the present coverage `gaps`, and return the resources with new verdicts."""
        before: dict[str, ResourceResult | None] = {}
        queries: list[_Query] = []
        for key, resource in self._changed.items():
            if resource is None:
                self._slices.remove(key)
            else:
                self._slices.put(key, resource)
            if resource is not None and (self._in_scope is None or self._in_scope(resource)):
                self._add(key, resource, before, queries)
            else:
                self._drop(key, before)
        self._changed.clear()
        changes = self._slices.settle()
        if self._slices.has_new_subjects:
            self._join_subjects(before, queries)
        self._run(queries)
        provider, self._provider = self._provider, self._selection.provider or self._slices.provider
        self._run_related(before, changes, everything=provider != self._provider)
        self.affected = affected_controls(gaps, self._selection, self._provider)
        context = self._evaluator.context(self.affected, self._provider)
        if context != self._context:
            self._context = context
            for entry in self._evaluated.values():
                entry.stale = {control.rule_name for control in entry.plan.controls}
            before = {key: before.get(key, entry.result) for key, entry in self._evaluated.items()} | before
        return dict(self._update_results(before))

    def _add(
        self, key: str, resource: Resource, before: dict[str, ResourceResult | None], queries: list[_Query]
    ) -> None:
        """Add `resource` under `key` and queue the queries it needs."""
        plan, workload, problem = self._evaluator.prepare(resource.unpacked())
        previous = self._evaluated.get(key)
        before.setdefault(key, previous.result if previous else None)
        self._remove_entry(key)
        if not plan.controls:
            return
        entry = self._evaluated[key] = _Evaluated(resource, plan, problem)
        self._by_namespace.setdefault(entry.home, {})[key] = entry
        if problem:
            return
        if groups := plan.groups[Stage.LOCAL]:
            text = local_document(workload)
            entry.digest = hashlib.blake2b(text, digest_size=16).digest()
            if previous is not None and previous.digest == entry.digest and previous.plan is plan:
                entry.local = previous.local
            else:
                queries.append(_Query(text, groups, entry.set_local))
        if groups := plan.groups[Stage.OBJECT]:
            queries.append(_Query(document(text_of(resource), workload), groups, entry.set_object))

    def _drop(self, key: str, before: dict[str, ResourceResult | None]) -> None:
        entry = self._remove_entry(key)
        if entry is not None:
            before.setdefault(key, entry.result)

    def _remove_entry(self, key: str) -> _Evaluated | None:
        entry = self._evaluated.pop(key, None)
        if entry is not None:
            entries = self._by_namespace[entry.home]
            del entries[key]
            if not entries:
                del self._by_namespace[entry.home]
        return entry

    def _join_subjects(self, before: dict[str, ResourceResult | None], queries: list[_Query]) -> None:
        """Add the RBAC subjects as they are joined now, and drop those that are gone."""
        digests: dict[str, bytes] = {}
        for subject in self._slices.subjects:
            related = [resource.id for resource in subject.related]
            name = " ".join([*related, subject.kind, subject.namespace, subject.name])
            key, number = f"subject {name}", 0
            while key in digests:
                number += 1
                key = f"subject {name} {number}"
            digests[key] = hashlib.blake2b(_encode(subject.object), digest_size=16).digest()
            if self._joined.get(key) != digests[key]:
                if self._in_scope is None or any(map(self._in_scope, subject.related)):
                    self._add(key, subject, before, queries)
                else:
                    self._drop(key, before)
        for key in self._joined.keys() - digests.keys():
            self._drop(key, before)
        self._joined = digests

    def _run_related(
        self, before: dict[str, ResourceResult | None], changes: Sequence[SliceChange], *, everything: bool
    ) -> None:
        """Run the rules that relate objects wherever `changes` may alter their outcome."""
        queries = self._related_queries(before, changes, everything=everything)
        self._update_namespaces()
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            documents = [(document_of(entry.resource), groups) for _, entry, groups in batch]
            policies = self._evaluator.related_policies(self._slices.build(self._needed_slices(batch)), self._provider)
            for (key, entry, groups), outcome in zip(batch, policies.evaluate(documents), strict=True):
                names = frozenset[str]().union(*(self._names[number] for number in groups))
                if entry.set_related(names, outcome):
                    before.setdefault(key, entry.result)

    def _related_queries(
        self, before: Mapping[str, ResourceResult | None], changes: Sequence[SliceChange], *, everything: bool
    ) -> list[_RelatedQuery]:
        """Return the rules to run again by resource, those of a namespace together."""
        reaches = {number: scope.reach(changes) for number, scope in enumerate(self._scopes)} if changes else {}
        affected_groups = _affected_groups(reaches)
        queries: list[_RelatedQuery] = []
        for key, entry in self._reached(before, reaches.values(), everything=everything):
            if entry.problem:
                continue
            # An entry that was just added has no result yet.
            is_new = key in before and entry.result is None
            groups = entry.plan.groups[Stage.RELATED] if everything or is_new else affected_groups(entry)
            if groups:
                queries.append((key, entry, groups))
        return sorted(queries, key=lambda query: query[1].home)

    def _reached(
        self, before: Iterable[str], reaches: Iterable[_Reach], *, everything: bool
    ) -> Iterable[tuple[str, _Evaluated]]:
        """Return the entries whose rules may have another outcome, and those just added."""
        namespaces = [reach.namespaces() for reach in reaches]
        if everything or None in namespaces:
            return self._evaluated.items()
        homes = sorted({home for names in namespaces for home in names or ()} & self._by_namespace.keys())
        near = (self._by_namespace[home].items() for home in homes)
        added = ((key, self._evaluated[key]) for key in before if key in self._evaluated)
        return {key: entry for entries in (*near, added) for key, entry in entries}.items()

    def _update_namespaces(self) -> None:
        """Forget the mentioned namespaces of all entries if other namespaces have slices now."""
        names = self._slices.homes
        if self._namespaces.keys() != {*names}:
            self._namespaces = {name: name.encode() for name in names}
            for entry in self._evaluated.values():
                entry.namespaces = None

    def _needed_slices(self, batch: Sequence[_RelatedQuery]) -> SliceQuery:
        """Return the slices that the rules of a batch read."""
        whole: set[str] = set()
        near: set[str] = set()
        homes = {_CONTROL_PLANE, *(entry.home for _, entry, _ in batch)}
        scopes = {number: self._scopes[number] for number in {number for *_, groups in batch for number in groups}}
        for scope in scopes.values():
            if scope.whole is None:
                return SliceQuery(None, frozenset(), frozenset())
            whole |= scope.whole
            near |= scope.own | scope.control_plane | scope.mentioned | scope.named
        wide = {number for number, scope in scopes.items() if scope.mentioned}
        homes.update(
            *(entry.mentioned_namespaces(self._namespaces) for _, entry, groups in batch if not wide.isdisjoint(groups))
        )
        return SliceQuery(whole, near, homes)

    def _update_results(self, before: Mapping[str, ResourceResult | None]) -> Iterator[tuple[str, Change]]:
        for key, previous in before.items():
            entry = self._evaluated.get(key)
            if entry is None:
                yield key, (previous, None)
                continue
            entry.result = ResourceResult(entry.resource, self._verdicts(entry))
            entry.stale = frozenset()
            yield key, (previous, entry.result)

    def _verdicts(self, entry: _Evaluated) -> dict[str, Verdict]:
        """Return the verdicts on a resource, computing only stale ones if there is a result already."""
        outcome = {**entry.local, **entry.object, **entry.related}
        if entry.result is None:
            return verdicts_of(entry.resource, entry.plan, outcome, self._context, entry.problem)
        stale = tuple(control for control in entry.plan.controls if control.rule_name in entry.stale)
        fresh = verdicts_of(entry.resource, RulePlan(stale, {}), outcome, self._context, entry.problem)
        slugs = {control.slug for control in stale}
        kept = {slug: verdict for slug, verdict in entry.result.verdicts.items() if slug not in slugs}
        verdicts = kept | fresh
        return {control.slug: verdicts[control.slug] for control in entry.plan.controls if control.slug in verdicts}

    def _run(self, queries: Sequence[_Query]) -> None:
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            outcomes = self._evaluator.policies.evaluate([(query.document, query.groups) for query in batch])
            for query, outcome in zip(batch, outcomes, strict=True):
                query.deliver(outcome)


def _affected_groups(reaches: Mapping[int, _Reach]) -> Callable[[_Evaluated], tuple[int, ...]]:
    """Return a function from an entry to the groups whose outcome the changes may alter, given the reach of each."""
    cache: dict[tuple[int, str], tuple[tuple[int, ...], dict[frozenset[bytes], list[int]]]] = {}

    def affected(entry: _Evaluated) -> tuple[int, ...]:
        key = (id(entry.plan), entry.home)
        if key not in cache:
            related = {number: reaches[number] for number in entry.plan.groups[Stage.RELATED] if number in reaches}
            certain = tuple(number for number, reach in related.items() if reach.includes(entry.home))
            by_names: dict[frozenset[bytes], list[int]] = {}
            for number, reach in related.items():
                if number not in certain and (names := reach.names(entry.home)):
                    by_names.setdefault(names, []).append(number)
            cache[key] = certain, by_names
        certain, by_names = cache[key]
        mentioned = (number for names, numbers in by_names.items() if entry.mentions(names) for number in numbers)
        return (*certain, *mentioned)

    return affected


class _RuleScope:
    """The kinds that the rules of a group read, cluster-wide (None for all kinds) or in some namespaces."""

    def __init__(self, controls: Iterable[Control]) -> None:
        scopes = [(kind, control.within.get(kind, "")) for control in controls for kind in control.relates]
        self.whole: AbstractSet[str] | None = {kind for kind, scope in scopes if not scope}
        self.own = {kind for kind, scope in scopes if scope == "own"}
        self.control_plane = {kind for kind, scope in scopes if scope == _CONTROL_PLANE}
        self.mentioned = {kind for kind, scope in scopes if scope == "mentioned"}
        self.named = {kind for kind, scope in scopes if scope == "named"}
        if not all(map(is_scope_verified, controls)):
            self.whole = None

    def reach(self, changes: Iterable[SliceChange]) -> _Reach:
        """Return the objects for which these rules read a changed slice."""
        reach = _Reach()
        for change in changes:
            if self.whole is None or not change.kinds.isdisjoint(self.whole):
                reach.everywhere = True
                break
            beside = not change.kinds.isdisjoint(self.own | self.mentioned)
            central = not change.kinds.isdisjoint(self.control_plane)
            if not change.kinds.isdisjoint(self.named):
                beside |= change.names is None
                reach.looking_up.setdefault(change.home, set()).update(change.names or ())
            if (change.home is None and (beside or central)) or (central and change.home == _CONTROL_PLANE):
                reach.everywhere = True
                break
            if beside and change.home is not None:
                reach.homes.add(change.home)
                if not change.kinds.isdisjoint(self.mentioned):
                    reach.naming.add(change.home)
        return reach


class _Reach:
    """A set of objects, described by their namespace and by names in their text."""

    __slots__ = ("everywhere", "homes", "looking_up", "naming")

    def __init__(self) -> None:
        self.everywhere = False
        self.homes: set[str] = set()
        """Namespaces included as a whole."""
        self.naming: set[str] = set()
        """Names; an object in any namespace is included if it mentions one."""
        self.looking_up: dict[str | None, set[str]] = {}
        """Names by namespace (None: all); an object there is included if it mentions one."""

    def includes(self, home: str) -> bool:
        """Return True if all objects in the namespace `home` are included."""
        return self.everywhere or home in self.homes

    def names(self, home: str) -> frozenset[bytes]:
        """Return the names that include an object of the namespace `home` if it mentions one."""
        names = self.naming.union(*(self.looking_up.get(place, ()) for place in (home, None)))
        return frozenset(name.encode() for name in names)

    def namespaces(self) -> AbstractSet[str] | None:
        """Return the namespaces of the included objects; None for all."""
        if self.everywhere or self.naming or self.looking_up.get(None):
            return None
        return self.homes | {place for place, names in self.looking_up.items() if place and names}
