"""Pods in resources: the path of the pod in each kind, its schema, and the normalised view for rules.

Never evaluates a rule.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, TypeGuard

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path, format_path, value_at
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject

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
"""Usual paths of the pod template in custom kinds (Argo Rollouts, Knative, OpenKruise, Agent Sandbox, ...)."""
MAX_TEMPLATES: Final = 64
"""Maximum number of pod templates in an object of a custom kind."""

_PATTERN_GROUPS: Final = ("kyverno.io", "gatekeeper.sh", "policy.open-cluster-management.io")
"""Groups, also with a subdomain, of policies: their pod templates are patterns for objects, and no pods are created."""
_MAX_DEPTH: Final = 24
"""Maximum depth of a pod template in an object."""

_CONTAINER_LISTS: Final = (
    ("containers", "container"),
    ("initContainers", "init"),
    ("ephemeralContainers", "ephemeral"),
)
_CONTAINER_KEYS: Final = frozenset({"containers", "initContainers", "sidecars", "steps"})
_OTHER_FORMS: Final = {
    "argoproj.io": _CONTAINER_KEYS | {"container", "script"},
    "serving.kserve.io": _CONTAINER_KEYS
    | {
        "model",
        "huggingface",
        "lightgbm",
        "onnx",
        "paddle",
        "pmml",
        "pytorch",
        "sklearn",
        "tensorflow",
        "triton",
        "xgboost",
    },
}
"""Fields with containers outside of pod templates, by API group."""
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


def pod_path(resource: Subject) -> Path | None:
    """Return the path of the pod (metadata and spec) inside `resource`, the first of several; None if it has none."""
    return next(iter(list_pod_paths(resource)), None)


def list_pod_paths(resource: Subject) -> tuple[Path, ...]:
    """Return the paths of all pods (metadata and spec) inside `resource`.

    Built-in kinds have one, at a fixed path. A custom kind has a pod at each field named like a template
    (`headGroupSpec.template`, `podTemplates[0]`) with a list of containers in its spec: several kinds start pods of more
    than one template (Ray, Volcano, Kubeflow, JobSet). The usual paths come first.
    """
    builtin_path = _POD_PATHS.get((resource.group, resource.kind))
    if builtin_path is not None:
        return (builtin_path,)
    if _has_no_pods(resource):
        return ()
    # Sources read the objects inside an object of a file by themselves.
    skips_objects = resource.source is not None
    paths = tuple(_find_templates(resource.object, (), is_template=False, skips_objects=skips_objects))
    return tuple(sorted(paths, key=_rank)) if len(paths) > 1 else paths


class UsedImage(NamedTuple):
    """An image in a pod spec: the name of its container, its reference, and the path of the field with the reference.

    The name is empty for the image of a volume. runs_on: True if the container runs as long as its pod; other init
    containers end before the pod is ready.
    """

    container: str
    reference: str
    path: Path
    runs_on: bool


def list_used_images(resource: Resource) -> Iterator[UsedImage]:
    """Yield the image of each container and of each volume in a resource. Empty references are left out."""
    for at in list_pod_paths(resource):
        path = (*at, "spec")
        spec = as_mapping(value_at_or(resource.object, path, None))
        for field, _ in _CONTAINER_LISTS:
            for number, container in enumerate(map(as_mapping, as_list(spec.get(field)))):
                name = str(container.get("name") or "")
                runs_on = field != "initContainers" or container.get("restartPolicy") == "Always"
                yield from _read_image(name, container.get("image"), (*path, field, number, "image"), runs_on=runs_on)
        for number, volume in enumerate(map(as_mapping, as_list(spec.get("volumes")))):
            reference = as_mapping(volume.get("image")).get("reference")
            yield from _read_image("", reference, (*path, "volumes", number, "image", "reference"), runs_on=False)


def _read_image(name: str, reference: Any, path: Path, *, runs_on: bool) -> Iterator[UsedImage]:
    if isinstance(reference, str) and reference.strip():
        yield UsedImage(name, reference.strip(), path, runs_on)


def has_no_container(resource: Resource) -> bool:
    """Return True for a pod of a built-in kind without a main container, which the API server rejects."""
    path = _POD_PATHS.get((resource.group, resource.kind))
    return path is not None and not value_at_or(resource.object, (*path, "spec", "containers"), None)


def _has_no_pods(resource: Subject) -> bool:
    """Return True for a custom kind whose fields are not searched for pods."""
    return (
        bool(resource.related)
        or resource.is_builtin
        or not resource.may_contain_pods
        or is_pattern_group(resource.group)
    )


def is_pattern_group(group: str) -> bool:
    """Return True for an API group of policies, whose pod templates are patterns."""
    return any(group == name or group.endswith(f".{name}") for name in _PATTERN_GROUPS)


def is_complete_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Return True for a value that the API server could store: a reference to an object has no metadata."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("apiVersion"), str)
        and isinstance(value.get("kind"), str)
        and isinstance(value.get("metadata"), dict)
    )


def is_template_field(name: str) -> bool:
    """Return True for the name of a field that can hold a pod template, or several of them."""
    return name.lower().endswith(("template", "templates"))


def _rank(path: Path) -> int:
    return CUSTOM_PATHS.index(path) if path in CUSTOM_PATHS else len(CUSTOM_PATHS)


def _find_templates(value: Any, path: Path, *, is_template: bool, skips_objects: bool) -> Iterator[Path]:
    """Yield the paths of the pod templates in `value`. `is_template` is True below a field named like a template."""
    if skips_objects and path and is_complete_object(value):
        return
    if isinstance(value, dict):
        spec = value.get("spec")
        if is_template and isinstance(spec, dict) and isinstance(spec.get("containers"), list):
            yield path
            return
        children: Iterable[tuple[str | int, Any]] = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    else:
        return
    if len(path) == _MAX_DEPTH:
        return
    for step, child in children:
        if isinstance(child, dict | list):
            named = is_template if isinstance(step, int) else is_template_field(str(step))
            yield from _find_templates(child, (*path, step), is_template=named, skips_objects=skips_objects)


def find_other_containers(resource: Subject) -> Path | None:
    """Return the path of containers of a custom kind that are in no pod template; None if there are none.

    Tekton, Argo Workflows and KServe have such forms, for which there are no views.
    """
    if _has_no_pods(resource):
        return None
    pods = set(list_pod_paths(resource))
    return next(_find_containers(resource.object, (), pods, _OTHER_FORMS.get(resource.group, _CONTAINER_KEYS)), None)


def _find_containers(value: Any, path: Path, pods: AbstractSet[Path], keys: AbstractSet[str]) -> Iterator[Path]:
    if path in pods or len(path) > _MAX_DEPTH or (path and is_complete_object(value)):
        return
    children: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for step, child in children:
        containers = child if isinstance(child, list) else [child]
        if step in keys and any(isinstance(as_mapping(container).get("image"), str) for container in containers):
            yield (*path, step)
        elif isinstance(child, dict | list) and step not in ("metadata", "status"):
            yield from _find_containers(child, (*path, step), pods, keys)


def build_pod_views(resource: Resource) -> list[dict[str, Any]]:
    """Build the views of the pods of `resource` for rules (`input.workload`), in the order of `list_pod_paths`.

    Keys: `path` (of the pod spec), `metadata` (labels and annotations of the pod, without its name, so that equal pods
    have equal views), `metadata_path`, `spec` (the pod spec without its containers), `containers` (main, init and
    ephemeral ones in that order; each the container as written with `type` (container, init, ephemeral), `path` and
    `effective`: the effective security context, pod and container settings combined). Null fields of `spec` and of
    containers are left out: the API treats them as absent. Raises MalformedWorkloadError for a spec that does not match
    the schema of the API, and for more than MAX_TEMPLATES pods.
    """
    paths = list_pod_paths(resource)
    if len(paths) > MAX_TEMPLATES:
        raise MalformedWorkloadError(f"the object has {len(paths)} pod templates, more than {MAX_TEMPLATES}")
    return [_build_pod_view(resource, at) for at in paths]


def _build_pod_view(resource: Resource, at: Path) -> dict[str, Any]:
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
