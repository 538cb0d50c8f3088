"""Keys that identify an object among all objects of a cluster. No I/O.

An object served through several of Kubernetes' groups (an Ingress of `extensions`, an Event of both its groups) has one
key. Objects that other API servers derive from it have their own, even with the same uid: OpenShift's Project and
Namespace.
"""

from __future__ import annotations

from typing import Any

from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource, is_builtin


def get_uid(resource_object: dict[str, Any]) -> str:
    """Return the uid of an object; empty if it has none."""
    return str(as_mapping(resource_object.get("metadata")).get("uid") or "")


def build_key(resource_object: dict[str, Any]) -> str:
    """Return the key of an object: its kind and its uid, or its name if it has no uid."""
    resource = Resource(resource_object)
    kind = resource.kind if is_builtin(resource.group) else f"{resource.group}/{resource.kind}"
    return f"{kind} {get_uid(resource_object) or f'{resource.namespace}/{resource.name}'}"


def parse_uid(key: str) -> str:
    """Return the uid in a key."""
    return key.rpartition(" ")[2]
