"""Which namespaces of a rendered object are the release's own, where nobody has chosen that one yet. Never renders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kubekeep.model.location import Path
from kubekeep.model.resource import DEFAULT_NAMESPACE, Source


class ReleaseNamespace(msgspec.Struct, frozen=True):
    """The namespace of a release; `texts` are the templates by the path that people see.

    It is `chosen` if somebody named it. If not, templates saw Helm's `default`, which is no decision of anybody's.
    """

    chosen: bool
    texts: Mapping[str, str]

    def left_open(self, document: Any, source: Source, root: Path) -> tuple[Path, ...] | None:
        """The paths of namespaces below `root` that a template took from the release; None if it is chosen.

        A namespace that the template spells out, or that values name, is a decision.
        """
        if self.chosen:
            return None
        paths = (path for path, value in _namespaces(document, root) if value == DEFAULT_NAMESPACE)
        return tuple(path[len(root) :] for path in paths if self._is_taken_over(document, source, path))

    def _is_taken_over(self, document: Any, source: Source, path: Path) -> bool:
        place = source.locate(document, path)
        if place.setting is not None or place.region is None:
            return False
        lines = self.texts.get(place.file, "").splitlines()
        number = place.region.start.line - 1
        return number < len(lines) and "{{" in lines[number]


def _namespaces(document: Any, root: Path) -> Iterator[tuple[Path, Any]]:
    """The path and value of every entry called `namespace` below `root`."""
    value = document
    for step in root:
        value = value[step]
    todo: list[tuple[Path, Any]] = [(root, value)]
    while todo:
        path, value = todo.pop()
        entries: Iterator[tuple[Any, Any]] = iter(())
        if isinstance(value, dict):
            entries = iter(value.items())
        elif isinstance(value, list):
            entries = iter(enumerate(value))
        for step, item in entries:
            if step == "namespace" and isinstance(item, str):
                yield (*path, step), item
            elif isinstance(item, dict | list):
                todo.append(((*path, step), item))
