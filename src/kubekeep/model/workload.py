"""Pods in resources: the path of the pod in each kind, its schema, and the normalised view for rules.

Never evaluates a rule.
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
"""Group and kind of all built-in kinds that contain a pod."""
POD_TEMPLATE: Final = ("", "PodTemplate")
"""The only kind of `POD_KINDS` that never runs: no controller creates pods from it. The default roles `view` and `admin`
do not include it, so few users can list it."""
CUSTOM_PATHS: Final[tuple[Path, ...]] = (
    _TEMPLATE,
    ("spec", "podTemplate"),
    ("spec", "jobTemplate", "spec", "template"),
    ("template",),
)
"""Paths of the pod template in custom kinds (Argo Rollouts, Knative, OpenKruise, Agent Sandbox, ...)."""

_CONTAINER_LISTS: Final = (
    ("containers", "container"),
    ("initContainers", "init"),
    ("ephemeralContainers", "ephemeral"),
)
_INHERITED_FIELDS: Final = (
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "seLinuxOptions",
    "seccompProfile",
    "appArmorProfile",
    "windowsOptions",
)
"""Fields of a pod's security context that a container can override (Kubernetes API, PodSecurityContext)."""


class MalformedWorkloadError(ValueError):
    """The pod spec does not match the schema of the API, so rules cannot be evaluated reliably."""


def pod_path(resource: Resource) -> Path | None:
    """Return the path of the pod (metadata and spec) inside `resource`; None if it contains none.

    Built-in kinds have fixed paths; a custom kind has a pod if one of `CUSTOM_PATHS` leads to a list of containers.
    """
    builtin_path = _POD_PATHS.get((resource.group, resource.kind))
    if builtin_path is not None:
        return builtin_path
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
    """Build the view of a pod for rules (`input.workload`), or None if `resource` contains no pod.

    Keys: `path` (of the pod spec), `metadata` (labels and annotations of the pod, without its name, so that equal pods
    have equal views), `metadata_path`, `spec` (the pod spec without its containers), `containers` (main, init and
    ephemeral ones in that order; each the container as written with `type` (container, init, ephemeral), `path` and
    `effective`: the effective security context, pod and container settings combined). Null fields of `spec` and of
    containers are left out: the API treats them as absent. Raises MalformedWorkloadError for a spec that does not match
    the schema of the API.
    """
    at = pod_path(resource)
    if at is None:
        return None
    pod = _require_mapping(value_at_or(resource.object, at, {}), at)
    spec_path, metadata_path = _format_pod_paths(at)
    spec = _require_mapping(pod.get("spec"), (*at, "spec"))
    if problem := _find_schema_error(spec):
        raise MalformedWorkloadError(f"{spec_path}{problem}")
    context = spec.get("securityContext") or {}
    inherited = {field: context[field] for field in _INHERITED_FIELDS if context.get(field) is not None}
    containers = [
        _build_container_view(container, f"{spec_path}.{field}[{index}]", kind, inherited)
        for field, kind in _CONTAINER_LISTS
        for index, container in enumerate(spec.get(field) or ())
    ]
    metadata = _require_mapping(pod.get("metadata"), (*at, "metadata"))
    for field in ("labels", "annotations"):
        _require_mapping(metadata.get(field), (*at, "metadata", field))
    return {
        "path": spec_path,
        "metadata": {field: metadata[field] for field in ("labels", "annotations") if metadata.get(field)},
        "metadata_path": metadata_path,
        "spec": {key: value for key, value in _drop_nulls(spec).items() if key not in _CONTAINER_FIELDS},
        "containers": containers,
    }


@functools.lru_cache
def _format_pod_paths(at: Path) -> tuple[str, str]:
    """Return the paths of the spec and of the metadata of a pod, as text."""
    return format_path((*at, "spec")), format_path((*at, "metadata"))


_CONTAINER_FIELDS: Final = frozenset(field for field, _ in _CONTAINER_LISTS)


def value_at_or(document: Any, path: Path, default: Any) -> Any:
    """Return the value at `path`, or `default` if the document has none."""
    try:
        return value_at(document, path)
    except LookupError:
        return default


def _build_container_view(container: dict[str, Any], path: str, kind: str, inherited: dict[str, Any]) -> dict[str, Any]:
    context = _drop_nulls(container.get("securityContext") or {})
    effective = {**inherited, **context} if context else inherited
    return {**_drop_nulls(container), "type": kind, "path": path, "effective": effective}


def _drop_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    """Return `fields` without null values, which the API treats as absent and Rego as values."""
    return {key: value for key, value in fields.items() if value is not None}


def _require_mapping(value: Any, path: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedWorkloadError(f"{format_path(path)} is not a mapping")
    return value


class _Fields(msgspec.Struct, rename="camel", gc=False):
    """Part of a pod spec. Every field may be absent or null, which are equivalent in the API.

    Rules compare `privileged` with true, so the text "true" would pass, though no API server accepts it. The schema is
    therefore checked once, in C, before rules run. Fields that no rule reads are not checked.
    """


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
    """A security context of a pod or a container: fields that both have are of the same type."""

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
    """Return the first error of a pod spec against the schema: `.hostPID: Expected ...`; empty if it is valid."""
    try:
        msgspec.convert(spec, _PodSpec)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(_PATH_MARK)
        return f"{path.rstrip('`')}: {problem}"
    return ""
