"""What has to be listed in a cluster for what a scan wants: queries in three stages, owners before what they own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.kube.discovery import Catalogue, Served
from kubekeep.kube.listing import Query
from kubekeep.model.cluster import RBAC, RBAC_KINDS, Gap, names_of
from kubekeep.model.control import EVERYTHING, SUBJECT, WORKLOAD
from kubekeep.model.kinds import BUILTIN, plural_of
from kubekeep.model.resource import is_builtin
from kubekeep.model.workload import POD_KINDS
from kubekeep.sources.cluster.wanted import Namespaces, Wanted

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
_FEW: Final = 20
"""Namespaces up to which each is asked for by itself: one long list is less than many short ones, and addresses have limits."""
_STAGES: Final[Mapping[str, int]] = {"Job": 1, "ReplicaSet": 1, "Pod": 2}


class Task(msgspec.Struct, frozen=True):
    """One query, and whether objects of its kind carry pods."""

    query: Query
    carries_pods: bool

    @property
    def stage(self) -> int:
        """Owners come before what they own, so that it is known by then who has been seen."""
        served = self.query.served
        return _STAGES.get(served.kind, 0) if is_builtin(served.group) else 0

    def gap(self, why: str, *, partial: bool = False) -> Gap:
        """What is missing when the query fails."""
        served = self.query.served
        return Gap(
            group=served.group,
            kind=served.kind,
            resource=served.plural,
            version=served.version,
            why=why,
            namespace=self.query.namespace,
            partial=partial,
            carries_pods=self.carries_pods,
        )


def needs_definitions(wanted: Wanted) -> bool:
    """Whether custom kinds matter, which only their definitions tell of."""
    return WORKLOAD in wanted.kinds


def tasks(wanted: Wanted, catalogue: Catalogue, custom: Iterable[Served], namespaces: Namespaces) -> Iterator[Task]:
    """The queries for what is wanted of what is served; `custom` are kinds that carry pods by their definitions."""
    pods = {(item.group, item.kind) for item in custom} | POD_KINDS
    for served in catalogue.kinds:
        carries = (served.group, served.kind) in pods
        if wanted.kinds.isdisjoint(names_of(served.group, served.kind, carries_pods=carries)):
            continue
        whole = served.kind in wanted.whole or f"{served.group}/{served.kind}" in wanted.whole
        slim = is_builtin(served.group) and served.kind in METADATA_ONLY and not whole
        local = served.namespaced and (carries or (is_builtin(served.group) and served.kind in _LOCAL))
        for query in _queries(served, namespaces if local else Namespaces(), metadata_only=slim):
            yield Task(query, carries)


def unknown(wanted: Wanted, catalogue: Catalogue) -> Iterator[Gap]:
    """The kinds that are wanted and may be in a group that cannot be had."""
    served = {(item.group, item.kind) for item in catalogue.kinds}
    for group, kind in sorted(_named(wanted)):
        if group in catalogue.failed and (group, kind) not in served:
            known = BUILTIN.get((group, kind))
            plural = known.plural if known else EVERYTHING if kind == EVERYTHING else plural_of(kind)
            yield Gap(group=group, kind=kind, resource=plural, why=catalogue.failed[group])


def _named(wanted: Wanted) -> set[tuple[str, str]]:
    """Group and kind of what is wanted, as far as names tell the group."""
    found = {(name.partition("/")[0], name.partition("/")[2]) for name in wanted.kinds if "/" in name}
    found |= {(group, kind) for group, kind in BUILTIN if kind in wanted.kinds}
    if WORKLOAD in wanted.kinds:
        found |= POD_KINDS
    if SUBJECT in wanted.kinds:
        found |= {(RBAC, kind) for kind in RBAC_KINDS}
    return found


def _queries(served: Served, namespaces: Namespaces, *, metadata_only: bool) -> Iterator[Query]:
    if namespaces.none:
        return
    if namespaces.included and len(namespaces.judged) <= _FEW:
        for name in namespaces.judged:
            yield Query(served=served, namespace=name, metadata_only=metadata_only)
    else:
        # Who judges leaves out what is listed all the same.
        excluded = () if namespaces.included or len(namespaces.excluded) > _FEW else namespaces.excluded
        fields = ",".join(f"metadata.namespace!={name}" for name in excluded)
        yield Query(served=served, fields=fields, metadata_only=metadata_only)
