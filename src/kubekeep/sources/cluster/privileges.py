"""Privileges and restrictions of a pod that controls evaluate, in a compact form to keep for every workload.

A pod is no weaker than another if it has no privilege that the other lacks, and every restriction that the other has.
Usual differences between a template and its pods are ignored: API server defaults, the token volume, tolerations and
node selectors, priorities, image pull secrets, amounts of resources, added labels, and variables added by webhooks,
except those from Secrets. Never evaluates a control.
"""

from __future__ import annotations

import functools
import itertools
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource
from kubekeep.model.workload import pod_path, value_at_or

_Entry = tuple[Any, ...]

_FLAGS: Final = ("hostIPC", "hostNetwork", "hostPID", "shareProcessNamespace", "automountServiceAccountToken")
_FIELDS: Final = (
    *_FLAGS,
    "hostUsers",
    "resources",
    "runtimeClassName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
)
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_HARMLESS: Final = frozenset({"csi", "downwardAPI", "emptyDir", "ephemeral", "image", "name"})
"""Volume types that no control checks, as webhooks often add them."""
_NAME_FIELDS: Final = {"configMap": "name", "secret": "secretName"}
_OWN_TOKEN: Final = "kube-api-access-"  # noqa: S105 - a name
"""Prefix of the volume with a pod's token, which the API server adds."""
_AUTHORITIES: Final = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
"""ConfigMaps in that volume."""
_VOLUME_SETTINGS: Final = ("fsGroup", "fsGroupChangePolicy")
_SELINUX: Final = ("role", "type", "user")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS: Final = ("postStart", "preStop")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_APPARMOR_TYPES: Final = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined", "": ""}
_PROFILES: Final = ("seccompProfile", "appArmorProfile")
_LARGEST_CACHED: Final = 16 * 1024
"""Size in bytes up to which results are cached."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class PodPrivileges(msgspec.Struct, frozen=True, gc=False):
    """Privileges (`powers`), restrictions (`bounds`) and labels of a pod, as sorted 8-byte hashes.

    The hashes are valid in this process only. Services and NetworkPolicies select a pod by its labels. Images are
    compared literally, with their commands: verdicts on a template do not apply to another revision, or to an image
    that a webhook pinned or redirected to another registry.
    """

    powers: bytes
    bounds: bytes
    labels: bytes

    def is_within(self, other: PodPrivileges) -> bool:
        """Return True if this pod is no weaker than `other`."""
        return (
            _is_subset(self.powers, other.powers)
            and _is_subset(other.bounds, self.bounds)
            and _is_subset(other.labels, self.labels)
        )


def read_privileges(resource: Resource) -> PodPrivileges:
    """Read the privileges of the pod or pod template in `resource`; malformed fields of custom kinds are ignored."""
    at = pod_path(resource)
    pod = as_mapping(value_at_or(resource.object, at, None)) if at is not None else {}
    metadata, spec = as_mapping(pod.get("metadata")), as_mapping(pod.get("spec"))
    labels = _hash_entries((label, _get_scalar(value)) for label, value in as_mapping(metadata.get("labels")).items())
    text = _encode(_select_fields(resource, metadata, spec))
    powers, bounds = _cached_powers_and_bounds(text) if len(text) <= _LARGEST_CACHED else _list_powers_and_bounds(text)
    return PodPrivileges(powers, bounds, labels)


def _select_fields(resource: Resource, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return the relevant fields without labels: equal for most pods of a template, so the result is cached."""
    token_volumes = [volume.get("name") for volume in _get_mappings(spec, "volumes") if _is_token_volume(volume, spec)]
    fields: dict[str, Any] = {field: spec[field] for field in _FIELDS if field in spec}
    fields["volumes"] = [volume for volume in _get_mappings(spec, "volumes") if volume.get("name") not in token_volumes]
    for field in _CONTAINERS:
        fields[field] = [
            container
            | {
                "volumeMounts": [
                    mount
                    for mount in _get_mappings(container, "volumeMounts")
                    if mount.get("name") not in token_volumes
                ]
            }
            for container in _get_mappings(spec, field)
        ]
    annotations = as_mapping(metadata.get("annotations"))
    fields["profiles"] = {key: value for key, value in annotations.items() if key.startswith(_APPARMOR)}
    # Claims of a StatefulSet; its controller adds them as volumes.
    claims = _get_mappings(as_mapping(resource.object.get("spec")), "volumeClaimTemplates")
    fields["claims"] = [_get_scalar(as_mapping(claim.get("metadata")).get("name")) for claim in claims]
    return fields


