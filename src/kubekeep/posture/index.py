"""Index of the whole input: the values of `input.cluster` for rules, and joined RBAC subjects.

Built in one pass over the resources, in linear time and space. Never evaluates a rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from kubekeep.model.control import IMAGE_DOCUMENT, PLATFORMS, SUBJECT, WORKLOAD, Control, Provider
from kubekeep.model.distribution import detect_provider
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.known_vulnerability import SUPPRESSING
from kubekeep.model.resource import Resource, join_related
from kubekeep.model.severity import Severity
from kubekeep.model.workload import POD_TEMPLATE, list_pod_paths, value_at_or
from kubekeep.posture.custom_owners import may_own_pods
from kubekeep.posture.isolation import index_enforcement, index_isolation
from kubekeep.posture.joins import Grants, IndexedPod, index_nodes, index_pods, index_selectors, index_values
from kubekeep.posture.references import References
from kubekeep.posture.roles import FILES, EffectiveRole, RoleCoverage, Roles
from kubekeep.posture.routes import index_routes

MAX_CONFIG_VALUE: Final = 256
"""Maximum length of a ConfigMap value in the index, in characters: settings are shorter, embedded files longer."""


def kinds_to_index(controls: Iterable[Control]) -> set[str]:
    """Return the kinds that the index keeps for `controls`: all kinds in `relates`.

    Workloads are left out if a control needs them only for service accounts: `account_users` is enough for these.
    """
    accounts = ("ServiceAccount",)
    return {
        kind
        for control in controls
        for kind in control.relates
        if (kind, control.only_for.get(kind)) != (WORKLOAD, accounts)
    }


class Index:
    """Objects of the kinds that some control relates to, by kind and namespace, and RBAC roles by name."""

    def __init__(self, kinds: Iterable[str], *, join_subjects: bool, roles: RoleCoverage = FILES) -> None:
        """Keep the objects of `kinds` (see `kinds_to_index`), and RBAC if subjects are to be joined."""
        self._kinds = frozenset(kinds)
        self._joins_subjects = join_subjects or SUBJECT in self._kinds
        self._objects: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._account_users: dict[str, dict[str, bool]] = {}
        self._pods: dict[str, list[IndexedPod]] = {}
        self._custom_owners: dict[str, dict[str, dict[str, bool]]] = {}
        self.provider: Provider | None = None
        """The managed platform, detected from a Node or a cloud provider's document."""
        self._roles = Roles(roles)
        self._is_whole_cluster = roles.is_whole_cluster
        self._references = References()
        self._bindings: list[Resource] = []

    def add(self, resource: Resource) -> None:
        """Add `resource` to the index."""
        self.provider = self.provider or find_provider(resource)
        if not self._kinds.isdisjoint(resource.kind_names) and not _is_ordinary_pod(resource):
            kind = resource.kind if resource.is_builtin else f"{resource.group}/{resource.kind}"
            self._objects.setdefault(kind, {}).setdefault(resource.namespace_or_default, []).append(
                _reduce(kind, resource.object)
            )
        if "ServiceAccount" in self._kinds or WORKLOAD in self._kinds:
            self._add_pods(resource)
        # A cluster lists the pods that operators have created.
        if WORKLOAD in self._kinds and not self._is_whole_cluster:
            self._add_custom_owner(resource)
        if not self._is_whole_cluster:
            self._references.add(resource)
        if self._joins_subjects and is_role_or_binding(resource):
            if resource.kind in _ROLES:
                self._roles.add(resource)
            else:
                self._bindings.append(resource)

    def _add_custom_owner(self, resource: Resource) -> None:
        owns_pods = may_own_pods(resource)
        if owns_pods is not None:
            owners = self._custom_owners.setdefault(f"{resource.group}/{resource.kind}", {})
            owners.setdefault(resource.namespace_or_default, {})[resource.name] = owns_pods

    def _add_pods(self, resource: Resource) -> None:
        if (resource.group, resource.kind) != POD_TEMPLATE:
            for path in list_pod_paths(resource):
                self._add_pod(resource, value_at_or(resource.object, path, None))

    def _add_pod(self, resource: Resource, pod: Any) -> None:
        spec = pod.get("spec") if isinstance(pod, dict) else None
        if not isinstance(pod, dict) or not isinstance(spec, dict):
            return
        namespace = resource.namespace_or_default
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        self._account_users.setdefault(namespace, {})[str(name)] = True
        if name != "default" and not self._is_whole_cluster:
            self._references.add_workload(resource)
        if WORKLOAD in self._kinds:
            self._pods.setdefault(namespace, []).append(
                IndexedPod(resource.kind, resource.api_version, resource.name, _get_labels(pod), _list_ports(spec))
            )

    def build(self) -> dict[str, Any]:
        """Build the value of `input.cluster` without its `provider` (`eks`, `aks`, `gke` or null).

        - `objects`: kind to namespace to objects. Cluster-scoped objects are under `default`; Pods are limited to
          kube-system, where the control plane runs; ConfigMaps have no values longer than MAX_CONFIG_VALUE.
        - `named`: the same, with the objects of a namespace by name; files may hold several of one name. Built-in
          kinds are limited to those that others refer to; ImageVulnerabilities have `severities` (counts) and
          `rce` (names), images in addition `image`, `signatures` and `notAssessed` (ecosystems).
        - `account_users`: namespace to names of the service accounts that workloads run as.
        - `custom_owners`: kind (`group/Kind`) to namespace to the names of custom resources, with true if an operator may
          create pods from it by `kubekeep.posture.custom_owners`; empty for a cluster, which has these pods.
        - `pods`, `nodes`, `selecting` (Services), `values` (PodSecurityPolicies) and `grants`: see `kubekeep.posture.joins`.
        - `routed`: see `kubekeep.posture.routes`.
        - `unchecked`: see `kubekeep.posture.references`; empty for a cluster.
        - `isolation` and `enforcement`: see `kubekeep.posture.isolation`.
        """
        grants = Grants()
        if SUBJECT in self._kinds:
            # Lists of a cluster come in any order.
            bindings = sorted(self._bindings, key=lambda binding: (binding.kind, binding.namespace, binding.name))
            for binding in bindings:
                grants.bind(binding)
            for subject in self._join(bindings):
                grants.add(subject)
            for role in {id(role): role for binding in bindings for role in self._find_roles(binding) or ()}.values():
                grants.add_role(role, self._roles.list_aggregated(role.original))
        return {
            "objects": self._objects,
            "named": {
                kind: {namespace: _group_by_name(objects) for namespace, objects in namespaces.items()}
                for kind, namespaces in self._objects.items()
                if kind in _KINDS_BY_NAME or "/" in kind
            },
            "account_users": self._account_users,
            "pods": index_pods(self._pods),
            "custom_owners": self._custom_owners,
            "selecting": index_selectors(self._objects.get("Service", {})),
            "values": {kind: index_values(self._list_objects(kind)) for kind in _ALTERNATIVES if kind in self._objects},
            "routed": index_routes(self._objects),
            "grants": grants.build(has_all_bindings=self._is_whole_cluster),
            "unchecked": self._references.build(),
            "nodes": index_nodes(self._list_objects("Node")),
            "isolation": index_isolation(self._objects),
            "enforcement": index_enforcement(self._objects),
        }

    def _list_objects(self, kind: str) -> list[dict[str, Any]]:
        return [content for objects in self._objects.get(kind, {}).values() for content in objects]

    def iterate_subjects(self) -> Iterator[Resource]:
        """Yield each subject of each binding, joined with binding and role, in the order of the bindings.

        A role has its effective rules, or is marked as missing; see `kubekeep.posture.roles`.
        """
        yield from self._join(self._bindings)

    def _join(self, bindings: Iterable[Resource]) -> Iterator[Resource]:
        for binding in bindings:
            roles = self._find_roles(binding)
            if roles is None:
                continue
            for role in roles:
                for subject in as_list(binding.object.get("subjects")):
                    if isinstance(subject, dict):
                        yield join_related(_complete_subject(subject, binding), (binding, role.resource))

    def _find_roles(self, binding: Resource) -> Sequence[EffectiveRole] | None:
        """Return the roles that a binding refers to; None if it is invalid.

        A RoleBinding refers to a Role in its own namespace only; a ClusterRoleBinding cannot name a Role (Kubernetes docs,
        RBAC, roleRef).
        """
        reference = binding.object.get("roleRef")
        if not isinstance(reference, dict):
            return None
        kind, name = str(reference.get("kind")), str(reference.get("name") or "")
        if kind != "ClusterRole" and (binding.kind == "ClusterRoleBinding" or kind != "Role"):
            return None
        return self._roles.find(kind, binding.namespace, name, beside=binding)


