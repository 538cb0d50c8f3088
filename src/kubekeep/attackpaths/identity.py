"""Whose tokens lie in which containers, and which Secrets, ConfigMaps and volumes containers read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.attackpaths import cited
from kubekeep.attackpaths.graph import Draft, Graph
from kubekeep.attackpaths.objects import Container, Item, Objects, Workload, absent_label
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_list, as_mapping

_TOKEN_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type of Secrets
_TOKEN_OF: Final = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation
_SECRET, _DATA = AttackNodeKind.SECRET, AttackNodeKind.DATA


def account_node(graph: Graph, objects: Objects, namespace: str, name: str) -> AttackNode:
    """The node of a service account, in the input or not."""
    found = objects.accounts.get((namespace, name))
    item = found[0] if found else None
    label = item.label if item else absent_label("ServiceAccount", namespace, name)
    return graph.node(f"account:{namespace}/{name}", AttackNodeKind.ACCOUNT, label, item)


def data_node(graph: Graph, objects: Objects, kind: str, namespace: str, name: str) -> AttackNode:
    """The node of a Secret, a ConfigMap or a PersistentVolumeClaim, in the input or not."""
    found = objects.secrets.get((namespace, name)) if kind == "Secret" else None
    item = found[0] if found else None
    label = item.label if item else absent_label(kind, namespace, name)
    return graph.node(f"{kind}:{namespace}/{name}", _SECRET if kind == "Secret" else _DATA, label, item)


def token(objects: Objects, workload: Workload) -> Draft | None:
    """What puts a token of its service account into containers of `workload`; None if nothing does."""
    if workload.is_mirror:
        return None
    said = workload.spec.get("automountServiceAccountToken")
    accounts = objects.accounts.get((workload.item.namespace, workload.account), [])
    # Files may define an account several times; it declines if all of them say so.
    declined = bool(accounts) and all(item.object.get("automountServiceAccountToken") is False for item in accounts)
    if said is True or (said is None and not declined):
        field = next((key for key in ("serviceAccountName", "serviceAccount") if workload.spec.get(key)), "")
        path = (*workload.path, field) if field else workload.path
        return Draft("its token is in every container", workload.item, path, cited.TOKEN)
    for number, volume in enumerate(map(as_mapping, as_list(workload.spec.get("volumes")))):
        for source in map(as_mapping, as_list(as_mapping(volume.get("projected")).get("sources"))):
            projected = source.get("serviceAccountToken")
            if isinstance(projected, dict) and not projected.get("audience") and _mounts(workload, volume):
                path = (*workload.path, "volumes", number)
                return Draft("a volume puts its token into a container", workload.item, path)
    return None


def _mounts(workload: Workload, volume: Mapping[str, Any]) -> bool:
    name = volume.get("name")
    return any(
        as_mapping(mount).get("name") == name
        for container in workload.containers
        for field in ("volumeMounts", "volumeDevices")
        for mount in as_list(container.fields.get(field))
    )


def reads(workload: Workload) -> Iterator[tuple[str, str, Draft]]:
    """What containers of `workload` read: kind and name of the object, and how."""
    for container in workload.containers:
        for field, number, entry in _variables(container):
            for kind, key in _IN_VARIABLES[field]:
                name = as_mapping(entry.get(key)).get("name")
                if name:
                    text = f"variables of container {container.name} hold it"
                    slugs = _slugs(kind, cited.IN_VARIABLES)
                    yield kind, str(name), Draft(text, workload.item, (*container.path, field, number), slugs)
    for number, volume in enumerate(map(as_mapping, as_list(workload.spec.get("volumes")))):
        if _mounts(workload, volume):
            path = (*workload.path, "volumes", number)
            for kind, name in _volume(volume):
                text = "a container mounts it"
                yield kind, name, Draft(text, workload.item, path, _slugs(kind, cited.MOUNTED))


_IN_VARIABLES: Final = {
    "env": (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")),
    "envFrom": (("Secret", "secretRef"), ("ConfigMap", "configMapRef")),
}
"""How the two fields for variables refer to objects."""


def _variables(container: Container) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The entries of both fields for variables, with field and place."""
    for field in _IN_VARIABLES:
        for number, entry in enumerate(map(as_mapping, as_list(container.fields.get(field)))):
            yield field, number, as_mapping(entry.get("valueFrom")) if field == "env" else entry


def _slugs(kind: str, slugs: tuple[str, ...]) -> tuple[str, ...]:
    return slugs if kind == "Secret" else ()


def _volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and name of the objects that a volume is made of."""
    for kind, field, key in (
        ("Secret", "secret", "secretName"),
        ("ConfigMap", "configMap", "name"),
        ("PersistentVolumeClaim", "persistentVolumeClaim", "claimName"),
    ):
        if name := as_mapping(volume.get(field)).get(key):
            yield kind, str(name)
    for source in map(as_mapping, as_list(as_mapping(volume.get("projected")).get("sources"))):
        for kind, field in (("Secret", "secret"), ("ConfigMap", "configMap")):
            if name := as_mapping(source.get(field)).get("name"):
                yield kind, str(name)


def token_secrets(objects: Objects) -> Iterator[tuple[Item, str]]:
    """The Secrets that hold tokens of service accounts which never expire, each with the account's name."""
    for items in objects.secrets.values():
        for item in items:
            name = item.annotations.get(_TOKEN_OF)
            if item.object.get("type") == _TOKEN_TYPE and name:
                yield item, str(name)


def join(graph: Graph, objects: Objects, workload: Workload, node: AttackNode) -> None:
    """Add what a workload holds: its token, and the data that it reads."""
    namespace = workload.item.namespace
    draft = token(objects, workload)
    if draft is not None:
        graph.add(node, account_node(graph, objects, namespace, workload.account), EdgeKind.IDENTITY, draft)
    for kind, name, how in reads(workload):
        graph.add(node, data_node(graph, objects, kind, namespace, name), EdgeKind.DATA, how)
