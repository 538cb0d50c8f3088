"""What is known of the whole input: the indexes that rules find in `input.cluster`, and joined RBAC subjects.

Built once while resources stream by, in time and size linear in them; never judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.control import PLATFORMS, SUBJECT, WORKLOAD, Control, Provider
from kubekeep.model.distribution import detect_provider
from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.workload import POD_TEMPLATE, pod_path, value_at_or
from kubekeep.posture.isolation import enforcement, isolation
from kubekeep.posture.joins import Grants, Pod, nodes, pods, selecting, values
from kubekeep.posture.routes import routed

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


def kept_for(controls: Iterable[Control]) -> set[str]:
    """The kinds to keep for `controls`: all that they relate.

    Workloads are not, where they matter to verdicts on service accounts alone: who uses those is kept with them.
    """
    accounts = ("ServiceAccount",)
    return {kind for one in controls for kind in one.relates if (kind, one.only_for.get(kind)) != (WORKLOAD, accounts)}


class Index:
    """Objects of the kinds that some control relates to, by kind and namespace, and RBAC by role."""

    def __init__(self, kinds: Iterable[str], *, join_subjects: bool) -> None:
        """Keep what `kinds` (`kept_for` the controls) ask for, and RBAC when subjects are to be joined."""
        self._kinds = frozenset(kinds)
        self._join = join_subjects or SUBJECT in self._kinds
        self._objects: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._users: dict[str, dict[str, bool]] = {}
        self._pods: dict[str, list[Pod]] = {}
        self.provider: Provider | None = None
        """The managed platform that a Node or a cloud's own document tells of."""
        self._roles: dict[tuple[str, str, str], dict[bytes, Resource]] = {}
        self._bindings: list[Resource] = []

    def add(self, resource: Resource) -> None:
        """Take note of `resource`."""
        self.provider = self.provider or provider_of(resource)
        if not self._kinds.isdisjoint(resource.kind_names) and not _ordinary_pod(resource):
            kind = resource.kind if resource.is_builtin else f"{resource.group}/{resource.kind}"
            self._objects.setdefault(kind, {}).setdefault(_namespace(resource), []).append(_kept(kind, resource.object))
        if "ServiceAccount" in self._kinds or WORKLOAD in self._kinds:
            self._note_pod(resource)
        if self._join and resource.group == "rbac.authorization.k8s.io":
            if resource.kind in ("Role", "ClusterRole"):
                # Copies of a role, as overlays make them, are one; what differs is all counted.
                rules = msgspec.json.encode(resource.object.get("rules"))
                key = _role_key(resource.kind, resource.namespace, resource.name)
                self._roles.setdefault(key, {}).setdefault(rules, resource)
            elif resource.kind in ("RoleBinding", "ClusterRoleBinding"):
                self._bindings.append(resource)

    def _note_pod(self, resource: Resource) -> None:
        if (resource.group, resource.kind) == POD_TEMPLATE:
            return
        at = pod_path(resource)
        pod = None if at is None else value_at_or(resource.object, at, None)
        spec = pod.get("spec") if isinstance(pod, dict) else None
        if not isinstance(pod, dict) or not isinstance(spec, dict):
            return
        namespace = _namespace(resource)
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        self._users.setdefault(namespace, {})[str(name)] = True
        if WORKLOAD in self._kinds:
            self._pods.setdefault(namespace, []).append(
                Pod(resource.kind, resource.api_version, resource.name, _labels(pod), _ports(spec))
            )

    def data(self) -> dict[str, Any]:
        """The value of `input.cluster`, beside its `provider` (`eks`, `aks`, `gke` or null).

        - `objects`: kind to namespace to objects. Cluster-scoped ones too are under `default`; Pods are those of
          kube-system only, where the control plane runs; ConfigMaps are without values longer than SETTING.
        - `named`: the same, with the objects of a namespace by name. Files may hold several of one name.
          Of built-in kinds those that others refer to; ImageVulnerabilities as `severities` (to how many)
          and `rce` (names).
        - `account_users`: namespace to names of the service accounts that some workload runs as.
        - `pods`, `nodes`, `selecting` (Services), `values` (PodSecurityPolicies) and `grants`: see `kubekeep.posture.joins`.
        - `routed`: see `kubekeep.posture.routes`.
        - `isolation` and `enforcement`: see `kubekeep.posture.isolation`.
        """
        grants = Grants()
        if SUBJECT in self._kinds:
            # Lists of a cluster come as they come.
            bindings = sorted(self._bindings, key=lambda item: (item.kind, item.namespace, item.name))
            for binding in bindings:
                grants.bind(binding)
            for subject in self._joined(bindings):
                grants.add(subject.object, *subject.related)
        return {
            "objects": self._objects,
            "named": {
                kind: {namespace: _by_name(objects) for namespace, objects in namespaces.items()}
                for kind, namespaces in self._objects.items()
                if kind in _NAMED or "/" in kind
            },
            "account_users": self._users,
            "pods": pods(self._pods),
            "selecting": selecting(self._objects.get("Service", {})),
            "values": {kind: values(self._of(kind)) for kind in _ALTERNATIVES if kind in self._objects},
            "routed": routed(self._objects),
            "grants": grants.data(),
            "nodes": nodes(self._of("Node")),
            "isolation": isolation(self._objects),
            "enforcement": enforcement(self._objects),
        }

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [item for objects in self._objects.get(kind, {}).values() for item in objects]

    def subjects(self) -> Iterator[Resource]:
        """Each subject of each binding whose role is known, joined with both, in the order of the bindings.

        A RoleBinding to a Role finds it in its own namespace only; a ClusterRoleBinding cannot name a Role
        (Kubernetes docs, RBAC, roleRef).
        """
        yield from self._joined(self._bindings)

    def _joined(self, bindings: Iterable[Resource]) -> Iterator[Resource]:
        for binding in bindings:
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


