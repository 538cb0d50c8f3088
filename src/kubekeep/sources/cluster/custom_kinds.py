"""Detection of custom kinds with a pod template, by the schemas of their definitions or by published ones. No I/O."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.location import Path
from kubekeep.model.workload import CUSTOM_PATHS

_OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def has_pod_template(definition: dict[str, Any], version: str) -> bool:
    """Return True if the schema of a CustomResourceDefinition allows a pod template.

    The paths are those of `kubekeep.model.workload`. A schema that allows any field there counts, and so does a missing
    schema.
    """
    schema = _get_schema(definition, version)
    if not isinstance(schema, dict) or definition["spec"].get("preserveUnknownFields"):
        return True
    return _allows_pods(schema)


def may_have_pod_template(published: dict[str, Any] | None) -> bool:
    """Return True if the published schema allows a pod template; it has no properties if the definition has none."""
    return published is None or "properties" not in published or _allows_pods(published)


def _allows_pods(schema: dict[str, Any]) -> bool:
    return any(_allows(schema, (*path, "spec", "containers")) for path in CUSTOM_PATHS)


def _get_schema(definition: dict[str, Any], version: str) -> Any:
    versions = definition["spec"].get("versions") or ()
    return next(
        ((entry.get("schema") or {}).get("openAPIV3Schema") for entry in versions if entry.get("name") == version), None
    )


def _allows(schema: Any, path: Path) -> bool:
    for step in path:
        if not isinstance(schema, dict):
            return False
        properties, others = schema.get("properties"), schema.get("additionalProperties")
        if isinstance(properties, dict) and step in properties:
            schema = properties[step]
        elif schema.get(_OPEN) or others is True:
            return True
        else:
            schema = others
    return isinstance(schema, dict)
