"""Render one loaded chart through Helm: pack it with instrumentation, run Helm, and split the output by template.

The added templates print only comments: they report the enabled sub-charts and record source lines. If Helm fails on
them, the chart is rendered without them; both attempts share the time limit of the chart. Never changes a template of the chart.
"""

# ruff: noqa: PTH102, PTH118, PTH123 - paths stay as the user typed them

from __future__ import annotations

import gzip
import io
import itertools
import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.sources.helm.chart import METADATA, TEMPLATES, Chart, ChartInstance, Dependency
from kubekeep.sources.helm.limits import ChartError
from kubekeep.sources.helm.process import LimitError
from kubekeep.sources.helm.release import RenderJob, UserValues
from kubekeep.sources.helm.renderers import Renderer, RenderError
from kubekeep.sources.helm.trace import ChartTexts, DocumentTrace, Instrumentation
from kubekeep.sources.options import HelmOptions

_ARCHIVE: Final = "chart.tgz"
_PROBE: Final = "kubekeep-takes-part.yaml"
_PROBE_TEXT: Final = "# takes part\n"
_TOP: Final = "chart"
_TOO_LARGE: Final = "chart is larger than the maximum"
"""Part of Helm's message about the size of all files of a chart."""


class RenderedRelease(msgspec.Struct, frozen=True):
    """Output of a chart: documents and traces by template, and the chart with the enabled sub-charts."""

    documents: Mapping[str, Sequence[str]]
    traces: Mapping[str, Sequence[DocumentTrace]]
    enabled: Sequence[ChartInstance]


class NotRenderedError(Exception):
    """A chart that Helm does not render, with Helm's message; if YAML is invalid, with the output and its traces."""

    def __init__(
        self, message: str, documents: Mapping[str, Sequence[str]], traces: Mapping[str, Sequence[DocumentTrace]]
    ) -> None:
        super().__init__(message)
        self.documents = documents
        self.traces = traces


