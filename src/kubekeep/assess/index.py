"""What is known of the whole input: the indexes that rules find in `data.cluster`, and joined RBAC subjects.

Built once while resources stream by, in time and size linear in them; never judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kubekeep.model.control import is_builtin, names_kind
from kubekeep.model.resource import Resource

DEFAULT_NAMESPACE: Final = "default"
"""Where an object goes that names no namespace, as kubectl sends it without a context that says otherwise."""

_CLUSTER_ADMIN: Final = Resource(
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "cluster-admin"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ],
    }
)
"""Every cluster has it without anyone writing it down (Kubernetes docs, RBAC, user-facing roles)."""


class Index:
    """Objects of the kinds that some control relates to, by kind and namespace, and RBAC by role."""

    def __init__(self, kinds: Iterable[str], *, join_subjects: bool) -> None:
        """Keep objects of `kinds`; keep roles and bindings too when subjects are to be joined."""
        self._kinds = tuple(kinds)
        self._join = join_subjects
        self._objects: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._roles: dict[tuple[str, str, str], Resource] = {("ClusterRole", "", "cluster-admin"): _CLUSTER_ADMIN}
        self._bindings: list[Resource] = []

    def add(self, resource: Resource) -> None:
        """Take note of `resource`."""
        if self._kinds and names_kind(self._kinds, resource):
            kind = resource.kind if is_builtin(resource.group) else f"{resource.group}/{resource.kind}"
            namespace = resource.namespace or DEFAULT_NAMESPACE
            self._objects.setdefault(kind, {}).setdefault(namespace, []).append(resource.object)
        if self._join and resource.group == "rbac.authorization.k8s.io":
            if resource.kind in ("Role", "ClusterRole"):
                self._roles[_role_key(resource.kind, resource.namespace, resource.name)] = resource
            elif resource.kind in ("RoleBinding", "ClusterRoleBinding"):
                self._bindings.append(resource)

    def data(self) -> dict[str, Any]:
        """The value of `data.cluster`.

        `objects` is kind to namespace to objects (cluster-scoped ones too are under `default`);
        `network_policies` is namespace to the policies that select all pods (`all`), those that ask for a
        label, by `key=value` of one label they ask for (`by_label`), and the rest (`other`).
        """
        policies = self._objects.get("NetworkPolicy", {})
        return {
            "objects": self._objects,
            "network_policies": {namespace: _by_selector(items) for namespace, items in policies.items()},
        }

    def subjects(self) -> Iterator[Resource]:
        """Each subject of each binding whose role is known, joined with both, in the order of the bindings.

        A RoleBinding to a Role finds it in its own namespace only (Kubernetes docs, RBAC, roleRef).
        """
        for binding in self._bindings:
            reference = binding.object.get("roleRef")
            subjects = binding.object.get("subjects")
            if not isinstance(reference, dict) or not isinstance(subjects, list):
                continue
            kind, name = str(reference.get("kind")), str(reference.get("name"))
            role = self._roles.get(_role_key(kind, binding.namespace, name))
            if role is None:
                continue
            for subject in subjects:
                if isinstance(subject, dict):
                    joined = {**subject, "relatedObjects": [binding.object, role.object]}
                    yield Resource(joined, related=(binding, role))


def _role_key(kind: str, namespace: str, name: str) -> tuple[str, str, str]:
    return kind, (namespace or DEFAULT_NAMESPACE) if kind == "Role" else "", name


def _by_selector(policies: list[dict[str, Any]]) -> dict[str, Any]:
    """`policies` arranged so that a pod finds its candidates by its own labels."""
    everything: list[Any] = []
    by_label: dict[str, list[Any]] = {}
    other: list[Any] = []
    for policy in policies:
        spec = policy.get("spec")
        selector = spec.get("podSelector") if isinstance(spec, dict) else None
        labels = selector.get("matchLabels") if isinstance(selector, dict) else None
        if labels and isinstance(labels, dict):
            key, value = next(iter(labels.items()))
            by_label.setdefault(f"{key}={value}", []).append(policy)
        elif isinstance(selector, dict) and selector.get("matchExpressions"):
            other.append(policy)
        else:
            everything.append(policy)
    return {"all": everything, "by_label": by_label, "other": other}
