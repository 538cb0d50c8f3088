"""What has to be listed in a cluster for what a scan wants: queries in three stages, owners before what they own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.kube.discovery import ApiResource, Catalogue
from kubekeep.kube.listing import ListQuery
from kubekeep.model import cilium
from kubekeep.model.cluster import RBAC, RBAC_KINDS, CoverageGap, expand_kind_names
from kubekeep.model.control import EVERYTHING, SUBJECT, WORKLOAD
from kubekeep.model.resource import is_builtin
from kubekeep.model.resource_types import BUILTIN_TYPES, guess_plural
from kubekeep.model.workload import POD_KINDS, POD_TEMPLATE
from kubekeep.sources.cluster.scope import MAX_NAMESPACE_QUERIES, ClusterScope, NamespaceSelection

METADATA_ONLY: Final = frozenset(
    {"CSIStorageCapacity", "EndpointSlice", "Endpoints", "Lease", "PodDisruptionBudget", "Secret"}
)
"""Kinds of which the library's controls need the metadata alone; the values of Secrets are never asked for."""
_LOCAL: Final = METADATA_ONLY | {
    "ConfigMap",
    "LimitRange",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Service",
    "ServiceAccount",
}
"""Kinds, beside those with pods, that matter to nothing outside their own namespace."""
_STAGES: Final[Mapping[str, int]] = {"Job": 1, "ReplicaSet": 1, "Pod": 2}


class ListTask(msgspec.Struct, frozen=True):
    """One query, and whether objects of its kind carry pods.

    `near` says that only those in the namespaces that are judged matter, `beside` that nobody misses what is not shown.
    """

    query: ListQuery
    carries_pods: bool
    is_local: bool = False
    is_optional: bool = False

    @property
    def stage(self) -> int:
        """Owners come before what they own, so that it is known by then who has been seen."""
        served = self.query.served
        return _STAGES.get(served.kind, 0) if is_builtin(served.group) else 0

    @property
    def names(self) -> frozenset[str]:
        """What controls may call the kind."""
        return expand_kind_names(self.query.served.group, self.query.served.kind, carries_pods=self.carries_pods)

    def gap(self, why: str, *, partial: bool = False, inside: bool = False) -> CoverageGap:
        """What is missing when the query fails."""
        served = self.query.served
        return CoverageGap(
            verb=self.query.verb,
            group=served.group,
            kind=served.kind,
            resource=served.plural,
            version=served.version,
            why=why,
            namespace=self.query.namespace,
            name=self.query.name,
            partial=partial,
            inside=inside,
            carries_pods=self.carries_pods,
        )


def needs_definitions(scope: ClusterScope) -> bool:
    """Whether custom kinds matter, which only their definitions tell of."""
    return WORKLOAD in scope.kinds


def plan_tasks(
    scope: ClusterScope, catalogue: Catalogue, custom: Iterable[ApiResource], namespaces: NamespaceSelection
) -> Iterator[ListTask]:
    """The queries for what is wanted of what is served; `custom` are kinds that carry pods by their definitions."""
    pods = {(item.group, item.kind) for item in custom} | POD_KINDS
    for served in catalogue.kinds:
        carries = (served.group, served.kind) in pods
        names = scope.kinds & expand_kind_names(served.group, served.kind, carries_pods=carries)
        if not names:
            continue
        near = names <= scope.local
        whole = served.kind in scope.complete or f"{served.group}/{served.kind}" in scope.complete
        slim = is_builtin(served.group) and served.kind in METADATA_ONLY and not whole
        local = near or carries or (is_builtin(served.group) and served.kind in _LOCAL)
        local = local and served.namespaced and names.isdisjoint(scope.cluster_wide)
        if near and not served.namespaced:
            queries = _of_cluster(served, namespaces, scope.namespaces.named)
        else:
            queries = _queries(served, namespaces if local else NamespaceSelection(), metadata_only=slim)
        for query in queries:
            yield ListTask(query, carries, is_local=near or local, is_optional=_missed(served, names) <= scope.optional)
    yield from _cilium(scope, catalogue, namespaces)


def _missed(served: ApiResource, names: frozenset[str]) -> frozenset[str]:
    """By which of the `names` that are wanted a kind is missed: PodTemplates are no workloads that anybody misses."""
    if (served.group, served.kind) != POD_TEMPLATE:
        return names
    return (names - {WORKLOAD}) | {served.kind}