class ReleaseRenderer:
    """Renders charts with one renderer and one set of options. Safe to use from several threads.

    folder: a private folder. `render` raises NotRenderedError, LimitError, OSError, and ChartError for a dependency.
    """

    def __init__(self, renderer: Renderer, folder: str, options: HelmOptions, seconds: float) -> None:
        self._renderer = renderer
        self._folder = folder
        self._options = options
        self._seconds = seconds
        self._numbers = itertools.count()

    def render(self, instances: Sequence[ChartInstance], texts: ChartTexts, values: UserValues) -> RenderedRelease:
        """Render a chart and its sub-charts with the user's values."""
        self._check_versions(instances[0].chart)
        probes = dict(_list_probes(instances, texts))
        instrumentation = Instrumentation(texts)
        try:
            outputs = self._render_instrumented(instances, values, dict.fromkeys(probes, _PROBE_TEXT), instrumentation)
        except RenderError as error:
            traced_documents = {name: documents for name, documents in error.outputs.items() if name not in probes}
            raise NotRenderedError(
                str(error), traced_documents, instrumentation.build_traces(traced_documents)
            ) from error
        template_documents = {name: documents for name, documents in outputs.items() if name in texts.templates}
        traced_documents = {name: documents for name, documents in outputs.items() if name not in probes}
        disabled_scopes = {scope for name, scope in probes.items() if name not in outputs}
        return RenderedRelease(
            template_documents,
            instrumentation.build_traces(traced_documents),
            [instance for instance in instances if instance.scope not in disabled_scopes],
        )

    def _render_instrumented(
        self,
        instances: Sequence[ChartInstance],
        values: UserValues,
        probes: Mapping[str, str],
        instrumentation: Instrumentation,
    ) -> dict[str, list[str]]:
        seconds = self._seconds / 2 if instrumentation.files else self._seconds
        try:
            return self._render_chart(instances, values, {**probes, **instrumentation.files}, seconds)
        except LimitError:
            if not instrumentation.files:
                raise
        except RenderError as error:
            # Added templates are rendered last, so a message that does not name one is about the chart, or its size.
            is_added = any(name in str(error) for name in instrumentation.files)
            if not (is_added or (instrumentation.files and _TOO_LARGE in str(error))):
                raise
            seconds = self._seconds
        return self._render_chart(instances, values, probes, seconds)

    def _render_chart(
        self, instances: Sequence[ChartInstance], values: UserValues, extra_files: Mapping[str, str], seconds: float
    ) -> dict[str, list[str]]:
        """Render the chart with added templates, each in its chart's folder; returns documents by template name."""
        archive_folders = {instance.template_prefix: instance.chart.archive_folder for instance in instances}
        files = {}
        for name, text in extra_files.items():
            instance_name, _, base = name.rpartition(f"/{TEMPLATES}")
            files[posixpath.join(archive_folders[instance_name], TEMPLATES, base)] = text.encode()
        folder = os.path.join(self._folder, str(next(self._numbers)))
        os.mkdir(folder, 0o700)
        try:
            with open(os.path.join(folder, _ARCHIVE), "xb") as stream:
                stream.write(pack_chart(instances[0].chart, files))
            values.write(folder)
            names = {
                *extra_files,
                *(
                    posixpath.join(instance.template_prefix, name)
                    for instance in instances
                    for name in instance.chart.list_templates()
                ),
            }
            return self._renderer.render(RenderJob(folder, _ARCHIVE, values, self._options, seconds), names)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _check_versions(self, chart: Chart) -> None:
        """Check local dependencies against the required versions, as `helm dependency build` does.

        Helm compares the versions; it would silently leave out a sub-chart that does not match. Raises ChartError.
        """
        todo = [chart]
        while todo:
            current = todo.pop()
            todo.extend(current.subcharts)
            for entry, version in current.local_dependencies:
                if not self.satisfies(entry, version):
                    actual = f"{entry.repository} has {version}"
                    message = f"dependency {entry.name!r} requires version {entry.version}, {actual}"
                    raise ChartError(entry.file, message, entry.region)

    def satisfies(self, entry: Dependency, version: str) -> bool:
        """Return True if a version is in the range of a dependency, as Helm compares them. Raises OSError."""
        if entry.version in ("", version):
            return True
        name = "compare/templates/versions.yaml"
        template = f"same: {{{{ semverCompare {_quote(entry.version)} {_quote(version)} }}}}\n"
        metadata = b"apiVersion: v2\nname: compare\nversion: 1.0.0\n"
        files = {METADATA: metadata, "templates/versions.yaml": template.encode()}
        instance = ChartInstance(Chart("compare", "1.0.0", "", "", "", files, (), (), ()), "compare")
        try:
            outputs = self._render_chart([instance], UserValues((), {}, {}, (), ()), {}, self._seconds)
        except RenderError:
            return False
        return outputs.get(name) == ["same: true\n"]


def _quote(text: str) -> str:
    """Return text as a string literal of a template."""
    return msgspec.json.encode(text).decode()


def _list_probes(instances: Sequence[ChartInstance], texts: ChartTexts) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a probe template for each sub-chart with CRDs; Helm renders it if the sub-chart is enabled."""
    for instance in instances:
        if instance.scope and instance.chart.list_crds() and not instance.chart.is_library:
            name = posixpath.join(instance.template_prefix, TEMPLATES, _PROBE)
            if name not in texts.templates:
                yield name, instance.scope


def pack_chart(chart: Chart, extra_files: Mapping[str, bytes]) -> bytes:
    """Pack the chart with all its sub-charts and `extra_files` by path, without compression."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (*_list_files(chart), *extra_files.items()):
            member = tarfile.TarInfo(posixpath.join(_TOP, name))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), compresslevel=0, mtime=0)


def _list_files(chart: Chart) -> Iterator[tuple[str, bytes]]:
    todo = [chart]
    while todo:
        current = todo.pop()
        yield from ((posixpath.join(current.archive_folder, name), content) for name, content in current.files.items())
        todo.extend(current.subcharts)
