"""Resources of an input for the attack graph: workloads, and all resources by kind, namespace and name.

Never evaluates resources. Resources with a namespace that is chosen at installation are assumed to be installed
together, as for controls.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import NAME_LABEL, POD_NAME_LABEL, LabelSelector, get_labels, parse_selector, selects
from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.subject import format_name
from kubekeep.model.workload import MalformedWorkloadError, build_pod_views, list_pod_paths
from kubekeep.posture.release_namespace import RELEASE_NAMESPACE, InstalledResource

_MIRROR: Final = "kubernetes.io/config.mirror"
"""The annotation of the mirror pod of a static pod."""
_ENFORCE_LABEL: Final = "pod-security.kubernetes.io/enforce"
_RUNNING_FIELDS: Final = ("numberReady", "ready", "readyReplicas")
"""Status fields of workloads with the number of running pods."""
_POD_FIELDS: Final = (
    *("automountServiceAccountToken", "serviceAccount", "serviceAccountName", "affinity", "nodeSelector"),
    *("hostNetwork", "hostPID", "hostUsers", "securityContext", "volumes"),
)
_CONTAINER_FIELDS: Final = ("name", "effective", "ports", "volumeMounts", "volumeDevices")
"""Fields that edges depend on. The others take most of the memory of a large scan."""
_MAX_LABELS: Final = 3
_UNPRIVILEGED: Final = frozenset({"baseline", "restricted"})
"""Pod Security levels that prevent access to the node (Kubernetes docs, Pod Security Standards)."""
_encode: Final = msgspec.json.Encoder().encode
_parse_path: Final = functools.lru_cache(maxsize=256)(parse_path)
"""Pods have their containers at few different paths."""


class PlacedResource(msgspec.Struct, frozen=True, eq=False):
    """A resource with the namespace it is installed in; empty for a cluster-scoped one."""

    original: Resource
    """The resource as written."""
    installed: Resource
    """The resource with the namespace it is installed in; the same object if the manifest has it."""
    namespace: str
    name: str

    @property
    def object(self) -> dict[str, Any]:
        """The content as installed. Unpacked at each access, so that the objects of a large scan are not all in memory."""
        return self.installed.object

    @property
    def kind(self) -> str:
        """The kind, for example `Deployment`."""
        return self.original.kind

    @property
    def label(self) -> str:
        """The name in reports, `Deployment shop/web`; without a namespace that is not in the manifest."""
        return format_name(self.kind, self.original.namespace, self.name)

    @property
    def spec(self) -> dict[str, Any]:
        """The `spec`, empty if there is none."""
        return as_mapping(self.object.get("spec"))

    @property
    def annotations(self) -> dict[str, Any]:
        """The annotations."""
        return _get_annotations(self.object)


class PodContainer(msgspec.Struct, frozen=True, eq=False):
    """A container that runs as long as its pod: sidecars count, other init containers do not."""

    fields: dict[str, Any]
    """The fields that edges of most graphs depend on."""
    path: Path
    """The path in the object."""

    @property
    def name(self) -> str:
        """The name, empty if missing."""
        return str(self.fields.get("name") or "")

    @property
    def context(self) -> dict[str, Any]:
        """The effective security context."""
        return as_mapping(self.fields.get("effective"))

    @property
    def may_be_root(self) -> bool:
        """True if its processes can run as user 0."""
        return self.context.get("runAsUser") in (None, 0) and self.context.get("runAsNonRoot") is not True


class Workload(msgspec.Struct, frozen=True, eq=False):
    """A workload. `id` is unique even if files hold several workloads of one name."""

    id: str
    resource: PlacedResource
    spec: dict[str, Any]
    """The fields of the pod spec that edges depend on."""
    path: Path
    """The path in the object."""
    labels: dict[str, str]
    containers: tuple[PodContainer, ...]
    is_mirror: bool = False
    """True for the mirror pod of a static pod, which gets no service account token."""

    @property
    def account(self) -> str:
        """The name of the service account of its pods."""
        return str(self.spec.get("serviceAccountName") or self.spec.get("serviceAccount") or "default")

    @property
    def is_running(self) -> bool:
        """True if its status in the cluster reports running pods."""
        status = as_mapping(self.resource.object.get("status"))
        return status.get("phase") == "Running" or any(status.get(key) for key in _RUNNING_FIELDS)

    @property
    def ports(self) -> dict[str, int]:
        """The named container ports, by name."""
        ports = (as_mapping(port) for container in self.containers for port in as_list(container.fields.get("ports")))
        return {
            str(port["name"]): port["containerPort"]
            for port in ports
            if port.get("name") and isinstance(port.get("containerPort"), int)
        }


class Objects:
    """All resources of an input."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.workloads: list[Workload] = []
        self.malformed_resources: list[PlacedResource] = []
        """Resources with an invalid pod spec."""
        self._kinds: dict[str, list[PlacedResource]] = {}
        self._values: dict[bytes, Any] = {}
        """Values of fields of pods and containers, by their JSON."""
        for original in resources:
            key = original.kind if original.is_builtin else f"{original.group}/{original.kind}"
            self._kinds.setdefault(key, []).append(_install(original))
        for installed in self._kinds.values():
            for resource in installed:
                self._add_workload(resource)
        self._values.clear()

    def list_kind(self, kind: str) -> list[PlacedResource]:
        """Return the resources of a kind: `Kind` for built-in groups, else `group/Kind`."""
        return self._kinds.get(kind, [])

    def remove_workloads(self, workloads: Sequence[Workload]) -> None:
        """Remove `workloads` from the input."""
        removed = {workload.id for workload in workloads}
        self.workloads = [workload for workload in self.workloads if workload.id not in removed]

    @functools.cached_property
    def unplaced_count(self) -> int:
        """The number of namespaced resources without a namespace, among kinds that paths can lead through."""
        kinds = ("Service", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy")
        others = (resource for kind in kinds for resource in self.list_kind(kind))
        return sum(
            not resource.original.namespace
            for resource in (*(workload.resource for workload in self.workloads), *others)
        )

    @functools.cached_property
    def repeated_labels(self) -> list[str]:
        """Labels of workloads that occur several times in the input, for example in bases and overlays."""
        seen = Counter(
            (resource.kind, resource.namespace, resource.name)
            for resource in {id(workload.resource): workload.resource for workload in self.workloads}.values()
        )
        return [format_missing_label(*key) for key, count in seen.items() if count > 1]

    @functools.cached_property
    def services(self) -> Mapping[tuple[str, str], list[PlacedResource]]:
        """Services by namespace and name."""
        return _group_by_name(self.list_kind("Service"))

    @functools.cached_property
    def gateways(self) -> Mapping[tuple[str, str], list[PlacedResource]]:
        """Gateways by namespace and name."""
        return _group_by_name(self.list_kind("Gateway"))

    @functools.cached_property
    def accounts(self) -> Mapping[tuple[str, str], list[PlacedResource]]:
        """Service accounts by namespace and name."""
        return _group_by_name(self.list_kind("ServiceAccount"))

    @functools.cached_property
    def secrets(self) -> Mapping[tuple[str, str], list[PlacedResource]]:
        """Secrets by namespace and name."""
        return _group_by_name(self.list_kind("Secret"))

    @functools.cached_property
    def _namespaces(self) -> Mapping[str, list[PlacedResource]]:
        return {name: namespaces for (_, name), namespaces in _group_by_name(self.list_kind("Namespace")).items()}

    def blocks_privileged_pods(self, namespace: str) -> bool | None:
        """Return True if Pod Security blocks pods with access to their node; None without the Namespace in the input."""
        definitions = self._namespaces.get(namespace)
        if definitions is None:
            return None
        return all(get_labels(resource.object).get(_ENFORCE_LABEL) in _UNPRIVILEGED for resource in definitions)

    def is_selected(self, selector: Mapping[str, Any], namespace: str) -> bool | None:
        """Return True if a namespace selector matches `namespace`; None if that depends on unknown labels."""
        label_selector = parse_selector(selector)
        if label_selector is None:
            return False
        name = {NAME_LABEL: namespace}
        if definitions := self._namespaces.get(namespace):
            return any(selects(label_selector, get_labels(resource.object) | name) for resource in definitions)
        name_requirements = tuple(
            requirement for requirement in label_selector.requirements if requirement.key == NAME_LABEL
        )
        if not selects(LabelSelector(match_expressions=name_requirements), name):
            return False
        return True if len(name_requirements) == len(label_selector.requirements) else None

    def _add_workload(self, resource: PlacedResource) -> None:
        original = resource.original
        if original.is_builtin and not list_pod_paths(original):
            return
        content = resource.object
        try:
            views = build_pod_views(msgspec.structs.replace(original, content=content))
        except MalformedWorkloadError:
            self.malformed_resources.append(resource)
            return
        if not views or self._is_owned(content, resource.namespace):
            return
        if resource.kind == "PodTemplate" or _has_no_pods(resource.kind, content):
            return
        is_mirror = _MIRROR in _get_annotations(content)
        for number, view in enumerate(views):
            template = f" {view['path']}" if number else ""
            self._add_pod(resource, view, f"workload:{resource.original.id}{template}", is_mirror=is_mirror)

    def _add_pod(self, resource: PlacedResource, view: Mapping[str, Any], node: str, *, is_mirror: bool) -> None:
        """Add a pod of a workload; `node` is its name in the graph."""
        containers = tuple(
            PodContainer(self._select(container, _CONTAINER_FIELDS), _parse_path(container["path"]))
            for container in view["containers"]
            if container["type"] != "init" or container.get("restartPolicy") == "Always"
        )
        labels = {str(key): str(value) for key, value in as_mapping(view["metadata"].get("labels")).items()}
        if resource.kind == "StatefulSet":
            # Its pods have this label with their own names.
            labels[POD_NAME_LABEL] = resource.name
        path = _parse_path(view["path"])
        spec = self._select(view["spec"], _POD_FIELDS)
        self.workloads.append(Workload(node, resource, spec, path, labels, containers, is_mirror))

    def _select(self, fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Return some fields. Equal values are one object: most workloads have the same ports, mounts and volumes."""
        present = [(name, fields[name]) for name in names if name in fields]
        return {name: self._values.setdefault(_encode(value), value) for name, value in present}

    def _is_owned(self, content: Mapping[str, Any], namespace: str) -> bool:
        """Return True if the owner of an object is in the input; the pods then belong to the owner."""
        owners = as_list(as_mapping(content.get("metadata")).get("ownerReferences"))
        return any(
            (str(owner.get("kind")), namespace, str(owner.get("name"))) in self._identities
            for owner in map(as_mapping, owners)
        )

    @functools.cached_property
    def _identities(self) -> frozenset[tuple[str, str, str]]:
        return frozenset(
            (resource.kind, resource.namespace, resource.name) for kind in self._kinds.values() for resource in kind
        )


def join_labels(labels: Iterable[str]) -> str:
    """Return the first labels in alphabetical order, and the number of the others."""
    ordered = sorted(labels)
    more = len(ordered) - _MAX_LABELS
    return ", ".join(ordered[:_MAX_LABELS]) + (f" and {more} more" if more > 0 else "")


def format_missing_label(kind: str, namespace: str, name: str) -> str:
    """Format the label of a resource that is not in the input, without a namespace that is chosen at installation."""
    return format_name(kind, "" if namespace == RELEASE_NAMESPACE else namespace, name)


def describe_namespace(namespace: str) -> str:
    """Return "in namespace NAME" for a text."""
    return "in the namespace of the release" if namespace == RELEASE_NAMESPACE else f"in namespace {namespace}"


def _install(original: Resource) -> PlacedResource:
    installed = InstalledResource.install(original).evaluated
    resource_type = BUILTIN_TYPES.get((original.group, original.kind))
    is_namespaced = resource_type.is_namespaced if resource_type else True
    namespace = (installed.namespace or DEFAULT_NAMESPACE) if is_namespaced else ""
    return PlacedResource(original, installed, namespace, original.name)


def _get_annotations(content: Mapping[str, Any]) -> dict[str, Any]:
    return as_mapping(as_mapping(content.get("metadata")).get("annotations"))


def _has_no_pods(kind: str, content: Mapping[str, Any]) -> bool:
    """Return True if a workload has no replicas, or a Pod, Job or CronJob has finished or is suspended."""
    spec, status = as_mapping(content.get("spec")), as_mapping(content.get("status"))
    if spec.get("replicas") == 0:
        return True
    if kind == "Pod":
        return status.get("phase") in ("Failed", "Succeeded")
    if kind not in ("CronJob", "Job"):
        return False
    conditions = [as_mapping(condition) for condition in as_list(status.get("conditions"))]
    return spec.get("suspend") is True or any(
        condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
        for condition in conditions
    )


def _group_by_name(resources: Iterable[PlacedResource]) -> dict[tuple[str, str], list[PlacedResource]]:
    by_name: dict[tuple[str, str], list[PlacedResource]] = {}
    for resource in resources:
        by_name.setdefault((resource.namespace, resource.name), []).append(resource)
    return by_name
