"""Transformations of a kustomization that change objects or their names: patches, prefixes, merged generators.

Each acts on the replay of one object (`state`), as kustomize acts on all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.json_patch import operate
from kubekeep.sources.kustomize.selector import Identity, selects
from kubekeep.sources.kustomize.shadow import Field, merge
from kubekeep.sources.kustomize.state import State
from kubekeep.sources.kustomize.written import Spot, Written

_UNNAMED: Final = frozenset({"CustomResourceDefinition", "APIService", "Namespace"})
"""Kinds that prefixes and suffixes leave alone (kustomize's PrefixTransformer)."""
_KEPT: Final = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))


class Patch:
    """A patch: a strategic merge, or the operations of RFC 6902, for a target or for the object it names."""

    def __init__(self, written: Written, target: Mapping[str, Any] | None, options: Mapping[str, Any]) -> None:
        self._spot = Spot(written)
        self._names = Identity.of(written.value)
        self._target = target
        self._rename = bool(options.get("allowNameChange"))
        self._retype = bool(options.get("allowKindChange"))

    def apply(self, state: State) -> None:
        """Patch the object if the patch is for it."""
        if state.root is None or not self._is_for(state):
            return
        value = self._spot.value
        if isinstance(value, list):
            operate(state.root, self._spot, state.time)
            return
        before = state.root.text("kind"), state.root.text("metadata", "name")
        kept = self._kept(state.root)
        state.root = merge(state.root, value, self._spot, state.time, state.kind)
        if state.root is not None:
            for path, field in kept.items():
                _put(state.root, path, field)
            after = state.root.text("kind"), state.root.text("metadata", "name")
            if after != before:
                state.rename(kind=after[0], name=after[1])

    def _is_for(self, state: State) -> bool:
        value = self._spot.value
        if self._target is not None:
            return isinstance(value, list | dict) and selects(self._target, state.ids, state.texts)
        return isinstance(value, dict) and any(self._names.same(identity) for identity in state.ids)

    def _kept(self, root: Field) -> dict[tuple[str, ...], Field | None]:
        """What kustomize puts back after a strategic merge, and what the patch said only to name its object."""
        version = as_mapping(self._spot.value).get("apiVersion")
        changeable = {
            ("apiVersion",): version is not None and version != root.text("apiVersion"),
            ("kind",): self._retype,
            ("metadata", "name"): self._rename,
        }
        kept: dict[tuple[str, ...], Field | None] = {}
        for path in _KEPT:
            field: Field | None = root
            for step in path:
                field = field.child(step) if field is not None else None
            if not changeable.get(path):
                kept[path] = field
        return kept


def _put(root: Field, path: tuple[str, ...], field: Field | None) -> None:
    parent: Field | None = root
    for step in path[:-1]:
        parent = parent.child(step) if parent is not None else None
    if parent is None or not isinstance(parent.value, dict):
        return
    if field is None:
        parent.value.pop(path[-1], None)
    else:
        parent.value[path[-1]] = field


class Affix:
    """A prefix or suffix of names. The place of a name stays where a person wrote it."""

    def __init__(self, prefix: str = "", suffix: str = "") -> None:
        self._prefix = prefix
        self._suffix = suffix

    def apply(self, state: State) -> None:
        """Rename the object."""
        identity = state.ids[-1]
        if identity.kind not in _UNNAMED:
            state.rename(name=f"{self._prefix}{identity.name}{self._suffix}")


class Generated:
    """A generator that adds to, or replaces, the data of a ConfigMap or Secret made before."""

    def __init__(self, identity: Identity, root: Field, *, replace: bool) -> None:
        self._identity = identity
        self._root = root
        self._replace = replace

    def apply(self, state: State) -> None:
        """Take the data over."""
        if state.root is None or not any(self._identity.same(identity) for identity in state.ids):
            return
        for name in ("data", "binaryData"):
            fresh, old = self._root.child(name), state.root.child(name)
            if fresh is None:
                continue
            keys = as_mapping(fresh.value)
            before = {} if self._replace or old is None else as_mapping(old.value)
            moved = {key: Field(field.value, field.spot, state.time) for key, field in keys.items()}
            at = fresh if old is None or self._replace else old
            state.root.value[name] = Field({**before, **moved}, at.spot, at.time)
