"""Facts about a live cluster, and its coverage gaps. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.control import EVERYTHING, SUBJECT, WORKLOAD
from kubekeep.model.definition import Definition
from kubekeep.model.distribution import DISTRIBUTION_NAMES
from kubekeep.model.resource import kind_names
from kubekeep.model.workload import POD_KINDS, POD_TEMPLATE

RBAC: Final = "rbac.authorization.k8s.io"
RBAC_KINDS: Final = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
"""Kinds that joined RBAC subjects are built from."""
IDENTITY_NAMESPACE: Final = "kube-system"
"""The Namespace whose UID identifies a cluster: it exists from the start and cannot be deleted (KEP-2149)."""
CILIUM_GROUP: Final = "cilium.io"
CILIUM_NAMESPACES: Final = ("kube-system", "cilium")
"""Namespaces with Cilium (Cilium docs, Installation using Helm; OpenShift)."""
CILIUM_SETTINGS: Final = "cilium-config"
"""Name of the ConfigMap in one of `CILIUM_NAMESPACES` with the cluster-wide settings of Cilium."""


def kind_patterns(group: str, kind: str) -> tuple[str, ...]:
    """Return the patterns of targets that match a kind: all kinds, all kinds of its group, its name in any group."""
    return EVERYTHING, "*/*", f"{group}/*", f"*/{kind}"


def expand_kind_names(group: str, kind: str, *, carries_pods: bool = False) -> frozenset[str]:
    """Return all names and patterns that controls may use for a kind.

    `carries_pods` is true for custom kinds with a pod template.
    """
    names = {*kind_names(group, kind), *kind_patterns(group, kind)}
    if carries_pods or (group, kind) in POD_KINDS:
        names.add(WORKLOAD)
    if group == RBAC and kind in RBAC_KINDS:
        names.add(SUBJECT)
    return frozenset(names)


def format_permission(verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> str:
    """Format a permission: `list deployments.apps in namespace shop`, `get namespaces/shop`."""
    resource_name = f"{resource}.{group}" if group else resource
    suffix = f"/{name}" if name else ""
    # The namespace of a Namespace object is redundant.
    is_in_namespace = namespace and not (resource == "namespaces" and not group)
    return f"{verb} {resource_name}{suffix}" + (f" in namespace {namespace}" if is_in_namespace else "")


class CoverageGap(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one kind that could not be listed: all, those of a `namespace` or one `name`, and the reason.

    `resource` is the plural in the API. `is_truncated` is true if some objects were listed, `is_outside_selection` if
    all objects in the evaluated namespaces were listed. `carries_pods` is true for custom kinds with a pod template.
    Documents that a cloud did not provide are gaps too.
    """

    group: str
    kind: str
    resource: str
    reason: str
    version: str = ""
    verb: str = "list"
    namespace: str = ""
    name: str = ""
    is_truncated: bool = False
    is_outside_selection: bool = False
    carries_pods: bool = False
    next_step: str = ""
    """Instruction for a permission that the cluster cannot grant: `allow ecr:DescribeRepositories`."""

    @property
    def names(self) -> frozenset[str]:
        """Names that controls may use for the kind; no `workload` for PodTemplate, which never runs."""
        names = expand_kind_names(self.group, self.kind, carries_pods=self.carries_pods)
        return names - {WORKLOAD} if (self.group, self.kind) == POD_TEMPLATE else names

    @property
    def permission(self) -> str:
        """The missing permission, `list deployments.apps in namespace shop`, or `needs`."""
        return self.next_step or format_permission(self.verb, self.group, self.resource, self.namespace, self.name)

    @property
    def gvr(self) -> str:
        """Group, version and plural, `apps/v1/deployments`: Kubescape's identifier of a resource type."""
        return "/".join(filter(None, (self.group, self.version, self.resource)))

    @property
    def selector(self) -> str:
        """The field selector of the missing objects."""
        fields = (("metadata.name", self.name), ("metadata.namespace", self.namespace))
        return ",".join(f"{field}={value}" for field, value in fields if value)

    @property
    def is_partial(self) -> bool:
        """True if some objects were listed."""
        return self.is_truncated or self.is_outside_selection

    def may_hide(self, group: str, kind: str, namespace: str, name: str) -> bool:
        """Return True if the gap may be the reason that an evaluated object was not listed.

        Always False for a gap outside the evaluated namespaces.
        """
        own_namespace = name if (group, kind) == ("", "Namespace") else namespace
        return (
            not self.is_outside_selection
            and self.group == group
            and self.kind in (EVERYTHING, kind)
            and self.namespace in ("", own_namespace)
            and self.name in ("", name)
        )

    def affects(self, control: Definition) -> bool:
        """Return True if the kind is a target of `control`, or related to one.

        A gap outside the evaluated namespaces affects only controls with the kind in `relates`.
        """
        needed = control.relates if self.is_outside_selection else (*control.targets, *control.relates)
        return not self.names.isdisjoint(needed)

    @property
    def text(self) -> str:
        """The reason, with a note if some objects were listed."""
        if self.is_outside_selection:
            return f"{self.reason}; the scanned namespaces are complete"
        return f"list incomplete: {self.reason}" if self.is_truncated else self.reason


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The scanned cluster: display name, version, distribution and coverage gaps.

    `info` is the server's response to `/version`; `provider` the managed platform, empty if none was detected.
    `distribution` is the Kubernetes distribution (`eks`, `openshift`, `k3s`, see `kubekeep.model.distribution`), empty
    if unknown, and `distribution_version` its version: OpenShift's own, else that of Kubernetes.
    """

    name: str
    info: dict[str, str]
    provider: str = ""
    nodes: int = 0
    distribution: str = ""
    distribution_version: str = ""
    gaps: tuple[CoverageGap, ...] = ()

    @property
    def version(self) -> str:
        """`v1.34.4`; empty if the server does not report it."""
        return self.info.get("gitVersion", "")

    @property
    def kubernetes(self) -> str:
        """Version and distribution in words: `Kubernetes v1.29.8 (OpenShift 4.16.3)`, without unknown parts."""
        # Most distributions use the version of Kubernetes, which is already included.
        version = self.distribution_version if self.distribution_version != self.version else ""
        distribution = " ".join(filter(None, (DISTRIBUTION_NAMES.get(self.distribution, self.distribution), version)))
        return f"Kubernetes {self.version or 'unknown'}" + (f" ({distribution})" if self.distribution else "")