def _complete_subject(subject: dict[str, Any], binding: Resource) -> dict[str, Any]:
    """Return a subject of a RoleBinding with the namespace of its account, as the API server's authorizer reads it."""
    is_incomplete = subject.get("kind") == "ServiceAccount" and not subject.get("namespace") and binding.namespace
    return {**subject, "namespace": binding.namespace} if is_incomplete else subject


_ROLES: Final = ("Role", "ClusterRole")
_BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")
_KINDS_BY_NAME: Final = frozenset(
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
"""Kinds that other objects refer to by name, so that rules look them up by name."""
_CODE_EXECUTION: Final = frozenset(
    {"CWE-77", "CWE-78", "CWE-94", "CWE-95", "CWE-96", "CWE-502", "CWE-913", "CWE-917", "CWE-1336"}
)
"""Weaknesses by which input is executed as a command, code or template, or creates any object."""
_ALTERNATIVES: Final = frozenset({"PodSecurityPolicy"})
"""Kinds of which one restrictive object is enough; rules read the values of all objects together."""


def _is_ordinary_pod(resource: Resource) -> bool:
    """Return True for a Pod outside kube-system: rules read only the fields of it in `pods`."""
    return resource.kind == "Pod" and resource.is_builtin and resource.namespace != "kube-system"


def _group_by_name(objects: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_name: dict[str, list[dict[str, Any]]] = {}
    for content in objects:
        by_name.setdefault(Resource(content).name, []).append(content)
    return by_name


def is_role_or_binding(resource: Resource) -> bool:
    """Return True for an object of RBAC. Many subjects are joined with it and share its object, so it is not packed."""
    return resource.group == "rbac.authorization.k8s.io" and resource.kind in (*_ROLES, *_BINDINGS)


def find_provider(resource: Resource) -> Provider | None:
    """Return the managed platform that `resource` identifies; None if it identifies none."""
    if resource.kind == "Node" and resource.is_builtin:
        return detect_provider(resource.object)
    return PLATFORMS.get(resource.group)


def _reduce(kind: str, resource_object: dict[str, Any]) -> dict[str, Any]:
    """Return an object without values of Secrets, long values of ConfigMaps, lists of CVEs and volatile fields.

    Volatile fields are removed so that status updates of a live cluster do not count as changes.
    """
    content = _drop_volatile(kind, resource_object)
    if kind == "Secret":
        return {key: value for key, value in content.items() if key not in ("data", "stringData")}
    if kind.endswith("/ImageVulnerabilities"):
        return _count_vulnerabilities(content)
    if kind == IMAGE_DOCUMENT:
        return _summarise_image(content)
    return _drop_long_values(content) if kind == "ConfigMap" else content


def _drop_volatile(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its resource version, and a Node without its conditions and images."""
    metadata = as_mapping(content.get("metadata"))
    if "resourceVersion" in metadata:
        content = {**content, "metadata": {key: value for key, value in metadata.items() if key != "resourceVersion"}}
    status = content.get("status")
    if kind == "Node" and isinstance(status, dict):
        steady = {key: value for key, value in status.items() if key not in ("conditions", "images")}
        content = {**content, "status": steady}
    return content


def _get_labels(pod: dict[str, Any]) -> dict[str, Any]:
    return as_mapping(as_mapping(pod.get("metadata")).get("labels"))


def _list_ports(spec: dict[str, Any]) -> list[Any]:
    containers = spec.get("containers")
    ports = [
        port
        for container in (containers if isinstance(containers, list) else ())
        if isinstance(container, dict) and isinstance(container.get("ports"), list)
        for port in container["ports"]
        if isinstance(port, dict)
    ]
    return [value for port in ports for value in (port.get("name"), port.get("containerPort")) if value is not None]


def _drop_long_values(config_map: dict[str, Any]) -> dict[str, Any]:
    settings = config_map.get("data")
    if not isinstance(settings, dict):
        return config_map
    short = {
        key: value for key, value in settings.items() if not (isinstance(value, str) and len(value) > MAX_CONFIG_VALUE)
    }
    return {**{key: value for key, value in config_map.items() if key != "binaryData"}, "data": short}


def _count_vulnerabilities(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report on an image as counts by severity, and the names of remote code execution vulnerabilities."""
    vulnerabilities = [entry for entry in as_list(report.get("data")) if isinstance(entry, dict)]
    return {
        "metadata": report.get("metadata"),
        "severities": Counter(str(entry.get("severity")).lower() for entry in vulnerabilities),
        "rce": [
            str(entry.get("name"))
            for entry in vulnerabilities
            if as_mapping(entry.get("categories")).get("isRce") is True
        ],
    }


def _summarise_image(document: dict[str, Any]) -> dict[str, Any]:
    """Return the digests and signatures of an image, and its vulnerabilities as counts if it was searched for them.

    A vulnerability of several packages counts once, with its highest severity. One that a VEX statement suppresses does not
    count.
    """
    summary: dict[str, Any] = {key: document[key] for key in ("metadata", "image", "signatures") if key in document}
    entries = document.get("vulnerabilities")
    if not isinstance(entries, list):
        return summary
    vulnerabilities = [
        entry
        for entry in entries
        if isinstance(entry, dict) and as_mapping(entry.get("vex")).get("status") not in SUPPRESSING
    ]
    severities: dict[str, Severity] = {}
    for entry in vulnerabilities:
        name, severity = str(entry.get("id")), _parse_severity(entry.get("severity"))
        severities[name] = max(severity, severities.get(name, severity))
    gaps = map(as_mapping, as_list(as_mapping(document.get("assessment")).get("notAssessed")))
    return summary | {
        "severities": Counter(severity.label.lower() for severity in severities.values()),
        "rce": list(dict.fromkeys(str(entry.get("id")) for entry in vulnerabilities if _allows_remote_code(entry))),
        "notAssessed": sorted({str(gap.get("ecosystem")) for gap in gaps if gap.get("incomplete", True)}),
    }


def _allows_remote_code(vulnerability: dict[str, Any]) -> bool:
    """Return True for a code injection or deserialisation weakness that can be exploited over the network."""
    weaknesses = {str(name).upper() for name in as_list(vulnerability.get("weaknesses"))}
    is_remote = "/AV:N" in str(vulnerability.get("vector"))
    words = f"{vulnerability.get('title')} {vulnerability.get('description')}".lower()
    return (is_remote and not weaknesses.isdisjoint(_CODE_EXECUTION)) or "remote code execution" in words


def _parse_severity(value: Any) -> Severity:
    try:
        return Severity.parse(str(value))
    except ValueError:
        return Severity.UNKNOWN
