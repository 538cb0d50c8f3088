"""What a chart's templates print, as resources with the chart, the sub-chart and the values they were made with.

Also the custom resource definitions of `crds/`, which are plain files. Never renders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, line_starts
from kubekeep.model.resource import FileType, RenderOrigin, Resource, Source
from kubekeep.sources import yaml_text
from kubekeep.sources.helm.chart import Chart
from kubekeep.sources.helm.namespaces import ReleaseNamespace
from kubekeep.sources.helm.parsed import text_of
from kubekeep.sources.helm.rendering import Rendered
from kubekeep.sources.helm.texts import Template
from kubekeep.sources.objects import Doubt, objects
from kubekeep.sources.tree import Document, Limits, Problem

_SHOWN_PROBLEMS: Final = 10
_WHEN: Final = frozenset({"install", "delete", "upgrade", "rollback"})
_HOOKS: Final = frozenset({"test", "test-success", *(f"{at}-{when}" for at in ("pre", "post") for when in _WHEN)})


class Makers(msgspec.Struct, frozen=True):
    """A chart that was rendered: the absolute folder of the scan, the user's values files as shown, its templates."""

    chart: Chart
    base: str
    values: tuple[str, ...]
    templates: Mapping[str, Template]
    namespace: ReleaseNamespace
    application: str = ""

    def origin(self, subchart: str) -> RenderOrigin:
        """What its objects were made from."""
        return RenderOrigin(self.chart.shown or ".", self.chart.name, subchart, self.values, self.application)


def resources(makers: Makers, rendered: Rendered, limits: Limits) -> Iterator[Resource | Unread]:
    """The resources of all documents, by template in Helm's order, then the definitions of charts that take part."""
    for name, texts in rendered.documents.items():
        template = makers.templates[name]
        number = 0
        for text, trace in zip(texts, rendered.traces[name], strict=True):
            source = Source(template.shown, makers.base, FileType.HELM, 0, origin=makers.origin(template.subchart))
            for document in yaml_text.documents(text, line_starts(text), limits):
                own = trace.over(document.source_map) if isinstance(document, Document) else None
                made = msgspec.structs.replace(source, document=number, lazy_source_map=own)
                yield from _document(document, made, makers.namespace)
                number += 1
    seen: set[str] = set()
    for at in rendered.taking_part:
        for name in at.chart.crds():
            shown = at.chart.shown_file(name)
            if shown not in seen:
                seen.add(shown)
                origin = makers.origin(at.scope[-1] if at.scope else "")
                yield from _definitions(
                    at.chart.files[name], Source(shown, makers.base, FileType.HELM, 0, origin=origin), limits
                )


def _document(
    document: Document | Problem | None, source: Source, namespace: ReleaseNamespace
) -> Iterator[Resource | Unread]:
    if isinstance(document, Problem):
        yield Unread(Location(source.path), f"what this template prints cannot be read: {document.message}")
    elif document is not None:
        yield from _objects(document, source, namespace)


def _objects(
    document: Document, source: Source, namespace: ReleaseNamespace | None = None
) -> Iterator[Resource | Unread]:
    is_kubernetes = False
    for found in objects(document.value):
        if isinstance(found, Doubt):
            yield Unread(source.locate(document.value, found.path), found.message)
            continue
        is_kubernetes = True
        later = namespace.left_open(document.value, source, found.path) if namespace is not None else None
        if not found.path:
            if not _is_unknown_hook(found.object):
                yield Resource(found.object, source, release_namespace_paths=later)
        else:
            item = msgspec.structs.replace(source, root=found.path)
            yield Resource(found.object, item, document.value, release_namespace_paths=later)
    if is_kubernetes:
        for problem in document.problems[:_SHOWN_PROBLEMS]:
            yield Unread(Location(source.path), f"in what this template prints: {problem.message}")


def _is_unknown_hook(value: object) -> bool:
    """Whether this is a hook for an event that Helm does not know, which it never installs."""
    match value:
        case {"metadata": {"annotations": {"helm.sh/hook": str(events)}}}:
            return any(event.strip().lower() not in _HOOKS for event in events.split(","))
        case _:
            return False


def _definitions(data: bytes, source: Source, limits: Limits) -> Iterator[Resource | Unread]:
    try:
        text = text_of(data)
    except UnicodeDecodeError as error:
        yield Unread(Location(source.path), f"not {error.encoding} text: {error.reason}")
        return
    lines = line_starts(text)
    for number, document in enumerate(yaml_text.documents(text, lines, limits)):
        if isinstance(document, Problem):
            yield Unread(Location(source.path), document.message)
        elif document is not None:
            yield from _objects(
                document, msgspec.structs.replace(source, document=number, source_map=document.source_map)
            )
