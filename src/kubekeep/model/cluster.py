"""A live cluster: what it says of itself, and what it did not show. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.control import EVERYTHING, SUBJECT, WORKLOAD, Control
from kubekeep.model.distribution import DISTRIBUTION_NAMES
from kubekeep.model.resource import kind_names
from kubekeep.model.workload import POD_KINDS, POD_TEMPLATE

RBAC: Final = "rbac.authorization.k8s.io"
RBAC_KINDS: Final = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
"""What RBAC subjects are joined from."""


def kind_patterns(group: str, kind: str) -> tuple[str, ...]:
    """What else controls may call a kind that do not name it: all kinds, those of its group, those of its name."""
    return EVERYTHING, "*/*", f"{group}/*", f"*/{kind}"


def expand_kind_names(group: str, kind: str, *, carries_pods: bool = False) -> frozenset[str]:
    """What controls may call a kind: the names that its resources have, and what stands for several kinds.

    `carries_pods` holds for custom kinds whose objects have a pod template.
    """
    names = {*kind_names(group, kind), *kind_patterns(group, kind)}
    if carries_pods or (group, kind) in POD_KINDS:
        names.add(WORKLOAD)
    if group == RBAC and kind in RBAC_KINDS:
        names.add(SUBJECT)
    return frozenset(names)


def format_permission(verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> str:
    """A permission as people say it: `list deployments.apps in namespace shop`, `get namespaces/shop`."""
    whole = f"{resource}.{group}" if group else resource
    one = f"/{name}" if name else ""
    # A Namespace is in itself.
    inside = namespace and not (resource == "namespaces" and not group)
    return f"{verb} {whole}{one}" + (f" in namespace {namespace}" if inside else "")


class CoverageGap(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one kind that a cluster did not show, all of them, those of a `namespace` or one `name`, and why.

    `resource` is the plural as the API has it; `partial` says that some have been seen, `inside` that all have been that
    are in the namespaces that are judged. `carries_pods` holds for custom kinds whose objects have a pod template. Documents about a cluster that its cloud did not give are a gap too; what
    has to be done for them is in `needs`.
    """

    group: str
    kind: str
    resource: str
    why: str
    version: str = ""
    verb: str = "list"
    namespace: str = ""
    name: str = ""
    partial: bool = False
    inside: bool = False
    carries_pods: bool = False
    needs: str = ""
    """What to do about it where the cluster has no say, as an order: `allow ecr:DescribeRepositories`."""

    @property
    def names(self) -> frozenset[str]:
        """What controls may call the kind; who is not shown what runs nothing misses no workload."""
        names = expand_kind_names(self.group, self.kind, carries_pods=self.carries_pods)
        return names - {WORKLOAD} if (self.group, self.kind) == POD_TEMPLATE else names

    @property
    def permission(self) -> str:
        """What would have to be allowed, `list deployments.apps in namespace shop`, or else be done."""
        return self.needs or format_permission(self.verb, self.group, self.resource, self.namespace, self.name)

    @property
    def gvr(self) -> str:
        """`apps/v1/deployments`, as Kubescape names what it lists."""
        return "/".join(filter(None, (self.group, self.version, self.resource)))

    @property
    def selector(self) -> str:
        """The field selector that stands for what is missing."""
        fields = (("metadata.name", self.name), ("metadata.namespace", self.namespace))
        return ",".join(f"{field}={value}" for field, value in fields if value)

    @property
    def is_partial(self) -> bool:
        """Whether some have been seen."""
        return self.partial or self.inside

    def hides(self, group: str, kind: str, namespace: str, name: str) -> bool:
        """Whether it may be for it that an object is not seen which is judged: what is `inside` is shown."""
        where = name if (group, kind) == ("", "Namespace") else namespace
        return (
            not self.inside
            and self.group == group
            and self.kind in (EVERYTHING, kind)
            and self.namespace in ("", where)
            and self.name in ("", name)
        )

    def matters_to(self, control: Control) -> bool:
        """Whether `control` looks at the kind, or compares with it."""
        looked_at = control.relates if self.inside else (*control.targets, *control.relates)
        return not self.names.isdisjoint(looked_at)

    @property
    def text(self) -> str:
        """Why, and whether some have been seen all the same."""
        if self.inside:
            return f"{self.why}, but for the namespaces that are scanned"
        return f"cut off: {self.why}" if self.partial else self.why


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster that was scanned: what people call it, what its API server says of itself, what it did not show.

    `info` is the server's answer to `/version`; `provider` the managed platform, empty for none that is known.
    `distribution` is whose Kubernetes it is (`eks`, `openshift`, `k3s`, see `kubekeep.model.distribution`), empty for one
    that is not known, and `distribution_version` what that calls itself: for OpenShift its own, else Kubernetes'.
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
        """`v1.34.4`; empty if the server does not tell."""
        return self.info.get("gitVersion", "")

    @property
    def kubernetes(self) -> str:
        """Version and distribution in words: `Kubernetes v1.29.8 (OpenShift 4.16.3)`, as far as they are known."""
        # Most distributions go by the version of Kubernetes, which is said already.
        own = self.distribution_version if self.distribution_version != self.version else ""
        whose = " ".join(filter(None, (DISTRIBUTION_NAMES.get(self.distribution, self.distribution), own)))
        return f"Kubernetes {self.version or 'unknown'}" + (f" ({whose})" if self.distribution else "")
