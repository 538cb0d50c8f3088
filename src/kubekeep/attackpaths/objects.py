"""The objects of an input as the graph asks for them: workloads, and the rest by kind, namespace and name.

What others refer to is looked up; nothing is judged. Objects whose namespace is chosen later are taken to be installed
together, as for controls.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, get_labels, selects
from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource, format_name
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.workload import MalformedWorkloadError, build_pod_view, pod_path
from kubekeep.posture.release_namespace import RELEASE_NAMESPACE, InstalledResource

_MIRROR: Final = "kubernetes.io/config.mirror"
"""The annotation of the mirror of a static pod."""
_ENFORCED: Final = "pod-security.kubernetes.io/enforce"
_READY: Final = ("numberReady", "ready", "readyReplicas")
"""How many pods run, as the status of workloads tells it."""
_NAMED: Final = 3
_UNPRIVILEGED: Final = frozenset({"baseline", "restricted"})
"""Pod Security levels under which no container gets at its node (Kubernetes docs, Pod Security Standards)."""


class Item(msgspec.Struct, frozen=True, eq=False):
    """An object with the namespace it goes to (empty for one of the cluster), its name, and what people call it."""

    resource: Resource
    """As it was written."""
    object: dict[str, Any]
    """As it will be installed."""
    namespace: str
    name: str

    @property
    def kind(self) -> str:
        """`Deployment`, ..."""
        return self.resource.kind

    @property
    def label(self) -> str:
        """`Deployment shop/web`; without a namespace that nobody wrote."""
        return format_name(self.kind, self.resource.namespace, self.name)

    @property
    def spec(self) -> dict[str, Any]:
        """Its `spec`, empty if there is none."""
        return as_mapping(self.object.get("spec"))

    @property
    def annotations(self) -> dict[str, Any]:
        """Its annotations."""
        return as_mapping(as_mapping(self.object.get("metadata")).get("annotations"))


class Container(msgspec.Struct, frozen=True, eq=False):
    """A container that runs as long as its pod: no init container that has ended before anyone can talk to the pod."""

    fields: dict[str, Any]
    path: Path
    """Its path in the object."""

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.fields.get("name") or "")

    @property
    def context(self) -> dict[str, Any]:
        """Its security context with what it inherits from the pod."""
        return as_mapping(self.fields.get("effective"))

    @property
    def may_be_root(self) -> bool:
        """Whether nothing keeps its processes from running as user 0."""
        return self.context.get("runAsUser") in (None, 0) and self.context.get("runAsNonRoot") is not True


class Workload(msgspec.Struct, frozen=True, eq=False):
    """An object with pods. `id` tells it from others, of which files may hold several of one name."""

    id: str
    item: Item
    spec: dict[str, Any]
    """The pod spec without its containers."""
    path: Path
    """Its path in the object."""
    labels: dict[str, str]
    containers: tuple[Container, ...]

    @property
    def account(self) -> str:
        """The name of the service account that its pods run as."""
        return str(self.spec.get("serviceAccountName") or self.spec.get("serviceAccount") or "default")

    @property
    def is_mirror(self) -> bool:
        """Whether it only shows a static pod, which the API server gives no token."""
        return _MIRROR in self.item.annotations

    @property
    def is_running(self) -> bool:
        """Whether a cluster says that pods of it run."""
        status = as_mapping(self.item.object.get("status"))
        return status.get("phase") == "Running" or any(status.get(key) for key in _READY)

    @property
    def ports(self) -> dict[str, int]:
        """The ports that its containers name, by name."""
        found = (as_mapping(port) for item in self.containers for port in as_list(item.fields.get("ports")))
        return {
            str(port["name"]): port["containerPort"]
            for port in found
            if port.get("name") and isinstance(port.get("containerPort"), int)
        }


class Objects:
    """All objects of an input."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.workloads: list[Workload] = []
        self.malformed: list[Item] = []
        """Objects whose pod spec no API server would take."""
        self._kinds: dict[str, list[Item]] = {}
        for resource in resources:
            item = _item(resource)
            key = resource.kind if resource.is_builtin else f"{resource.group}/{resource.kind}"
            self._kinds.setdefault(key, []).append(item)
        for items in self._kinds.values():
            for item in items:
                self._note_workload(item)

    def of(self, kind: str) -> list[Item]:
        """The objects of a kind: its name, or `group/Kind` where the group is not one of Kubernetes' own."""
        return self._kinds.get(kind, [])

    def leave_out(self, workloads: Sequence[Workload]) -> None:
        """Go on as if `workloads` were not there."""
        left = {workload.id for workload in workloads}
        self.workloads = [workload for workload in self.workloads if workload.id not in left]

    @functools.cached_property
    def unplaced(self) -> int:
        """How many objects that lead somewhere name no namespace, though they will have one."""
        kinds = ("Service", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy")
        items = (*(workload.item for workload in self.workloads), *(item for kind in kinds for item in self.of(kind)))
        return sum(not item.resource.namespace for item in items)

    @functools.cached_property
    def repeated(self) -> list[str]:
        """What workloads are called that the input holds several times, as bases with their overlays are."""
        seen = Counter((item.kind, item.namespace, item.name) for item in (work.item for work in self.workloads))
        return [absent_label(*key) for key, count in seen.items() if count > 1]

    @functools.cached_property
    def services(self) -> Mapping[tuple[str, str], list[Item]]:
        """Services by namespace and name."""
        return _named(self.of("Service"))

    @functools.cached_property
    def gateways(self) -> Mapping[tuple[str, str], list[Item]]:
        """Gateways by namespace and name."""
        return _named(self.of("Gateway"))

    @functools.cached_property
    def accounts(self) -> Mapping[tuple[str, str], list[Item]]:
        """Service accounts by namespace and name."""
        return _named(self.of("ServiceAccount"))

    @functools.cached_property
    def secrets(self) -> Mapping[tuple[str, str], list[Item]]:
        """Secrets by namespace and name."""
        return _named(self.of("Secret"))

    @functools.cached_property
    def _namespaces(self) -> Mapping[str, list[Item]]:
        return {name: items for (_, name), items in _named(self.of("Namespace")).items()}

    def keeps_privileged_pods_out(self, namespace: str) -> bool | None:
        """Whether Pod Security keeps pods that get at their node out of `namespace`; None if it is not in the input."""
        found = self._namespaces.get(namespace)
        if found is None:
            return None
        return all(get_labels(item.object).get(_ENFORCED) in _UNPRIVILEGED for item in found)

    def is_selected(self, selector: Mapping[str, Any], namespace: str) -> bool | None:
        """Whether a selector of namespaces takes `namespace`; None if that is up to labels that nobody knows."""
        asked = selector_of(selector)
        if asked is None:
            return False
        name = {NAME_LABEL: namespace}
        if known := self._namespaces.get(namespace):
            return any(selects(asked, get_labels(item.object) | name) for item in known)
        sure = tuple(item for item in asked.requirements if item.key == NAME_LABEL)
        if not selects(LabelSelector(match_expressions=sure), name):
            return False
        return True if len(sure) == len(asked.requirements) else None

    def _note_workload(self, item: Item) -> None:
        if pod_path(item.resource) is None or self._is_owned(item):
            return
        try:
            seen = build_pod_view(msgspec.structs.replace(item.resource, content=item.object))
        except MalformedWorkloadError:
            self.malformed.append(item)
            return
        if seen is None or item.kind == "PodTemplate" or item.spec.get("replicas") == 0 or _has_ended(item):
            return
        containers = tuple(
            Container(container, parse_path(container["path"]))
            for container in seen["containers"]
            if container["type"] != "init" or container.get("restartPolicy") == "Always"
        )
        labels = {str(key): str(value) for key, value in as_mapping(seen["metadata"].get("labels")).items()}
        self.workloads.append(
            Workload(f"workload:{item.resource.id}", item, seen["spec"], parse_path(seen["path"]), labels, containers)
        )

    def _is_owned(self, item: Item) -> bool:
        """Whether an object of the input made it, so that the pods are that one's."""
        owners = as_list(as_mapping(item.object.get("metadata")).get("ownerReferences"))
        return any(
            (str(owner.get("kind")), item.namespace, str(owner.get("name"))) in self._known
            for owner in map(as_mapping, owners)
        )

    @functools.cached_property
    def _known(self) -> frozenset[tuple[str, str, str]]:
        return frozenset((item.kind, item.namespace, item.name) for items in self._kinds.values() for item in items)


def few(labels: Iterable[str]) -> str:
    """The first of some labels in alphabetical order, and how many more there are."""
    ordered = sorted(labels)
    more = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def absent_label(kind: str, namespace: str, name: str) -> str:
    """What people call an object that is not in the input; without a namespace that nobody has chosen yet."""
    return format_name(kind, "" if namespace == RELEASE_NAMESPACE else namespace, name)


def selector_of(selector: Mapping[str, Any]) -> LabelSelector | None:
    """A label selector; None if no API server takes it."""
    stated = {key: value for key, value in selector.items() if value is not None}
    try:
        return msgspec.convert(stated, LabelSelector)
    except msgspec.ValidationError:
        return None


def within(namespace: str) -> str:
    """How people say that something is in a namespace."""
    return "in the namespace of the release" if namespace == RELEASE_NAMESPACE else f"in namespace {namespace}"


def _item(resource: Resource) -> Item:
    judged = InstalledResource.install(resource).evaluated
    served = BUILTIN_TYPES.get((resource.group, resource.kind))
    namespaced = served.namespaced if served else True
    namespace = (judged.namespace or DEFAULT_NAMESPACE) if namespaced else ""
    return Item(resource, judged.object, namespace, resource.name)


def _has_ended(item: Item) -> bool:
    """Whether no pod of it runs any more, or none for now."""
    status = as_mapping(item.object.get("status"))
    if item.kind == "Pod":
        return status.get("phase") in ("Failed", "Succeeded")
    if item.kind not in ("CronJob", "Job"):
        return False
    conditions = [as_mapping(condition) for condition in as_list(status.get("conditions"))]
    return item.spec.get("suspend") is True or any(
        condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
        for condition in conditions
    )


def _named(items: Iterable[Item]) -> dict[tuple[str, str], list[Item]]:
    found: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        found.setdefault((item.namespace, item.name), []).append(item)
    return found
