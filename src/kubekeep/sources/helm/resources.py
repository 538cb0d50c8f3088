"""Convert rendered templates to resources with chart, sub-chart and values files as their origin.

Also reads the custom resource definitions of `crds/`, which are plain manifests, and detects namespaces that depend on
the namespace of the release. Never renders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import FieldProblem, UnreadInput
from kubekeep.model.location import Location, Path, line_starts
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.source import RenderOrigin, Source
from kubekeep.model.stated_namespace import state_namespace
from kubekeep.sources import yaml_text
from kubekeep.sources.embedded import list_embedded
from kubekeep.sources.helm.chart import Chart
from kubekeep.sources.helm.names import HELM
from kubekeep.sources.helm.release import ReleaseTemplate
from kubekeep.sources.helm.rendering import RenderedRelease
from kubekeep.sources.helm.yaml_mapping import decode_text
from kubekeep.sources.objects import IncompleteObject, find_objects
from kubekeep.sources.tree import Document, Limits, Problem

_MOST_PROBLEMS: Final = 10
_HOOK_EVENTS: Final = frozenset({"install", "delete", "upgrade", "rollback"})
_HOOKS: Final = frozenset(
    {"test", "test-success", *(f"{moment}-{event}" for moment in ("pre", "post") for event in _HOOK_EVENTS)}
)


class ReleaseContext(msgspec.Struct, frozen=True):
    """The rendered chart: absolute folder of the scan, shown paths of values files, templates by name, namespace."""

    chart: Chart
    base: str
    values: tuple[str, ...]
    templates: Mapping[str, ReleaseTemplate]
    namespace: ReleaseNamespace
    application: str = ""

    def origin(self, subchart: str) -> RenderOrigin:
        """Return the origin of resources of the chart or of one of its sub-charts."""
        return RenderOrigin(self.chart.shown_path or ".", self.chart.name, subchart, self.values, self.application)


def list_resources(
    context: ReleaseContext, rendered: RenderedRelease, limits: Limits
) -> Iterator[Resource | UnreadInput]:
    """Yield the resources of all documents, by template in Helm's order, then the definitions of the enabled charts."""
    for name, texts in rendered.documents.items():
        template = context.templates[name]
        number = 0
        for text, trace in zip(texts, rendered.traces[name], strict=True):
            source = Source(template.shown_path, context.base, HELM, 0, origin=context.origin(template.subchart))
            for document in yaml_text.parse_documents(text, line_starts(text), limits):
                lazy_source_map = (
                    trace.build_source_map(document.source_map) if isinstance(document, Document) else None
                )
                document_source = msgspec.structs.replace(source, document=number, lazy_source_map=lazy_source_map)
                yield from _read_document(document, document_source, context.namespace)
                number += 1
    seen: set[str] = set()
    for instance in rendered.enabled:
        for name in instance.chart.list_crds():
            shown_path = instance.chart.get_shown_path(name)
            if shown_path not in seen:
                seen.add(shown_path)
                origin = context.origin(instance.scope[-1] if instance.scope else "")
                yield from _read_definitions(
                    instance.chart.files[name], Source(shown_path, context.base, HELM, 0, origin=origin), limits
                )


def _read_document(
    document: Document | Problem | None, source: Source, namespace: ReleaseNamespace
) -> Iterator[Resource | UnreadInput]:
    if isinstance(document, Problem):
        yield UnreadInput(Location(source.path), f"the output of this template cannot be read: {document.message}")
    elif document is not None:
        yield from _list_objects(document, source, namespace)


def _list_objects(
    document: Document, source: Source, namespace: ReleaseNamespace | None = None
) -> Iterator[Resource | UnreadInput]:
    is_kubernetes = False
    for match in find_objects(document.value):
        if isinstance(match, IncompleteObject):
            yield UnreadInput(source.locate(document.value, match.path), match.message)
            continue
        is_kubernetes = True
        namespace_paths = (
            namespace.find_open_paths(document.value, source, match.path) if namespace is not None else None
        )
        if not match.path:
            if _is_unknown_hook(match.object):
                continue
            resource = Resource(match.object, source, release_namespace_paths=namespace_paths)
        else:
            list_source = msgspec.structs.replace(source, root=match.path)
            resource = Resource(match.object, list_source, document.value, release_namespace_paths=namespace_paths)
        if namespace is not None and namespace.name:
            state_namespace(resource, namespace.name)
        yield resource
        yield from list_embedded(match, document.value, source)
    if is_kubernetes:
        for problem in document.problems[:_MOST_PROBLEMS]:
            yield FieldProblem(Location(source.path), f"in the output of this template: {problem.message}")


def _is_unknown_hook(value: object) -> bool:
    """Return True if the object is a hook for an event unknown to Helm; Helm never installs such an object."""
    match value:
        case {"metadata": {"annotations": {"helm.sh/hook": str(events)}}}:
            return any(event.strip().lower() not in _HOOKS for event in events.split(","))
        case _:
            return False


def _read_definitions(content: bytes, source: Source, limits: Limits) -> Iterator[Resource | UnreadInput]:
    try:
        text = decode_text(content)
    except UnicodeDecodeError as error:
        yield UnreadInput(Location(source.path), f"not {error.encoding} text: {error.reason}")
        return
    lines = line_starts(text)
    for number, document in enumerate(yaml_text.parse_documents(text, lines, limits)):
        if isinstance(document, Problem):
            yield UnreadInput(Location(source.path), document.message)
        elif document is not None:
            yield from _list_objects(
                document, msgspec.structs.replace(source, document=number, source_map=document.source_map)
            )


class ReleaseNamespace(msgspec.Struct, frozen=True):
    """Namespace of a release; `texts` are the template sources by shown path.

    name: namespace that the user or an application names; if it is empty, templates are rendered with Helm's default,
    `default`.
    """

    name: str
    texts: Mapping[str, str]

    def find_open_paths(self, document: Any, source: Source, root: Path) -> tuple[Path, ...] | None:
        """Return the paths of namespaces below `root` taken from the release; None if its namespace is known.

        A namespace that is literal in the template or set by values is not taken from the release.
        """
        if self.name:
            return None
        paths = (path for path, value in _list_namespaces(document, root) if value == DEFAULT_NAMESPACE)
        return tuple(path[len(root) :] for path in paths if self._is_from_release(document, source, path))

    def _is_from_release(self, document: Any, source: Source, path: Path) -> bool:
        location = source.locate(document, path)
        if location.setting is not None or location.region is None:
            return False
        lines = self.texts.get(location.file, "").splitlines()
        number = location.region.start.line - 1
        return number < len(lines) and "{{" in lines[number]


def _list_namespaces(document: Any, root: Path) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of every key `namespace` below `root`."""
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
        for step, entry in entries:
            if step == "namespace" and isinstance(entry, str):
                yield (*path, step), entry
            elif isinstance(entry, dict | list):
                todo.append(((*path, step), entry))
