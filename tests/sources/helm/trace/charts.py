"""Render chart folders with the real Helm and instrumentation, and trace the output. Never asserts on results."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from kubekeep.model.location import Location, SourceMap, line_starts
from kubekeep.model.location import Path as Steps
from kubekeep.sources import yaml_text
from kubekeep.sources.helm.trace import ChartTexts, DocumentTrace, Instrumentation, ValuesLayer
from kubekeep.sources.tree import DEFAULT_LIMITS, Document
from tests.oracles.references import get_answer
from tests.sources.helm.reading import helm_program

_SOURCE: Final = re.compile(r"^---\n# Source: (.*)\n", re.MULTILINE)


class TracedDocument:
    """One document: text, value, source map and trace."""

    def __init__(self, template: str, text: str, trace: DocumentTrace) -> None:
        self.template = template
        self.text = text
        self.value, self.source_map = parse_document(text)
        self._trace = trace.build_source_map(self.source_map)

    def locate(self, *path: str | int) -> Location:
        """Return the location of a path."""
        return self._trace.locate(self.value, path)

    @property
    def name(self) -> str:
        """`Kind/name`."""
        return f"{self.value['kind']}/{self.value['metadata']['name']}"


def parse_document(text: str) -> tuple[Any, SourceMap]:
    """Parse a YAML text of one document; returns value and source map."""
    for document in yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS):
        if isinstance(document, Document):
            return document.value, document.source_map
    raise ValueError(text)


def load_texts(folder: Path, *, values: Sequence[Path] = (), sets: dict[str, Any] | None = None) -> ChartTexts:
    """Load the texts of a chart with unpacked sub-charts in `charts`."""
    name = yaml.safe_load((folder / "Chart.yaml").read_text())["name"]
    templates: dict[str, str] = {}
    shown_paths: dict[str, str] = {}
    layers: list[ValuesLayer] = []
    for chart, helm_name, scope in _list_charts(folder, name, ()):
        for file in sorted((chart / "templates").rglob("*")):
            if file.is_file():
                template_name = f"{helm_name}/{file.relative_to(chart).as_posix()}"
                templates[template_name] = file.read_text()
                shown_paths[template_name] = file.relative_to(folder).as_posix()
        if (chart / "values.yaml").exists():
            layers.append(
                load_layer(chart / "values.yaml", (chart / "values.yaml").relative_to(folder).as_posix(), scope)
            )
    layers.sort(key=lambda layer: -len(layer.scope))
    layers += [load_layer(file, file.name, ()) for file in values]
    if sets:
        layers.append(ValuesLayer((), "--set", sets))
    return ChartTexts(templates, layers, shown_paths)


def load_layer(file: Path, path: str, scope: tuple[str, ...]) -> ValuesLayer:
    """Load the layer of one values file."""
    text = file.read_text()
    return ValuesLayer(scope, path, *parse_document(text)) if yaml.safe_load(text) else ValuesLayer(scope, path, {})


def _list_charts(folder: Path, helm_name: str, scope: tuple[str, ...]) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Yield the chart and its sub-charts with Helm's names and scopes, once for each alias."""
    yield folder, helm_name, scope
    dependencies = yaml.safe_load((folder / "Chart.yaml").read_text()).get("dependencies") or []
    subcharts = folder / "charts"
    for subchart in sorted(subcharts.iterdir()) if subcharts.is_dir() else ():
        name = yaml.safe_load((subchart / "Chart.yaml").read_text())["name"]
        for alias in [dependency.get("alias", name) for dependency in dependencies if dependency["name"] == name] or [
            name
        ]:
            yield from _list_charts(subchart, f"{helm_name}/charts/{alias}", (*scope, alias))


def helm_template(folder: Path, *options: str) -> dict[str, list[str]]:
    """Run `helm template`; returns documents by template in Helm's order. Raises RuntimeError with Helm's message."""
    command = [helm_program(), "template", "rel", str(folder), "--namespace", "spacex", *options]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(process.stderr)
    return _split_documents(process.stdout)


def get_reference_documents(folder: Path, values: Path | None = None) -> dict[str, list[str]]:
    """Return what `helm_template` does, as an answer of a reference program: for charts that Kubekeep did not change."""
    inputs, options = {"chart": folder}, ["--namespace=spacex"]
    if values is not None:
        inputs["values.yaml"] = values
        options.append("--values=values.yaml")
    answer = get_answer("helm", "template", "rel", "chart", *options, inputs=inputs, may_fail=True)
    if answer.code:
        raise RuntimeError(answer.stderr)
    return _split_documents(answer.stdout)


def _split_documents(text: str) -> dict[str, list[str]]:
    matches = list(_SOURCE.finditer(text))
    outputs: dict[str, list[str]] = {}
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        document = text[match.end() : following.start() if following else len(text)]
        outputs.setdefault(match[1], []).append(document)
    return outputs


def render_instrumented(
    folder: Path, copy: Path, *options: str, values: Sequence[Path] = (), sets: dict[str, Any] | None = None
) -> tuple[Instrumentation, dict[str, list[str]]]:
    """Render an instrumented copy of a chart; returns the instrumentation and the output."""
    instrumentation = Instrumentation(load_texts(folder, values=values, sets=sets))
    shutil.copytree(folder, copy)
    for name, text in instrumentation.files.items():
        file = copy / name.partition("/")[2]
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    arguments = [part for file in values for part in ("--values", str(file))]
    return instrumentation, helm_template(copy, *arguments, *options)


def trace_chart(
    folder: Path, copy: Path, *options: str, values: Sequence[Path] = (), sets: dict[str, Any] | None = None
) -> list[TracedDocument]:
    """Return the documents of a chart that contain an object, traced."""
    instrumentation, outputs = render_instrumented(folder, copy, *options, values=values, sets=sets)
    traces = instrumentation.build_traces(outputs)
    return [
        TracedDocument(name, text, trace)
        for name, documents in outputs.items()
        if name not in instrumentation.files
        for text, trace in zip(documents, traces[name], strict=True)
        if re.search(r"^kind:", text, re.MULTILINE)
    ]


def list_paths(value: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Yield every path of a value with the value there."""
    yield path, value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in entries:
        yield from list_paths(child, (*path, step))
