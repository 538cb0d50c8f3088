"""Match admission policies and bindings to objects as the API server does. Never evaluates CEL.

Labels of a namespace are known only if the Namespace is in the input. A selector for an unknown label raises
`UnknownLabelError` instead of guessing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kubekeep.admission.policy import GROUP, MatchResources, ResourceRule
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, get_labels, matches_requirement, selects
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.resource_types import ResourceType, ResourceTypes


class UnknownLabelError(Exception):
    """A selector needs a label of a namespace that is not in the input."""


class AdmissionRequest(msgspec.Struct, frozen=True):
    """An object with the fields of an admission request. `namespace` is the object's own name for a Namespace."""

    resource: Resource
    resource_type: ResourceType
    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    has_namespace_labels: bool
    """True if the namespace is in the input, so that all its labels are known."""
    kubernetes_minor: int
    """The minor version of the API server that gets the request."""


class RequestBuilder:
    """Builder of admission requests from objects and the namespaces of the input."""

    def __init__(
        self, resources: Sequence[Resource], other_resources: Iterable[Resource], kubernetes_minor: int
    ) -> None:
        self._kubernetes_minor = kubernetes_minor
        all_resources = [*other_resources, *resources]
        self.types = ResourceTypes(all_resources)
        self.namespaces = {
            resource.name: resource for resource in all_resources if resource.kind == "Namespace" and not resource.group
        }

    def build(self, resource: Resource) -> AdmissionRequest:
        """Return the request for `resource`; the default namespace is `default`, as with kubectl."""
        resource_type = self.types.get_type(resource)
        is_namespace = resource.kind == "Namespace" and not resource.group
        namespace = (resource.namespace or DEFAULT_NAMESPACE) if resource_type.is_namespaced else ""
        name = resource.name if is_namespace else namespace
        namespace_resource = resource if is_namespace else self.namespaces.get(name)
        labels = get_labels(namespace_resource.object) if namespace_resource else {}
        return AdmissionRequest(
            resource=resource,
            resource_type=resource_type,
            namespace=name,
            labels=get_labels(resource.object),
            namespace_labels={**labels, NAME_LABEL: name} if name else {},
            has_namespace_labels=namespace_resource is not None,
            kubernetes_minor=self._kubernetes_minor,
        )


def is_exempt(resource: Resource) -> bool:
    """Return True for admission policies and webhooks, to which no policy applies."""
    return resource.group == GROUP


def match_operations(match: MatchResources, request: AdmissionRequest) -> tuple[str, ...] | None:
    """Return the operations for which `match` includes the object of `request`; None if it does not include it.

    Raises UnknownLabelError if the result depends on an unknown label.
    """
    if not selects(match.object_selector, request.labels):
        return None
    if any(_matches_rule(rule, request, match) for rule in match.exclude_resource_rules):
        return None
    rules = [rule for rule in match.resource_rules if _matches_rule(rule, request, match)]
    if match.resource_rules and not rules:
        return None
    if request.namespace and not _matches_namespace(match.namespace_selector, request):
        return None
    return tuple(dict.fromkeys(operation for rule in rules for operation in rule.operations)) or ("*",)


def _matches_namespace(selector: LabelSelector, request: AdmissionRequest) -> bool:
    if request.has_namespace_labels:
        return selects(selector, request.namespace_labels)
    unknown_labels = []
    for requirement in selector.requirements:
        if requirement.key != NAME_LABEL:
            unknown_labels.append(requirement.key)
        elif not matches_requirement(requirement, request.namespace_labels):
            return False
    if unknown_labels:
        raise UnknownLabelError(
            f"namespaceSelector requires the label {unknown_labels[0]} of namespace {request.namespace}, "
            "which is not in the input"
        )
    return True


def _matches_rule(rule: ResourceRule, request: AdmissionRequest, match: MatchResources) -> bool:
    resource_type = request.resource_type
    equivalents = resource_type.equivalents if match.match_policy == "Equivalent" else resource_type.equivalents[:1]
    matches_version = match.match_policy == "Equivalent" or _includes(rule.api_versions, request.resource.version)
    return (
        matches_version
        and bool({"*", "CREATE", "UPDATE"} & set(rule.operations))
        and any(
            _includes(rule.api_groups, group) and _has_resource(rule.resources, plural) for group, plural in equivalents
        )
        and (not rule.resource_names or request.resource.name in rule.resource_names)
        and rule.scope in ("*", "Namespaced" if resource_type.is_namespaced else "Cluster")
    )


def _includes(names: Sequence[str], name: str) -> bool:
    return "*" in names or name in names


def _has_resource(names: Sequence[str], plural: str) -> bool:
    """Return True if `names` include the resource itself; `pods/exec` is only a subresource."""
    for entry in names:
        name, _, subresource = entry.partition("/")
        if name in ("*", plural) and subresource in ("", "*"):
            return True
    return False
