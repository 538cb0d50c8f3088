"""List requests for a scope: queries in three stages, owners before owned objects. Sends no request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.kube.discovery import ApiResource, Catalogue
from kubekeep.kube.listing import ListQuery
from kubekeep.model.cluster import (
    CILIUM_GROUP,
    CILIUM_NAMESPACES,
    CILIUM_SETTINGS,
    RBAC,
    RBAC_KINDS,
    CoverageGap,
    expand_kind_names,
)
from kubekeep.model.control import EVERYTHING, SUBJECT, WORKLOAD
from kubekeep.model.resource import is_builtin
from kubekeep.model.resource_types import BUILTIN_TYPES, guess_plural
from kubekeep.model.workload import POD_KINDS, POD_TEMPLATE
from kubekeep.sources.cluster.scope import MAX_NAMESPACE_QUERIES, ClusterScope, NamespaceSelection

METADATA_ONLY: Final = frozenset({"CSIStorageCapacity", "EndpointSlice", "Endpoints", "Lease", "Secret"})
"""Kinds of which the library needs only the metadata; the values of Secrets are never requested."""
_LOCAL: Final = METADATA_ONLY | {
    "ConfigMap",
    "HorizontalPodAutoscaler",
    "LimitRange",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "Service",
    "ServiceAccount",
}
"""Kinds, in addition to those with pods, that matter only in their own namespace."""
_STAGES: Final[Mapping[str, int]] = {"Job": 1, "ReplicaSet": 1, "Pod": 2}


class ListTask(msgspec.Struct, frozen=True):
    """One query, and a flag for kinds with pods.

    `is_local`: only objects in the evaluated namespaces matter. `is_optional`: a failure is no coverage gap.
    """

    query: ListQuery
    carries_pods: bool
    is_local: bool = False
    is_optional: bool = False

    @property
    def stage(self) -> int:
        """Number of the stage: owners come before owned objects."""
        served = self.query.served
        return _STAGES.get(served.kind, 0) if is_builtin(served.group) else 0

    @property
    def names(self) -> frozenset[str]:
        """Names that controls may use for the kind."""
        return expand_kind_names(self.query.served.group, self.query.served.kind, carries_pods=self.carries_pods)

    def create_gap(self, reason: str, *, is_truncated: bool = False, is_outside_selection: bool = False) -> CoverageGap:
        """Return the coverage gap for a failure of the query."""
        served = self.query.served
        return CoverageGap(
            verb=self.query.verb,
            group=served.group,
            kind=served.kind,
            resource=served.plural,
            version=served.version,
            reason=reason,
            namespace=self.query.namespace,
            name=self.query.name,
            is_truncated=is_truncated,
            is_outside_selection=is_outside_selection,
            carries_pods=self.carries_pods,
        )


def needs_definitions(scope: ClusterScope) -> bool:
    """Return True if custom kinds are in scope, so their definitions are needed."""
    return WORKLOAD in scope.kinds


def plan_tasks(
    scope: ClusterScope, catalogue: Catalogue, custom: Iterable[ApiResource], namespaces: NamespaceSelection
) -> Iterator[ListTask]:
    """Yield the tasks for the served kinds in scope; `custom` are custom kinds with a pod template."""
    pods = {(served.group, served.kind) for served in custom} | POD_KINDS
    for served in catalogue.kinds:
        has_pods = (served.group, served.kind) in pods
        names = scope.kinds & expand_kind_names(served.group, served.kind, carries_pods=has_pods)
        if not names:
            continue
        is_local = names <= scope.local
        needs_all = served.kind in scope.complete or f"{served.group}/{served.kind}" in scope.complete
        metadata_only = is_builtin(served.group) and served.kind in METADATA_ONLY and not needs_all
        is_namespaced_only = is_local or has_pods or (is_builtin(served.group) and served.kind in _LOCAL)
        is_namespaced_only = is_namespaced_only and served.is_namespaced and names.isdisjoint(scope.cluster_wide)
        if is_local and not served.is_namespaced:
            queries = _query_cluster_scoped(served, namespaces, scope.namespaces.query_names)
        else:
            queries = _query_namespaced(
                served, namespaces if is_namespaced_only else NamespaceSelection(), metadata_only=metadata_only
            )
        for query in queries:
            yield ListTask(
                query,
                has_pods,
                is_local=is_local or is_namespaced_only,
                is_optional=_required_by(served, names) <= scope.optional,
            )
    yield from _plan_cilium(scope, catalogue, namespaces)


def _required_by(served: ApiResource, names: frozenset[str]) -> frozenset[str]:
    """Return the names that make a kind required: PodTemplates do not count as workloads."""
    if (served.group, served.kind) != POD_TEMPLATE:
        return names
    return (names - {WORKLOAD}) | {served.kind}


def _query_cluster_scoped(
    served: ApiResource, namespaces: NamespaceSelection, names_to_query: Sequence[str]
) -> Iterator[ListQuery]:
    """Yield the queries for a cluster-scoped kind that matters to some namespaces: only their Namespaces."""
    is_namespace_kind = _is_namespace_kind(served)
    if is_namespace_kind and names_to_query:
        yield from (ListQuery(served=served, namespace=name, name=name) for name in names_to_query)
    elif not namespaces.included or (is_namespace_kind and not namespaces.is_empty):
        yield ListQuery(served=served)


def _plan_cilium(scope: ClusterScope, catalogue: Catalogue, namespaces: NamespaceSelection) -> Iterator[ListTask]:
    """Yield the task for the settings of Cilium, if installed and not listed anyway.

    Installations outside the first of its usual namespaces are rare, so access to the others is optional.
    """
    served = catalogue.find("", "ConfigMap")
    is_installed = any(served_kind.group == CILIUM_GROUP for served_kind in catalogue.kinds)
    if served is None or not is_installed or "ConfigMap" not in scope.kinds:
        return
    for namespace in CILIUM_NAMESPACES:
        if (namespaces.included and namespace not in namespaces.selected) or namespace in namespaces.excluded:
            query = ListQuery(served=served, namespace=namespace, name=CILIUM_SETTINGS)
            yield ListTask(query, carries_pods=False, is_optional=namespace != CILIUM_NAMESPACES[0])


def is_namespace(query: ListQuery) -> bool:
    """Return True for a query for one Namespace by name."""
    return bool(query.name) and _is_namespace_kind(query.served)


def _is_namespace_kind(served: ApiResource) -> bool:
    return (served.group, served.kind) == ("", "Namespace")


def split_by_namespace(task: ListTask, selected: Iterable[str]) -> list[ListTask]:
    """Return the task for each of the `selected` namespaces; [] if that is not possible."""
    query = task.query
    if query.namespace or query.name:
        return []
    if _is_namespace_kind(query.served):
        queries = [msgspec.structs.replace(query, namespace=name, name=name) for name in selected]
    elif query.served.is_namespaced:
        queries = [msgspec.structs.replace(query, namespace=name) for name in selected]
    else:
        return []
    return [msgspec.structs.replace(task, query=namespace_query) for namespace_query in queries]


def report_refused(
    task: ListTask, why: str, namespace_tasks: Sequence[ListTask], namespace_gaps: Sequence[CoverageGap]
) -> Iterator[CoverageGap]:
    """Yield the gaps of a forbidden `task`, which was repeated as `namespace_tasks` with the gaps `namespace_gaps`."""
    if not namespace_tasks or len(namespace_gaps) == len(namespace_tasks):
        yield task.create_gap(why)
        return
    if not task.is_local:
        yield task.create_gap(why, is_outside_selection=True)
    yield from namespace_gaps


def find_unknown_kinds(scope: ClusterScope, catalogue: Catalogue) -> Iterator[CoverageGap]:
    """Yield gaps for kinds in scope that may be in a group without discovery data."""
    served = {(served_kind.group, served_kind.kind) for served_kind in catalogue.kinds}
    for group, kind in sorted(_expand_names(scope, catalogue.failed)):
        if group in catalogue.failed and (group, kind) not in served:
            resource_type = BUILTIN_TYPES.get((group, kind))
            plural = resource_type.plural if resource_type else EVERYTHING if kind == EVERYTHING else guess_plural(kind)
            yield CoverageGap(group=group, kind=kind, resource=plural, reason=catalogue.failed[group])


def _expand_names(scope: ClusterScope, groups: Iterable[str]) -> set[tuple[str, str]]:
    """Return group and kind of the names in scope; names without a group match all `groups`."""
    kinds = {(name.partition("/")[0], name.partition("/")[2]) for name in scope.kinds if "/" in name}
    kinds |= {(group, kind) for group, kind in BUILTIN_TYPES if kind in scope.kinds}
    if WORKLOAD in scope.kinds:
        kinds |= POD_KINDS
    if SUBJECT in scope.kinds:
        kinds |= {(RBAC, kind) for kind in RBAC_KINDS}
    anywhere = {kind for group, kind in kinds if group == EVERYTHING} | (scope.kinds & {EVERYTHING})
    kinds |= {(group, kind) for group in groups for kind in anywhere}
    return kinds


def _query_namespaced(
    served: ApiResource, namespaces: NamespaceSelection, *, metadata_only: bool
) -> Iterator[ListQuery]:
    if namespaces.is_empty:
        return
    if namespaces.included and len(namespaces.selected) <= MAX_NAMESPACE_QUERIES:
        for name in namespaces.selected:
            yield ListQuery(served=served, namespace=name, metadata_only=metadata_only)
    else:
        # The evaluation applies the exclusions again.
        excluded = (
            () if namespaces.included or len(namespaces.excluded) > MAX_NAMESPACE_QUERIES else namespaces.excluded
        )
        fields = ",".join(f"metadata.namespace!={name}" for name in excluded)
        yield ListQuery(served=served, fields=fields, metadata_only=metadata_only)
