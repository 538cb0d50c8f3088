"""Service account tokens in containers, and the Secrets, ConfigMaps and volumes that containers read.

Uses only references in resources; never reads the content of a Secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.attackpaths import control_slugs
from kubekeep.attackpaths.graph import Draft, Graph
from kubekeep.attackpaths.objects import Objects, PlacedResource, Workload, format_missing_label
from kubekeep.model.attack import AttackNode, AttackNodeKind, EdgeKind
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import value_at

_TOKEN_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type of Secrets
_TOKEN_ACCOUNT: Final = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation
_SECRET, _DATA = AttackNodeKind.SECRET, AttackNodeKind.DATA


def get_account_node(graph: Graph, objects: Objects, namespace: str, name: str) -> AttackNode:
    """Return the node of a service account, in the input or not."""
    definitions = objects.accounts.get((namespace, name))
    resource = definitions[0] if definitions else None
    label = resource.label if resource else format_missing_label("ServiceAccount", namespace, name)
    return graph.ensure_node(f"account:{namespace}/{name}", AttackNodeKind.ACCOUNT, label, resource)


def get_data_node(graph: Graph, objects: Objects, kind: str, namespace: str, name: str) -> AttackNode:
    """Return the node of a Secret, a ConfigMap or a PersistentVolumeClaim, in the input or not."""
    definitions = objects.secrets.get((namespace, name)) if kind == "Secret" else None
    resource = definitions[0] if definitions else None
    label = resource.label if resource else format_missing_label(kind, namespace, name)
    return graph.ensure_node(f"{kind}:{namespace}/{name}", _SECRET if kind == "Secret" else _DATA, label, resource)


def find_token(objects: Objects, workload: Workload) -> Draft | None:
    """Return the opening by which containers of `workload` get a token of its service account; None without a token."""
    if workload.is_mirror:
        return None
    automount = workload.spec.get("automountServiceAccountToken")
    accounts = objects.accounts.get((workload.resource.namespace, workload.account), [])
    # Files may define an account several times; all definitions must disable the token.
    is_disabled = bool(accounts) and all(
        account.object.get("automountServiceAccountToken") is False for account in accounts
    )
    if automount is True or (automount is None and not is_disabled):
        field = next((key for key in ("serviceAccountName", "serviceAccount") if workload.spec.get(key)), "")
        path = (*workload.path, field) if field else workload.path
        return Draft("its token is mounted in every container", workload.resource, path, control_slugs.TOKEN)
    for number, volume in enumerate(map(as_mapping, as_list(workload.spec.get("volumes")))):
        for source in map(as_mapping, as_list(as_mapping(volume.get("projected")).get("sources"))):
            projected = source.get("serviceAccountToken")
            if isinstance(projected, dict) and not projected.get("audience") and _mounts(workload, volume):
                path = (*workload.path, "volumes", number)
                return Draft("a volume mounts its token in a container", workload.resource, path)
    return None


def _mounts(workload: Workload, volume: Mapping[str, Any]) -> bool:
    name = volume.get("name")
    return any(
        as_mapping(mount).get("name") == name
        for container in workload.containers
        for field in ("volumeMounts", "volumeDevices")
        for mount in as_list(container.fields.get(field))
    )


def list_reads(workload: Workload) -> Iterator[tuple[str, str, Draft]]:
    """Yield kind and name of each object that containers of `workload` read, with the opening."""
    content = workload.resource.object
    for container in workload.containers:
        for field, number, entry in _list_variables(value_at(content, container.path)):
            for kind, key in _IN_VARIABLES[field]:
                name = as_mapping(entry.get(key)).get("name")
                if name:
                    text = f"environment variables of container {container.name} contain it"
                    slugs = _select_slugs(kind, control_slugs.SECRET_VARIABLES)
                    yield kind, str(name), Draft(text, workload.resource, (*container.path, field, number), slugs)
    for number, volume in enumerate(map(as_mapping, as_list(workload.spec.get("volumes")))):
        if _mounts(workload, volume):
            path = (*workload.path, "volumes", number)
            for kind, name in _list_volume_objects(volume):
                text = "a container mounts it"
                yield kind, name, Draft(text, workload.resource, path, _select_slugs(kind, control_slugs.SECRET_MOUNTS))


_IN_VARIABLES: Final = {
    "env": (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")),
    "envFrom": (("Secret", "secretRef"), ("ConfigMap", "configMapRef")),
}
"""Kinds and keys of the references in the two fields for environment variables."""


def _list_variables(container: Mapping[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield field, position and reference of each entry of `env` and `envFrom`."""
    for field in _IN_VARIABLES:
        for number, entry in enumerate(map(as_mapping, as_list(container.get(field)))):
            yield field, number, as_mapping(entry.get("valueFrom")) if field == "env" else entry


def _select_slugs(kind: str, slugs: tuple[str, ...]) -> tuple[str, ...]:
    return slugs if kind == "Secret" else ()


def _list_volume_objects(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the objects that a volume contains."""
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


def list_token_secrets(objects: Objects) -> Iterator[tuple[PlacedResource, str]]:
    """Yield the Secrets with non-expiring service account tokens, each with the account's name."""
    for secrets in objects.secrets.values():
        for resource in secrets:
            name = resource.annotations.get(_TOKEN_ACCOUNT)
            if resource.object.get("type") == _TOKEN_TYPE and name:
                yield resource, str(name)


def add_token(graph: Graph, objects: Objects, workload: Workload, node: AttackNode) -> None:
    """Add the edge from a workload to the service account whose token its containers get."""
    draft = find_token(objects, workload)
    if draft is not None:
        account = get_account_node(graph, objects, workload.resource.namespace, workload.account)
        graph.add(node, account, EdgeKind.IDENTITY, draft)


def add_reads(graph: Graph, objects: Objects, workload: Workload, node: AttackNode) -> None:
    """Add the edges from a workload to the data that its containers read."""
    for kind, name, opening in list_reads(workload):
        target = get_data_node(graph, objects, kind, workload.resource.namespace, name)
        graph.add(node, target, EdgeKind.DATA, opening)
