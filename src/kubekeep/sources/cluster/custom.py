"""Which custom kinds carry pods, by the schemas of their definitions. Reads definitions; never objects."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.location import Path
from kubekeep.model.workload import CUSTOM_PATHS

_OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def carries_pods(definition: dict[str, Any], version: str) -> bool:
    """Whether objects of a CustomResourceDefinition may have a pod template where `kubekeep.model.workload` looks for one.

    A schema that leaves open what stands there may allow one.
    """
    schema = _schema(definition, version)
    return any(_allows(schema, (*path, "spec", "containers")) for path in CUSTOM_PATHS)


def _schema(definition: dict[str, Any], version: str) -> Any:
    versions = definition.get("spec", {}).get("versions") or ()
    return next(
        (item.get("schema", {}).get("openAPIV3Schema") for item in versions if item.get("name") == version), None
    )


def _allows(schema: Any, path: Path) -> bool:
    for step in path:
        if not isinstance(schema, dict):
            return False
        properties = schema.get("properties")
        if not isinstance(properties, dict) or step not in properties:
            return bool(schema.get(_OPEN))
        schema = properties[step]
    return True