def _of_cluster(served: ApiResource, namespaces: NamespaceSelection, named: Sequence[str]) -> Iterator[ListQuery]:
    """What matters to some namespaces of a kind that is in none: only the Namespaces that they are."""
    is_one = _is_namespaces(served)
    if is_one and named:
        yield from (ListQuery(served=served, namespace=name, name=name) for name in named)
    elif not namespaces.included or (is_one and not namespaces.none):
        yield ListQuery(served=served)


def _cilium(scope: ClusterScope, catalogue: Catalogue, namespaces: NamespaceSelection) -> Iterator[ListTask]:
    """The settings of Cilium, where it is served and its namespace is not listed anyway.

    Few install it elsewhere than in the first of its homes: nobody is told to grant a look into the others.
    """
    served = catalogue.find("", "ConfigMap")
    runs = any(item.group == cilium.GROUP for item in catalogue.kinds)
    if served is None or not runs or "ConfigMap" not in scope.kinds:
        return
    for home in cilium.HOMES:
        if (namespaces.included and home not in namespaces.judged) or home in namespaces.excluded:
            query = ListQuery(served=served, namespace=home, name=cilium.SETTINGS)
            yield ListTask(query, carries_pods=False, is_optional=home != cilium.HOMES[0])


def is_namespace(query: ListQuery) -> bool:
    """Whether it asks for one Namespace by its name."""
    return bool(query.name) and _is_namespaces(query.served)


def _is_namespaces(served: ApiResource) -> bool:
    return (served.group, served.kind) == ("", "Namespace")


def split_by_namespace(task: ListTask, judged: Iterable[str]) -> list[ListTask]:
    """The same in each of the namespaces that are `judged`; nothing where that makes no sense."""
    query = task.query
    if query.namespace or query.name:
        return []
    if _is_namespaces(query.served):
        found = [msgspec.structs.replace(query, namespace=name, name=name) for name in judged]
    elif query.served.namespaced:
        found = [msgspec.structs.replace(query, namespace=name) for name in judged]
    else:
        return []
    return [msgspec.structs.replace(task, query=one) for one in found]


def report_refused(
    task: ListTask, why: str, inner: Sequence[ListTask], missing: Sequence[CoverageGap]
) -> Iterator[CoverageGap]:
    """What is missing where `task` is refused, and of the `inner` ones in its place what is `missing`."""
    if not inner or len(missing) == len(inner):
        yield task.gap(why)
        return
    if not task.is_local:
        yield task.gap(why, inside=True)
    yield from missing


def find_unknown_kinds(scope: ClusterScope, catalogue: Catalogue) -> Iterator[CoverageGap]:
    """The kinds that are wanted and may be in a group that cannot be had."""
    served = {(item.group, item.kind) for item in catalogue.kinds}
    for group, kind in sorted(_named(scope, catalogue.failed)):
        if group in catalogue.failed and (group, kind) not in served:
            known = BUILTIN_TYPES.get((group, kind))
            plural = known.plural if known else EVERYTHING if kind == EVERYTHING else guess_plural(kind)
            yield CoverageGap(group=group, kind=kind, resource=plural, why=catalogue.failed[group])


def _named(scope: ClusterScope, groups: Iterable[str]) -> set[tuple[str, str]]:
    """Group and kind of what is scope, as far as names tell the group; names for any group mean all of `groups`."""
    found = {(name.partition("/")[0], name.partition("/")[2]) for name in scope.kinds if "/" in name}
    found |= {(group, kind) for group, kind in BUILTIN_TYPES if kind in scope.kinds}
    if WORKLOAD in scope.kinds:
        found |= POD_KINDS
    if SUBJECT in scope.kinds:
        found |= {(RBAC, kind) for kind in RBAC_KINDS}
    anywhere = {kind for group, kind in found if group == EVERYTHING} | (scope.kinds & {EVERYTHING})
    found |= {(group, kind) for group in groups for kind in anywhere}
    return found


def _queries(served: ApiResource, namespaces: NamespaceSelection, *, metadata_only: bool) -> Iterator[ListQuery]:
    if namespaces.none:
        return
    if namespaces.included and len(namespaces.judged) <= MAX_NAMESPACE_QUERIES:
        for name in namespaces.judged:
            yield ListQuery(served=served, namespace=name, metadata_only=metadata_only)
    else:
        # Who judges leaves out what is listed all the same.
        excluded = (
            () if namespaces.included or len(namespaces.excluded) > MAX_NAMESPACE_QUERIES else namespaces.excluded
        )
        fields = ",".join(f"metadata.namespace!={name}" for name in excluded)
        yield ListQuery(served=served, fields=fields, metadata_only=metadata_only)
