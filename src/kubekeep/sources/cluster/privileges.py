"""What a pod may do and what holds it back, as far as controls look at it, small enough to keep of every workload.

A pod is no weaker than another where it may do nothing that the other may not and lacks nothing that holds that back.
What differs all the same between a template and the pods that a controller makes of it is left out: what the API server
fills in, the volume of its token, tolerations and node selectors, priorities, image pull secrets, amounts of resources,
labels that are added, and variables that webhooks add, but for those that Secrets are read into. Never judges.
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

_Said = tuple[Any, ...]

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
"""What a volume may be that no control minds: such ones are what webhooks add."""
_NAMED: Final = {"configMap": "name", "secret": "secretName"}
_OWN_TOKEN: Final = "kube-api-access-"  # noqa: S105 - a name
"""How the API server calls the volume in which it gives a pod its token."""
_AUTHORITIES: Final = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
"""ConfigMaps that are in it, too."""
_OF_VOLUMES: Final = ("fsGroup", "fsGroupChangePolicy")
_SELINUX: Final = ("role", "type", "user")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS: Final = ("postStart", "preStop")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_APPARMOR_TYPES: Final = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined", "": ""}
_PROFILES: Final = ("seccompProfile", "appArmorProfile")
_LONG: Final = 16 * 1024
"""Bytes of what is looked at, beyond which it is not remembered."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class PodPrivileges(msgspec.Struct, frozen=True, gc=False):
    """What a pod may do, what holds it back, and its labels: sorted hashes, 8 bytes each, good in this process.

    Services and NetworkPolicies find a pod by its labels. An image is compared to the letter, with its command: one of
    another revision, or that a webhook has pinned or takes from another registry in pods alone, is not what the verdicts
    on the template are about.
    """

    powers: bytes
    bounds: bytes
    labels: bytes

    def is_within(self, other: PodPrivileges) -> bool:
        """Whether it is no weaker than `other`."""
        return (
            _are_among(self.powers, other.powers)
            and _are_among(other.bounds, self.bounds)
            and _are_among(other.labels, self.labels)
        )


def read_privileges(resource: Resource) -> PodPrivileges:
    """That of the pod, or the template of pods, in `resource`; nonsense in a custom kind says nothing."""
    at = pod_path(resource)
    pod = as_mapping(value_at_or(resource.object, at, None)) if at is not None else {}
    metadata, spec = as_mapping(pod.get("metadata")), as_mapping(pod.get("spec"))
    labels = _hashes((label, _text(value)) for label, value in as_mapping(metadata.get("labels")).items())
    text = _encode(_looked_at(resource, metadata, spec))
    powers, bounds = _known(text) if len(text) <= _LONG else _powers_and_bounds(text)
    return PodPrivileges(powers, bounds, labels)


