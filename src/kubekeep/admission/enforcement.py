"""Admission policies of a cluster and the controls they enforce, by names and labels. Never evaluates a policy.

A policy names its control by the label or annotation `kubekeep.io/control` or `controlId`, or else by a name such as
`kubescape-c-0057-privileged-container-denied`, the scheme of Kubescape's CEL library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from kubekeep.admission.policy import (
    AdmissionError,
    BindingSpec,
    MatchResources,
    PolicySpec,
    ResourceRule,
    is_binding,
    is_policy,
    read_labels_and_annotations,
    read_spec,
)
from kubekeep.model.cluster import RBAC
from kubekeep.model.control import EVERYTHING, POLICIES, SUBJECT, WORKLOAD, Control
from kubekeep.model.enforcement import DENY, Enforcement
from kubekeep.model.resource import Resource, kind_names
from kubekeep.model.resource_types import BUILTIN_TYPES, ResourceType, guess_plural

T = TypeVar("T")
CONTROL_KEYS: Final = ("kubekeep.io/control", "controlId")
"""Labels and annotations with numbers or slugs of controls, separated by commas."""
_NAME: Final = re.compile(r"kubescape-(c-\d{4})(?:-|\Z)", re.IGNORECASE)
_ORDER: Final = (DENY, "Warn", "Audit")
_ALLOW: Final = "Allow"
"""The value of `parameterNotFoundAction` that allows objects without matching parameters."""
_CREATE_OPERATIONS: Final = frozenset({"CREATE", "*"})
"""Operations that include the creation of an object."""
_BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")


class EnforcementCollector:
    """The admission policies and bindings of one cluster."""

    def __init__(self) -> None:
        self._policies: dict[str, Resource] = {}
        self._bindings: dict[str, list[BindingSpec]] = {}

    def collect(self, resources: Iterable[Resource]) -> Iterator[Resource]:
        """Yield the same resources and record policies and bindings among them, except invalid ones."""
        for resource in resources:
            if is_policy(resource):
                self._policies[resource.name] = resource
            elif is_binding(resource):
                spec = _read(resource, BindingSpec)
                if spec is not None:
                    self._bindings.setdefault(spec.policy_name, []).append(spec)
            yield resource

    def list_enforcement(self, controls: Iterable[Control]) -> dict[str, tuple[Enforcement, ...]]:
        """Return the policies that enforce each control, by slug; the most effective policy first."""
        policies = [
            (_list_controls(policy), name, spec)
            for name, policy in sorted(self._policies.items())
            if (spec := _read(policy, PolicySpec)) is not None
        ]
        by_slug = {
            control.slug: [
                _build_enforcement(control, name, spec, self._bindings.get(name, ()))
                for names, name, spec in policies
                if _enforces(control, names, name)
            ]
            for control in controls
        }
        return {slug: tuple(sorted(enforcement, key=_rank)) for slug, enforcement in by_slug.items() if enforcement}


def _read(resource: Resource, kind: type[T]) -> T | None:
    try:
        return read_spec(resource, kind)
    except AdmissionError:
        return None


def _list_controls(policy: Resource) -> frozenset[str]:
    """Return the numbers and slugs of controls that a policy names, in lower case."""
    texts = read_labels_and_annotations(policy)
    explicit = ",".join(texts[key] for key in CONTROL_KEYS if key in texts)
    match = _NAME.match(policy.name)
    names = explicit.split(",") if explicit else [match[1]] if match else []
    return frozenset(name.strip().casefold() for name in names)


def _enforces(control: Control, names: frozenset[str], policy: str) -> bool:
    if control.area == POLICIES:
        # The control is a policy itself, under its name, or a derived name if another control has that one.
        return control.slug in (policy, f"policy-{policy}")
    return not names.isdisjoint(word.casefold() for word in (control.slug, *control.ids))


def _build_enforcement(control: Control, name: str, spec: PolicySpec, bindings: Sequence[BindingSpec]) -> Enforcement:
    actions = {action for binding in bindings for action in binding.validation_actions}
    unrestricted_actions = {
        action for binding in bindings if not _is_narrower(binding) for action in binding.validation_actions
    }
    match = spec.match_constraints
    excludes = bool(spec.match_conditions) or _excludes(match) or not _covers_all(control, match.resource_rules)
    return Enforcement(
        policy=name,
        is_bound=bool(bindings),
        actions=tuple(sorted(actions, key=_get_action_order)),
        is_partial=bool(bindings) and (excludes or unrestricted_actions != actions),
    )


def _get_action_order(action: str) -> tuple[int, str]:
    return _ORDER.index(action) if action in _ORDER else len(_ORDER), action


def _is_narrower(binding: BindingSpec) -> bool:
    """Return True if a binding has a narrower scope than its policy, or allows objects if its parameters are missing."""
    if binding.param_ref is not None and binding.param_ref.parameter_not_found_action == _ALLOW:
        return True
    match = binding.match_resources
    return match is not None and (bool(match.resource_rules) or _excludes(match))


def _covers_all(control: Control, rules: Sequence[ResourceRule]) -> bool:
    """Return True if all objects in the control's scope are validated on creation.

    A policy for updates alone misses objects that do not change. A control that is a policy itself has the policy's
    scope.
    """
    creation_rules = [rule for rule in rules if not _CREATE_OPERATIONS.isdisjoint(rule.operations)]
    if control.area == POLICIES:
        return bool(creation_rules)
    return all(
        any(_covers(rule, served) for rule in creation_rules for served in types) for types in _list_types(control)
    )


def _list_types(control: Control) -> Iterator[Sequence[ResourceType]]:
    """Yield the resource types in the control's scope, each with its possible forms in the API.

    A workload is validated as its Pods, an RBAC subject as its bindings.
    """
    for target in control.targets:
        if target == WORKLOAD:
            yield [BUILTIN_TYPES["", "Pod"]]
        elif target == SUBJECT:
            yield from ([BUILTIN_TYPES[RBAC, kind]] for kind in _BINDINGS)
        else:
            api_group, _, kind = target.rpartition("/")
            builtin_types = [
                served for (group, name), served in BUILTIN_TYPES.items() if target in kind_names(group, name)
            ]
            yield builtin_types or [
                ResourceType(api_group, guess_plural(kind), namespaced) for namespaced in (True, False)
            ]


def _covers(rule: ResourceRule, served: ResourceType) -> bool:
    """Return True if a rule includes the resource itself, not only subresources (Kubernetes API, RuleWithOperations)."""
    if rule.scope == ("Cluster" if served.is_namespaced else "Namespaced"):
        return False
    if {EVERYTHING, served.group}.isdisjoint(rule.api_groups):
        return False
    named = (resource.partition("/") for resource in rule.resources)
    return any(name in (EVERYTHING, served.plural) and part in ("", EVERYTHING) for name, _, part in named)


def _excludes(match: MatchResources) -> bool:
    """Return True if labels, namespaces or names exclude objects of the kinds in scope."""
    return (
        bool(match.exclude_resource_rules)
        or bool(match.namespace_selector.requirements)
        or bool(match.object_selector.requirements)
        or any(rule.resource_names for rule in match.resource_rules)
    )


def _rank(enforcement: Enforcement) -> tuple[bool, bool, bool, str]:
    return not enforcement.denies, not enforcement.is_bound, enforcement.is_partial, enforcement.policy
