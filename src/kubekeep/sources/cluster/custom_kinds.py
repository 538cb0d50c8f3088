"""Detection of custom kinds with a pod template, by the schemas of their definitions or by published ones. No I/O."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.location import Path
from kubekeep.model.workload import CUSTOM_PATHS, is_template_field

_OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def has_pod_template(definition: dict[str, Any], version: str) -> bool:
    """Return True if the schema of a CustomResourceDefinition allows a pod template.

    The fields are those of `kubekeep.model.workload`. A schema that allows any field there counts, and so does a missing
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
    return any(_allows(schema, (*path, "spec", "containers")) for path in CUSTOM_PATHS) or _has_template(schema, "")


def _has_template(schema: Any, name: str) -> bool:
    """Return True if a field named like a template has containers in its spec. `name` is the field of `schema`."""
    if not isinstance(schema, dict):
        return False
    if is_template_field(name) and _allows(schema, ("spec", "containers")):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict):
        return any(_has_template(child, field) for field, child in properties.items())
    return _has_template(schema.get("items"), name) or _has_template(schema.get("additionalProperties"), "")


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
