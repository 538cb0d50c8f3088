"""Values of a release by the layers they come from: who sets a path, where, and to what. Never reads a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, Setting, format_path
from kubekeep.sources.helm.trace.chart import ValuesLayer


class Ref(msgspec.Struct, frozen=True):
    """A value of a (sub-)chart: `path` below the `.Values` of the sub-chart `scope`."""

    scope: tuple[str, ...]
    path: Path

    def child(self, step: str | int) -> Ref:
        """The value below."""
        return Ref(self.scope, (*self.path, step))


class Absent:
    """What stands for a value that nobody sets."""


ABSENT: Final = Absent()
_HIDDEN: Final = Absent()
"""What a stronger layer has put something else in the place of."""


class Layers:
    """The layers of a release."""

    def __init__(self, layers: Sequence[ValuesLayer]) -> None:
        self._layers = layers
        self._settings: dict[Ref, Setting | None] = {}

    def setting(self, ref: Ref) -> Setting | None:
        """The strongest layer's key for a value, as it is written in that layer; None if no layer has it.

        What is inside a text, such as a manifest in a block scalar, has the key of the text.
        """
        if ref not in self._settings:
            found = self._setting(ref)
            for length in range(len(ref.path) - 1, 0, -1) if found is None else ():
                above = Ref(ref.scope, ref.path[:length])
                value = self.value(above)
                if not isinstance(value, Absent):
                    found = self._setting(above) if isinstance(value, str) else None
                    break
            self._settings[ref] = found
        return self._settings[ref]

    def value(self, ref: Ref) -> Any:
        """What a value is when all layers are put together, or ABSENT."""
        for path in _paths(ref):
            value = _below(self._merged, path)
            if not isinstance(value, Absent):
                return value
        return ABSENT

    def _setting(self, ref: Ref) -> Setting | None:
        for path in _paths(ref):
            for layer in reversed(self._layers):
                depth = len(layer.scope)
                if path[:depth] != layer.scope:
                    continue
                own = layer.root + path[depth:]
                found = _below(layer.value, own)
                if found is _HIDDEN:
                    break
                if found is not ABSENT and own:
                    region = layer.source_map.region(layer.value, own) if layer.source_map else None
                    return Setting(format_path(own), layer.file, region)
        return None

    @cached_property
    def _merged(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for layer in self._layers:
            own = _below(layer.value, layer.root)
            for name in reversed(layer.scope):
                own = {name: own}
            if isinstance(own, dict):
                _merge(merged, own)
        return merged


def _paths(ref: Ref) -> Iterator[Path]:
    """The paths in the release's values that may hold a value, the strongest first.

    What a parent says below `global` is put over what a sub-chart says there.
    """
    if ref.path[:1] == ("global",):
        for depth in range(len(ref.scope)):
            yield ref.scope[:depth] + ref.path
    yield ref.scope + ref.path


def _below(value: Any, path: Path) -> Any:
    """The value at a path; ABSENT where a mapping lacks it, _HIDDEN where something else stands on the way."""
    for step in path:
        if isinstance(value, dict):
            if step not in value:
                return ABSENT
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return _HIDDEN
    return value


def _merge(weak: dict[str, Any], strong: dict[str, Any]) -> None:
    for key, value in strong.items():
        if value is None:
            weak.pop(key, None)
        elif isinstance(value, dict):
            below = weak.get(key)
            weak[key] = below = dict(below) if isinstance(below, dict) else {}
            _merge(below, value)
        else:
            weak[key] = value
