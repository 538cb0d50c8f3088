"""A live cluster: what it says of itself, and what it did not show. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.control import SUBJECT, WORKLOAD, Control
from kubekeep.model.resource import is_builtin
from kubekeep.model.workload import POD_KINDS

RBAC: Final = "rbac.authorization.k8s.io"
RBAC_KINDS: Final = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
"""What RBAC subjects are joined from."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one kind that a cluster did not show, all of them or those of a `namespace`, and why.

    `resource` is the plural as the API has it; `partial` says that some have been seen. `carries_pods` holds for custom
    kinds whose objects have a pod template. Documents about a cluster that its cloud did not give are a gap too; what
    has to be done for them is in `needs`.
    """

    group: str
    kind: str
    resource: str
    why: str
    version: str = ""
    verb: str = "list"
    namespace: str = ""
    partial: bool = False
    carries_pods: bool = False
    needs: str = ""
    """What to do about it where the cluster has no say, as an order: `allow ecr:DescribeRepositories`."""

    @property
    def names(self) -> frozenset[str]:
        """What controls may call the kind: the names that `Resource.kind_names` has, and what stands for several kinds."""
        names = {f"{self.group}/{self.kind}"}
        if is_builtin(self.group):
            names.add(self.kind)
        if self.carries_pods or (self.group, self.kind) in POD_KINDS:
            names.add(WORKLOAD)
        if self.group == RBAC and self.kind in RBAC_KINDS:
            names.add(SUBJECT)
        return frozenset(names)

    @property
    def permission(self) -> str:
        """What would have to be allowed, `list deployments.apps in namespace shop`, or else be done."""
        if self.needs:
            return self.needs
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}" + (f" in namespace {self.namespace}" if self.namespace else "")

    @property
    def gvr(self) -> str:
        """`apps/v1/deployments`, as Kubescape names what it lists."""
        return "/".join(filter(None, (self.group, self.version, self.resource)))

    @property
    def selector(self) -> str:
        """The field selector that stands for what is missing."""
        return f"metadata.namespace={self.namespace}" if self.namespace else ""

    def matters_to(self, control: Control) -> bool:
        """Whether `control` looks at the kind, or compares with it."""
        return not self.names.isdisjoint((*control.targets, *control.relates))

    @property
    def text(self) -> str:
        """Why, and whether some have been seen all the same."""
        return f"cut off: {self.why}" if self.partial else self.why


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster that was scanned: what people call it, what its API server says of itself, what it did not show.

    `info` is the server's answer to `/version`; `provider` the managed platform, empty for none that is known.
    `distribution` is whose Kubernetes it is (`eks`, `openshift`, `k3s`, see `kubekeep.model.platform`), empty for one
    that is not known, and `distribution_version` what that calls itself: for OpenShift its own, else Kubernetes'.
    """

    name: str
    info: dict[str, str]
    provider: str = ""
    nodes: int = 0
    distribution: str = ""
    distribution_version: str = ""
    gaps: tuple[Gap, ...] = ()

    @property
    def version(self) -> str:
        """`v1.34.4`; empty if the server does not tell."""
        return self.info.get("gitVersion", "")
