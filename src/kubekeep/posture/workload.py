"""Selection of one workload with its service account, bindings, roles, policies, Services and owners.

Reads only the given resources; never evaluates them and never queries a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import LabelSelector, get_labels, selects
from kubekeep.model.resource import Resource
from kubekeep.model.resource_types import SHORT_NAMES, guess_plural
from kubekeep.model.similar_names import find_similar
from kubekeep.model.text import visible
from kubekeep.model.workload import pod_path, value_at_or
from kubekeep.posture.joins import find_account
from kubekeep.posture.select import UnknownNameError


class WorkloadName(msgspec.Struct, frozen=True):
    """Name of a workload as users write it: the kind in any spelling of kubectl; empty parts match anything."""

    kind: str
    name: str
    group: str = ""
    version: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))

    def matches(self, resource: Resource) -> bool:
        """Return True if the name matches `resource`."""
        kind = SHORT_NAMES.get(self.kind.lower(), self.kind).lower()
        return (
            resource.name == self.name
            and kind in (resource.kind.lower(), guess_plural(resource.kind))
            and self.group in ("", resource.group)
            and self.version in ("", resource.version)
            and self.namespace in ("", resource.namespace_or_default)
        )


def parse_workload(text: str) -> WorkloadName:
    """Parse `[namespace/]kind[.version[.group]]/name`, or `kind.group/name` as in kubectl.

    Raises UnknownNameError for other text.
    """
    parts = text.split("/")
    namespace, kind, name = ["", *parts][-3:] if len(parts) in (2, 3) else ("", "", "")
    kind, _, rest = kind.partition(".")
    if not (kind and name):
        raise UnknownNameError(f"not a workload: {text!r}; use the form deployment/web or shop/deployment/web")
    version, _, group = rest.partition(".")
    if not _is_version(version):
        version, group = "", rest
    return WorkloadName(kind, name, group, version, namespace)


def _is_version(text: str) -> bool:
    return text[:1] == "v" and text[1:2].isdigit()


def select_workload(name: WorkloadName, resources: Sequence[Resource]) -> list[Resource]:
    """Return the workloads that match `name` and their dependencies, in the order of `resources`.

    Raises UnknownNameError if no workload matches.
    """
    targets = [resource for resource in resources if name.matches(resource) and pod_path(resource) is not None]
    if not targets:
        raise UnknownNameError(_describe_missing(name, resources))
    selected_ids = {id(resource) for target in targets for resource in (target, *_list_dependencies(target, resources))}
    return [resource for resource in resources if id(resource) in selected_ids]


def _describe_missing(name: WorkloadName, resources: Iterable[Resource]) -> str:
    names = {f"{resource.kind.lower()}/{resource.name}" for resource in resources if pod_path(resource) is not None}
    similar = find_similar(f"{name.kind.lower()}/{name.name}", sorted(names), cutoff=0.5)
    hint = (
        f"; did you mean {visible(similar)}?"
        if similar
        else f"; the input has {len(names)} workload{'' if len(names) == 1 else 's'}"
    )
    return f"unknown workload {str(name)!r}{hint}"


def _list_dependencies(target: Resource, resources: Sequence[Resource]) -> Iterator[Resource]:
    namespace = target.namespace_or_default
    pod = as_mapping(value_at_or(target.object, pod_path(target) or (), None))
    spec = as_mapping(pod.get("spec"))
    account = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
    roles: set[tuple[str, str, str]] = set()
    for resource in resources:
        if resource.kind in ("RoleBinding", "ClusterRoleBinding") and _binds(resource, namespace, account):
            role = as_mapping(resource.object.get("roleRef"))
            kind = str(role.get("kind"))
            roles.add((kind, resource.namespace_or_default if kind == "Role" else "", str(role.get("name"))))
            yield resource
    labels = get_labels(pod)
    for resource in resources:
        if (
            (
                resource.kind == "ServiceAccount"
                and (resource.namespace_or_default, resource.name) == (namespace, account)
            )
            or (resource.kind, resource.namespace_or_default if resource.kind == "Role" else "", resource.name) in roles
            or (resource.namespace_or_default == namespace and _selects_pods(resource, labels))
        ):
            yield resource
    yield from _list_owners(target, resources)


def _binds(binding: Resource, namespace: str, account: str) -> bool:
    subjects = (subject for subject in as_list(binding.object.get("subjects")) if isinstance(subject, dict))
    return any(find_account(subject, binding) == (namespace, account) for subject in subjects)


def _selects_pods(resource: Resource, labels: dict[str, str]) -> bool:
    """Return True if a Service or NetworkPolicy selects pods with these labels."""
    spec = as_mapping(resource.object.get("spec"))
    if resource.kind == "Service" and not resource.group:
        selector = as_mapping(spec.get("selector"))
        return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    if resource.kind == "NetworkPolicy" and resource.is_builtin:
        try:
            return selects(msgspec.convert(as_mapping(spec.get("podSelector")), LabelSelector), labels)
        except msgspec.ValidationError:
            return False
    return False


def _list_owners(target: Resource, resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the owners of `target`, and their owners."""
    pending, seen = [target], {id(target)}
    while pending:
        owned = pending.pop()
        for reference in as_list(as_mapping(owned.object.get("metadata")).get("ownerReferences")):
            for owner in resources:
                if id(owner) not in seen and _is_owner(owner, as_mapping(reference), owned.namespace_or_default):
                    seen.add(id(owner))
                    pending.append(owner)
                    yield owner


def _is_owner(owner: Resource, reference: dict[str, Any], namespace: str) -> bool:
    is_named = (owner.kind, owner.name) == (reference.get("kind"), reference.get("name"))
    return is_named and owner.namespace_or_default == namespace
