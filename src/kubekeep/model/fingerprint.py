"""Fingerprints of findings, stable across scans: control, resource, and path inside the resource.

Independent of lines, files, the order of documents and of named list elements, the API version and Kubekeep's version.
Never includes a value that could be a secret, so an object and its redacted copy in a report have the same fingerprint.
Two resources may share an identity (a base and its overlay); comparisons distinguish them by file.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, parse_path
from kubekeep.model.subject import Subject, format_name
from kubekeep.model.text import encode_json

VERSION: Final = "v2"
"""Version of the hashed data: files with another version cannot be compared."""

_SHORT: Final = 16
"""Length of a fingerprint in a submission."""
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
"""Fields that identify list elements, in order of preference."""
_NUMBERED: Final = {
    "docker.kubekeep.io": {"instructions": "instruction", "commands": "program"},
    "image.kubekeep.io": {"files": "path", "secrets": "path", "packages": "purl"},
}
"""Lists of Dockerfiles and images by API group, and the field by which their elements are counted: `instructions[RUN 1]`
is the second RUN."""
_OPAQUE: Final = frozenset({"env", "httpHeaders", "data", "binaryData", "stringData"})
"""Fields whose content, as all of a custom kind, may be secret except for names."""
_REMOVED: Final = frozenset({"envFrom", "status"})
"""Fields that reports omit: list elements below them are identified by index."""
_COMMAND_FIELDS: Final = frozenset({"command", "args"})
_FLAG: Final = re.compile(r"--[a-z][a-z0-9-]*(?==|\Z)")


class _Shared:
    """A key of a cache that equals only a key of the same list, so that lists can be keys."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shared) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class Granularity(enum.StrEnum):
    """Unit that counts as one finding."""

    EVIDENCE = "evidence"
    """Each path in a resource that makes a control fail."""
    CONTROL = "control"
    """Each control that fails for a resource."""
    RESOURCE = "resource"
    """Each resource with a failed control."""


class Identity(msgspec.Struct, frozen=True, order=True):
    """Identity of a subject, independent of the API version; joined resources list their parts."""

    group: str
    kind: str
    namespace: str
    name: str
    related: tuple[Identity, ...] = ()

    @classmethod
    def from_subject(cls, subject: Subject) -> Identity:
        """Return the identity of `subject`."""
        related = tuple(map(cls.from_subject, subject.related))
        return cls(subject.group, subject.kind, subject.namespace, subject.name, related)

    @classmethod
    def stable(cls, subject: Subject) -> Identity:
        """Return the identity with the name that is the same in every scan: the digest of an image."""
        return msgspec.structs.replace(cls.from_subject(subject), name=subject.stable_name)

    def __str__(self) -> str:
        return format_name(self.kind, self.namespace, self.name)


def evidence_fingerprint(control: str, resource: Subject, path: str) -> str:
    """Return the fingerprint of a failure of `control` (its id) at `path`: 64 hexadecimal digits."""
    return fingerprint(control, Identity.from_subject(resource), format_stable_path(resource, path))


def fingerprint(control: str, identity: Identity, path: str | None = None) -> str:
    """Return the fingerprint of a failure: 64 hexadecimal digits.

    `path` comes from `format_stable_path`. Without a path the result identifies the control on the resource; if
    `control` is empty too, the resource.
    """
    text = encode_json([VERSION, control, msgspec.to_builtins(identity), path])
    return hashlib.sha256(text.encode()).hexdigest()


def create_short_fingerprint(definition: str, identity: Identity, origin: str = "") -> str:
    """Return the fingerprint of a finding in submissions, unique in a source: 16 hexadecimal digits.

    definition: its key; empty for the key of the subject. origin: of the subject in a repository.
    """
    return fingerprint(definition, identity, origin or None)[:_SHORT]


def format_stable_path(resource: Subject, path: str) -> str:
    """Format `path` with identifying fields instead of list indexes, if the objects have them.

    `spec.containers[name=app].securityContext.capabilities.add[=SYS_ADMIN]`; an element that a fix would append is
    `[+]`. Text that is no path is returned unchanged.
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
            return f"relatedObjects[{number}].{_format_steps(related.object, tuple(rest), scalars=related.is_builtin)}"
        case _:
            numbered = _NUMBERED.get(resource.group, {})
            return _format_steps(resource.object, steps, scalars=resource.is_builtin, numbered=numbered)


def _format_steps(document: Any, path: Path, *, scalars: bool, numbered: Mapping[str, str] = {}) -> str:
    """Format the stable path; elements without a name are identified by their value if `scalars` cannot be secrets.

    numbered: fields by which the elements of some lists are counted, by the name of the list.
    """
    parts: list[str] = []
    value, key = document, ""
    is_removed = False
    for step in path:
        if isinstance(step, str):
            key = step
            is_removed = is_removed or key in _REMOVED
            scalars = scalars and key not in _OPAQUE
            parts.append(f".{key}" if parts else key)
        elif is_removed:
            parts.append(f"[{step}]")
        else:
            number = _format_number(value, step, numbered[key]) if key in numbered else ""
            parts.append(f"[{number or _format_element(value, step, key, scalars=scalars)}]")
        value = _child(value, step)
    return "".join(parts)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    # The rest of the path is in the document that a text holds.
    return value if isinstance(value, str) else None


def _format_element(elements: Any, index: int, key: str, *, scalars: bool) -> str:
    if isinstance(elements, str):
        return str(index)
    if not isinstance(elements, list) or index >= len(elements):
        return "+"
    element = elements[index]
    if isinstance(element, dict):
        return _format_key(element, _KEYS if scalars else _KEYS[:1]) or str(index)
    if key in _COMMAND_FIELDS:
        flag = _FLAG.match(element) if isinstance(element, str) else None
        return flag.group() if flag else str(index)
    return f"={element}" if scalars and isinstance(element, str | int) else str(index)


def _format_number(elements: Any, index: int, field: str) -> str:
    """Return the number of an element among those with the same value of a field; empty without such a field."""
    if not isinstance(elements, list) or index >= len(elements):
        return ""
    return _number_elements(_Shared(elements), len(elements), field)[index]


@functools.lru_cache(maxsize=16)
def _number_elements(elements: _Shared, count: int, field: str) -> tuple[str, ...]:  # noqa: ARG001 - key of the cache
    """Return the numbers of all elements of a list; `count` detects a list that has grown since."""
    numbers: list[str] = []
    counts: dict[str, int] = {}
    for element in elements.value:
        name = element.get(field) if isinstance(element, dict) else None
        if isinstance(name, str):
            number = counts.get(name, 0)
            counts[name] = number + 1
            numbers.append(f"{name} {number}")
        else:
            numbers.append("")
    return tuple(numbers)


def _format_key(element: dict[Any, Any], keys: tuple[tuple[str, ...], ...]) -> str:
    """Return the identifying fields of `element`, by the first of `keys` it has; an embedded object by its metadata."""
    metadata = element.get("metadata")
    if isinstance(metadata, dict) and metadata.get("name"):
        element = {**metadata, "kind": element.get("kind")}
    for fields in keys:
        parts = [f"{field}={text}" for field in fields if (text := _format_value(element.get(field)))]
        if parts:
            return ",".join(parts)
    return ""


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return (
            "+".join(sorted(filter(None, map(_format_value, value))))
            if all(isinstance(element, str) for element in value)
            else ""
        )
    return str(value) if isinstance(value, str | int) else ""
