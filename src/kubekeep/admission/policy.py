"""Admission policies of a cluster as values: policies, their bindings, and the objects that parameters come from.

Reads objects that somebody else has parsed; never evaluates an expression. A wrong shape is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.label_selector import LabelSelector
from kubekeep.model.resource import Resource
from kubekeep.model.severity import read_score

T = TypeVar("T")

GROUP: Final = "admissionregistration.k8s.io"
POLICY: Final = "ValidatingAdmissionPolicy"
BINDING: Final = "ValidatingAdmissionPolicyBinding"
SEVERITY: Final = "kubekeep.io/severity"
TITLE: Final = "kubekeep.io/title"


class AdmissionError(KubekeepError, ValueError):
    """A policy or binding that the API server would refuse; the message names file and object."""


class ResourceRule(msgspec.Struct, frozen=True, rename="camel"):
    """Which resources and operations a policy is for."""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    scope: str = "*"


class Match(msgspec.Struct, frozen=True, rename="camel"):
    """What a policy or binding is for."""

    resource_rules: tuple[ResourceRule, ...] = ()
    exclude_resource_rules: tuple[ResourceRule, ...] = ()
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    match_policy: str = "Equivalent"


class Named(msgspec.Struct, frozen=True):
    """An expression with a name."""

    name: str
    expression: str


class Validation(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that must hold."""

    expression: str
    message: str = ""
    message_expression: str = ""


class ParamKind(msgspec.Struct, frozen=True, rename="camel"):
    """The kind of parameter objects."""

    api_version: str
    kind: str


class PolicySpec(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a ValidatingAdmissionPolicy."""

    match_constraints: Match
    validations: tuple[Validation, ...] = ()
    match_conditions: tuple[Named, ...] = ()
    variables: tuple[Named, ...] = ()
    failure_policy: str = "Fail"
    param_kind: ParamKind | None = None


class ParamRef(msgspec.Struct, frozen=True, rename="camel"):
    """Where a binding takes parameters from."""

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: str = ""


class BindingSpec(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a ValidatingAdmissionPolicyBinding."""

    policy_name: str
    validation_actions: tuple[str, ...] = ()
    match_resources: Match | None = None
    param_ref: ParamRef | None = None


class Policy(msgspec.Struct, frozen=True):
    """A policy with its bindings and what reports say of it; `where` is its file and name."""

    name: str
    title: str
    severity: float
    spec: PolicySpec
    bindings: tuple[BindingSpec, ...]
    where: str


class Policies(msgspec.Struct, frozen=True):
    """The policies of some files and the other objects there: parameters, namespaces, custom kinds."""

    policies: tuple[Policy, ...]
    others: tuple[Resource, ...]


def is_policy(resource: Resource) -> bool:
    """Whether it is a ValidatingAdmissionPolicy."""
    return resource.group == GROUP and resource.kind == POLICY


def is_binding(resource: Resource) -> bool:
    """Whether it is a ValidatingAdmissionPolicyBinding."""
    return resource.group == GROUP and resource.kind == BINDING


def policies_of(resources: Iterable[Resource]) -> Policies:
    """The policies among `resources` with their bindings. Raises AdmissionError."""
    found, bindings, others = _sorted(resources)
    if not found:
        raise AdmissionError("there is no ValidatingAdmissionPolicy in the files of --policies")
    lost = sorted(bindings.keys() - found.keys())
    if lost:
        raise AdmissionError(f"a binding names the policy {lost[0]}, which is not among the files of --policies")
    policies = tuple(_policy(resource, tuple(bindings.get(name, ()))) for name, resource in sorted(found.items()))
    return Policies(policies, tuple(others))


def policies_in_force(resources: Iterable[Resource]) -> Policies:
    """Of all objects of a cluster the policies that a binding names: nothing comes of the others. Raises AdmissionError."""
    found, bindings, others = _sorted(resources)
    policies = tuple(
        _policy(resource, tuple(bindings[name])) for name, resource in sorted(found.items()) if name in bindings
    )
    return Policies(policies, tuple(others))


def _sorted(
    resources: Iterable[Resource],
) -> tuple[dict[str, Resource], dict[str, list[BindingSpec]], list[Resource]]:
    """Policies by name, what binds them by their names, and everything else."""
    found: dict[str, Resource] = {}
    bindings: dict[str, list[BindingSpec]] = {}
    others: list[Resource] = []
    for resource in resources:
        if is_policy(resource):
            if resource.name in found:
                raise AdmissionError(f"{_where(resource)}: there is another policy of this name")
            found[resource.name] = resource
        elif is_binding(resource):
            spec = spec_of(resource, BindingSpec)
            bindings.setdefault(spec.policy_name, []).append(spec)
        else:
            others.append(resource)
    return found, bindings, others


def _where(resource: Resource) -> str:
    source = f"{resource.source.path}: " if resource.source else ""
    return f"{source}{resource.kind} {resource.name}"


def spec_of(resource: Resource, kind: type[T]) -> T:
    """The spec of a policy or binding. Raises AdmissionError for a wrong shape."""
    try:
        return msgspec.convert(_without_nulls(resource.object.get("spec", {})), kind)
    except msgspec.ValidationError as error:
        raise AdmissionError(f"{_where(resource)}: spec: {error}") from None


def _without_nulls(value: Any) -> Any:
    """The value without entries that are null, which mean the same as those that are not there."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _policy(resource: Resource, bindings: tuple[BindingSpec, ...]) -> Policy:
    where = _where(resource)
    if not resource.name:
        raise AdmissionError(f"{where}: it has no name")
    marks = marks_of(resource)
    spec = spec_of(resource, PolicySpec)
    if not spec.validations:
        raise AdmissionError(f"{where}: it has no validations")
    return Policy(
        name=resource.name,
        title=marks.get(TITLE) or resource.name,
        severity=_severity(marks.get(SEVERITY, "5"), where),
        spec=spec,
        bindings=bindings,
        where=where,
    )


def marks_of(resource: Resource) -> dict[str, str]:
    """Its labels and annotations; where both have a key, what the annotation says."""
    return {**_texts(resource, "labels"), **_texts(resource, "annotations")}


def _texts(resource: Resource, field: str) -> Mapping[str, str]:
    metadata = resource.object.get("metadata")
    found = metadata.get(field) if isinstance(metadata, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _severity(text: str, where: str) -> float:
    try:
        return read_score(text)
    except ValueError as error:
        raise AdmissionError(f"{where}: {SEVERITY} is {text!r}, not a number from 0 to 10") from error
