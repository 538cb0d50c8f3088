"""An assessment that is kept current: after each change only what it can have changed is judged again.

Rules that look at one object run again when that object has changed, rules that relate objects when a slice of
what they look up has. The verdicts are always those of a run over everything that is there. Never sums up.
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
from kubekeep.model.control import SUBJECT, Control, Provider
from kubekeep.model.finding import Cause, Verdict
from kubekeep.model.resource import Resource
from kubekeep.model.workload import MalformedWorkloadError, build_pod_view
from kubekeep.posture.coverage_gaps import Unseen, unseen
from kubekeep.posture.evaluate import (
    document,
    document_of,
    elsewhere_of,
    evaluation_context,
    local_document,
    text_of,
)
from kubekeep.posture.index import kept_for
from kubekeep.posture.index_slices import Changed, Slices, Wanted, home_of
from kubekeep.posture.reach import is_declared
from kubekeep.posture.rulebook import Rulebook, RulePlan, Stage
from kubekeep.posture.select import Selection
from kubekeep.posture.verdicts import EvaluationContext, verdicts_of

_BATCH: Final = 256
"""Documents an evaluation."""
_CONTROL_PLANE: Final = "kube-system"
_encode: Final = msgspec.json.Encoder().encode

Change = tuple[ResourceResult | None, ResourceResult | None]
"""A resource before and after; None where it was not there or is not any more."""


class _Held:
    """A resource that is judged, with what the rules said of it, by stage."""

    __slots__ = (
        *("digest", "home", "local", "namespaces", "object", "problem", "related", "resource", "result", "rule_plan"),
        "stale",
    )

    def __init__(self, resource: Resource, rule_plan: RulePlan, problem: str) -> None:
        self.resource = resource
        self.home = home_of(resource)
        self.rule_plan = rule_plan
        self.problem = problem
        self.digest = b""
        """Of the document that `local` was said of."""
        self.local: Outcome = {}
        self.object: Outcome = {}
        self.related: Outcome = {}
        self.result: ResourceResult | None = None
        self.stale: AbstractSet[str] = frozenset()
        """The names of rules that have said something else since `result`."""
        self.namespaces: tuple[str, ...] | None = None
        """Those that have slices and that the text of the object names; None if that has not been looked at yet."""

    def take_related(self, names: AbstractSet[str], outcome: Outcome) -> bool:
        """Take what the rules called `names` say; gives whether that is something else than before."""
        changed = {name for name in names if self.related.get(name) != outcome.get(name)}
        if changed:
            self.related = {**{name: said for name, said in self.related.items() if name not in names}, **outcome}
            self.stale |= changed
        return bool(changed)

    def take_local(self, outcome: Outcome) -> None:
        self.local = outcome

    def take_object(self, outcome: Outcome) -> None:
        self.object = outcome

    def mentions(self, names: Iterable[bytes]) -> bool:
        """Whether the text of the object names one of them."""
        text = text_of(self.resource)
        return any(name in text for name in names)

    def naming(self, namespaces: Mapping[str, bytes]) -> tuple[str, ...]:
        """Those of `namespaces` that the text of the object names; they are always the same ones."""
        if self.namespaces is None:
            text = text_of(self.resource)
            self.namespaces = tuple(name for name, encoded in namespaces.items() if encoded in text)
        return self.namespaces


_Asked = tuple[str, _Held, tuple[int, ...]]
"""A resource by its key, and the groups of rules that relate it to others."""


class _Question(msgspec.Struct, frozen=True):
    """Groups to evaluate on a document, and who takes the outcome."""

    document: bytes
    groups: tuple[int, ...]
    take: Callable[[Outcome], None]


class IncrementalEvaluator:
    """Verdicts on resources that come, change and go, each known by a key."""

    def __init__(
        self,
        selection: Selection,
        compile_rules: Compile,
        *,
        kubernetes_minor: int,
        focus: Callable[[Resource], bool] | None = None,
    ) -> None:
        """Judge by the library's controls of `selection`; with `focus`, only what it takes, as a run does.

        Raises ValueError for a selection with judges, who want everything at once, and for a rule that does not compile.
        """
        if selection.judges:
            raise ValueError("rules that get all objects at once cannot be kept current")
        own = selection.own
        active = [control for control in own if control.slug not in selection.set_aside]
        told = {slug: reason for slug, reason in selection.set_aside.items() if reason.cause is Cause.CONFIGURATION}
        self._selection = selection
        self._active = active
        self._told = told
        self._focus = focus
        self._book = Rulebook(selection.library, active, [item for item in own if item.slug in told], apart=True)
        self._names = [frozenset(query.name for query in group) for group in self._book.groups]
        self._looks = {number: _Looks(controls) for number, controls in self._book.askers.items()}
        joins = any(SUBJECT in control.targets for control in active)
        self._slices = Slices(kept_for(active), join_subjects=joins)
        self._context = {"params": selection.params, "kubernetes": {"minor": kubernetes_minor}}
        self._policies = compile_rules(self._book.shards, self._book.groups, self._context)
        self._held: dict[str, _Held] = {}
        self._homes: dict[str, dict[str, _Held]] = {}
        """The same, by namespace."""
        self._spaces: dict[str, bytes] = {}
        """The namespaces that have slices, with their names as they stand in texts."""
        self._joined: dict[str, bytes] = {}
        """The digests of the joined subjects, by key."""
        self._changed: dict[str, Resource | None] = {}
        self._provider: Provider | None = selection.provider
        self._around = self._surroundings(())
        self.hidden: Unseen = unseen((), selection, self._provider)

    def put(self, key: str, resource: Resource) -> None:
        """`resource` is there, in place of what was there under `key`."""
        self._changed[key] = resource.packed()

    def remove(self, key: str) -> None:
        """What was there under `key` is not any more."""
        self._changed[key] = None

    @property
    def results(self) -> dict[str, ResourceResult]:
        """The verdicts on everything, by key, as of when it was settled. RBAC subjects have keys of their own."""
        return {key: held.result for key, held in self._held.items() if held.result is not None}

    @property
    def provider(self) -> Provider | None:
        """The managed platform, as far as it is known."""
        return self._provider

    def settle(self, gaps: Sequence[CoverageGap] = ()) -> dict[str, Change]:
        """Judge what has to be judged again, with `gaps` what is not shown; gives the resources whose verdicts may differ."""
        before: dict[str, ResourceResult | None] = {}
        questions: list[_Question] = []
        for key, resource in self._changed.items():
            if resource is None:
                self._slices.remove(key)
            else:
                self._slices.put(key, resource)
            if resource is not None and (self._focus is None or self._focus(resource)):
                self._take(key, resource, before, questions)
            else:
                self._drop(key, before)
        self._changed.clear()
        changes = self._slices.settle()
        if self._slices.joined_anew:
            self._join(before, questions)
        self._ask(questions)
        provider, self._provider = self._provider, self._selection.provider or self._slices.provider
        self._relate(before, changes, everything=provider != self._provider)
        around = self._surroundings(gaps)
        if around != self._around:
            self._around = around
            for held in self._held.values():
                held.stale = {control.rule_name for control in held.rule_plan.controls}
            before = {key: before.get(key, held.result) for key, held in self._held.items()} | before
        return dict(self._judged(before))

    def _take(
        self, key: str, resource: Resource, before: dict[str, ResourceResult | None], questions: list[_Question]
    ) -> None:
        """Hold `resource` under `key`, and put down what is to be asked about it."""
        problem, workload, seen = "", None, resource.unpacked()
        try:
            workload = build_pod_view(seen)
        except MalformedWorkloadError as error:
            problem = str(error)
        rule_plan = self._book.rule_plan(seen, has_pod=workload is not None or bool(problem))
        known = self._held.get(key)
        before.setdefault(key, known.result if known else None)
        self._forget(key)
        if not rule_plan.controls:
            return
        held = self._held[key] = _Held(resource, rule_plan, problem)
        self._homes.setdefault(held.home, {})[key] = held
        if problem:
            return
        derived = b"" if workload is None else _encode(workload)
        if groups := rule_plan.groups[Stage.LOCAL]:
            text = local_document(derived)
            held.digest = hashlib.blake2b(text, digest_size=16).digest()
            if known is not None and known.digest == held.digest and known.rule_plan is rule_plan:
                held.local = known.local
            else:
                questions.append(_Question(text, groups, held.take_local))
        if groups := rule_plan.groups[Stage.OBJECT]:
            questions.append(_Question(document(text_of(resource), derived), groups, held.take_object))

    def _drop(self, key: str, before: dict[str, ResourceResult | None]) -> None:
        known = self._forget(key)
        if known is not None:
            before.setdefault(key, known.result)

    def _forget(self, key: str) -> _Held | None:
        known = self._held.pop(key, None)
        if known is not None:
            inside = self._homes[known.home]
            del inside[key]
            if not inside:
                del self._homes[known.home]
        return known

    def _join(self, before: dict[str, ResourceResult | None], questions: list[_Question]) -> None:
        """Hold the RBAC subjects as they are joined by now."""
        found: dict[str, bytes] = {}
        for subject in self._slices.subjects:
            name = " ".join([*(item.id for item in subject.related), subject.kind, subject.namespace, subject.name])
            digest = hashlib.blake2b(_encode(subject.object), digest_size=16).digest()
            key, more = f"subject {name}", 0
            while key in found:
                more += 1
                key = f"subject {name} {more}"
            found[key] = digest
            if self._joined.get(key) != digest:
                if self._focus is None or any(map(self._focus, subject.related)):
                    self._take(key, subject, before, questions)
                else:
                    self._drop(key, before)
        for key in self._joined.keys() - found.keys():
            self._drop(key, before)
        self._joined = found

    def _relate(
        self, before: dict[str, ResourceResult | None], changes: Sequence[Changed], *, everything: bool
    ) -> None:
        """Ask the rules that relate objects, wherever they may say something else."""
        asked = self._asked(before, changes, everything=everything)
        self._know_namespaces()
        for start in range(0, len(asked), _BATCH):
            batch = asked[start : start + _BATCH]
            documents = [(document_of(held.resource), groups) for _, held, groups in batch]
            cluster = {**self._slices.data(self._wanted(batch)), "provider": self._provider}
            outcomes = self._policies.with_context({**self._context, "cluster": cluster}).evaluate(documents)
            for (key, held, groups), outcome in zip(batch, outcomes, strict=True):
                names = frozenset[str]().union(*(self._names[number] for number in groups))
                if held.take_related(names, outcome):
                    before.setdefault(key, held.result)

    def _asked(
        self, before: Mapping[str, ResourceResult | None], changes: Sequence[Changed], *, everything: bool
    ) -> list[_Asked]:
        """Whom to ask about what, those of a namespace together."""
        reaches = {number: looks.reach(changes) for number, looks in self._looks.items()} if changes else {}
        affected = _affected(reaches)
        asked: list[_Asked] = []
        for key, held in self._reached(before, reaches.values(), everything=everything):
            if held.problem:
                continue
            # What has just been taken in has no result yet.
            is_new = key in before and held.result is None
            groups = held.rule_plan.groups[Stage.RELATED] if everything or is_new else affected(held)
            if groups:
                asked.append((key, held, groups))
        return sorted(asked, key=lambda item: item[1].home)

    def _reached(
        self, before: Iterable[str], reaches: Iterable[_Reach], *, everything: bool
    ) -> Iterable[tuple[str, _Held]]:
        """What is where rules may say something else, and what has just been taken in."""
        places = [reach.places() for reach in reaches]
        if everything or None in places:
            return self._held.items()
        homes = sorted({home for place in places for home in place or ()} & self._homes.keys())
        near = (self._homes[home].items() for home in homes)
        taken = ((key, self._held[key]) for key in before if key in self._held)
        return {key: held for items in (*near, taken) for key, held in items}.items()

    def _know_namespaces(self) -> None:
        """Take note of the namespaces that have slices by now."""
        names = self._slices.homes
        if self._spaces.keys() != {*names}:
            self._spaces = {name: name.encode() for name in names}
            for held in self._held.values():
                held.namespaces = None

    def _wanted(self, batch: Sequence[_Asked]) -> Wanted:
        """What the rules of a batch look at."""
        whole: set[str] = set()
        near: set[str] = set()
        homes = {_CONTROL_PLANE, *(held.home for _, held, _ in batch)}
        looks = {number: self._looks[number] for number in {number for *_, groups in batch for number in groups}}
        for one in looks.values():
            if one.whole is None:
                return Wanted(None, frozenset(), frozenset())
            whole |= one.whole
            near |= one.own | one.control_plane | one.mentioned | one.named
        wide = {number for number, one in looks.items() if one.mentioned}
        homes.update(*(held.naming(self._spaces) for _, held, groups in batch if not wide.isdisjoint(groups)))
        return Wanted(whole, near, homes)

    def _surroundings(self, gaps: Sequence[CoverageGap]) -> EvaluationContext:
        self.hidden = unseen(gaps, self._selection, self._provider)
        elsewhere = elsewhere_of(self._active, self._selection, self._provider)
        return evaluation_context(self.hidden, self._told, self._book, elsewhere)

    def _judged(self, before: Mapping[str, ResourceResult | None]) -> Iterator[tuple[str, Change]]:
        for key, known in before.items():
            held = self._held.get(key)
            if held is None:
                yield key, (known, None)
                continue
            held.result = ResourceResult(held.resource, self._verdicts(held))
            held.stale = frozenset()
            yield key, (known, held.result)

    def _verdicts(self, held: _Held) -> dict[str, Verdict]:
        """The verdicts on a resource: of what is stale, if there are others already."""
        outcome = {**held.local, **held.object, **held.related}
        if held.result is None:
            return verdicts_of(held.resource, held.rule_plan, outcome, self._around, held.problem)
        stale = tuple(control for control in held.rule_plan.controls if control.rule_name in held.stale)
        fresh = verdicts_of(held.resource, RulePlan(stale, {}), outcome, self._around, held.problem)
        slugs = {control.slug for control in stale}
        kept = {slug: verdict for slug, verdict in held.result.verdicts.items() if slug not in slugs}
        found = kept | fresh
        return {control.slug: found[control.slug] for control in held.rule_plan.controls if control.slug in found}

    def _ask(self, questions: Sequence[_Question]) -> None:
        for start in range(0, len(questions), _BATCH):
            batch = questions[start : start + _BATCH]
            outcomes = self._policies.evaluate([(item.document, item.groups) for item in batch])
            for item, outcome in zip(batch, outcomes, strict=True):
                item.take(outcome)


def _affected(reaches: Mapping[int, _Reach]) -> Callable[[_Held], tuple[int, ...]]:
    """The groups, by how far each is reached, whose rules may say something else of a resource than before."""
    known: dict[tuple[int, str], tuple[tuple[int, ...], dict[frozenset[bytes], list[int]]]] = {}

    def affected(held: _Held) -> tuple[int, ...]:
        key = (id(held.rule_plan), held.home)
        if key not in known:
            found = {number: reaches[number] for number in held.rule_plan.groups[Stage.RELATED] if number in reaches}
            sure = tuple(number for number, reach in found.items() if reach.has(held.home))
            unsure: dict[frozenset[bytes], list[int]] = {}
            for number, reach in found.items():
                if number not in sure and (names := reach.names(held.home)):
                    unsure.setdefault(names, []).append(number)
            known[key] = sure, unsure
        sure, unsure = known[key]
        return (*sure, *(number for names, numbers in unsure.items() if held.mentions(names) for number in numbers))

    return affected


class _Looks:
    """Where the rules of a group look: at kinds everywhere (at everything if `whole` is None), or in some namespaces."""

    def __init__(self, controls: Iterable[Control]) -> None:
        found = [(kind, control.within.get(kind, "")) for control in controls for kind in control.relates]
        self.whole: AbstractSet[str] | None = {kind for kind, where in found if not where}
        self.own = {kind for kind, where in found if where == "own"}
        self.control_plane = {kind for kind, where in found if where == _CONTROL_PLANE}
        self.mentioned = {kind for kind, where in found if where == "mentioned"}
        self.named = {kind for kind, where in found if where == "named"}
        if not all(map(is_declared, controls)):
            self.whole = None

    def reach(self, changes: Iterable[Changed]) -> _Reach:
        """The objects for which they look at a slice that has changed."""
        found = _Reach()
        for change in changes:
            if self.whole is None or not change.kinds.isdisjoint(self.whole):
                found.everywhere = True
                break
            beside = not change.kinds.isdisjoint(self.own | self.mentioned)
            central = not change.kinds.isdisjoint(self.control_plane)
            if not change.kinds.isdisjoint(self.named):
                beside |= change.names is None
                found.looking_up.setdefault(change.home, set()).update(change.names or ())
            if (change.home is None and (beside or central)) or (central and change.home == _CONTROL_PLANE):
                found.everywhere = True
                break
            if beside and change.home is not None:
                found.homes.add(change.home)
                if not change.kinds.isdisjoint(self.mentioned):
                    found.naming.add(change.home)
        return found


class _Reach:
    """Objects by where they are and what their text names."""

    __slots__ = ("everywhere", "homes", "looking_up", "naming")

    def __init__(self) -> None:
        self.everywhere = False
        self.homes: set[str] = set()
        """Namespaces of which all objects are among them."""
        self.naming: set[str] = set()
        """So are those, wherever they are, that name one of these."""
        self.looking_up: dict[str | None, set[str]] = {}
        """Of a namespace (None: of all), those that name one of these."""

    def has(self, home: str) -> bool:
        """Whether all objects in the namespace `home` are among them."""
        return self.everywhere or home in self.homes

    def names(self, home: str) -> frozenset[bytes]:
        """What the others in the namespace `home` name that are among them, as it stands in texts."""
        found = self.naming.union(*(self.looking_up.get(place, ()) for place in (home, None)))
        return frozenset(name.encode() for name in found)

    def places(self) -> AbstractSet[str] | None:
        """The namespaces where they are; None for all."""
        if self.everywhere or self.naming or self.looking_up.get(None):
            return None
        return self.homes | {place for place, names in self.looking_up.items() if place and names}
