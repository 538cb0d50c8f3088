"""What a finding is the same by, from scan to scan: its control, its resource and the place inside the resource.

Neither lines, files, the order of documents or of named items, nor the version of an API or of Kubekeep change it.
Never looks at a value that could be a secret, and so gives the same for an object and for what a report embeds of it.
Two resources may have one identity (a base and its overlay): who compares tells those apart by their files.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import re
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import Resource, format_name
from kubekeep.model.text import json_text

VERSION: Final = "v2"
"""Changes with what is hashed: a file of other fingerprints cannot be compared."""

_parse = functools.lru_cache(maxsize=4096)(parse_path)
_KEYS: Final = (
    ("kind", "namespace", "name"),
    ("apiGroups", "resources", "resourceNames", "nonResourceURLs"),
    ("mountPath", "subPath"),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("key", "effect"),
    ("ip",),
    ("host",),
)
"""Fields that tell the items of a list apart, in the order they are looked for."""
_OPAQUE: Final = frozenset({"env", "httpHeaders", "data", "binaryData", "stringData"})
"""Below these, and in kinds that are not Kubernetes' own, any value but a name may be a secret."""
_REMOVED: Final = frozenset({"envFrom", "status"})
"""What reports do not embed: the items keep their numbers."""
_WORDS: Final = frozenset({"command", "args"})
_FLAG: Final = re.compile(r"--[a-z][a-z0-9-]*(?==|\Z)")


class Granularity(enum.StrEnum):
    """What counts as one finding."""

    EVIDENCE = "evidence"
    """Each place in a resource that makes a control fail."""
    CONTROL = "control"
    """Each control that fails for a resource."""
    RESOURCE = "resource"
    """Each resource that some control fails for."""


class Identity(msgspec.Struct, frozen=True, order=True):
    """Which object of a cluster a resource is, whatever the version of its API; joined ones name what they join."""

    group: str
    kind: str
    namespace: str
    name: str
    related: tuple[Identity, ...] = ()

    @classmethod
    def of(cls, resource: Resource) -> Identity:
        """The identity of `resource`."""
        related = tuple(map(cls.of, resource.related))
        return cls(resource.group, resource.kind, resource.namespace, resource.name, related)

    def __str__(self) -> str:
        return format_name(self.kind, self.namespace, self.name)


def evidence_fingerprint(control: str, resource: Resource, path: str) -> str:
    """The fingerprint of the failure of `control` (its id) at `path` of `resource`: 64 hexadecimal digits."""
    return fingerprint(control, Identity.of(resource), format_stable_path(resource, path))


def fingerprint(control: str, identity: Identity, path: str | None = None) -> str:
    """The fingerprint of a place, a path as `steady_path` gives it; without one, of the control on the resource.

    Without a control too (empty), of the resource.
    """
    text = json_text([VERSION, control, msgspec.to_builtins(identity), path])
    return hashlib.sha256(text.encode()).hexdigest()


def format_stable_path(resource: Resource, path: str) -> str:
    """`path` with the items of lists by what tells them apart, where the object says so, and not by their number.

    `spec.containers[name=app].securityContext.capabilities.add[=SYS_ADMIN]`; an item that a fix would append is
    `[+]`. What is no path stays as it is.
    """
    try:
        steps = _parse(path)
    except ValueError:
        return path
    if not any(isinstance(step, int) for step in steps):
        return path
    match steps:
        case ("relatedObjects", int(number), *rest) if number < len(resource.related):
            related = resource.related[number]
            return f"relatedObjects[{number}].{_steady(related.object, tuple(rest), scalars=related.is_builtin)}"
        case _:
            return _steady(resource.object, steps, scalars=resource.is_builtin)


def _steady(document: Any, path: Path, *, scalars: bool) -> str:
    """The steady text of `path`; items without a name go by their value where `scalars` are no secrets."""
    parts: list[str] = []
    value, key = document, ""
    hidden = False
    for step in path:
        if isinstance(step, str):
            key = step
            hidden = hidden or key in _REMOVED
            scalars = scalars and key not in _OPAQUE
            parts.append(f".{key}" if parts else key)
        elif hidden:
            parts.append(f"[{step}]")
        else:
            parts.append(f"[{_item(value, step, key, scalars=scalars)}]")
        value = _child(value, step)
    return "".join(parts)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _item(items: Any, index: int, key: str, *, scalars: bool) -> str:
    if not isinstance(items, list) or index >= len(items):
        return "+"
    item = items[index]
    if isinstance(item, dict):
        return _key(item, _KEYS if scalars else _KEYS[:1]) or str(index)
    if key in _WORDS:
        flag = _FLAG.match(item) if isinstance(item, str) else None
        return flag.group() if flag else str(index)
    return f"={item}" if scalars and isinstance(item, str | int) else str(index)


def _key(item: dict[Any, Any], keys: tuple[tuple[str, ...], ...]) -> str:
    """What tells `item` apart by the first of `keys` that it has; an embedded object is known by its metadata."""
    metadata = item.get("metadata")
    if isinstance(metadata, dict) and metadata.get("name"):
        item = {**metadata, "kind": item.get("kind")}
    for fields in keys:
        found = [f"{field}={said}" for field in fields if (said := _said(item.get(field)))]
        if found:
            return ",".join(found)
    return ""


def _said(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(sorted(filter(None, map(_said, value)))) if all(isinstance(item, str) for item in value) else ""
    return str(value) if isinstance(value, str | int) else ""
