"""Add instrumented copies of a chart's templates to a rendering, and build traces from their output (ADR 7).

Never runs Helm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from kubekeep.sources.helm.limits import DEFAULT_CHART_LIMITS
from kubekeep.sources.helm.trace.alignment import Outline, match_documents, split_pieces
from kubekeep.sources.helm.trace.document_trace import DocumentTrace
from kubekeep.sources.helm.trace.instrumented import ENABLED_LINE, OUTPUT_LINE, InstrumentedTemplates
from kubekeep.sources.helm.trace.markers import MarkedText
from kubekeep.sources.helm.trace.template import TemplateSet
from kubekeep.sources.helm.trace.template_output import TemplateOutput, TracedRelease
from kubekeep.sources.helm.trace.values_layers import ChartTexts, ValuesLayers

MAX_FILE_BYTES: Final = DEFAULT_CHART_LIMITS.file_bytes
_NO_VALUE: Final = "<no value>"
"""Text that Go prints for a missing value; Helm removes it from the output."""


class Instrumentation:
    """Templates to add to the copy of a chart, and the traces from their output.

    `files` are texts by template name; no template of the chart has such a name. Helm renders them after the templates
    of the chart, so they cannot change the chart's output.
    """

    def __init__(self, chart: ChartTexts) -> None:
        self._chart = chart
        self._template_set = TemplateSet(chart.templates)
        self._copies = InstrumentedTemplates(self._template_set)
        self.files = _pack_files(self._copies.parts, chart.templates)

    def build_traces(self, outputs: Mapping[str, Sequence[str]]) -> dict[str, list[DocumentTrace]]:
        """Build the traces of the rendered documents, by template and parallel to `outputs`.

        outputs: texts of documents by template name, including those of `files` if Helm rendered them.
        """
        marked, enabled = self._parse_output(document for name in self.files for document in outputs.get(name, ()))
        release = TracedRelease(
            self._template_set,
            ValuesLayers(self._chart.values),
            self._copies.positions,
            self._find_replaced_files(enabled),
        )
        numbers = {file.name: number for number, file in enumerate(self._template_set.files)}
        result: dict[str, list[DocumentTrace]] = {}
        for name, documents in outputs.items():
            if name in self.files:
                continue
            number = numbers.get(name)
            text = marked.get(number) if number is not None else None
            if number is None:
                result[name] = [DocumentTrace(self._chart.shown_paths, name, document) for document in documents]
            elif text is None:
                result[name] = [self._outline_document(number, document) for document in documents]
            else:
                result[name] = list(self._trace_pieces(documents, text, TemplateOutput(release, number, text), number))
        return result

    def _outline_document(self, number: int, document: str) -> DocumentTrace:
        file = self._template_set.files[number]
        return DocumentTrace(self._chart.shown_paths, file.name, document, Outline(file, document))

    def _trace_pieces(
        self, documents: Sequence[str], text: MarkedText, rendered: TemplateOutput, number: int
    ) -> Iterator[DocumentTrace]:
        shown_paths, name = self._chart.shown_paths, self._template_set.files[number].name
        for document, match in zip(documents, match_documents(documents, split_pieces(text.plain)), strict=True):
            if match is None:
                yield self._outline_document(number, document)
                continue
            piece, alignment = match
            # Helm trims its output; the instrumented output may have surrounding space.
            at = piece.start if alignment else piece.start - document.find(document.strip())
            yield DocumentTrace(shown_paths, name, document, rendered, at, alignment)

    def _parse_output(self, documents: Iterable[str]) -> tuple[dict[int, MarkedText], set[tuple[str, ...]]]:
        """Parse the instrumented output: marked texts by file number, and the scopes of enabled sub-charts."""
        marked: dict[int, MarkedText] = dict(self._copies.literal_outputs)
        enabled: set[tuple[str, ...]] = {()}
        for line in (line for document in documents for line in document.split("\n")):
            with suppress(ValueError):
                if line.startswith(OUTPUT_LINE):
                    number, _, text = line.removeprefix(OUTPUT_LINE).partition(" ")
                    marked[int(number)] = self._copies.read(json.loads(text).replace(_NO_VALUE, ""))
                elif line.startswith(ENABLED_LINE):
                    enabled.add(tuple(json.loads(line.removeprefix(ENABLED_LINE))))
        return marked, enabled

    def _find_replaced_files(self, enabled: set[tuple[str, ...]]) -> dict[int, int | None]:
        """Find definitions used from a chart that was not enabled: map its file to the file that Helm used instead.

        None if that file has another text.
        """
        files = self._template_set.files
        replacements: dict[int, int | None] = {}
        for definition in self._template_set.defines.values():
            if files[definition.file].scope in enabled:
                continue
            other = next((number for number in reversed(definition.others) if files[number].scope in enabled), None)
            same = other is not None and files[other].source == files[definition.file].source
            replacements[definition.file] = (
                other if same and replacements.get(definition.file, other) == other else None
            )
        return replacements


def _pack_files(parts: Sequence[str], templates: Mapping[str, str]) -> dict[str, str]:
    """Return files with the parts within Helm's limit, by template name; none if a part alone exceeds it."""
    groups: list[list[str]] = []
    size = MAX_FILE_BYTES
    for part in parts:
        part_size = len(part.encode())
        if part_size >= MAX_FILE_BYTES:
            return {}
        size += part_size
        if size >= MAX_FILE_BYTES:
            groups.append([])
            size = part_size
        groups[-1].append(part)
    stem = _choose_stem(templates)
    # A hyphen sorts before the dot of the first name.
    names = [f"{stem}{f'-{number}' if number else ''}.yaml" for number in range(len(groups))]
    if any(name in templates for name in names):
        return {}
    return {name: f"{''.join(group)}\n" for name, group in zip(names, groups, strict=True)}


def _choose_stem(templates: Mapping[str, str]) -> str:
    """Choose the stem of a template name that Helm renders last: deepest folders first, then reverse alphabetical order."""
    root = next(iter(templates), "chart").split("/", 1)[0]
    first = min((name for name in templates if name.count("/") == 2), default=f"{root}/templates/0")
    base = first.rpartition("/")[2]
    stem = "0-kubekeep"
    while f"{stem}.yaml" >= base:
        stem = f"!{stem}"
        if len(stem) > len(base) + 16 and f"{root}/templates/{stem}.yaml" not in templates:
            break
    return f"{root}/templates/{stem}"
