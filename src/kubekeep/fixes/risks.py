"""Risks of changes for programs that were built or deployed without them. Evaluates one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, has_path, value_at
from kubekeep.model.resource import Resource
from kubekeep.model.workload import value_at_or

_OTHER_USER: Final = "the program fails if it needs files of another user or group"
_SETTINGS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "runAsNonRoot": (
        lambda value: value is True,
        "the container does not start if its image runs as root; set runAsUser to a user of the image",
    ),
    "runAsUser": (lambda value: value is not msgspec.UNSET, _OTHER_USER),
    "runAsGroup": (lambda value: value is not msgspec.UNSET, _OTHER_USER),
    "fsGroup": (lambda value: value is not msgspec.UNSET, _OTHER_USER),
    "readOnlyRootFilesystem": (
        lambda value: value is True,
        "the program fails if it writes to its root file system; mount an emptyDir where it writes",
    ),
    "drop": (
        lambda value: "ALL" in ([value] if isinstance(value, str) else value or ()),
        "the program fails if it needs a capability, for example to change its user or the owner of a file",
    ),
    "automountServiceAccountToken": (
        lambda value: value is False,
        "the program fails if it calls the Kubernetes API",
    ),
    "readOnly": (lambda value: value is True, "the program fails if it writes to the volume"),
    "pod-security.kubernetes.io/enforce": (
        lambda value: value != "privileged",
        "pods that violate the level are no longer created",
    ),
    "command": (lambda _: True, "the program may not start, or may reject its clients"),
    "args": (lambda _: True, "the program may not start, or may reject its clients"),
}
"""Settings that can stop programs that run without them: the values that do, and the effect."""
_COMPONENT_KINDS: Final = frozenset({"KubeletConfiguration", "KubeProxyConfiguration"})
NEEDS_UNPRIVILEGED: Final = (
    "allowPrivilegeEscalation: the API server rejects false for a privileged container; set privileged to false too"
)
_IN_BUILD: Final = "the build fails if a server or a package cannot be verified"
_PRESENT_VALUE: Final = "the program may need the present value"


def find_risk(resource: Resource, path: Path, value: Any) -> str:
    """Return how setting a field, or removing it with UNSET, can stop a program; empty if no risk is known."""
    names = [step for step in path if isinstance(step, str)]
    if not names:
        return ""
    field = names[-1]
    is_risky, effect = _SETTINGS.get(field, (None, ""))
    if is_risky is not None and is_risky(value):
        effect = _IN_BUILD if resource.kind == "Dockerfile" else effect
        return "" if field == "runAsNonRoot" and _has_user(resource, path) else f"{field}: {effect}"
    if field == "allowPrivilegeEscalation" and value is False and _is_privileged(resource, path):
        return NEEDS_UNPRIVILEGED
    if resource.kind in _COMPONENT_KINDS:
        return f"{resource.kind}: the component may not start, or may reject its clients"
    present = value_at(resource.object, path) if has_path(resource.object, path) else None
    if present in (None, "", [], {}) or _is_equivalent(field, present, value):
        return ""
    return f"{'.'.join(names[-2:])}: {_PRESENT_VALUE}"


def _is_equivalent(field: str, present: Any, value: Any) -> bool:
    """Return True if a program runs with the new value of a field as with the present one."""
    match field:
        case "imagePullPolicy":
            return bool(present != "Never")
        case "image":
            return str(value).startswith("registry.k8s.io/")
        case _:
            # COPY replaces ADD for files that ADD copies unchanged.
            return field in {"instruction", "serviceAccount", "terminationGracePeriodSeconds"}


def _is_privileged(resource: Resource, path: Path) -> bool:
    """Return True if the security context with the field at `path` is privileged, or adds SYS_ADMIN."""
    capabilities = value_at_or(resource.object, (*path[:-1], "capabilities"), None) or {}
    is_admin = "CAP_SYS_ADMIN" in (capabilities.get("add") or ())
    return is_admin or value_at_or(resource.object, (*path[:-1], "privileged"), None) is True


def _has_user(resource: Resource, path: Path) -> bool:
    """Return True if the container, or its pod, sets another user than root."""
    pod = next((path[:index] for index, step in enumerate(path) if str(step).endswith("ontainers")), path[:-2])
    own = value_at_or(resource.object, (*path[:-1], "runAsUser"), None)
    shared = value_at_or(resource.object, (*pod, "securityContext", "runAsUser"), None)
    return bool(shared if own is None else own)
