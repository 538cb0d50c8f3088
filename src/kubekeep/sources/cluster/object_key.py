"""What an object is known by among all that a cluster shows. Asks nothing.

An object that is served through several groups of Kubernetes (an Ingress of `extensions`, an Event of both its groups) is
one. What other API servers make up from it is another, though it may bear the same uid: OpenShift's Project and Namespace.
"""

from __future__ import annotations

from typing import Any

from kubekeep.model.resource import Resource, is_builtin


def get_uid(item: dict[str, Any]) -> str:
    """The uid of an object; empty where it has none."""
    metadata = item.get("metadata")
    return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""


def build_key(item: dict[str, Any]) -> str:
    """What an object is known by: its kind and its uid, or its name where it has none."""
    resource = Resource(item)
    kind = resource.kind if is_builtin(resource.group) else f"{resource.group}/{resource.kind}"
    return f"{kind} {get_uid(item) or f'{resource.namespace}/{resource.name}'}"


def parse_uid(key: str) -> str:
    """The uid in what an object is known by."""
    return key.rpartition(" ")[2]
