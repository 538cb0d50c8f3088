"""What a node agent wrote into a cluster about its nodes, as the documents that rules know. Makes nothing up."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.control import HOST_DATA

GROUP: Final = HOST_DATA
VERSION: Final = f"{GROUP}/v1beta0"


def convert_host_data(item: dict[str, Any]) -> dict[str, Any]:
    """A custom resource of the node agent as Kubescape hands it to rules: its `spec` as `data`, `v1beta0`.

    Any other object is given back as it is, and one without a `spec` too.
    """
    group = str(item.get("apiVersion") or "").partition("/")[0]
    spec = item.get("spec")
    if group != GROUP or not isinstance(spec, dict):
        return item
    # Some releases of the agent keep everything in a field that is called as the kind is.
    inner = spec.get(str(item.get("kind")))
    data = inner if isinstance(inner, dict) else {key: value for key, value in spec.items() if key != "nodeName"}
    kept = {key: value for key, value in item.items() if key not in {"apiVersion", "spec", "status"}}
    return {"apiVersion": VERSION, **kept, "data": data}
