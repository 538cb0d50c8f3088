"""Where the pod spec sits in each kind, and the normalised view of it that rules see.

The one home of that knowledge; never judges what it finds.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, format_path, value_at
from kubekeep.model.resource import Resource

_TEMPLATE: Final[Path] = ("spec", "template")
_POD_PATHS: Final[dict[tuple[str, str], Path]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("extensions", "Deployment"): _TEMPLATE,
    ("extensions", "DaemonSet"): _TEMPLATE,
    ("extensions", "ReplicaSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
POD_KINDS: Final = frozenset(_POD_PATHS)
"""Group and kind of everything built-in that carries a pod."""
POD_TEMPLATE: Final = ("", "PodTemplate")
"""The one among those of which nothing runs: no controller makes pods of it. Few may see it, as `view` and `admin` lack it."""
CUSTOM_PATHS: Final[tuple[Path, ...]] = (
    _TEMPLATE,
    ("spec", "podTemplate"),
    ("spec", "jobTemplate", "spec", "template"),
    ("template",),
)
"""Where custom kinds (Argo Rollouts, Knative, OpenKruise, Agent Sandbox, ...) carry their pod template."""

_CONTAINER_LISTS: Final = (
    ("containers", "container"),
    ("initContainers", "init"),
    ("ephemeralContainers", "ephemeral"),
)
_SHARED: Final = (
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "seLinuxOptions",
    "seccompProfile",
    "appArmorProfile",
    "windowsOptions",
)
"""Fields of a pod's security context that a container's own overrides (Kubernetes API, PodSecurityContext)."""


class MalformedWorkloadError(ValueError):
    """The pod spec does not have the shape of the API, so no rule can be trusted on it."""


def pod_path(resource: Resource) -> Path | None:
    """The path of the pod (metadata and spec) inside `resource`; None when it carries none.

    Built-in kinds are known by name; any other kind counts when it has a template with containers.
    """
    known = _POD_PATHS.get((resource.group, resource.kind))
    if known is not None:
        return known
    if resource.related or resource.is_builtin:
        return None
    for path in CUSTOM_PATHS:
        try:
            spec = value_at(resource.object, (*path, "spec"))
        except LookupError:
            continue
        if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
            return path
    return None


def build_pod_view(resource: Resource) -> dict[str, Any] | None:
    """The pod-spec view of `resource` for rules (`input.workload`), or None when it carries no pod.

    Keys: `path` (of the pod spec), `metadata` (the pod's own labels and annotations: a name
    would tell equal pods apart), `metadata_path`, `spec` (the pod spec without
    its containers), `containers` (main, init and ephemeral ones in that order; each the container as written
    with `type` (container, init, ephemeral), `path` and `effective`: its security context with what it
    inherits from the pod). Null fields of `spec` and of containers are left out: the API takes them for absent.
    Raises MalformedWorkloadError for a spec that is not of the API's shape.
    """
    at = pod_path(resource)
    if at is None:
        return None
    pod = _mapping(value_at_or(resource.object, at, {}), at)
    where, metadata_path = _places(at)
    spec = _mapping(pod.get("spec"), (*at, "spec"))
    if problem := _find_schema_error(spec):
        raise MalformedWorkloadError(f"{where}{problem}")
    context = spec.get("securityContext") or {}
    inherited = {field: context[field] for field in _SHARED if context.get(field) is not None}
    containers = [
        _container(item, f"{where}.{field}[{index}]", kind, inherited)
        for field, kind in _CONTAINER_LISTS
        for index, item in enumerate(spec.get(field) or ())
    ]
    metadata = _mapping(pod.get("metadata"), (*at, "metadata"))
    for field in ("labels", "annotations"):
        _mapping(metadata.get(field), (*at, "metadata", field))
    return {
        "path": where,
        "metadata": {field: metadata[field] for field in ("labels", "annotations") if metadata.get(field)},
        "metadata_path": metadata_path,
        "spec": {key: value for key, value in _stated(spec).items() if key not in _CONTAINER_FIELDS},
        "containers": containers,
    }


@functools.lru_cache
def _places(at: Path) -> tuple[str, str]:
    """The paths of the spec and of the metadata of a pod, as text."""
    return format_path((*at, "spec")), format_path((*at, "metadata"))


_CONTAINER_FIELDS: Final = frozenset(field for field, _ in _CONTAINER_LISTS)


def value_at_or(document: Any, path: Path, default: Any) -> Any:
    """The value at `path`, or `default` where the document has none."""
    try:
        return value_at(document, path)
    except LookupError:
        return default


def _container(item: dict[str, Any], where: str, kind: str, inherited: dict[str, Any]) -> dict[str, Any]:
    stated = _stated(item)
    own = _stated(item.get("securityContext") or {})
    return {**stated, "type": kind, "path": where, "effective": {**inherited, **own} if own else inherited}


def _stated(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` without those that are null, which the API takes for absent and Rego for a value."""
    return {key: value for key, value in fields.items() if value is not None}


def _mapping(value: Any, path: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedWorkloadError(f"{format_path(path)} is not a mapping")
    return value


class _Fields(msgspec.Struct, rename="camel", gc=False):
    """Part of a pod spec. Every field may be absent or null, which the API takes for the same."""


class _Capabilities(_Fields):
    add: list[str | None] | None = None
    drop: list[str | None] | None = None


class _SELinuxOptions(_Fields):
    type: str | None = None
    user: str | None = None
    role: str | None = None


class _SecurityProfile(_Fields):
    type: str | None = None


class _WindowsOptions(_Fields):
    host_process: bool | None = None


class _Sysctl(_Fields):
    name: str | None = None


class _SecurityContext(_Fields):
    """A security context, of a pod or of a container: what they share has the same types in both."""

    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    read_only_root_filesystem: bool | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    proc_mount: str | None = None
    capabilities: _Capabilities | None = None
    se_linux_options: _SELinuxOptions | None = None
    seccomp_profile: _SecurityProfile | None = None
    app_armor_profile: _SecurityProfile | None = None
    windows_options: _WindowsOptions | None = None
    sysctls: list[_Sysctl] | None = None


class _ProbeTarget(_Fields):
    host: str | None = None


class _ContainerHandler(_Fields):
    http_get: _ProbeTarget | None = None
    tcp_socket: _ProbeTarget | None = None


class _Lifecycle(_Fields):
    post_start: _ContainerHandler | None = None
    pre_stop: _ContainerHandler | None = None


class _ContainerPort(_Fields):
    host_port: int | None = None


class _Container(_Fields):
    security_context: _SecurityContext | None = None
    ports: list[_ContainerPort] | None = None
    liveness_probe: _ContainerHandler | None = None
    readiness_probe: _ContainerHandler | None = None
    startup_probe: _ContainerHandler | None = None
    lifecycle: _Lifecycle | None = None


class _PodOS(_Fields):
    name: str | None = None


class _PodSpec(_Fields):
    host_network: bool | None = None
    host_pid: bool | None = msgspec.field(name="hostPID", default=None)
    host_ipc: bool | None = msgspec.field(name="hostIPC", default=None)
    host_users: bool | None = None
    os: _PodOS | None = None
    security_context: _SecurityContext | None = None
    volumes: list[dict[str, Any]] | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    ephemeral_containers: list[_Container] | None = None


_PATH_MARK: Final = " - at `$"


def _find_schema_error(spec: dict[str, Any]) -> str:
    """What the API server would not read in a pod spec: `.hostPID: Expected ...`; empty if nothing."""
    try:
        msgspec.convert(spec, _PodSpec)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(_PATH_MARK)
        return f"{place.rstrip('`')}: {problem}"
    return ""
