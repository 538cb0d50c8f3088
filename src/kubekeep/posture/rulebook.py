"""Which rules run on which resource and when: the groups that an engine evaluates together. Never runs them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.engine.policy_set import RuleQuery
from kubekeep.library.load import Library, Rule
from kubekeep.model.control import SUBJECT, WORKLOAD, Control
from kubekeep.model.resource import Resource


class Stage(enum.Enum):
    """When a rule can run, and on what."""

    LOCAL = enum.auto()
    """On the workload view alone: equal workloads get equal verdicts."""
    OBJECT = enum.auto()
    """On the object, as it arrives."""
    RELATED = enum.auto()
    """On the object and `input.cluster`, once all have been seen."""


APPLIES: Final = "applies"
DECLINED: Final = "declined"
VIOLATION: Final = "violation"
_SHARD: Final = 40
"""Controls a shard: fewer compile the shared modules more often, more make each evaluation slower."""
_OUTCOME: Final = "kubekeep_outcome"
"""The rule that gathers what a control's rule says, in the control's own package: there the engine finds it at once."""


class RulePlan(msgspec.Struct, frozen=True):
    """What applies to resources of one kind: the controls, and the groups to evaluate in each stage."""

    controls: tuple[Control, ...]
    groups: dict[Stage, tuple[int, ...]]


class Rulebook:
    """The rules of `controls`, a group for each target and stage; `silent` controls have a sheet but no rules."""

    def __init__(
        self, library: Library, controls: Sequence[Control], silent: Sequence[Control] = (), *, apart: bool = False
    ) -> None:
        """Sort the rules of `controls` into groups; with `apart`, each rule that relates is a group of its own."""
        rules = {control.slug: library.rule(control) for control in controls}
        shards = [controls[at : at + _SHARD] for at in range(0, len(controls), _SHARD)]
        self.shards = [_modules(library, shard) for shard in shards]
        """The modules of a few controls each: an engine is slower the more it holds."""
        places = {control.slug: number for number, shard in enumerate(shards) for control in shard}
        self.conditional = frozenset(slug for slug, rule in rules.items() if APPLIES in rule.outcomes)
        """Slugs of the controls whose rule says itself what it applies to."""
        self.groups: list[list[RuleQuery]] = []
        self._controls = (*controls, *silent)
        self._numbers: dict[tuple[str, Stage, str], int] = {}
        self.askers: dict[int, list[Control]] = {}
        """The controls whose rules are in each group."""
        self._sheets: dict[tuple[str, str, bool, bool], RulePlan] = {}
        for control in controls:
            stage = stage_of(control, rules[control.slug])
            alone = control.rule_name if apart and stage is Stage.RELATED else ""
            for target in control.targets:
                self._add(control, self._number(target, stage, alone), places[control.slug])

    def _add(self, control: Control, number: int, shard: int) -> None:
        """Put the rule of `control` into a group, once if others share it."""
        self.askers.setdefault(number, []).append(control)
        group = self.groups[number]
        if all(query.name != control.rule_name for query in group):
            group.append(RuleQuery(control.rule_name, f"data.{control.package}.{_OUTCOME}", shard))

    def _number(self, target: str, stage: Stage, rule: str) -> int:
        number = self._numbers.setdefault((target, stage, rule), len(self.groups))
        if number == len(self.groups):
            self.groups.append([])
        return number

    def rule_plan(self, resource: Resource, *, has_pod: bool) -> RulePlan:
        """What applies to `resource`, which carries a pod or not."""
        key = (resource.group, resource.kind, has_pod, bool(resource.related))
        rule_plan = self._sheets.get(key)
        if rule_plan is None:
            targets = _targets(resource, has_pod=has_pod)
            rule_plan = self._sheets[key] = RulePlan(
                tuple(item for item in self._controls if not targets.isdisjoint(item.targets)),
                {
                    stage: tuple(
                        number
                        for (target, when, _), number in self._numbers.items()
                        if when is stage and target in targets
                    )
                    for stage in Stage
                },
            )
        return rule_plan


def stage_of(control: Control, rule: Rule) -> Stage:
    """When the rule of `control` can run."""
    if control.relates:
        return Stage.RELATED
    if set(control.targets) == {WORKLOAD} and not rule.reads_object:
        return Stage.LOCAL
    return Stage.OBJECT


def _targets(resource: Resource, *, has_pod: bool) -> frozenset[str]:
    if resource.related:
        return frozenset({SUBJECT})
    return resource.kind_names | {WORKLOAD} if has_pod else resource.kind_names


def _modules(library: Library, controls: Sequence[Control]) -> dict[str, str]:
    """The modules of `controls`, each rule with what gathers its outcome."""
    endings = {rule.path: _gathered(rule) for rule in map(library.rule, controls)}
    return {path: text + endings.get(path, "") for path, text in library.modules(controls).items()}


def _gathered(rule: Rule) -> str:
    """Rego that gathers the outcomes of `rule`; where it does not apply, nothing else of it is evaluated."""
    condition = f"{APPLIES}; " if APPLIES in rule.outcomes else ""
    return "".join(
        f'\n{_OUTCOME}[name] := {word} if {{ {condition}name := "{word}" }}\n' for word in sorted(rule.outcomes)
    )
