"""What is known of the whole input: the indexes that rules find in `data.cluster`, and joined RBAC subjects.

Built once while resources stream by, in time and size linear in them; never judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.assess.isolation import isolation
from kubekeep.model.resource import Resource
from kubekeep.model.workload import pod_path, value_at_or

DEFAULT_NAMESPACE: Final = "default"
"""Where an object goes that names no namespace, as kubectl sends it without a context that says otherwise."""

SETTING: Final = 256
"""The longest value of a ConfigMap that is kept, in characters: settings, not whole files."""

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
        self._kinds = frozenset(kinds)
        self._join = join_subjects
        self._objects: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._users: dict[str, dict[str, bool]] = {}
        self._roles: dict[tuple[str, str, str], dict[bytes, Resource]] = {}
        self._bindings: list[Resource] = []

    def add(self, resource: Resource) -> None:
        """Take note of `resource`."""
        if not self._kinds.isdisjoint(resource.kind_names):
            kind = resource.kind if resource.builtin else f"{resource.group}/{resource.kind}"
            kept = _settings(resource.object) if kind == "ConfigMap" else resource.object
            self._objects.setdefault(kind, {}).setdefault(_namespace(resource), []).append(kept)
        if "ServiceAccount" in self._kinds:
            self._note_user(resource)
        if self._join and resource.group == "rbac.authorization.k8s.io":
            if resource.kind in ("Role", "ClusterRole"):
                # Copies of a role, as overlays make them, are one; what differs is all counted.
                rules = msgspec.json.encode(resource.object.get("rules"))
                key = _role_key(resource.kind, resource.namespace, resource.name)
                self._roles.setdefault(key, {}).setdefault(rules, resource)
            elif resource.kind in ("RoleBinding", "ClusterRoleBinding"):
                self._bindings.append(resource)

    def _note_user(self, resource: Resource) -> None:
        at = pod_path(resource)
        spec = None if at is None else value_at_or(resource.object, (*at, "spec"), None)
        if isinstance(spec, dict):
            name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
            self._users.setdefault(_namespace(resource), {})[str(name)] = True

    def data(self) -> dict[str, Any]:
        """The value of `data.cluster`.

        - `objects`: kind to namespace to objects. Cluster-scoped ones too are under `default`; ConfigMaps
          are without values longer than SETTING.
        - `named`: the same, with the objects of a namespace by name. Files may hold several of one name.
        - `account_users`: namespace to names of the service accounts that some workload runs as.
        - `isolation`: see `kubekeep.assess.isolation`.
        """
        return {
            "objects": self._objects,
            "named": {
                kind: {namespace: _by_name(objects) for namespace, objects in namespaces.items()}
                for kind, namespaces in self._objects.items()
                if kind in _NAMED
            },
            "account_users": self._users,
            "isolation": isolation(self._objects),
        }

    def subjects(self) -> Iterator[Resource]:
        """Each subject of each binding whose role is known, joined with both, in the order of the bindings.

        A RoleBinding to a Role finds it in its own namespace only; a ClusterRoleBinding cannot name a Role
        (Kubernetes docs, RBAC, roleRef).
        """
        for binding in self._bindings:
            reference = binding.object.get("roleRef")
            subjects = binding.object.get("subjects")
            if not isinstance(reference, dict) or not isinstance(subjects, list):
                continue
            kind, name = str(reference.get("kind")), str(reference.get("name"))
            if binding.kind == "ClusterRoleBinding" and kind != "ClusterRole":
                continue
            for role in self._known_roles(_role_key(kind, binding.namespace, name)):
                for subject in subjects:
                    if isinstance(subject, dict):
                        joined = {**subject, "relatedObjects": [binding.object, role.object]}
                        yield Resource(joined, related=(binding, role))

    def _known_roles(self, key: tuple[str, str, str]) -> Iterable[Resource]:
        known = self._roles.get(key)
        if known is not None:
            return known.values()
        return (_CLUSTER_ADMIN,) if key == ("ClusterRole", "", "cluster-admin") else ()


_NAMED: Final = frozenset({"ConfigMap", "Namespace", "ServiceAccount"})
"""Kinds that others refer to by name, so that rules look them up by name."""


def _namespace(resource: Resource) -> str:
    return resource.namespace or DEFAULT_NAMESPACE


def _role_key(kind: str, namespace: str, name: str) -> tuple[str, str, str]:
    return kind, (namespace or DEFAULT_NAMESPACE) if kind == "Role" else "", name


def _by_name(objects: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    named: dict[str, list[dict[str, Any]]] = {}
    for item in objects:
        named.setdefault(Resource(item).name, []).append(item)
    return named


def _settings(config_map: dict[str, Any]) -> dict[str, Any]:
    data = config_map.get("data")
    if not isinstance(data, dict):
        return config_map
    short = {key: value for key, value in data.items() if not (isinstance(value, str) and len(value) > SETTING)}
    return {**{key: value for key, value in config_map.items() if key != "binaryData"}, "data": short}
