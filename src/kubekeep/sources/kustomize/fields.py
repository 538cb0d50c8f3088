"""Field trees: objects during a replayed build, each field with the origin that set it last.

Replays strategic merge as kustomize does it (kyaml: lists by merge key, additions first) and JSON patch (RFC 6902).
The real build decides on values; the replay only finds origins. Never raises: operations that do not fit are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.documents import SourcePath

_DIRECTIVE: Final = "$"
_PATCH: Final = "$patch"
_DELETE: Final = "delete"
_REPLACE: Final = "replace"

_BY_NAME: Final = (("name",),)
MERGE_KEYS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    **dict.fromkeys(
        (
            "containers",
            "initContainers",
            "ephemeralContainers",
            "env",
            "volumes",
            "imagePullSecrets",
            "secrets",
            "webhooks",
            "variables",
            "matchConditions",
            "schedulingGates",
            "resourceClaims",
        ),
        _BY_NAME,
    ),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "conditions": (("type",),),
    "ownerReferences": (("uid",),),
}
"""Lists of built-in kinds merged by strategic merge, by field name: `patchMergeKey` of k8s.io/api as the first name of
each tuple, followed by further keys that distinguish two entries. Lists of other fields and of custom kinds are replaced.
"""
_MERGED_AS_SETS: Final = frozenset({"finalizers"})


class Field:
    """A value with its origin and the time it was set. value: a scalar, or a dict or list of fields."""

    __slots__ = ("origin", "time", "value")

    def __init__(self, value: Any, origin: SourcePath, time: int) -> None:
        self.value = value
        self.origin = origin
        self.time = time

    def child(self, step: str | int) -> Field | None:
        """Return the field one step down, None if there is none."""
        if isinstance(self.value, dict):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            child: Field = self.value[step]
            return child
        return None

    def find_descendant(self, *steps: str) -> Field | None:
        """Return the field several steps down, None if there is none."""
        field: Field | None = self
        for step in steps:
            field = field.child(step) if field is not None else None
        return field

    def text(self, *steps: str) -> str:
        """Return the text several steps down, "" if there is none."""
        field = self.find_descendant(*steps)
        return field.value if field is not None and isinstance(field.value, str) else ""

    def copy(self, origin: SourcePath, time: int) -> Field:
        """Return a deep copy with another origin."""
        value = self.value
        if isinstance(value, dict):
            value = {key: child.copy(origin, time) for key, child in value.items()}
        elif isinstance(value, list):
            value = [child.copy(origin, time) for child in value]
        return Field(value, origin, time)


def build_field(value: Any, origin: SourcePath, time: int, *, fixed: bool = False) -> Field:
    """Build the field tree of a value at origin, without patch directives. fixed: all descendants have this origin."""
    if isinstance(value, dict):
        return Field(
            {
                key: build_field(child, origin if fixed else origin.child(key), time, fixed=fixed)
                for key, child in value.items()
                if not key.startswith(_DIRECTIVE)
            },
            origin,
            time,
        )
    if isinstance(value, list):
        fields = [
            build_field(child, origin if fixed else origin.child(index), time, fixed=fixed)
            for index, child in enumerate(value)
            if as_mapping(child).get(_PATCH) is None
        ]
        return Field(fields, origin, time)
    return Field(value, origin, time)


def merge(field: Field, patch: dict[str, Any], origin: SourcePath, time: int, kind: str | None) -> Field | None:
    """Apply a strategic merge patch to a mapping and return it; None if the patch deletes it.

    kind: the kind of a built-in object, whose lists have merge keys; None for custom kinds, whose lists are replaced.
    """
    match patch.get(_PATCH):
        case "delete":
            return None
        case "replace":
            return build_field(patch, origin, time)
    for key, value in patch.items():
        if key.startswith(_DIRECTIVE):
            continue
        merged = _merge_value(field.value.get(key), value, origin.child(key), time, (kind, key))
        if merged is None:
            field.value.pop(key, None)
        else:
            field.value[key] = merged
    return field


def _merge_value(
    existing: Field | None, value: Any, origin: SourcePath, time: int, context: tuple[str | None, str]
) -> Field | None:
    """Merge one entry of a mapping. context: the kind of the object and the key."""
    if value is None:
        return None
    if existing is None:
        return None if as_mapping(value).get(_PATCH) == _DELETE else build_field(value, origin, time)
    if isinstance(value, dict) and isinstance(existing.value, dict):
        return merge(existing, value, origin, time, context[0])
    if isinstance(value, list) and isinstance(existing.value, list):
        return _merge_list(existing, value, origin, time, context)
    return build_field(value, origin, time)


def _merge_list(
    existing: Field, value: list[Any], origin: SourcePath, time: int, context: tuple[str | None, str]
) -> Field | None:
    directives = {as_mapping(entry).get(_PATCH) for entry in value if len(as_mapping(entry)) == 1}
    if _DELETE in directives:
        return None
    kind, name = context
    if kind is not None and name in _MERGED_AS_SETS:
        return _prepend(existing, build_field(value, origin, time).value)
    keys = find_merge_keys(kind, name, value)
    if keys is None or _REPLACE in directives:
        return build_field(value, origin, time)
    front: list[Field] = []
    rest: list[Field] = list(existing.value)
    for index, entry in enumerate(value):
        old = next((field for field in rest if _has_same_key(field, entry, keys)), None)
        if old is not None:
            rest.remove(old)
        address = {} if old is None else {key: old.value[key] for key in keys if key in old.value}
        merged = _merge_value(old, entry, origin.child(index), time, (kind, ""))
        if merged is not None:
            # Keys that only address the entry were not set by the patch.
            merged.value.update(address)
            front.append(merged)
    existing.value = [*front, *rest]
    return existing


def _prepend(existing: Field, new_fields: list[Field]) -> Field:
    """Put scalars in front of a list of scalars, each once."""
    new_values = {field.value for field in new_fields if not isinstance(field.value, dict | list)}
    remaining = [
        field for field in existing.value if isinstance(field.value, dict | list) or field.value not in new_values
    ]
    existing.value = [*new_fields, *remaining]
    return existing


def find_merge_keys(kind: str | None, name: str, entries: Sequence[Any]) -> tuple[str, ...] | None:
    """Return the keys by which entries of the list called name are merged; None if the list is replaced."""
    for keys in MERGE_KEYS.get(name, ()) if kind is not None else ():
        if entries and all(keys[0] in as_mapping(entry) for entry in entries):
            # The ports of network policies and endpoints are replaced.
            return keys if keys[0] != "port" or kind == "Service" else None
    return None


def _has_same_key(field: Field, entry: dict[str, Any], keys: tuple[str, ...]) -> bool:
    """Return True if the first key is equal and no other differs; a port without protocol matches any protocol."""
    if not isinstance(field.value, dict):
        return False
    field_keys = [getattr(field.value.get(key), "value", None) for key in keys]
    entry_keys = [entry.get(key) for key in keys]
    others = zip(field_keys[1:], entry_keys[1:], strict=True)
    return field_keys[0] == entry_keys[0] and all(a == b or a is None or b is None for a, b in others)


def is_equal(field: Field, value: Any) -> bool:
    """Return True if a field tree has exactly this value; true is not equal to 1."""
    children = field.value
    if isinstance(value, dict):
        return (
            isinstance(children, dict)
            and children.keys() == value.keys()
            and all(is_equal(child, value[key]) for key, child in children.items())
        )
    if isinstance(value, list):
        return (
            isinstance(children, list)
            and len(children) == len(value)
            and all(is_equal(child, entry) for child, entry in zip(children, value, strict=True))
        )
    is_scalar = not isinstance(children, dict | list)
    return is_scalar and isinstance(children, bool) == isinstance(value, bool) and children == value


def align(fields: list[Field], built: list[Any], index: int, name: str) -> Field | None:
    """Find the field of entry index of a built list called name; None if it is ambiguous.

    Later transformers may have moved entries: merge keys are tried first, then equality, then the index in lists of
    equal length.
    """
    entry = built[index]
    if isinstance(entry, dict):
        for keys in (*MERGE_KEYS.get(name, ()), ("name",)):
            if keys[0] in entry:
                matches = [field for field in fields if _has_same_key(field, entry, keys)]
                if len(matches) == 1:
                    return matches[0]
    if index < len(fields) and is_equal(fields[index], entry):
        return fields[index]
    matches = [field for field in fields if is_equal(field, entry)]
    if matches:
        return matches[0]
    return fields[index] if len(fields) == len(built) else None


def apply_operations(root: Field, operations: SourcePath, time: int) -> None:
    """Apply the JSON patch operations (RFC 6902) at a source path to a tree, skipping those that do not fit."""
    for operation in operations.entries():
        if isinstance(operation.value, dict):
            _apply_operation(root, operation, time)


def _apply_operation(root: Field, origin: SourcePath, time: int) -> None:
    operation = origin.value
    name, pointer = operation.get("op"), _parse_pointer(operation.get("path"))
    if not pointer:
        return
    match name:
        case "add" | "replace" if "value" in operation:
            field: Field | None = build_field(operation["value"], origin.child("value"), time)
        case "copy" | "move":
            source = _parse_pointer(operation.get("from"))
            field = _resolve_pointer(root, source)
            if name == "move" and field is not None:
                _set_field(root, source, None, insert=False)
            elif field is not None:
                field = field.copy(origin, time)
        case "remove":
            _set_field(root, pointer, None, insert=False)
            return
        case _:
            return
    if field is not None:
        _set_field(root, pointer, field, insert=name != "replace")


def _parse_pointer(text: object) -> list[str]:
    """Return the tokens of a JSON pointer (RFC 6901), [] if text is not one."""
    if not isinstance(text, str) or not text.startswith("/"):
        return []
    return [token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/")]


def _resolve_pointer(root: Field, pointer: list[str]) -> Field | None:
    field: Field | None = root
    for token in pointer:
        if field is None:
            return None
        field = field.child(int(token) if isinstance(field.value, list) and token.isdecimal() else token)
    return field


def _set_field(root: Field, pointer: list[str], field: Field | None, *, insert: bool) -> None:
    """Set the field at the pointer, or remove it if field is None."""
    parent = _resolve_pointer(root, pointer[:-1])
    last = pointer[-1] if pointer else ""
    if parent is None:
        return
    if isinstance(parent.value, dict):
        if field is None:
            parent.value.pop(last, None)
        else:
            parent.value[last] = field
    elif isinstance(parent.value, list):
        fields = parent.value
        index = len(fields) if last == "-" else int(last) if last.isdecimal() else -1
        if field is not None and insert and 0 <= index <= len(fields):
            fields.insert(index, field)
        elif 0 <= index < len(fields):
            fields[index : index + 1] = [] if field is None else [field]
