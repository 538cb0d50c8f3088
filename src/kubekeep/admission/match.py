"""Whether an admission policy or binding is for an object, as the API server decides it. Never evaluates CEL.

Namespaces are known as far as the input shows them. Where a selector asks for a label that nobody can know, the
answer is not a guess but an `UnknownLabelError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kubekeep.admission.policy import GROUP, Match, ResourceRule
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, get_labels, matches_requirement, selects
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.resource_types import ResourceType, ResourceTypes


class UnknownLabelError(Exception):
    """A selector asks for a label of a namespace that is not in the input."""


class Subject(msgspec.Struct, frozen=True):
    """An object as a request for it would carry it."""

    resource: Resource
    served: ResourceType
    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    knows_namespace: bool
    """Whether the namespace itself is in the input, so that all its labels are known."""


class Subjects:
    """Objects as requests, each with what is known of its namespace."""

    def __init__(self, resources: Sequence[Resource], others: Iterable[Resource]) -> None:
        seen = [*others, *resources]
        self.kinds = ResourceTypes(seen)
        self.namespaces = {item.name: item for item in seen if item.kind == "Namespace" and not item.group}

    def of(self, resource: Resource) -> Subject:
        """`resource` as a request; without a namespace it goes to `default`, as with kubectl."""
        served = self.kinds.of(resource)
        is_namespace = resource.kind == "Namespace" and not resource.group
        namespace = (resource.namespace or DEFAULT_NAMESPACE) if served.namespaced else ""
        name = resource.name if is_namespace else namespace
        known = resource if is_namespace else self.namespaces.get(name)
        labels = get_labels(known.object) if known else {}
        return Subject(
            resource=resource,
            served=served,
            namespace=name,
            labels=get_labels(resource.object),
            namespace_labels={**labels, NAME_LABEL: name} if name else {},
            knows_namespace=known is not None,
        )


def is_exempt(resource: Resource) -> bool:
    """Whether no policy is ever asked about it: admission policies and webhooks themselves."""
    return resource.group == GROUP


def matched(match: Match, subject: Subject) -> tuple[str, ...] | None:
    """The operations for which `match` takes `subject`; None if it does not.

    Raises UnknownLabelError when all depends on a label that is not known.
    """
    if not selects(match.object_selector, subject.labels):
        return None
    if any(_rule(rule, subject, match) for rule in match.exclude_resource_rules):
        return None
    rules = [rule for rule in match.resource_rules if _rule(rule, subject, match)]
    if match.resource_rules and not rules:
        return None
    if subject.namespace and not _in_namespace(match.namespace_selector, subject):
        return None
    return tuple(dict.fromkeys(operation for rule in rules for operation in rule.operations)) or ("*",)


def _in_namespace(selector: LabelSelector, subject: Subject) -> bool:
    if subject.knows_namespace:
        return selects(selector, subject.namespace_labels)
    unknown = []
    for requirement in selector.requirements:
        if requirement.key != NAME_LABEL:
            unknown.append(requirement.key)
        elif not matches_requirement(requirement, subject.namespace_labels):
            return False
    if unknown:
        raise UnknownLabelError(
            f"namespaceSelector asks for the label {unknown[0]} of namespace {subject.namespace}, "
            "which is not in the input"
        )
    return True


def _rule(rule: ResourceRule, subject: Subject, match: Match) -> bool:
    served = subject.served
    same = served.equivalents if match.match_policy == "Equivalent" else served.equivalents[:1]
    version = match.match_policy == "Equivalent" or _names(rule.api_versions, subject.resource.version)
    return (
        version
        and bool({"*", "CREATE", "UPDATE"} & set(rule.operations))
        and any(_names(rule.api_groups, group) and _has_resource(rule.resources, plural) for group, plural in same)
        and (not rule.resource_names or subject.resource.name in rule.resource_names)
        and rule.scope in ("*", "Namespaced" if served.namespaced else "Cluster")
    )


def _names(items: Sequence[str], wanted: str) -> bool:
    return "*" in items or wanted in items


def _has_resource(items: Sequence[str], plural: str) -> bool:
    """Whether the resource itself is meant: `pods/exec` is only for one of its subresources."""
    for item in items:
        name, _, subresource = item.partition("/")
        if name in ("*", plural) and subresource in ("", "*"):
            return True
    return False