_NAMED: Final = frozenset(
    {
        "ConfigMap",
        "Namespace",
        "PersistentVolumeClaim",
        "Secret",
        "Service",
        "ServiceAccount",
        "StorageClass",
    }
)
"""Kinds that others refer to by name, so that rules look them up by name."""
_ALTERNATIVES: Final = frozenset({"PodSecurityPolicy"})
"""Kinds of which one that forbids is enough, so that rules ask what any of them says."""


def _ordinary_pod(resource: Resource) -> bool:
    """Whether it is one of the many Pods that no rule looks up one by one: `pods` tells of those what is needed."""
    return resource.kind == "Pod" and resource.is_builtin and resource.namespace != "kube-system"


def _namespace(resource: Resource) -> str:
    return resource.namespace or DEFAULT_NAMESPACE


def _role_key(kind: str, namespace: str, name: str) -> tuple[str, str, str]:
    return kind, (namespace or DEFAULT_NAMESPACE) if kind == "Role" else "", name


def _by_name(objects: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    named: dict[str, list[dict[str, Any]]] = {}
    for item in objects:
        named.setdefault(Resource(item).name, []).append(item)
    return named


def provider_of(resource: Resource) -> Provider | None:
    """The managed platform that `resource` tells of."""
    if resource.kind == "Node" and resource.is_builtin:
        return detect_provider(resource.object)
    return PLATFORMS.get(resource.group)


def _kept(kind: str, whole: dict[str, Any]) -> dict[str, Any]:
    """What the index keeps of an object: no values of Secrets, no whole files of ConfigMaps, no lists of CVEs.

    Nor what changes by itself, so that a cluster that lives does not look like another one.
    """
    item = _steady(kind, whole)
    if kind == "Secret":
        return {key: value for key, value in item.items() if key not in ("data", "stringData")}
    if kind.endswith("/ImageVulnerabilities"):
        return _counted(item)
    return _settings(item) if kind == "ConfigMap" else item


def _steady(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """An object without its version, a Node without what it reports of its health and its images."""
    found = as_mapping(item.get("metadata"))
    if "resourceVersion" in found:
        item = {**item, "metadata": {key: value for key, value in found.items() if key != "resourceVersion"}}
    status = item.get("status")
    if kind == "Node" and isinstance(status, dict):
        item = {**item, "status": {key: value for key, value in status.items() if key not in ("conditions", "images")}}
    return item


def _labels(pod: dict[str, Any]) -> dict[str, Any]:
    return as_mapping(as_mapping(pod.get("metadata")).get("labels"))


def _ports(spec: dict[str, Any]) -> list[Any]:
    containers = spec.get("containers")
    ports = [
        port
        for container in (containers if isinstance(containers, list) else ())
        if isinstance(container, dict) and isinstance(container.get("ports"), list)
        for port in container["ports"]
        if isinstance(port, dict)
    ]
    return [value for port in ports for value in (port.get("name"), port.get("containerPort")) if value is not None]


def _settings(config_map: dict[str, Any]) -> dict[str, Any]:
    data = config_map.get("data")
    if not isinstance(data, dict):
        return config_map
    short = {key: value for key, value in data.items() if not (isinstance(value, str) and len(value) > SETTING)}
    return {**{key: value for key, value in config_map.items() if key != "binaryData"}, "data": short}


def _counted(report: dict[str, Any]) -> dict[str, Any]:
    """A report on an image by numbers: vulnerabilities of each severity, and names of those that run code."""
    data = report.get("data")
    found = [item for item in (data if isinstance(data, list) else ()) if isinstance(item, dict)]
    return {
        "metadata": report.get("metadata"),
        "severities": Counter(str(item.get("severity")).lower() for item in found),
        "rce": [str(item.get("name")) for item in found if as_mapping(item.get("categories")).get("isRce") is True],
    }
