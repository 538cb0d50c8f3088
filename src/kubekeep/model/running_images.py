"""Images that pods run, by the names in their specs: a name may lead to another image since they started. No I/O."""

from __future__ import annotations

import re
from typing import Any, Final

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.resource import Resource

_STATUSES: Final = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
_ENDED: Final = frozenset({"Succeeded", "Failed"})
_IMAGE_ID: Final = r"(?:docker-pullable://)?([^\s@:/][^\s@]*@sha256:[0-9a-f]{64})"
"""A reference by digest. Runtimes without a registry name the configuration, which no registry finds."""


class RunningImages:
    """References by digest of the images that pods run, by the name in their specs."""

    def __init__(self) -> None:
        self._references: dict[str, dict[str, None]] = {}

    def add(self, resource: Resource) -> None:
        """Add the images of a Pod with a status; a Pod that has ended runs none. Other resources have none."""
        if resource.kind == "Pod" and not resource.group:
            self.add_pod(resource.object)

    def add_pod(self, pod: dict[str, Any]) -> None:
        """Add the images of an object of the kind Pod."""
        status = as_mapping(pod.get("status"))
        if status.get("phase") in _ENDED:
            return
        spec = as_mapping(pod.get("spec"))
        for list_name, status_name in _STATUSES:
            ids = {
                str(container.get("name")): str(container.get("imageID") or "")
                for container in map(as_mapping, as_list(status.get(status_name)))
            }
            for container in map(as_mapping, as_list(spec.get(list_name))):
                match = re.fullmatch(_IMAGE_ID, ids.get(str(container.get("name")), ""))
                if match:
                    self._references.setdefault(str(container.get("image")).strip(), {})[match[1]] = None

    def update(self, other: RunningImages) -> None:
        """Add the images of `other`."""
        for name, references in other._references.items():
            self._references.setdefault(name, {}).update(references)

    def list_references(self, name: str) -> list[str]:
        """Return the references by digest of the images that run under a name; empty if none is known."""
        return [*self._references.get(name, ())]
