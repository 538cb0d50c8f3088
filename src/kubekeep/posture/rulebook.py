"""The plan of an evaluation: the rules for each kind of resource, grouped by stage. Never runs a rule."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.engine.policy_set import RuleQuery, Shard
from kubekeep.library.index import Rule
from kubekeep.library.load import Library
from kubekeep.model.control import SUBJECT, WORKLOAD, Control
from kubekeep.model.resource import Resource


class Stage(enum.Enum):
    """Stage of an evaluation, with the input that rules read in it."""

    LOCAL = enum.auto()
    """The workload view only: equal workloads get equal verdicts."""
    OBJECT = enum.auto()
    """The object, as soon as it is read."""
    RELATED = enum.auto()
    """The object and `input.cluster`, after all resources have been read."""


APPLIES: Final = "applies"
NOT_EVALUATED: Final = "not_evaluated"
VIOLATION: Final = "violation"
_SHARD_SIZE: Final = 10
"""Controls per shard: smaller shards compile the shared modules more often, larger ones make each evaluation slower."""
_OUTCOME: Final = "kubekeep_outcome"
"""Name of the rule that gathers the outcomes of a control. It is in the control's package, where the engine finds it
fastest."""


class RulePlan(msgspec.Struct, frozen=True):
    """The controls that apply to resources of one kind, and the groups of rules to evaluate in each stage."""

    controls: tuple[Control, ...]
    groups: dict[Stage, tuple[int, ...]]
    local_rules: frozenset[str] = frozenset()
    """Names of the rules of the stage `LOCAL`."""


class Rulebook:
    """The rules of some controls, in one group for each target and stage."""

    def __init__(
        self,
        library: Library,
        controls: Sequence[Control],
        unconfigured: Sequence[Control] = (),
        *,
        separate_related: bool = False,
    ) -> None:
        """Group the rules of `controls`; `unconfigured` controls are in plans, but their rules do not run.

        With `separate_related`, each rule that relates resources is a group by itself.
        """
        rules = {control.slug: library.get_rule(control) for control in controls}
        self.shards: list[Shard] = []
        """Byte code, and modules for the interpreter: of a few controls each, because an engine is slower the more modules
        it holds. A custom rule has its own."""
        shard_numbers = self._add_byte_code(library, controls)
        interpreted = [control for control in controls if control.rule_name not in shard_numbers]
        for shard in _split(interpreted, rules):
            shard_numbers |= dict.fromkeys([control.rule_name for control in shard], len(self.shards))
            self.shards.append(collect_modules(library, shard))
        self.conditional = frozenset(slug for slug, rule in rules.items() if APPLIES in rule.outcomes)
        """Slugs of the controls with a rule that decides if it applies to a resource."""
        self.groups: list[list[RuleQuery]] = []
        self.controls_by_group: list[list[Control]] = []
        self._controls = (*controls, *unconfigured)
        self._numbers: dict[tuple[str, Stage, str], int] = {}
        self._plans: dict[tuple[str, str, bool, bool], RulePlan] = {}
        for control in controls:
            name, rule = control.rule_name, rules[control.slug]
            stage = find_stage(control, rule)
            separate_name = name if separate_related and stage is Stage.RELATED else ""
            file = rule.path if rule.is_custom else ""
            query = RuleQuery(name, get_outcome_path(control), shard_numbers[name], file)
            for target in control.targets:
                self._add(control, query, (target, stage, separate_name))

    def _add_byte_code(self, library: Library, controls: Sequence[Control]) -> dict[str, int]:
        """Add the library's programs with rules of `controls`. Return the number of the shard of each rule in them."""
        names = {control.rule_name for control in controls}
        shard_numbers: dict[str, int] = {}
        for program in library.programs:
            if not names.isdisjoint(program.rules):
                shard_numbers |= dict.fromkeys(program.rules, len(self.shards))
                self.shards.append(program.byte_code)
        return shard_numbers

    def _add(self, control: Control, query: RuleQuery, key: tuple[str, Stage, str]) -> None:
        """Add the rule of `control` to a group, once if several controls share it."""
        number = self._numbers.get(key)
        if number is None:
            self._numbers[key] = len(self.groups)
            self.groups.append([query])
            self.controls_by_group.append([control])
            return
        self.controls_by_group[number].append(control)
        if query.name not in [added.name for added in self.groups[number]]:
            self.groups[number].append(query)

    def plan(self, resource: Resource, *, has_pod: bool) -> RulePlan:
        """Return the plan for `resource`; `has_pod` is true if it contains a pod spec."""
        key = (resource.group, resource.kind, has_pod, bool(resource.related))
        plan = self._plans.get(key)
        if plan is None:
            targets = _list_targets(resource, has_pod=has_pod)
            groups = {stage: list[int]() for stage in Stage}
            for (target, stage, _), number in self._numbers.items():
                if target in targets:
                    groups[stage].append(number)
            controls = tuple([control for control in self._controls if not targets.isdisjoint(control.targets)])
            local_rules = frozenset(query.name for number in groups[Stage.LOCAL] for query in self.groups[number])
            plan = RulePlan(controls, {stage: tuple(numbers) for stage, numbers in groups.items()}, local_rules)
            self._plans[key] = plan
        return plan


def _split(controls: Sequence[Control], rules: Mapping[str, Rule]) -> list[Sequence[Control]]:
    """Return the controls of each shard: a few with rules of the library, or those that share a custom rule."""
    own = [control for control in controls if not rules[control.slug].is_custom]
    by_custom_rule: dict[str, list[Control]] = {}
    for control in controls:
        if rules[control.slug].is_custom:
            by_custom_rule.setdefault(control.rule_name, []).append(control)
    return [*split_into_shards(own), *by_custom_rule.values()]


def find_stage(control: Control, rule: Rule) -> Stage:
    """Return the earliest stage at which the rule of `control` can run."""
    if control.relates:
        return Stage.RELATED
    if set(control.targets) == {WORKLOAD} and not rule.reads_object:
        return Stage.LOCAL
    return Stage.OBJECT


def _list_targets(resource: Resource, *, has_pod: bool) -> frozenset[str]:
    if resource.related:
        return frozenset({SUBJECT})
    return resource.kind_names | {WORKLOAD} if has_pod else resource.kind_names


def split_into_shards(controls: Sequence[Control]) -> list[Sequence[Control]]:
    """Return `controls` in groups whose rules are compiled together."""
    return [controls[at : at + _SHARD_SIZE] for at in range(0, len(controls), _SHARD_SIZE)]


def get_outcome_path(control: Control) -> str:
    """Return the path of the rule that gathers the outcomes of `control`."""
    return f"data.{control.package}.{_OUTCOME}"


def collect_modules(library: Library, controls: Sequence[Control]) -> dict[str, str]:
    """Return the Rego modules of `controls` by path, each rule with a rule that gathers its outcomes."""
    collectors = {rule.path: _gather_outcomes(rule) for rule in map(library.get_rule, controls)}
    return {path: text + collectors.get(path, "") for path, text in library.collect_modules(controls).items()}


def _gather_outcomes(rule: Rule) -> str:
    """Return Rego that gathers the outcomes of `rule`; where the rule does not apply, nothing else is evaluated."""
    condition = f"{APPLIES}; " if APPLIES in rule.outcomes else ""
    return "".join(
        f'\n{_OUTCOME}[name] := {word} if {{ {condition}name := "{word}" }}\n' for word in sorted(rule.outcomes)
    )