def _is_token_volume(volume: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Return True for the API server's volume with the token and certificates of a pod."""
    name = volume.get("name")
    if not isinstance(name, str) or not name.startswith(_OWN_TOKEN):
        return False
    sources = _get_mappings(as_mapping(volume.get("projected")), "sources")
    names = {
        _get_scalar(as_mapping(source.get(field)).get("name"))
        for source in sources
        for field in _NAME_FIELDS
        if field in source
    }
    return spec.get("automountServiceAccountToken") is not False and names <= _AUTHORITIES


def _list_powers_and_bounds(text: bytes) -> tuple[bytes, bytes]:
    spec = _decode(text)
    volumes = {
        _get_scalar(volume.get("name")): list(_list_volume_powers(volume)) for volume in _get_mappings(spec, "volumes")
    }
    volumes |= {name: [("claim", name)] for name in spec["claims"]}
    powers, bounds = list(_list_pod_powers(spec)), list(_list_pod_bounds(spec))
    powers += itertools.chain.from_iterable(volumes.values())
    for field in _CONTAINERS:
        for container in _get_mappings(spec, field):
            name = _get_scalar(container.get("name"))
            context = _combine_contexts(spec, container, spec["profiles"].get(f"{_APPARMOR}{name}"))
            container_powers = (
                _list_container_powers(field, container, spec),
                _list_context_powers(context),
                _list_mount_powers(container, volumes),
            )
            powers += ((name, *entry) for entry in itertools.chain(*container_powers))
            bounds += ((name, *entry) for entry in (*_list_context_bounds(context), *_list_container_bounds(container)))
    return _hash_entries(powers), _hash_entries(bounds)


# Pods are listed by name, so those of a template follow each other.
_cached_powers_and_bounds: Final = functools.lru_cache(maxsize=512)(_list_powers_and_bounds)


def _list_pod_powers(spec: dict[str, Any]) -> Iterator[_Entry]:
    for field in _FLAGS:
        if spec.get(field) is True:
            yield (field,)
    yield "account", _get_scalar(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
    for sysctl in _get_mappings(as_mapping(spec.get("securityContext")), "sysctls"):
        yield "sysctl", _get_scalar(sysctl.get("name")), _get_scalar(sysctl.get("value"))


def _list_pod_bounds(spec: dict[str, Any]) -> Iterator[_Entry]:
    for field in ("automountServiceAccountToken", "hostUsers"):
        if spec.get(field) is False:
            yield (field,)
    if spec.get("runtimeClassName"):
        yield "runtime", _get_scalar(spec.get("runtimeClassName"))
    context = as_mapping(spec.get("securityContext"))
    yield from ((field,) for field in _VOLUME_SETTINGS if context.get(field) is not None)
    yield from _list_resource_bounds(spec)


def _list_volume_powers(volume: dict[str, Any]) -> Iterator[_Entry]:
    """Yield the privileges that a volume gives to its pod."""
    name = _get_scalar(volume.get("name"))
    for source, value in volume.items():
        if source in _HARMLESS or not isinstance(value, dict):
            continue
        if source == "hostPath":
            yield source, _get_scalar(value.get("path"))
        elif source == "persistentVolumeClaim":
            # The name of the claim differs in each pod of a StatefulSet.
            yield "claim", name
        elif source in _NAME_FIELDS:
            yield source, _get_scalar(value.get(_NAME_FIELDS[source]))
        elif source == "projected":
            yield from _list_projected_powers(value)
        else:
            yield "volume", source


def _list_projected_powers(volume: dict[str, Any]) -> Iterator[_Entry]:
    for source in _get_mappings(volume, "sources"):
        for field in _NAME_FIELDS:
            if name := _get_scalar(as_mapping(source.get(field)).get("name")):
                yield field, name
        token = source.get("serviceAccountToken")
        # The API server rejects tokens for other audiences; webhooks of clouds add such tokens.
        if isinstance(token, dict) and not token.get("audience"):
            yield ("token",)


def _list_mount_powers(container: dict[str, Any], volumes: dict[Any, list[_Entry]]) -> Iterator[_Entry]:
    for mount in _get_mappings(container, "volumeMounts", "volumeDevices"):
        name = _get_scalar(mount.get("name"))
        for privilege in volumes.get(name, ()):
            yield "mount", *privilege
            if mount.get("readOnly") is not True:
                yield "write", *privilege
        if mount.get("subPath") or mount.get("subPathExpr"):
            yield "subPath", name


def _list_container_powers(field: str, container: dict[str, Any], spec: dict[str, Any]) -> Iterator[_Entry]:
    yield (
        field,
        _get_scalar(container.get("image")),
        _get_texts(container.get("command")),
        _get_texts(container.get("args")),
    )
    for port in _get_mappings(container, "ports"):
        number = _get_scalar(port.get("containerPort"))
        # With hostNetwork the API server sets hostPort in pods, but not always in templates.
        host_port = _get_scalar(port.get("hostPort") or 0) or (number if spec.get("hostNetwork") is True else 0)
        yield "port", number, host_port, _get_scalar(port.get("protocol") or "TCP")
    for variable in _get_mappings(container, "env"):
        source = as_mapping(variable.get("valueFrom"))
        if isinstance(reference := source.get("secretKeyRef"), dict):
            yield "secret", _get_scalar(reference.get("name"))
    for env_source in _get_mappings(container, "envFrom"):
        if isinstance(reference := env_source.get("secretRef"), dict):
            yield "secret", _get_scalar(reference.get("name"))
    hooks = as_mapping(container.get("lifecycle"))
    for handler in (*map(container.get, _PROBES), *map(hooks.get, _HOOKS)):
        for action in as_mapping(handler).values():
            if isinstance(action, dict):
                yield "calls", _get_scalar(action.get("host")), _get_texts(action.get("command"))


def _list_container_bounds(container: dict[str, Any]) -> Iterator[_Entry]:
    if container.get("imagePullPolicy") == "Always":
        yield ("pulled",)
    for probe in _PROBES:
        if container.get(probe):
            yield (probe,)
    yield from _list_resource_bounds(container)


def _list_resource_bounds(fields: dict[str, Any]) -> Iterator[_Entry]:
    """Yield the presence of limits and requests; autoscalers change the amounts in pods only."""
    for section, amounts in as_mapping(fields.get("resources")).items():
        if isinstance(amounts, dict):
            # A limit of zero means none.
            yield from (
                (section, name)
                for name, amount in amounts.items()
                if str(_get_scalar(amount)).lstrip("0.")[:1].isdigit()
            )


def _combine_contexts(spec: dict[str, Any], container: dict[str, Any], old_profile: Any) -> dict[str, Any]:
    """Return the effective security context of a container, including the deprecated AppArmor annotation."""
    pod_settings, settings = as_mapping(spec.get("securityContext")), as_mapping(container.get("securityContext"))
    context = pod_settings | {field: value for field, value in settings.items() if value is not None}
    if isinstance(old_profile, str) and not context.get("appArmorProfile"):
        kind, name = _APPARMOR_TYPES.get(old_profile, "Localhost"), old_profile.removeprefix("localhost/")
        context["appArmorProfile"] = {"type": kind} | ({"localhostProfile": name} if kind == "Localhost" else {})
    return context


def _list_context_powers(context: dict[str, Any]) -> Iterator[_Entry]:
    if context.get("privileged") is True:
        yield ("privileged",)
    windows = as_mapping(context.get("windowsOptions"))
    if windows.get("hostProcess") is True:
        yield ("hostProcess",)
    if windows.get("runAsUserName"):
        yield "user", _get_scalar(windows.get("runAsUserName"))
    if context.get("procMount", "Default") != "Default":
        yield ("procMount",)
    for capability in _get_texts(as_mapping(context.get("capabilities")).get("add")):
        yield "add", capability.upper().removeprefix("CAP_")
    for field in ("runAsUser", "runAsGroup"):
        if context.get(field) == 0:
            yield (field,)
    yield from _list_weak_profiles(context)


def _list_weak_profiles(context: dict[str, Any]) -> Iterator[_Entry]:
    """Yield profiles that confine nothing, or that exist only on some nodes."""
    for field in _PROFILES:
        kind, profile = _get_profile(context, field)
        if kind == "Unconfined" or (kind == "Localhost" and field == "seccompProfile"):
            yield field, kind, profile
    for field in _SELINUX:
        if value := as_mapping(context.get("seLinuxOptions")).get(field):
            yield field, _get_scalar(value)


def _list_context_bounds(context: dict[str, Any]) -> Iterator[_Entry]:
    if context.get("allowPrivilegeEscalation") is False:
        yield ("allowPrivilegeEscalation",)
    for field in ("readOnlyRootFilesystem", "runAsNonRoot", "seLinuxOptions"):
        if context.get(field):
            yield (field,)
    for field in ("runAsUser", "runAsGroup"):
        if isinstance(context.get(field), int) and context[field] != 0:
            yield (field,)
    for capability in _get_texts(as_mapping(context.get("capabilities")).get("drop")):
        yield "drop", capability.upper().removeprefix("CAP_")
    for field in _PROFILES:
        kind, profile = _get_profile(context, field)
        if kind not in {"Unconfined", ""}:
            yield field, kind, profile


def _get_profile(context: dict[str, Any], field: str) -> tuple[Any, Any]:
    """Return the type of a profile, and its name on the node."""
    profile = as_mapping(context.get(field))
    return _get_scalar(profile.get("type")), _get_scalar(profile.get("localhostProfile"))


def _hash_entries(entries: Iterable[_Entry]) -> bytes:
    return array("q", sorted(set(map(hash, entries)))).tobytes()


def _is_subset(subset: bytes, superset: bytes) -> bool:
    return subset == superset or set(memoryview(subset).cast("q")) <= set(memoryview(superset).cast("q"))


def _get_mappings(fields: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    lists = (fields.get(name) for name in names)
    return [
        element for elements in lists if isinstance(elements, list) for element in elements if isinstance(element, dict)
    ]


def _get_scalar(value: Any) -> Any:
    """Return a scalar for comparison, "" for other values."""
    return value if isinstance(value, (str, int)) else ""


def _get_texts(value: Any) -> tuple[str, ...]:
    return tuple(element for element in value if isinstance(element, str)) if isinstance(value, list) else ()
