"""The templates of a chart as trees: which sub-chart each belongs to, and which definition of a name Helm takes.

Never renders: what a condition would leave out is only known when Helm has rendered.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePosixPath

import msgspec

from kubekeep.model.location import Position, Region, line_starts
from kubekeep.sources.helm.trace.template import Node, Template, TemplateError, read


class Unit:
    """One file of templates. `scope` are the names of the sub-charts it is in, from the outside in."""

    def __init__(self, name: str, source: str, tree: Template | None) -> None:
        self.name = name
        self.source = source
        self.tree = tree
        self.scope = scope_of(name)

    @property
    def prints(self) -> bool:
        """Whether Helm takes what it prints for manifests."""
        base = PurePosixPath(self.name).name
        return self.tree is not None and not base.startswith("_") and not base.endswith("NOTES.txt")

    @property
    def body(self) -> tuple[Node, ...]:
        """What it prints itself."""
        return self.tree.body if self.tree else ()

    @property
    def chart(self) -> str:
        """The name of its chart's folder, as Helm writes it."""
        return "/charts/".join((self.name.split("/", 1)[0], *self.scope))

    def region(self, start: int, end: int) -> Region:
        """The region between two indexes."""
        return Region(self._position(start), self._position(end))

    def line(self, index: int) -> int:
        """The line of an index, from 1."""
        return bisect_right(self._lines, index)

    def _position(self, index: int) -> Position:
        line = self.line(index)
        return Position(line, index - self._lines[line - 1] + 1)

    @cached_property
    def _lines(self) -> array[int]:
        """Where its lines start."""
        return line_starts(self.source)


class Definition(msgspec.Struct, frozen=True):
    """A named template: the file it is in, what it holds, and whether another file defines the name too."""

    unit: int
    body: tuple[Node, ...]
    others: tuple[int, ...] = ()


class Units:
    """All files of a chart and its sub-charts, numbered in Helm's order: what is parsed later defines over."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        names = sorted(templates, key=lambda name: (name.count("/"), name), reverse=True)
        self.all = [Unit(name, templates[name], _tree(templates[name])) for name in names]
        self.defines: dict[str, Definition] = {}
        for number, unit in enumerate(self.all):
            for name, body in (unit.tree.defines if unit.tree else {}).items():
                before = self.defines.get(name)
                others = (*before.others, before.unit) if before else ()
                self.defines[name] = Definition(number, body, others)


def _tree(source: str) -> Template | None:
    try:
        return read(source)
    except TemplateError:
        return None


def scope_of(name: str) -> tuple[str, ...]:
    """The sub-charts that a template is in: `web/charts/redis/templates/x.yaml` is in ("redis",)."""
    parts = name.split("/")
    scope: list[str] = []
    at = 1
    while at + 1 < len(parts) and parts[at] == "charts":
        scope.append(parts[at + 1])
        at += 2
    return tuple(scope)
