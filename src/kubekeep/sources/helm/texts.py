"""A loaded chart as tracing and messages need it: templates by Helm's names, and the values of all its charts.

Never renders, never merges values.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

import msgspec

from kubekeep.sources.helm.chart import VALUES, Chart, Instance
from kubekeep.sources.helm.parsed import Mapping, MappingError, mapping
from kubekeep.sources.helm.trace import ChartTexts, ValuesLayer
from kubekeep.sources.tree import Limits


class Template(msgspec.Struct, frozen=True):
    """A template: the path shown to people, its folder in Helm's archive, and the sub-chart it belongs to, if any."""

    shown: str
    place: str
    subchart: str


def templates(instances: Sequence[Instance]) -> dict[str, Template]:
    """Every template of a release by Helm's own name."""
    found: dict[str, Template] = {}
    for at in instances:
        subchart = at.scope[-1] if at.scope else ""
        for name in at.chart.templates():
            found[posixpath.join(at.full, name)] = Template(at.chart.shown_file(name), at.chart.place, subchart)
    return found


def chart_texts(instances: Sequence[Instance], given: Sequence[ValuesLayer], limits: Limits) -> ChartTexts:
    """The texts and values of a release; `given` are the user's values."""
    texts: dict[str, str] = {}
    shown: dict[str, str] = {}
    for at in instances:
        for name in at.chart.templates():
            full = posixpath.join(at.full, name)
            texts[full] = at.chart.files[name].decode("utf-8", "replace")
            shown[full] = at.chart.shown_file(name)
    return ChartTexts(texts, (*_layers(instances, limits), *given), shown)


def _layers(instances: Sequence[Instance], limits: Limits) -> Iterator[ValuesLayer]:
    """The values of the charts themselves: those of a sub-chart, what its parent imports from it, the parent's."""
    parsed = {id(at.chart): _values(at.chart, limits) for at in instances}
    for at in reversed(instances):
        for below in instances:
            if below.scope[:-1] == at.scope and len(below.scope) == len(at.scope) + 1:
                yield from _imported(at, below, parsed[id(below.chart)])
        values = parsed[id(at.chart)]
        if values.source_map is not None:
            yield ValuesLayer(at.scope, at.chart.shown_file(VALUES), values.value, values.source_map)


def _imported(parent: Instance, below: Instance, values: Mapping) -> Iterator[ValuesLayer]:
    for entry in parent.chart.dependencies:
        if (entry.alias or entry.name) != below.scope[-1] or values.source_map is None:
            continue
        for child, target in entry.imports:
            scope = (*parent.scope, *map(str, target))
            yield ValuesLayer(scope, below.chart.shown_file(VALUES), values.value, values.source_map, child)


def _values(chart: Chart, limits: Limits) -> Mapping:
    """The chart's own values; none if they cannot be read, which Helm then says."""
    try:
        return mapping(chart.files.get(VALUES, b""), limits)
    except MappingError:
        return Mapping({})
