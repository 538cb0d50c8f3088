"""Conversion of custom resources that a node agent wrote into a cluster to the form that rules expect. Adds no data."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.control import HOST_DATA

VERSION: Final = f"{HOST_DATA}/v1beta0"


def convert_host_data(resource_object: dict[str, Any]) -> dict[str, Any]:
    """Convert a custom resource of the node agent as Kubescape does for rules: its `spec` becomes `data`, `v1beta0`.

    Other objects, and those without a `spec`, are returned unchanged.
    """
    group = str(resource_object.get("apiVersion") or "").partition("/")[0]
    spec = resource_object.get("spec")
    if group != HOST_DATA or not isinstance(spec, dict):
        return resource_object
    # Some releases of the agent store everything in a field named like the kind.
    inner = spec.get(str(resource_object.get("kind")))
    data = inner if isinstance(inner, dict) else {key: value for key, value in spec.items() if key != "nodeName"}
    fields = {key: value for key, value in resource_object.items() if key not in {"apiVersion", "spec", "status"}}
    return {"apiVersion": VERSION, **fields, "data": data}