def _looked_at(resource: Resource, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """What is looked at but for labels: the same for most pods of a template, so that it has to be done once."""
    given = [volume.get("name") for volume in _items(spec, "volumes") if _is_given(volume, spec)]
    found: dict[str, Any] = {field: spec[field] for field in _FIELDS if field in spec}
    found["volumes"] = [volume for volume in _items(spec, "volumes") if volume.get("name") not in given]
    for field in _CONTAINERS:
        found[field] = [
            container
            | {"volumeMounts": [one for one in _items(container, "volumeMounts") if one.get("name") not in given]}
            for container in _items(spec, field)
        ]
    annotations = as_mapping(metadata.get("annotations"))
    found["profiles"] = {key: value for key, value in annotations.items() if key.startswith(_APPARMOR)}
    # The claims of a StatefulSet, which its controller makes volumes of.
    claims = _items(as_mapping(resource.object.get("spec")), "volumeClaimTemplates")
    found["claims"] = [_text(as_mapping(claim.get("metadata")).get("name")) for claim in claims]
    return found


def _is_given(volume: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Whether the API server has put a volume into a pod: its token, and whom to trust."""
    name = volume.get("name")
    if not isinstance(name, str) or not name.startswith(_OWN_TOKEN):
        return False
    sources = _items(as_mapping(volume.get("projected")), "sources")
    named = {
        _text(as_mapping(source.get(field)).get("name")) for source in sources for field in _NAMED if field in source
    }
    return spec.get("automountServiceAccountToken") is not False and named <= _AUTHORITIES


def _powers_and_bounds(text: bytes) -> tuple[bytes, bytes]:
    spec = _decode(text)
    volumes = {_text(volume.get("name")): list(_volume(volume)) for volume in _items(spec, "volumes")}
    volumes |= {name: [("claim", name)] for name in spec["claims"]}
    powers, bounds = list(_pod_powers(spec)), list(_pod_bounds(spec))
    powers += itertools.chain.from_iterable(volumes.values())
    for field in _CONTAINERS:
        for container in _items(spec, field):
            name = _text(container.get("name"))
            context = _effective(spec, container, spec["profiles"].get(f"{_APPARMOR}{name}"))
            own = _container_powers(field, container, spec), _context_powers(context), _mounts(container, volumes)
            powers += ((name, *said) for said in itertools.chain(*own))
            bounds += ((name, *said) for said in (*_context_bounds(context), *_container_bounds(container)))
    return _hashes(powers), _hashes(bounds)


# Pods come by the name, those of a template one after the other.
_known: Final = functools.lru_cache(maxsize=512)(_powers_and_bounds)


def _pod_powers(spec: dict[str, Any]) -> Iterator[_Said]:
    for field in _FLAGS:
        if spec.get(field) is True:
            yield (field,)
    yield "account", _text(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
    for sysctl in _items(as_mapping(spec.get("securityContext")), "sysctls"):
        yield "sysctl", _text(sysctl.get("name")), _text(sysctl.get("value"))


def _pod_bounds(spec: dict[str, Any]) -> Iterator[_Said]:
    for field in ("automountServiceAccountToken", "hostUsers"):
        if spec.get(field) is False:
            yield (field,)
    if spec.get("runtimeClassName"):
        yield "runtime", _text(spec.get("runtimeClassName"))
    context = as_mapping(spec.get("securityContext"))
    yield from ((field,) for field in _OF_VOLUMES if context.get(field) is not None)
    yield from _resources(spec)


def _volume(volume: dict[str, Any]) -> Iterator[_Said]:
    """What a volume gives to its pod."""
    name = _text(volume.get("name"))
    for source, value in volume.items():
        if source in _HARMLESS or not isinstance(value, dict):
            continue
        if source == "hostPath":
            yield source, _text(value.get("path"))
        elif source == "persistentVolumeClaim":
            # Its name is another one in each pod of a StatefulSet.
            yield "claim", name
        elif source in _NAMED:
            yield source, _text(value.get(_NAMED[source]))
        elif source == "projected":
            yield from _projected(value)
        else:
            yield "volume", source


def _projected(volume: dict[str, Any]) -> Iterator[_Said]:
    for source in _items(volume, "sources"):
        for field in _NAMED:
            if name := _text(as_mapping(source.get(field)).get("name")):
                yield field, name
        token = source.get("serviceAccountToken")
        # Of another audience it is nothing to the API server; webhooks of clouds give such ones.
        if isinstance(token, dict) and not token.get("audience"):
            yield ("token",)


def _mounts(container: dict[str, Any], volumes: dict[Any, list[_Said]]) -> Iterator[_Said]:
    for mount in _items(container, "volumeMounts", "volumeDevices"):
        name = _text(mount.get("name"))
        for said in volumes.get(name, ()):
            yield "mount", *said
            if mount.get("readOnly") is not True:
                yield "write", *said
        if mount.get("subPath") or mount.get("subPathExpr"):
            yield "subPath", name


def _container_powers(field: str, container: dict[str, Any], spec: dict[str, Any]) -> Iterator[_Said]:
    yield field, _text(container.get("image")), _texts(container.get("command")), _texts(container.get("args"))
    for port in _items(container, "ports"):
        number = _text(port.get("containerPort"))
        # In pods, and not always in templates, the API server says of ports of the node's network that they are its own.
        on_node = _text(port.get("hostPort") or 0) or (number if spec.get("hostNetwork") is True else 0)
        yield "port", number, on_node, _text(port.get("protocol") or "TCP")
    for variable in _items(container, "env"):
        source = as_mapping(variable.get("valueFrom"))
        if isinstance(reference := source.get("secretKeyRef"), dict):
            yield "secret", _text(reference.get("name"))
    for many in _items(container, "envFrom"):
        if isinstance(reference := many.get("secretRef"), dict):
            yield "secret", _text(reference.get("name"))
    hooks = as_mapping(container.get("lifecycle"))
    for called in (*map(container.get, _PROBES), *map(hooks.get, _HOOKS)):
        for action in as_mapping(called).values():
            if isinstance(action, dict):
                yield "calls", _text(action.get("host")), _texts(action.get("command"))


def _container_bounds(container: dict[str, Any]) -> Iterator[_Said]:
    if container.get("imagePullPolicy") == "Always":
        yield ("pulled",)
    for probe in _PROBES:
        if container.get(probe):
            yield (probe,)
    yield from _resources(container)


def _resources(fields: dict[str, Any]) -> Iterator[_Said]:
    """That there are limits and requests: how much, autoscalers change in pods alone."""
    for section, amounts in as_mapping(fields.get("resources")).items():
        if isinstance(amounts, dict):
            # Zero is no limit.
            yield from (
                (section, name) for name, amount in amounts.items() if str(_text(amount)).lstrip("0.")[:1].isdigit()
            )


def _effective(spec: dict[str, Any], container: dict[str, Any], old_profile: Any) -> dict[str, Any]:
    """The security context of a container, with what it has from its pod and from the annotations of former days."""
    shared, own = as_mapping(spec.get("securityContext")), as_mapping(container.get("securityContext"))
    context = shared | {field: value for field, value in own.items() if value is not None}
    if isinstance(old_profile, str) and not context.get("appArmorProfile"):
        kind, name = _APPARMOR_TYPES.get(old_profile, "Localhost"), old_profile.removeprefix("localhost/")
        context["appArmorProfile"] = {"type": kind} | ({"localhostProfile": name} if kind == "Localhost" else {})
    return context


def _context_powers(context: dict[str, Any]) -> Iterator[_Said]:
    if context.get("privileged") is True:
        yield ("privileged",)
    windows = as_mapping(context.get("windowsOptions"))
    if windows.get("hostProcess") is True:
        yield ("hostProcess",)
    if windows.get("runAsUserName"):
        yield "user", _text(windows.get("runAsUserName"))
    if context.get("procMount", "Default") != "Default":
        yield ("procMount",)
    for capability in _texts(as_mapping(context.get("capabilities")).get("add")):
        yield "add", capability.upper().removeprefix("CAP_")
    for field in ("runAsUser", "runAsGroup"):
        if context.get(field) == 0:
            yield (field,)
    yield from _confined_by(context)


def _confined_by(context: dict[str, Any]) -> Iterator[_Said]:
    """Profiles that confine nothing, or not as every node does."""
    for field in _PROFILES:
        kind, profile = _profile(context, field)
        if kind == "Unconfined" or (kind == "Localhost" and field == "seccompProfile"):
            yield field, kind, profile
    for field in _SELINUX:
        if value := as_mapping(context.get("seLinuxOptions")).get(field):
            yield field, _text(value)


def _context_bounds(context: dict[str, Any]) -> Iterator[_Said]:
    if context.get("allowPrivilegeEscalation") is False:
        yield ("allowPrivilegeEscalation",)
    for field in ("readOnlyRootFilesystem", "runAsNonRoot", "seLinuxOptions"):
        if context.get(field):
            yield (field,)
    for field in ("runAsUser", "runAsGroup"):
        if isinstance(context.get(field), int) and context[field] != 0:
            yield (field,)
    for capability in _texts(as_mapping(context.get("capabilities")).get("drop")):
        yield "drop", capability.upper().removeprefix("CAP_")
    for field in _PROFILES:
        kind, profile = _profile(context, field)
        if kind not in {"Unconfined", ""}:
            yield field, kind, profile


def _profile(context: dict[str, Any], field: str) -> tuple[Any, Any]:
    """The type of a profile, and its name on the node."""
    profile = as_mapping(context.get(field))
    return _text(profile.get("type")), _text(profile.get("localhostProfile"))


def _hashes(said: Iterable[_Said]) -> bytes:
    return array("q", sorted(set(map(hash, said)))).tobytes()


def _are_among(few: bytes, many: bytes) -> bool:
    return few == many or set(memoryview(few).cast("q")) <= set(memoryview(many).cast("q"))


def _items(fields: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    lists = (fields.get(name) for name in names)
    return [item for found in lists if isinstance(found, list) for item in found if isinstance(item, dict)]


def _text(value: Any) -> Any:
    """What can be compared of a value that should be a single one."""
    return value if isinstance(value, (str, int)) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
