"""One loaded chart through Helm: packed with what tells more of the rendering, rendered, taken apart by template.

What is added to the copy are comments: templates of ours that show which sub-charts take part, and those that trace
lines. Where Helm stumbles over these, the chart is rendered without. Never changes a template of the chart.
"""

# ruff: noqa: PTH102, PTH118, PTH123 - paths stay the text that people typed

from __future__ import annotations

import itertools
import os
import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.sources.helm.chart import METADATA, TEMPLATES, Chart, Dependency, Instance
from kubekeep.sources.helm.limits import ChartError
from kubekeep.sources.helm.package import packed
from kubekeep.sources.helm.process import LimitError
from kubekeep.sources.helm.release import Given, Job
from kubekeep.sources.helm.renderers import Renderer, RenderError
from kubekeep.sources.helm.trace import ChartTexts, DocumentTrace, Instrumentation, instrument
from kubekeep.sources.options import HelmOptions

_ARCHIVE: Final = "chart.tgz"
_PROBE: Final = "kubekeep-takes-part.yaml"
_PROBE_TEXT: Final = "# takes part\n"


class Rendered(msgspec.Struct, frozen=True):
    """What a chart printed: by template its documents and their traces, and the charts that take part."""

    documents: Mapping[str, Sequence[str]]
    traces: Mapping[str, Sequence[DocumentTrace]]
    taking_part: Sequence[Instance]


class NotRenderedError(Exception):
    """A chart that Helm does not render, in Helm's words; with what it printed, and the traces, if that is no YAML."""

    def __init__(
        self, message: str, documents: Mapping[str, Sequence[str]], traces: Mapping[str, Sequence[DocumentTrace]]
    ) -> None:
        super().__init__(message)
        self.documents = documents
        self.traces = traces


class Rendering:
    """Renders charts with one renderer and one set of options; safe to use from several threads.

    `folder` is a private one. `render` raises NotRenderedError, LimitError, OSError, and ChartError for a dependency.
    """

    def __init__(self, renderer: Renderer, folder: str, options: HelmOptions) -> None:
        self._renderer = renderer
        self._folder = folder
        self._options = options
        self._numbers = itertools.count()

    def render(self, instances: Sequence[Instance], texts: ChartTexts, values: Given) -> Rendered:
        """Render a chart and its sub-charts with the user's values."""
        self._check_versions(instances[0].chart)
        probes = dict(_probes(instances, texts))
        lines = instrument(texts)
        try:
            outputs = self._outputs(instances, values, dict.fromkeys(probes, _PROBE_TEXT), lines)
        except RenderError as error:
            traced = {name: found for name, found in error.printed.items() if name not in probes}
            raise NotRenderedError(str(error), traced, lines.traces(traced)) from error
        documents = {name: found for name, found in outputs.items() if name in texts.templates}
        traced = {name: found for name, found in outputs.items() if name not in probes}
        absent = {scope for name, scope in probes.items() if name not in outputs}
        return Rendered(documents, lines.traces(traced), [at for at in instances if at.scope not in absent])

    def _outputs(
        self, instances: Sequence[Instance], values: Given, probes: Mapping[str, str], lines: Instrumentation
    ) -> dict[str, list[str]]:
        try:
            return self._rendered(instances, values, {**probes, **lines.files})
        except LimitError:
            if not lines.files:
                raise
        except RenderError as error:
            # Ours are rendered last: a message that does not name them is about the chart.
            if not any(name in str(error) for name in lines.files):
                raise
        return self._rendered(instances, values, probes)

    def _rendered(self, instances: Sequence[Instance], values: Given, added: Mapping[str, str]) -> dict[str, list[str]]:
        """What templates print by Helm's name of them: the charts', and those `added`, each in its chart's folder."""
        places = {at.full: at.chart.place for at in instances}
        files = {}
        for name, text in added.items():
            home, _, base = name.rpartition(f"/{TEMPLATES}")
            files[posixpath.join(places[home], TEMPLATES, base)] = text.encode()
        folder = os.path.join(self._folder, str(next(self._numbers)))
        os.mkdir(folder, 0o700)
        try:
            with open(os.path.join(folder, _ARCHIVE), "xb") as stream:
                stream.write(packed(instances[0].chart, files))
            values.write(folder)
            names = {*added, *(posixpath.join(at.full, name) for at in instances for name in at.chart.templates())}
            return self._renderer.render(Job(folder, _ARCHIVE, values, self._options), names)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _check_versions(self, chart: Chart) -> None:
        """Whether what was taken from `file://` folders is what the charts ask for, as `helm dependency build` asks.

        Helm itself compares: it would leave such a sub-chart out without a word.
        """
        todo = [chart]
        while todo:
            at = todo.pop()
            todo.extend(at.subcharts)
            for entry, version in at.fetched:
                if entry.version not in ("", version) and not self._satisfies(entry, version):
                    there = f"{entry.repository} has {version}"
                    message = f"dependency {entry.name!r} asks for version {entry.version}, {there}"
                    raise ChartError(entry.file, message, entry.region)

    def _satisfies(self, entry: Dependency, version: str) -> bool:
        name = "compare/templates/versions.yaml"
        question = f"same: {{{{ semverCompare {_quoted(entry.version)} {_quoted(version)} }}}}\n"
        metadata = b"apiVersion: v2\nname: compare\nversion: 1.0.0\n"
        files = {METADATA: metadata, "templates/versions.yaml": question.encode()}
        asking = Instance(Chart("compare", "1.0.0", "", "", "", files, (), (), ()), "compare")
        try:
            answers = self._rendered([asking], Given((), {}, {}, (), ()), {})
        except RenderError:
            return False
        return answers.get(name) == ["same: true\n"]


def _quoted(text: str) -> str:
    """Text as a literal of a template."""
    return msgspec.json.encode(text).decode()


def _probes(instances: Sequence[Instance], texts: ChartTexts) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A template for each sub-chart with definitions: Helm renders it if conditions and tags let the sub-chart in."""
    for at in instances:
        if at.scope and at.chart.crds() and not at.chart.is_library:
            name = posixpath.join(at.full, TEMPLATES, _PROBE)
            if name not in texts.templates:
                yield name, at.scope
