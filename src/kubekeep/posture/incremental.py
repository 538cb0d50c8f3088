"""Incremental evaluation: after a change, only the verdicts that the change can affect are evaluated again.

Rules that read one object run again after that object changes; rules that relate objects run again after an index
slice they read changes. The verdicts always equal those of `evaluate` over all resources. Never computes scores.

Rules:

1. A resource that is put starts again: its rules of the stages OBJECT and RELATED run. Only outcomes of the stage LOCAL
   are kept, if its workload view and plan are unchanged.
2. For other resources only rules of the stage RELATED run, if the scope that the control declares (`within`) contains
   a changed slice of a related kind:
   - `own`: the slice is of the namespace of the resource;
   - `named`: the same, and the text of the resource contains a name that has changed;
   - `mentioned`: as `own`, or the text of the resource contains the namespace of the slice;
   - `kube-system`: the slice is of that namespace;
   - no scope, or a user-supplied control: always, because no test verifies the scope of such a control.
   Slices without a namespace are read in all namespaces; `named` compares names there too.
3. Names are searched in the bytes of the object. This can run a rule needlessly, but never misses a reference.
4. All RELATED rules run again if the detected platform changes, because each of them can read it.
5. Changed coverage gaps build all verdicts again from the stored outcomes. They run rules only through slices: gaps of
   RBAC change those of grants.
6. Resources outside of `in_scope` have no verdicts, but they are in the index that rules read.
7. An RBAC subject is joined from bindings and roles. It is a resource with a key of its own, evaluated again if the
   joined object changes.

Example, with the control `ingress-egress-blocked`, whose scope of NetworkPolicy is `own`:

    put Deployments shop/web and bank/web; update() -> both failed, 2 documents evaluated
    put a NetworkPolicy in shop that selects all pods and blocks both directions; update():
        the changed slices are of the namespace shop -> 1 document evaluated, shop/web: failed -> passed
    put the same NetworkPolicy again; update():
        its contribution to the slices is equal -> no slice changes, 0 documents evaluated
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from kubekeep.engine.policy_set import Compile, Outcome
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.control import Control, Provider
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Verdict
from kubekeep.posture.coverage_gaps import AffectedControls, find_affected_controls
from kubekeep.posture.evaluate import (
    BATCH,
    Evaluator,
    build_document,
    build_local_document,
    encode_document,
    encode_object,
)
from kubekeep.posture.index_slices import IndexSlices, SliceChange, SliceQuery, find_home_namespace
from kubekeep.posture.roles import RoleCoverage
from kubekeep.posture.rule_scope import is_scope_verified
from kubekeep.posture.rulebook import RulePlan, Stage
from kubekeep.posture.select import Selection
from kubekeep.posture.verdicts import build_verdicts

_CONTROL_PLANE: Final = "kube-system"
_encode: Final = msgspec.json.Encoder().encode

Change = tuple[SubjectResult | None, SubjectResult | None]
"""The results of a resource before and after a change; None where the resource does not exist."""


class _EvaluatedResource:
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
        self.result: SubjectResult | None = None
        self.stale: AbstractSet[str] = frozenset()
        """Names of the rules with a new outcome since `result`."""
        self.namespaces: tuple[str, ...] | None = None
        """Namespaces with slices that the text of the object mentions; None if not yet searched."""

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
        text = encode_object(self.resource)
        return any(name in text for name in names)

    def find_mentioned_namespaces(self, namespaces: Mapping[str, bytes]) -> tuple[str, ...]:
        """Return the keys of `namespaces` that the text of the object contains; cached for one set of namespaces."""
        if self.namespaces is None:
            text = encode_object(self.resource)
            self.namespaces = tuple(name for name, encoded in namespaces.items() if encoded in text)
        return self.namespaces


_RelatedQuery = tuple[str, _EvaluatedResource, tuple[int, ...]]
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
            raise ValueError("rules that evaluate all objects together cannot be evaluated incrementally")
        self._evaluator = Evaluator(selection, compile_rules, kubernetes_minor=kubernetes_minor, separate_related=True)
        self._selection = selection
        self._in_scope = in_scope
        rulebook = self._evaluator.rulebook
        self._names = [frozenset(query.name for query in group) for group in rulebook.groups]
        self._scopes = [_RuleScope(controls) for controls in rulebook.controls_by_group]
        self._slices = IndexSlices(
            self._evaluator.kinds,
            join_subjects=self._evaluator.joins_subjects,
            roles=RoleCoverage(selection.is_whole_cluster),
        )
        self._entries: dict[str, _EvaluatedResource] = {}
        self._by_namespace: dict[str, dict[str, _EvaluatedResource]] = {}
        self._namespaces: dict[str, bytes] = {}
        """Namespaces with slices, and their names as bytes."""
        self._joined: dict[str, bytes] = {}
        """Digests of the joined subjects, by key."""
        self._changed: dict[str, Resource | None] = {}
        self._provider: Provider | None = selection.provider
        self.affected: AffectedControls = find_affected_controls((), selection, self._provider)
        """Controls affected by coverage gaps at the last `update`."""
        self._context = self._evaluator.build_context(self.affected, self._provider)

    def put(self, key: str, resource: Resource) -> None:
        """Add `resource` under `key`, or replace the resource there; takes effect at `update`."""
        self._changed[key] = resource.pack()

    def remove(self, key: str) -> None:
        """Remove the resource under `key`; takes effect at `update`."""
        self._changed[key] = None

    @property
    def results(self) -> dict[str, SubjectResult]:
        """The verdicts on all resources by key, as of the last `update`. RBAC subjects have keys of their own."""
        return {key: entry.result for key, entry in self._entries.items() if entry.result is not None}

    @property
    def provider(self) -> Provider | None:
        """The managed platform; None if unknown."""
        return self._provider

    def update(self, gaps: Sequence[CoverageGap] = ()) -> dict[str, Change]:
        """Evaluate all changes, with the present coverage `gaps`, and return the resources with new verdicts.

        A resource that was put again is included even if its verdicts are equal.
        """
        before: dict[str, SubjectResult | None] = {}
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
        # Slices before rules: `has_new_subjects` and the provider are known only after this.
        changes = self._slices.update(gaps)
        if self._slices.has_new_subjects:
            self._join_subjects(before, queries)
        self._run(queries)
        provider, self._provider = self._provider, self._selection.provider or self._slices.provider
        self._run_related(before, changes, everything=provider != self._provider)
        self.affected = find_affected_controls(gaps, self._selection, self._provider)
        context = self._evaluator.build_context(self.affected, self._provider)
        if context != self._context:
            self._context = context
            for entry in self._entries.values():
                entry.stale = {control.rule_name for control in entry.plan.controls}
            before = {key: before.get(key, entry.result) for key, entry in self._entries.items()} | before
        return dict(self._update_results(before))

    def _add(
        self, key: str, resource: Resource, before: dict[str, SubjectResult | None], queries: list[_Query]
    ) -> None:
        """Add `resource` under `key` and queue the queries it needs."""
        plan, workload, problem = self._evaluator.prepare(resource.unpack())
        previous = self._entries.get(key)
        before.setdefault(key, previous.result if previous else None)
        self._remove_entry(key)
        if not plan.controls:
            return
        entry = self._entries[key] = _EvaluatedResource(resource, plan, problem)
        self._by_namespace.setdefault(entry.home, {})[key] = entry
        if problem:
            return
        if groups := plan.groups[Stage.LOCAL]:
            text = build_local_document(workload)
            # Most changes in a cluster, such as a new `resourceVersion`, leave the view equal.
            entry.digest = hashlib.blake2b(text, digest_size=16).digest()
            if previous is not None and previous.digest == entry.digest and previous.plan is plan:
                entry.local = previous.local
            else:
                queries.append(_Query(text, groups, entry.set_local))
        if groups := plan.groups[Stage.OBJECT]:
            queries.append(_Query(build_document(encode_object(resource), workload), groups, entry.set_object))

    def _drop(self, key: str, before: dict[str, SubjectResult | None]) -> None:
        entry = self._remove_entry(key)
        if entry is not None:
            before.setdefault(key, entry.result)

    def _remove_entry(self, key: str) -> _EvaluatedResource | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entries = self._by_namespace[entry.home]
            del entries[key]
            if not entries:
                del self._by_namespace[entry.home]
        return entry

    def _join_subjects(self, before: dict[str, SubjectResult | None], queries: list[_Query]) -> None:
        """Add the new and changed RBAC subjects, and drop the deleted ones."""
        digests: dict[str, bytes] = {}
        for subject in self._slices.subjects:
            related = [resource.id for resource in subject.related]
            name = " ".join([*related, subject.kind, subject.namespace, subject.name])
            key, number = f"subject {name}", 0
            while key in digests:
                number += 1
                key = f"subject {name} {number}"
            missing = [part.missing for part in subject.related]
            digests[key] = hashlib.blake2b(_encode([subject.object, missing]), digest_size=16).digest()
            if self._joined.get(key) != digests[key]:
                if self._in_scope is None or any(map(self._in_scope, subject.related)):
                    self._add(key, subject, before, queries)
                else:
                    self._drop(key, before)
        for key in self._joined.keys() - digests.keys():
            self._drop(key, before)
        self._joined = digests

    def _run_related(
        self, before: dict[str, SubjectResult | None], changes: Sequence[SliceChange], *, everything: bool
    ) -> None:
        """Run the rules that relate objects wherever `changes` may alter their outcome."""
        queries = self._list_related_queries(before, changes, everything=everything)
        # `_query_slices` needs the namespaces of this update, not those of the previous one.
        self._update_namespaces()
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            documents = [(encode_document(entry.resource), groups) for _, entry, groups in batch]
            policies = self._evaluator.build_related_policies(
                self._slices.build(self._query_slices(batch)), self._provider
            )
            for (key, entry, groups), outcome in zip(batch, policies.evaluate(documents), strict=True):
                names = frozenset[str]().union(*(self._names[number] for number in groups))
                if entry.set_related(names, outcome):
                    before.setdefault(key, entry.result)

    def _list_related_queries(
        self, before: Mapping[str, SubjectResult | None], changes: Sequence[SliceChange], *, everything: bool
    ) -> list[_RelatedQuery]:
        """Return the rules to run again by resource, those of a namespace together."""
        reaches = {number: scope.find_reach(changes) for number, scope in enumerate(self._scopes)} if changes else {}
        affected_groups = _build_group_filter(reaches)
        queries: list[_RelatedQuery] = []
        for key, entry in self._list_reached(before, reaches.values(), everything=everything):
            if entry.problem:
                continue
            # An entry that was just added has no result yet.
            is_new = key in before and entry.result is None
            groups = entry.plan.groups[Stage.RELATED] if everything or is_new else affected_groups(entry)
            if groups:
                queries.append((key, entry, groups))
        # A batch gets the slices of all its namespaces, so it should have few of them.
        return sorted(queries, key=lambda query: query[1].home)

    def _list_reached(
        self, before: Iterable[str], reaches: Iterable[_Reach], *, everything: bool
    ) -> Iterable[tuple[str, _EvaluatedResource]]:
        """Return the entries with rules that may have another outcome, and the entries just added."""
        namespaces = [reach.list_namespaces() for reach in reaches]
        if everything or None in namespaces:
            return self._entries.items()
        homes = sorted({home for names in namespaces for home in names or ()} & self._by_namespace.keys())
        near = (self._by_namespace[home].items() for home in homes)
        added = ((key, self._entries[key]) for key in before if key in self._entries)
        return {key: entry for entries in (*near, added) for key, entry in entries}.items()

    def _update_namespaces(self) -> None:
        """Clear the mentioned namespaces of all entries if the namespaces with slices have changed."""
        names = self._slices.namespaces
        if self._namespaces.keys() != {*names}:
            self._namespaces = {name: name.encode() for name in names}
            for entry in self._entries.values():
                entry.namespaces = None

    def _query_slices(self, batch: Sequence[_RelatedQuery]) -> SliceQuery:
        """Return the slices that the rules of a batch read."""
        whole: set[str] = set()
        near: set[str] = set()
        homes = {_CONTROL_PLANE, *(entry.home for _, entry, _ in batch)}
        scopes = {number: self._scopes[number] for number in {number for *_, groups in batch for number in groups}}
        for scope in scopes.values():
            if scope.cluster_wide is None:
                return SliceQuery(None, frozenset(), frozenset())
            whole |= scope.cluster_wide
            near |= scope.same_namespace | scope.control_plane | scope.mentioned | scope.named
        wide = {number for number, scope in scopes.items() if scope.mentioned}
        homes.update(
            *(
                entry.find_mentioned_namespaces(self._namespaces)
                for _, entry, groups in batch
                if not wide.isdisjoint(groups)
            )
        )
        return SliceQuery(whole, near, homes)

    def _update_results(self, before: Mapping[str, SubjectResult | None]) -> Iterator[tuple[str, Change]]:
        for key, previous in before.items():
            entry = self._entries.get(key)
            if entry is None:
                yield key, (previous, None)
                continue
            entry.result = SubjectResult(entry.resource, self._build_verdicts(entry))
            entry.stale = frozenset()
            yield key, (previous, entry.result)

    def _build_verdicts(self, entry: _EvaluatedResource) -> dict[str, Verdict]:
        """Build the verdicts on a resource; with a previous result, only the stale ones are computed."""
        outcome = {**entry.local, **entry.object, **entry.related}
        if entry.result is None:
            return build_verdicts(entry.resource, entry.plan, outcome, self._context, entry.problem)
        stale = tuple(control for control in entry.plan.controls if control.rule_name in entry.stale)
        fresh = build_verdicts(entry.resource, RulePlan(stale, {}), outcome, self._context, entry.problem)
        slugs = {control.slug for control in stale}
        unchanged = {slug: verdict for slug, verdict in entry.result.verdicts.items() if slug not in slugs}
        verdicts = unchanged | fresh
        return {control.slug: verdicts[control.slug] for control in entry.plan.controls if control.slug in verdicts}

    def _run(self, queries: Sequence[_Query]) -> None:
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            outcomes = self._evaluator.policies.evaluate([(query.document, query.groups) for query in batch])
            for query, outcome in zip(batch, outcomes, strict=True):
                query.deliver(outcome)


def _build_group_filter(reaches: Mapping[int, _Reach]) -> Callable[[_EvaluatedResource], tuple[int, ...]]:
    """Build a function that returns the groups with an outcome for an entry that the changes may alter.

    `reaches` holds the reach of the changes by group.
    """
    cache: dict[tuple[int, str], tuple[tuple[int, ...], dict[frozenset[bytes], list[int]]]] = {}

    def affected(entry: _EvaluatedResource) -> tuple[int, ...]:
        key = (id(entry.plan), entry.home)
        if key not in cache:
            related = {number: reaches[number] for number in entry.plan.groups[Stage.RELATED] if number in reaches}
            certain = tuple(number for number, reach in related.items() if reach.includes(entry.home))
            by_names: dict[frozenset[bytes], list[int]] = {}
            for number, reach in related.items():
                if number not in certain and (names := reach.find_names(entry.home)):
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
        self.cluster_wide: AbstractSet[str] | None = {kind for kind, scope in scopes if not scope}
        self.same_namespace = {kind for kind, scope in scopes if scope == "own"}
        self.control_plane = {kind for kind, scope in scopes if scope == _CONTROL_PLANE}
        self.mentioned = {kind for kind, scope in scopes if scope == "mentioned"}
        self.named = {kind for kind, scope in scopes if scope == "named"}
        if not all(map(is_scope_verified, controls)):
            # A wrong declaration would leave stale verdicts, and nothing would show it.
            self.cluster_wide = None

    def find_reach(self, changes: Iterable[SliceChange]) -> _Reach:
        """Return the objects for which these rules read a changed slice."""
        reach = _Reach()
        for change in changes:
            if self.cluster_wide is None or not change.kinds.isdisjoint(self.cluster_wide):
                reach.has_all = True
                break
            reads_namespace = not change.kinds.isdisjoint(self.same_namespace | self.mentioned)
            reads_control_plane = not change.kinds.isdisjoint(self.control_plane)
            if not change.kinds.isdisjoint(self.named):
                reads_namespace |= change.names is None
                reach.names_by_namespace.setdefault(change.home, set()).update(change.names or ())
            if (change.home is None and (reads_namespace or reads_control_plane)) or (
                reads_control_plane and change.home == _CONTROL_PLANE
            ):
                reach.has_all = True
                break
            if reads_namespace and change.home is not None:
                reach.whole_namespaces.add(change.home)
                if not change.kinds.isdisjoint(self.mentioned):
                    reach.names_anywhere.add(change.home)
        return reach


class _Reach:
    """A set of objects, described by their namespace and by names in their text."""

    __slots__ = ("has_all", "names_anywhere", "names_by_namespace", "whole_namespaces")

    def __init__(self) -> None:
        self.has_all = False
        self.whole_namespaces: set[str] = set()
        """Namespaces included as a whole."""
        self.names_anywhere: set[str] = set()
        """Names that include an object of any namespace if it mentions one of them."""
        self.names_by_namespace: dict[str | None, set[str]] = {}
        """Names that include an object of a namespace (None: any) if it mentions one of them."""

    def includes(self, home: str) -> bool:
        """Return True if all objects in the namespace `home` are included."""
        return self.has_all or home in self.whole_namespaces

    def find_names(self, home: str) -> frozenset[bytes]:
        """Return the names that include an object of the namespace `home` if it mentions one."""
        names = self.names_anywhere.union(*(self.names_by_namespace.get(namespace, ()) for namespace in (home, None)))
        return frozenset(name.encode() for name in names)

    def list_namespaces(self) -> AbstractSet[str] | None:
        """Return the namespaces of the included objects; None for all."""
        if self.has_all or self.names_anywhere or self.names_by_namespace.get(None):
            return None
        return self.whole_namespaces | {
            namespace for namespace, names in self.names_by_namespace.items() if namespace and names
        }
