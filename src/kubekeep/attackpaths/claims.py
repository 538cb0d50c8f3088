"""Directories of nodes that workloads reach through claims: PersistentVolumes of the types `hostPath` and `local`.

A claim is matched to a volume as by the controller of the API server, without the sizes. Never explains the access that
a directory gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.attackpaths.objects import Objects, PlacedResource, Workload
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.label_selector import get_labels, parse_selector, selects
from kubekeep.model.location import Path
from kubekeep.posture.release_namespace import RELEASE_NAMESPACE

_TYPES: Final = ("hostPath", "local")


class NodeDirectory(msgspec.Struct, frozen=True, eq=False):
    """A directory of a node behind the volume of a pod, with the field that names it.

    can_write: False if the volume is mounted read-only. assumes: the condition of the binding, empty if it is certain.
    """

    resource: PlacedResource
    field: Path
    path: str
    can_write: bool = True
    assumes: str = ""


class _Claim(msgspec.Struct, frozen=True, eq=False):
    """A claim of a workload: its name as a pattern, and its `spec` if the input has it."""

    name: str
    pattern: re.Pattern[str]
    spec: Mapping[str, Any] | None
    can_write: bool


class NodeVolumes:
    """The PersistentVolumes of an input that are directories of nodes."""

    def __init__(self, objects: Objects) -> None:
        self._volumes = [
            (volume, kind, str(source["path"]))
            for volume in objects.list_kind("PersistentVolume")
            for kind in _TYPES
            if (source := as_mapping(volume.spec.get(kind))).get("path")
        ]
        self._claims = {
            (claim.namespace, claim.name): claim.spec for claim in objects.list_kind("PersistentVolumeClaim")
        }

    def list_directories(self, workload: Workload) -> dict[str, list[NodeDirectory]]:
        """Return the directories of nodes behind claims of a workload, by the name of the volume in its pods."""
        if not self._volumes:
            return {}
        return {
            name: [*self._find_volumes(claim, workload.resource.namespace)]
            for name, claim in self._list_claims(workload)
        }

    def _list_claims(self, workload: Workload) -> Iterator[tuple[str, _Claim]]:
        for template in map(as_mapping, as_list(workload.resource.spec.get("volumeClaimTemplates"))):
            # A StatefulSet appends its own name and the number of the pod.
            name = str(as_mapping(template.get("metadata")).get("name"))
            pattern = re.compile(rf"{re.escape(f'{name}-{workload.resource.name}')}-\d+")
            yield name, _Claim(name, pattern, as_mapping(template.get("spec")), can_write=True)
        for volume in map(as_mapping, as_list(workload.spec.get("volumes"))):
            source = as_mapping(volume.get("persistentVolumeClaim"))
            if name := str(source.get("claimName") or ""):
                spec = self._claims.get((workload.resource.namespace, name))
                can_write = source.get("readOnly") is not True
                yield str(volume.get("name")), _Claim(name, re.compile(re.escape(name)), spec, can_write)

    def _find_volumes(self, claim: _Claim, namespace: str) -> Iterator[NodeDirectory]:
        for volume, kind, path in self._volumes:
            reference = as_mapping(volume.spec.get("claimRef"))
            is_certain = True
            if reference.get("name"):
                is_same = claim.pattern.fullmatch(str(reference["name"])) is not None
                is_bound = is_same and namespace in (reference.get("namespace"), RELEASE_NAMESPACE)
            elif claim.spec is None:
                is_bound = False
            elif claim.spec.get("volumeName"):
                is_bound = claim.spec["volumeName"] == volume.name
            else:
                is_bound, is_certain = _fits(claim.spec, volume), False
            if is_bound:
                assumes = "" if is_certain else f"claim {claim.name} is bound to {volume.label}"
                yield NodeDirectory(volume, ("spec", kind, "path"), path, claim.can_write, assumes)


def _fits(claim: Mapping[str, Any], volume: PlacedResource) -> bool:
    """Return True if an unbound claim can be bound to an available volume."""
    selector = claim.get("selector")
    parsed = parse_selector(as_mapping(selector)) if selector else None
    modes = set(map(str, as_list(claim.get("accessModes"))))
    return (
        (claim.get("storageClassName") or "") == (volume.spec.get("storageClassName") or "")
        and claim.get("volumeMode", "Filesystem") == volume.spec.get("volumeMode", "Filesystem")
        and modes <= set(map(str, as_list(volume.spec.get("accessModes"))))
        and (not selector or (parsed is not None and selects(parsed, get_labels(volume.object))))
    )
