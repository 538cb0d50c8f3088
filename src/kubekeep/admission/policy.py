"""Admission policies as values: policies, their bindings, and the other objects of their files.

Converts parsed objects; never evaluates an expression. Raises AdmissionError for a wrong shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.json_values import as_mapping, drop_nulls
from kubekeep.model.label_selector import LabelSelector
from kubekeep.model.resource import Resource
from kubekeep.model.severity import parse_score

T = TypeVar("T")

GROUP: Final = "admissionregistration.k8s.io"
POLICY: Final = "ValidatingAdmissionPolicy"
BINDING: Final = "ValidatingAdmissionPolicyBinding"
SEVERITY: Final = "kubekeep.io/severity"
TITLE: Final = "kubekeep.io/title"


class AdmissionError(KubekeepError, ValueError):
    """A policy or binding that the API server would reject; the message has file and object."""


class ResourceRule(msgspec.Struct, frozen=True, rename="camel"):
    """Resources and operations in scope of a policy."""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    scope: str = "*"


class MatchResources(msgspec.Struct, frozen=True, rename="camel"):
    """The scope of a policy or binding."""

    resource_rules: tuple[ResourceRule, ...] = ()
    exclude_resource_rules: tuple[ResourceRule, ...] = ()
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    match_policy: str = "Equivalent"


class NamedExpression(msgspec.Struct, frozen=True):
    """An expression with a name."""

    name: str
    expression: str


class Validation(msgspec.Struct, frozen=True, rename="camel"):
    """One validation."""

    expression: str
    message: str = ""
    message_expression: str = ""


class ParamKind(msgspec.Struct, frozen=True, rename="camel"):
    """The kind of parameter objects."""

    api_version: str
    kind: str


class PolicySpec(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a ValidatingAdmissionPolicy."""

    match_constraints: MatchResources
    validations: tuple[Validation, ...] = ()
    match_conditions: tuple[NamedExpression, ...] = ()
    variables: tuple[NamedExpression, ...] = ()
    failure_policy: str = "Fail"
    param_kind: ParamKind | None = None


class ParamRef(msgspec.Struct, frozen=True, rename="camel"):
    """The reference of a binding to its parameters."""

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: str = ""


class BindingSpec(msgspec.Struct, frozen=True, rename="camel"):
    """The spec of a ValidatingAdmissionPolicyBinding."""

    policy_name: str
    validation_actions: tuple[str, ...] = ()
    match_resources: MatchResources | None = None
    param_ref: ParamRef | None = None


class Policy(msgspec.Struct, frozen=True):
    """A policy with its bindings and its texts for reports; `origin` is its file and name."""

    name: str
    title: str
    severity: float
    spec: PolicySpec
    bindings: tuple[BindingSpec, ...]
    origin: str


class AdmissionPolicies(msgspec.Struct, frozen=True):
    """The policies of some files and the other objects there: parameters, namespaces, custom kinds."""

    policies: tuple[Policy, ...]
    other_resources: tuple[Resource, ...]


def is_policy(resource: Resource) -> bool:
    """Return True for a ValidatingAdmissionPolicy."""
    return resource.group == GROUP and resource.kind == POLICY


def is_binding(resource: Resource) -> bool:
    """Return True for a ValidatingAdmissionPolicyBinding."""
    return resource.group == GROUP and resource.kind == BINDING


def collect_policies(resources: Iterable[Resource]) -> AdmissionPolicies:
    """Return the policies in `resources` with their bindings.

    Raises AdmissionError for an invalid policy, for none at all, and for a binding without its policy.
    """
    policies_by_name, bindings, others = _group_by_kind(resources)
    if not policies_by_name:
        raise AdmissionError("the files of --policies contain no ValidatingAdmissionPolicy")
    missing = sorted(bindings.keys() - policies_by_name.keys())
    if missing:
        raise AdmissionError(f"a binding names the policy {missing[0]}, which is not among the files of --policies")
    policies = tuple(
        _build_policy(resource, tuple(bindings.get(name, ()))) for name, resource in sorted(policies_by_name.items())
    )
    return AdmissionPolicies(policies, tuple(others))


def collect_bound_policies(resources: Iterable[Resource]) -> AdmissionPolicies:
    """Return the policies of a cluster that have a binding; others have no effect. Raises AdmissionError."""
    policies_by_name, bindings, others = _group_by_kind(resources)
    policies = tuple(
        _build_policy(resource, tuple(bindings[name]))
        for name, resource in sorted(policies_by_name.items())
        if name in bindings
    )
    return AdmissionPolicies(policies, tuple(others))


def _group_by_kind(
    resources: Iterable[Resource],
) -> tuple[dict[str, Resource], dict[str, list[BindingSpec]], list[Resource]]:
    """Return policies by name, bindings by policy name, and all other objects."""
    policies_by_name: dict[str, Resource] = {}
    bindings: dict[str, list[BindingSpec]] = {}
    others: list[Resource] = []
    for resource in resources:
        if is_policy(resource):
            if resource.name in policies_by_name:
                raise AdmissionError(f"{_format_origin(resource)}: another policy has the same name")
            policies_by_name[resource.name] = resource
        elif is_binding(resource):
            spec = read_spec(resource, BindingSpec)
            bindings.setdefault(spec.policy_name, []).append(spec)
        else:
            others.append(resource)
    return policies_by_name, bindings, others


def _format_origin(resource: Resource) -> str:
    source = f"{resource.source.path}: " if resource.source else ""
    return f"{source}{resource.kind} {resource.name}"


def read_spec(resource: Resource, kind: type[T]) -> T:
    """Return the spec of a policy or binding. Raises AdmissionError for a wrong shape."""
    try:
        return msgspec.convert(drop_nulls(resource.object.get("spec", {})), kind)
    except msgspec.ValidationError as error:
        raise AdmissionError(f"{_format_origin(resource)}: spec: {error}") from None


def _build_policy(resource: Resource, bindings: tuple[BindingSpec, ...]) -> Policy:
    origin = _format_origin(resource)
    if not resource.name:
        raise AdmissionError(f"{origin}: it has no name")
    texts = read_labels_and_annotations(resource)
    spec = read_spec(resource, PolicySpec)
    if not spec.validations:
        raise AdmissionError(f"{origin}: it has no validations")
    return Policy(
        name=resource.name,
        title=texts.get(TITLE) or resource.name,
        severity=_parse_severity(texts.get(SEVERITY, "5"), origin),
        spec=spec,
        bindings=bindings,
        origin=origin,
    )


def read_labels_and_annotations(resource: Resource) -> dict[str, str]:
    """Return labels and annotations; annotations take precedence."""
    return {**_read_texts(resource, "labels"), **_read_texts(resource, "annotations")}


def _read_texts(resource: Resource, field: str) -> Mapping[str, str]:
    texts = as_mapping(as_mapping(resource.object.get("metadata")).get(field))
    return {str(key): str(value) for key, value in texts.items()}


def _parse_severity(text: str, origin: str) -> float:
    try:
        return parse_score(text)
    except ValueError as error:
        raise AdmissionError(f"{origin}: {SEVERITY} is {text!r}, not a number from 0 to 10") from error
