"""One workload and what it needs: its service account with bindings and roles, policies, services and owners.

Finds objects among those that were read; never judges them, and never asks a cluster.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import LabelSelector, get_labels, selects
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.resource_types import guess_plural
from kubekeep.model.text import visible
from kubekeep.model.workload import pod_path, value_at_or
from kubekeep.posture.joins import account_of
from kubekeep.posture.select import UnknownNameError

_SHORT: Final = {
    "cj": "CronJob",
    "deploy": "Deployment",
    "ds": "DaemonSet",
    "po": "Pod",
    "rc": "ReplicationController",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
}
"""Short names of workloads, as kubectl takes them."""


class WorkloadName(msgspec.Struct, frozen=True):
    """A workload as people name it: the kind in any spelling that kubectl takes; empty parts are any."""

    kind: str
    name: str
    group: str = ""
    version: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))

    def means(self, resource: Resource) -> bool:
        """Whether `resource` is called so."""
        kind = _SHORT.get(self.kind.lower(), self.kind).lower()
        return (
            resource.name == self.name
            and kind in (resource.kind.lower(), guess_plural(resource.kind))
            and self.group in ("", resource.group)
            and self.version in ("", resource.version)
            and self.namespace in ("", _namespace(resource))
        )


def parse_workload(text: str) -> WorkloadName:
    """The name in `[namespace/]kind[.version[.group]]/name`, or in `kind.group/name` as kubectl takes it.

    Raises UnknownNameError for other text.
    """
    parts = text.split("/")
    namespace, kind, name = ["", *parts][-3:] if len(parts) in (2, 3) else ("", "", "")
    kind, _, rest = kind.partition(".")
    if not (kind and name):
        raise UnknownNameError(f"not a workload: {text!r}; name it as deployment/web or shop/deployment/web")
    version, _, group = rest.partition(".")
    if not _is_version(version):
        version, group = "", rest
    return WorkloadName(kind, name, group, version, namespace)


def _is_version(text: str) -> bool:
    return text[:1] == "v" and text[1:2].isdigit()


def with_needs(name: WorkloadName, resources: Sequence[Resource]) -> list[Resource]:
    """The workloads called `name` among `resources`, and what each needs, in the order given.

    Raises UnknownNameError where there is none.
    """
    targets = [item for item in resources if name.means(item) and pod_path(item) is not None]
    if not targets:
        raise UnknownNameError(_missing(name, resources))
    kept = {id(item) for target in targets for item in (target, *_needs(target, resources))}
    return [item for item in resources if id(item) in kept]


def _missing(name: WorkloadName, resources: Iterable[Resource]) -> str:
    known = {f"{item.kind.lower()}/{item.name}" for item in resources if pod_path(item) is not None}
    near = difflib.get_close_matches(f"{name.kind.lower()}/{name.name}", sorted(known), n=1, cutoff=0.5)
    hint = (
        f"; did you mean {visible(near[0])}?"
        if near
        else f"; the input has {len(known)} workload{'' if len(known) == 1 else 's'}"
    )
    return f"no workload is called {str(name)!r}{hint}"


def _needs(target: Resource, resources: Sequence[Resource]) -> Iterator[Resource]:
    namespace = _namespace(target)
    pod = as_mapping(value_at_or(target.object, pod_path(target) or (), None))
    spec = as_mapping(pod.get("spec"))
    account = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
    roles: set[tuple[str, str, str]] = set()
    for item in resources:
        if item.kind in ("RoleBinding", "ClusterRoleBinding") and _binds(item, namespace, account):
            role = as_mapping(item.object.get("roleRef"))
            kind = str(role.get("kind"))
            roles.add((kind, _namespace(item) if kind == "Role" else "", str(role.get("name"))))
            yield item
    labels = get_labels(pod)
    for item in resources:
        if (
            (item.kind == "ServiceAccount" and (_namespace(item), item.name) == (namespace, account))
            or (item.kind, _namespace(item) if item.kind == "Role" else "", item.name) in roles
            or (_namespace(item) == namespace and _selects(item, labels))
        ):
            yield item
    yield from _owners(target, resources)


def _binds(binding: Resource, namespace: str, account: str) -> bool:
    subjects = (item for item in as_list(binding.object.get("subjects")) if isinstance(item, dict))
    return any(account_of(item, binding) == (namespace, account) for item in subjects)


def _selects(item: Resource, labels: dict[str, str]) -> bool:
    """Whether a Service or a NetworkPolicy is for pods with these labels."""
    spec = as_mapping(item.object.get("spec"))
    if item.kind == "Service" and not item.group:
        selector = as_mapping(spec.get("selector"))
        return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    if item.kind == "NetworkPolicy" and item.is_builtin:
        try:
            return selects(msgspec.convert(as_mapping(spec.get("podSelector")), LabelSelector), labels)
        except msgspec.ValidationError:
            return False
    return False


def _owners(target: Resource, resources: Sequence[Resource]) -> Iterator[Resource]:
    """The objects that `target` says it belongs to, and those that they belong to."""
    todo, seen = [target], {id(target)}
    while todo:
        item = todo.pop()
        for reference in as_list(as_mapping(item.object.get("metadata")).get("ownerReferences")):
            for owner in resources:
                if id(owner) not in seen and _is_owner(owner, as_mapping(reference), _namespace(item)):
                    seen.add(id(owner))
                    todo.append(owner)
                    yield owner


def _is_owner(owner: Resource, reference: dict[str, Any], namespace: str) -> bool:
    return (owner.kind, owner.name) == (reference.get("kind"), reference.get("name")) and _namespace(owner) == namespace


def _namespace(resource: Resource) -> str:
    return resource.namespace or DEFAULT_NAMESPACE
