"""An object as it grows during a build, each field with the place that set it last: bases and merges replayed.

Follows strategic merge as kustomize does it (kyaml, lists by merge key, additions in front). The build of real
kustomize stays the truth about values; this only tells who wrote them, and never fails where it goes astray.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.written import Spot

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
"""Lists of built-in kinds that strategic merge merges, by field: `patchMergeKey` of k8s.io/api, the first name of each
tuple, with what else tells two items apart. Lists of other fields and of other kinds are replaced.
"""
_PLAIN_MERGED: Final = frozenset({"finalizers"})


class Field:
    """A value with the place that set it and when: a scalar, or fields by key or in order."""

    __slots__ = ("spot", "time", "value")

    def __init__(self, value: Any, spot: Spot, time: int) -> None:
        self.value = value
        self.spot = spot
        self.time = time

    def child(self, step: str | int) -> Field | None:
        """The field one step down, if it is there."""
        if isinstance(self.value, dict):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            found: Field = self.value[step]
            return found
        return None

    def text(self, *steps: str) -> str:
        """The text `steps` down from here, empty if there is none."""
        field: Field | None = self
        for step in steps:
            field = field.child(step) if field is not None else None
        return field.value if field is not None and isinstance(field.value, str) else ""

    def moved(self, spot: Spot, time: int) -> Field:
        """A copy that was set elsewhere."""
        value = self.value
        if isinstance(value, dict):
            value = {key: child.moved(spot, time) for key, child in value.items()}
        elif isinstance(value, list):
            value = [child.moved(spot, time) for child in value]
        return Field(value, spot, time)


def grown(value: Any, spot: Spot, time: int, *, fixed: bool = False) -> Field:
    """The fields of a value that stands at `spot`; all of them there if `fixed`. Directives of patches are left out."""
    if isinstance(value, dict):
        return Field(
            {
                key: grown(child, spot if fixed else spot.below(key), time, fixed=fixed)
                for key, child in value.items()
                if not key.startswith(_DIRECTIVE)
            },
            spot,
            time,
        )
    if isinstance(value, list):
        items = [
            grown(child, spot if fixed else spot.below(index), time, fixed=fixed)
            for index, child in enumerate(value)
            if as_mapping(child).get(_PATCH) is None
        ]
        return Field(items, spot, time)
    return Field(value, spot, time)


def merge(field: Field, patch: dict[str, Any], spot: Spot, time: int, kind: str | None) -> Field | None:
    """A mapping after a strategic merge patch that stands at `spot`; None if it deletes it.

    `kind` is that of a built-in object, whose lists have merge keys; None for others, whose lists are replaced.
    """
    match patch.get(_PATCH):
        case "delete":
            return None
        case "replace":
            return grown(patch, spot, time)
    for key, value in patch.items():
        if key.startswith(_DIRECTIVE):
            continue
        at = spot.below(key)
        existing = field.value.get(key)
        fresh = _merged(existing, value, at, time, (kind, key))
        if fresh is None:
            field.value.pop(key, None)
        else:
            field.value[key] = fresh
    return field


def _merged(existing: Field | None, value: Any, at: Spot, time: int, where: tuple[str | None, str]) -> Field | None:
    """What becomes of one entry of a mapping; `where` is the kind of the object and the key."""
    if value is None:
        return None
    if existing is None:
        return None if as_mapping(value).get(_PATCH) == _DELETE else grown(value, at, time)
    if isinstance(value, dict) and isinstance(existing.value, dict):
        return merge(existing, value, at, time, where[0])
    if isinstance(value, list) and isinstance(existing.value, list):
        return _merged_list(existing, value, at, time, where)
    return grown(value, at, time)


def _merged_list(existing: Field, value: list[Any], at: Spot, time: int, where: tuple[str | None, str]) -> Field | None:
    directives = {as_mapping(item).get(_PATCH) for item in value if len(as_mapping(item)) == 1}
    if _DELETE in directives:
        return None
    kind, name = where
    if kind is not None and name in _PLAIN_MERGED:
        return _joined(existing, grown(value, at, time).value)
    keys = merge_keys(kind, name, value)
    if keys is None or _REPLACE in directives:
        return grown(value, at, time)
    front: list[Field] = []
    rest: list[Field] = list(existing.value)
    for index, item in enumerate(value):
        old = next((field for field in rest if _same(field, item, keys)), None)
        if old is not None:
            rest.remove(old)
        fresh = _merged_item(old, item, at.below(index), time, (kind, keys))
        if fresh is not None:
            front.append(fresh)
    existing.value = [*front, *rest]
    return existing


def _merged_item(
    old: Field | None, item: dict[str, Any], at: Spot, time: int, where: tuple[str | None, tuple[str, ...]]
) -> Field | None:
    kind, keys = where
    address = {} if old is None else {key: old.value[key] for key in keys if key in old.value}
    fresh = _merged(old, item, at, time, (kind, ""))
    if fresh is not None:
        # What only says which item is meant was not set by the patch.
        fresh.value.update(address)
    return fresh


def _joined(existing: Field, added: list[Field]) -> Field:
    """A list of plain values after others were put in front of it, each once."""
    said = {item.value for item in added if not isinstance(item.value, dict | list)}
    others = [item for item in existing.value if isinstance(item.value, dict | list) or item.value not in said]
    existing.value = [*added, *others]
    return existing


def merge_keys(kind: str | None, name: str, items: Sequence[Any]) -> tuple[str, ...] | None:
    """What tells the items of the list `name` apart when it is merged; None if it is replaced instead."""
    for keys in MERGE_KEYS.get(name, ()) if kind is not None else ():
        if items and all(keys[0] in as_mapping(item) for item in items):
            # The ports of network policies and endpoints are replaced.
            return keys if keys[0] != "port" or kind == "Service" else None
    return None


def _same(field: Field, item: dict[str, Any], keys: tuple[str, ...]) -> bool:
    """Whether the first key is equal and the others are not unlike: a port without a protocol is any of its number."""
    if not isinstance(field.value, dict):
        return False
    ours = [getattr(field.value.get(key), "value", None) for key in keys]
    theirs = [item.get(key) for key in keys]
    pairs = zip(ours[1:], theirs[1:], strict=True)
    return ours[0] == theirs[0] and all(a == b or a is None or b is None for a, b in pairs)


def equal(field: Field, value: Any) -> bool:
    """Whether a field holds exactly `value`: true is not 1."""
    ours = field.value
    if isinstance(value, dict):
        return (
            isinstance(ours, dict)
            and ours.keys() == value.keys()
            and all(equal(child, value[key]) for key, child in ours.items())
        )
    if isinstance(value, list):
        return (
            isinstance(ours, list)
            and len(ours) == len(value)
            and all(equal(child, item) for child, item in zip(ours, value, strict=True))
        )
    return not isinstance(ours, dict | list) and isinstance(ours, bool) == isinstance(value, bool) and ours == value


def aligned(items: list[Field], final: list[Any], index: int, name: str) -> Field | None:
    """The field that became the item `index` of a list of the built object; None if none plainly did.

    Later transformations may have moved items: what tells them apart counts, then equality, then the place in lists
    of one length.
    """
    item = final[index]
    if isinstance(item, dict):
        for keys in (*MERGE_KEYS.get(name, ()), ("name",)):
            if keys[0] in item:
                same = [field for field in items if _same(field, item, keys)]
                if len(same) == 1:
                    return same[0]
    if index < len(items) and equal(items[index], item):
        return items[index]
    same = [field for field in items if equal(field, item)]
    if same:
        return same[0]
    return items[index] if len(items) == len(final) else None
