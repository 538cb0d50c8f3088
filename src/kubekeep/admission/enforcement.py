"""Which admission policies of a cluster enforce which controls, as names and labels tell. Never evaluates a policy.

A policy says which control it enforces: by the label or annotation `kubekeep.io/control` or `controlId`, or else by a
name such as `kubescape-c-0057-privileged-container-denied`, as the policies of Kubescape's CEL library are called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from kubekeep.admission.policy import (
    AdmissionError,
    BindingSpec,
    Match,
    PolicySpec,
    ResourceRule,
    is_binding,
    is_policy,
    marks_of,
    spec_of,
)
from kubekeep.model.cluster import RBAC
from kubekeep.model.control import EVERYTHING, POLICIES, SUBJECT, WORKLOAD, Control
from kubekeep.model.enforcement import DENY, Enforcement
from kubekeep.model.resource import Resource, kind_names
from kubekeep.model.resource_types import BUILTIN_TYPES, ResourceType, guess_plural

T = TypeVar("T")
CONTROL: Final = ("kubekeep.io/control", "controlId")
"""The labels and annotations that name controls, by number or slug; several are separated by commas."""
_NAME: Final = re.compile(r"kubescape-(c-\d{4})(?:-|\Z)", re.IGNORECASE)
_ORDER: Final = (DENY, "Warn", "Audit")
_ALLOW: Final = "Allow"
"""What a binding says of objects for which there are no parameters (`parameterNotFoundAction`)."""
_MAKING: Final = frozenset({"CREATE", "*"})
"""The operations of who makes an object."""
_BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")


class Enforcers:
    """The admission policies and bindings of one cluster."""

    def __init__(self) -> None:
        self._policies: dict[str, Resource] = {}
        self._bindings: dict[str, list[BindingSpec]] = {}

    def noting(self, resources: Iterable[Resource]) -> Iterator[Resource]:
        """The same resources; policies and bindings among them are noted, but for what no API server would take."""
        for resource in resources:
            if is_policy(resource):
                self._policies[resource.name] = resource
            elif is_binding(resource):
                spec = _read(resource, BindingSpec)
                if spec is not None:
                    self._bindings.setdefault(spec.policy_name, []).append(spec)
            yield resource

    def of(self, controls: Iterable[Control]) -> dict[str, tuple[Enforcement, ...]]:
        """By slug of those of `controls` that have some: their policies, the one that does most first."""
        said = [
            (_controls_of(policy), name, spec)
            for name, policy in sorted(self._policies.items())
            if (spec := _read(policy, PolicySpec)) is not None
        ]
        found = {
            control.slug: [
                _enforcement(control, name, spec, self._bindings.get(name, ()))
                for names, name, spec in said
                if _is_for(control, names, name)
            ]
            for control in controls
        }
        return {slug: tuple(sorted(items, key=_rank)) for slug, items in found.items() if items}


def _read(resource: Resource, kind: type[T]) -> T | None:
    try:
        return spec_of(resource, kind)
    except AdmissionError:
        return None


def _controls_of(policy: Resource) -> frozenset[str]:
    """The numbers and slugs of controls that a policy names, in lower case."""
    marks = marks_of(policy)
    said = ",".join(marks[key] for key in CONTROL if key in marks)
    match = _NAME.match(policy.name)
    names = said.split(",") if said else [match[1]] if match else []
    return frozenset(name.strip().casefold() for name in names)


def _is_for(control: Control, names: frozenset[str], policy: str) -> bool:
    if control.area == POLICIES:
        # It is a policy itself, under its name or, where another control has that, one made of it.
        return control.slug in (policy, f"policy-{policy}")
    return not names.isdisjoint(word.casefold() for word in (control.slug, *control.ids))


def _enforcement(control: Control, name: str, spec: PolicySpec, bindings: Sequence[BindingSpec]) -> Enforcement:
    actions = {action for binding in bindings for action in binding.validation_actions}
    everywhere = {action for binding in bindings if not _narrows(binding) for action in binding.validation_actions}
    match = spec.match_constraints
    leaves_out = bool(spec.match_conditions) or _leaves_out(match) or not _is_for_all(control, match.resource_rules)
    return Enforcement(
        policy=name,
        bound=bool(bindings),
        actions=tuple(sorted(actions, key=_order)),
        partial=bool(bindings) and (leaves_out or everywhere != actions),
    )


def _order(action: str) -> tuple[int, str]:
    return _ORDER.index(action) if action in _ORDER else len(_ORDER), action


def _narrows(binding: BindingSpec) -> bool:
    """Whether a binding is for less than what its policy is for, or only where there are parameters."""
    if binding.param_ref is not None and binding.param_ref.parameter_not_found_action == _ALLOW:
        return True
    match = binding.match_resources
    return match is not None and (bool(match.resource_rules) or _leaves_out(match))


def _is_for_all(control: Control, rules: Sequence[ResourceRule]) -> bool:
    """Whether every object that `control` is about is looked at when it is made.

    Who looks at changes alone, looks at no object that stays as it is. Of a policy that is a control itself, what it is
    for is all that the control is about.
    """
    making = [rule for rule in rules if not _MAKING.isdisjoint(rule.operations)]
    if control.area == POLICIES:
        return bool(making)
    return all(any(_covers(rule, served) for rule in making for served in some) for some in _made(control))


def _made(control: Control) -> Iterator[Sequence[ResourceType]]:
    """The resources that `control` is about, each with what else it may be served as.

    What carries pods ends as Pods. A subject is one of a binding.
    """
    for target in control.targets:
        if target == WORKLOAD:
            yield [BUILTIN_TYPES["", "Pod"]]
        elif target == SUBJECT:
            yield from ([BUILTIN_TYPES[RBAC, kind]] for kind in _BINDINGS)
        else:
            group, _, kind = target.rpartition("/")
            known = [served for (of, name), served in BUILTIN_TYPES.items() if target in kind_names(of, name)]
            yield known or [ResourceType(group, guess_plural(kind), namespaced) for namespaced in (True, False)]


def _covers(rule: ResourceRule, served: ResourceType) -> bool:
    """Whether a rule is for the objects of a resource themselves (Kubernetes API, RuleWithOperations)."""
    if rule.scope == ("Cluster" if served.namespaced else "Namespaced"):
        return False
    if {EVERYTHING, served.group}.isdisjoint(rule.api_groups):
        return False
    named = (resource.partition("/") for resource in rule.resources)
    return any(name in (EVERYTHING, served.plural) and part in ("", EVERYTHING) for name, _, part in named)


def _leaves_out(match: Match) -> bool:
    """Whether objects of the kinds that are meant are left out by labels, namespaces or names."""
    return (
        bool(match.exclude_resource_rules)
        or bool(match.namespace_selector.requirements)
        or bool(match.object_selector.requirements)
        or any(rule.resource_names for rule in match.resource_rules)
    )


def _rank(item: Enforcement) -> tuple[bool, bool, bool, str]:
    return not item.denies, not item.bound, item.partial, item.policy
