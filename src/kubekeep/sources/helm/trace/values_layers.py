"""Values of a release by layer: the file and key that set a value, and the merged value. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, Setting, SourceMap, format_path


class ValueRef(msgspec.Struct, frozen=True):
    """A value of a (sub-)chart: `path` below the `.Values` of the sub-chart `scope`."""

    scope: tuple[str, ...]
    path: Path

    def get_child(self, step: str | int) -> ValueRef:
        """Return the reference to a child."""
        return ValueRef(self.scope, (*self.path, step))


class AbsentValue:
    """Type of the placeholders for unset values."""


ABSENT: Final = AbsentValue()
_HIDDEN: Final = AbsentValue()
"""Value below a path that a stronger layer replaced with something else."""


class ValuesLayers:
    """The merged layers of a release."""

    def __init__(self, layers: Sequence[ValuesLayer]) -> None:
        self._layers = layers
        self._settings: dict[ValueRef, Setting | None] = {}

    def find_setting(self, ref: ValueRef) -> Setting | None:
        """Return the key of a value in the strongest layer that has it; None if no layer has it.

        A path inside a text, such as a manifest in a block scalar, has the key of the text.
        """
        if ref not in self._settings:
            setting = self._find_own_setting(ref)
            for length in range(len(ref.path) - 1, 0, -1) if setting is None else ():
                ancestor = ValueRef(ref.scope, ref.path[:length])
                value = self.get_value(ancestor)
                if not isinstance(value, AbsentValue):
                    setting = self._find_own_setting(ancestor) if isinstance(value, str) else None
                    break
            self._settings[ref] = setting
        return self._settings[ref]

    def get_value(self, ref: ValueRef) -> Any:
        """Return the merged value, or ABSENT."""
        for path in _list_paths(ref):
            value = _descend(self._merged, path)
            if not isinstance(value, AbsentValue):
                return value
        return ABSENT

    def _find_own_setting(self, ref: ValueRef) -> Setting | None:
        for path in _list_paths(ref):
            for layer in reversed(self._layers):
                depth = len(layer.scope)
                if path[:depth] != layer.scope:
                    continue
                layer_path = layer.root + path[depth:]
                value = _descend(layer.value, layer_path)
                if value is _HIDDEN:
                    break
                if value is not ABSENT and layer_path:
                    region = layer.source_map.region(layer.value, layer_path) if layer.source_map else None
                    return Setting(format_path(layer_path), layer.file, region)
        return None

    @cached_property
    def _merged(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for layer in self._layers:
            values = _descend(layer.value, layer.root)
            for name in reversed(layer.scope):
                values = {name: values}
            if isinstance(values, dict):
                _merge(merged, values)
        return merged


def _list_paths(ref: ValueRef) -> Iterator[Path]:
    """Yield the paths of a value in the release's values, strongest first.

    A parent's entries below `global` override those of its sub-charts.
    """
    if ref.path[:1] == ("global",):
        for depth in range(len(ref.scope)):
            yield ref.scope[:depth] + ref.path
    yield ref.scope + ref.path


def _descend(value: Any, path: Path) -> Any:
    """Return the value at a path; ABSENT if a mapping has no such key, _HIDDEN if a non-mapping is on the path."""
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
            entries = weak.get(key)
            weak[key] = entries = dict(entries) if isinstance(entries, dict) else {}
            _merge(entries, value)
        else:
            weak[key] = value


class ValuesLayer(msgspec.Struct, frozen=True):
    """One source of values.

    `scope` is the path of its root in the release's values: () for the chart's own values.yaml, `-f` files and `--set`;
    ("redis",) for the values.yaml of sub-chart redis. `file` is its path in reports, or the option (`--set`). `value`
    is the whole parsed document and `source_map` its positions, None for an option. `root` is the path in the document
    at which the layer begins: not () for values that a chart imports from a sub-chart.
    """

    scope: tuple[str, ...]
    file: str
    value: Any
    source_map: SourceMap | None = None
    root: Path = ()


class ChartTexts(msgspec.Struct, frozen=True):
    """Templates and values of a chart and its sub-charts.

    `templates` has every template by Helm's name (`web/charts/redis/templates/_helpers.tpl`), including files with only
    definitions. `values` are ordered from weakest to strongest. `shown_paths` has the paths of templates in reports.
    """

    templates: Mapping[str, str]
    values: Sequence[ValuesLayer]
    shown_paths: Mapping[str, str]
