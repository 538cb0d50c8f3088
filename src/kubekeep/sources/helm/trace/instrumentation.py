"""Twins into the rendering, traces out of it: what joins the parts of this package. See ADR 7."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from kubekeep.sources.helm.trace.chart import ChartTexts
from kubekeep.sources.helm.trace.document import DocumentTrace
from kubekeep.sources.helm.trace.documents import matched, pieces
from kubekeep.sources.helm.trace.layers import Layers
from kubekeep.sources.helm.trace.marks import MarkedText
from kubekeep.sources.helm.trace.outline import Outline
from kubekeep.sources.helm.trace.rendered import Release, Rendered
from kubekeep.sources.helm.trace.twin import LIVE, TWIN, Twins
from kubekeep.sources.helm.trace.units import Units

_NO_VALUE: Final = "<no value>"
"""What Go prints for nothing; Helm takes it out of what templates print."""


def instrument(chart: ChartTexts) -> Instrumentation:
    """What to add to a rendered copy of a chart so that its documents can be traced."""
    return Instrumentation(chart)


class Instrumentation:
    """`files` has texts by template name to add to the copy: names that no template of the chart has.

    Helm renders them after all templates of the chart, so they can change nothing of what those print.
    """

    def __init__(self, chart: ChartTexts) -> None:
        self._chart = chart
        self._units = Units(chart.templates)
        self._twins = Twins(self._units)
        self._name = _name(chart.templates)
        self.files: dict[str, str] = {self._name: self._twins.text} if self._twins.text else {}

    def traces(self, outputs: Mapping[str, Sequence[str]]) -> dict[str, list[DocumentTrace]]:
        """The traces of the documents that Helm printed, by template, parallel to `outputs`.

        `outputs` has the texts of the documents by template name, those of `files` among them if they were rendered.
        """
        marked, live = self._marked(outputs.get(self._name, ()))
        release = Release(self._units, Layers(self._chart.values), self._twins.places, self._doubtful(live))
        numbers = {unit.name: number for number, unit in enumerate(self._units.all)}
        result: dict[str, list[DocumentTrace]] = {}
        for name, documents in outputs.items():
            if name == self._name:
                continue
            number = numbers.get(name)
            text = marked.get(number) if number is not None else None
            if number is None:
                result[name] = [DocumentTrace(self._chart.shown, name, document) for document in documents]
            elif text is None:
                result[name] = [self._outlined(number, document) for document in documents]
            else:
                result[name] = list(self._traced(documents, text, Rendered(release, number, text), number))
        return result

    def _outlined(self, number: int, document: str) -> DocumentTrace:
        unit = self._units.all[number]
        return DocumentTrace(self._chart.shown, unit.name, document, Outline(unit, document))

    def _traced(
        self, documents: Sequence[str], text: MarkedText, rendered: Rendered, number: int
    ) -> Iterator[DocumentTrace]:
        shown, name = self._chart.shown, self._units.all[number].name
        for document, found in zip(documents, matched(documents, pieces(text.plain)), strict=True):
            if found is None:
                yield self._outlined(number, document)
                continue
            piece, alignment = found
            # What Helm prints is trimmed; what it was cut out of may not be.
            at = piece.at if alignment else piece.at - document.find(document.strip())
            yield DocumentTrace(shown, name, document, rendered, at, alignment)

    def _marked(self, documents: Sequence[str]) -> tuple[dict[int, MarkedText], set[tuple[str, ...]]]:
        """What the twins printed by number of file, and the sub-charts that take part."""
        marked: dict[int, MarkedText] = dict(self._twins.fixed)
        live: set[tuple[str, ...]] = {()}
        for line in (line for document in documents for line in document.split("\n")):
            with suppress(ValueError):
                if line.startswith(TWIN):
                    number, _, text = line.removeprefix(TWIN).partition(" ")
                    marked[int(number)] = self._twins.read(json.loads(text).replace(_NO_VALUE, ""))
                elif line.startswith(LIVE):
                    live.add(tuple(json.loads(line.removeprefix(LIVE))))
        return marked, live

    def _doubtful(self, live: set[tuple[str, ...]]) -> dict[int, int | None]:
        """For files whose chart took no part, though their definitions were used: the file that Helm took instead.

        None where that says something else.
        """
        units = self._units.all
        instead: dict[int, int | None] = {}
        for definition in self._units.defines.values():
            if units[definition.unit].scope in live:
                continue
            other = next((number for number in reversed(definition.others) if units[number].scope in live), None)
            same = other is not None and units[other].source == units[definition.unit].source
            instead[definition.unit] = other if same and instead.get(definition.unit, other) == other else None
        return instead


def _name(templates: Mapping[str, str]) -> str:
    """A name that Helm renders last: it goes from the deepest folder up, and backwards through the alphabet."""
    root = next(iter(templates), "chart").split("/", 1)[0]
    first = min((name for name in templates if name.count("/") == 2), default=f"{root}/templates/0")
    base = first.rpartition("/")[2]
    stem = "0-kubekeep"
    while f"{stem}.yaml" >= base:
        stem = f"!{stem}"
        if len(stem) > len(base) + 16 and f"{root}/templates/{stem}.yaml" not in templates:
            break
    return f"{root}/templates/{stem}.yaml"
