"""Namespace of an object that states none, once it is known. Does not decide it."""

from __future__ import annotations

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource
from kubekeep.model.resource_types import ResourceTypes

_BUILTIN_TYPES = ResourceTypes(())


def state_namespace(resource: Resource, namespace: str, types: ResourceTypes = _BUILTIN_TYPES) -> None:
    """Set the namespace of an object of a namespaced kind that has none, in place.

    Reports then show the namespace; locations and edits refer to the document as it was written.
    """
    if resource.namespace or not types.is_namespaced(resource):
        return
    content = resource.object
    if resource.document is None:
        msgspec.structs.force_setattr(resource, "document", content)
    metadata = {**as_mapping(content.get("metadata")), "namespace": namespace}
    msgspec.structs.force_setattr(resource, "content", {**content, "metadata": metadata})
