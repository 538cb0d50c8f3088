"""Which custom kinds carry pods, by the schemas of their definitions or those that are published. Never asks for either."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.location import Path
from kubekeep.model.workload import CUSTOM_PATHS

_OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def has_pod_template(definition: dict[str, Any], version: str) -> bool:
    """Whether objects of a CustomResourceDefinition may have a pod template where `kubekeep.model.workload` looks for one.

    A schema that leaves open what stands there may allow one, and so does none at all.
    """
    schema = _schema(definition, version)
    if not isinstance(schema, dict) or definition["spec"].get("preserveUnknownFields"):
        return True
    return _allows_pods(schema)


def may_have_pod_template(published: dict[str, Any] | None) -> bool:
    """The same by the schema that the API server publishes: without a single field where the definition has none."""
    return published is None or "properties" not in published or _allows_pods(published)


def _allows_pods(schema: dict[str, Any]) -> bool:
    return any(_allows(schema, (*path, "spec", "containers")) for path in CUSTOM_PATHS)


def _schema(definition: dict[str, Any], version: str) -> Any:
    versions = definition["spec"].get("versions") or ()
    return next(
        ((item.get("schema") or {}).get("openAPIV3Schema") for item in versions if item.get("name") == version), None
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
