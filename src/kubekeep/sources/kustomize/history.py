"""Histories of the objects of a build: the file or generator they come from and the transformers they pass.

Accumulates as kustomize does: resources, generators, components, then the kustomization's own transformers. Names are
followed through renames, so that a built object is found by its name. Never holds values of generated Secrets.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH112

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.documents import (
    SourceDocument,
    SourceFiles,
    SourcePath,
    create_file_origin,
    list_charts,
)
from kubekeep.sources.kustomize.fields import Field, build_field
from kubekeep.sources.kustomize.graph import Kustomization, KustomizationGraph
from kubekeep.sources.kustomize.selector import ResourceId
from kubekeep.sources.kustomize.transformers import (
    GeneratedDataTransformer,
    ReplayState,
    Transformer,
    list_transformers,
)
from kubekeep.sources.objects import DocumentObject, find_objects

_MAX_OBJECTS: Final = 200_000
_HASH: Final = re.compile(r"-[a-z0-9]{10}$")
UNKNOWN: Final = object()
"""Value of a generated entry: only its origin is known."""


class ObjectHistory:
    """Start and transformers of one object.

    start: builds its fields, which the replay modifies; None if its content is known from the built object only.
    """

    __slots__ = ("identity", "origin", "start", "transformers")

    def __init__(self, identity: ResourceId, origin: SourcePath, start: Callable[[], Field] | None) -> None:
        self.identity = identity
        self.origin = origin
        self.start = start
        self.transformers: list[tuple[Transformer, ...]] = []

    def replay(self, document: Any, *, has_schema: bool) -> ReplayState:
        """Return the state after all transformers. document: the built object, which replaces an unknown start."""
        if self.start is None:
            root = build_field(document, self.origin, 0, fixed=True)
            state = ReplayState(root, ResourceId.from_object(document), has_schema=has_schema)
        else:
            state = ReplayState(self.start(), self.identity, has_schema=has_schema)
        for group in self.transformers:
            for transformer in group:
                state.time += 1
                transformer.apply(state)
        return state


class BuildHistory:
    """Histories of all objects of one build."""

    def __init__(self, root: str, graph: KustomizationGraph, files: SourceFiles) -> None:
        self._graph = graph
        self._files = files
        self._has_schema = any(as_mapping(node.document.value).get("openapi") for node in graph.nodes.values())
        self._transformers: dict[str, tuple[Transformer, ...]] = {}
        self._count = 0
        self._histories: list[ObjectHistory] = []
        self._accumulate(root, self._histories, 0)
        self._by_name: dict[tuple[str, str, str], list[tuple[ResourceId, ObjectHistory]]] = defaultdict(list)
        for history in self._histories:
            last = self.replay(history, {}).ids[-1]
            self._by_name[last.group, last.kind, last.name].append((last, history))

    def find(self, document: Any) -> ObjectHistory | None:
        """Return the history of a built object; None if it is ambiguous."""
        identity = ResourceId.from_object(document)
        for name in (identity.name, _HASH.sub("", identity.name)):
            candidates = self._by_name.get((identity.group, identity.kind, name), [])
            matches = [history for candidate, history in candidates if candidate.matches(identity)]
            if len(matches) == 1 or len(candidates) == 1:
                return matches[0] if matches else candidates[0][1]
        unknown = [history for history in self._histories if history.start is None]
        if len(unknown) > 1:
            unknown = [history for history in unknown if _get_release_name(history.origin) in identity.name]
        return unknown[0] if len(unknown) == 1 else None

    def replay(self, history: ObjectHistory, document: Any) -> ReplayState:
        """Replay one history. document: the built object."""
        return history.replay(document, has_schema=self._has_schema)

    def _accumulate(self, folder: str, histories: list[ObjectHistory], depth: int) -> None:
        node = self._graph.nodes.get(folder)
        if node is None or depth > len(self._graph.nodes) or self._count > _MAX_OBJECTS:
            return
        for entry in _list_texts(node, "resources", "bases"):
            path = node.resolve(entry.value)
            if os.path.isdir(path):
                base: list[ObjectHistory] = []
                self._accumulate(path, base, depth + 1)
                histories += base
            else:
                histories += self._read_file(path)
        histories += self._generate(node, histories)
        for entry in _list_texts(node, "components"):
            self._accumulate(node.resolve(entry.value), histories, depth + 1)
        if folder not in self._transformers:
            self._transformers[folder] = list_transformers(node, self._files)
        if transformers := self._transformers[folder]:
            for history in histories:
                history.transformers.append(transformers)

    def _read_file(self, path: str) -> Iterator[ObjectHistory]:
        for document in self._files.read(path).documents:
            for match in find_objects(document.value, only_list_kinds=True):
                if isinstance(match, DocumentObject):
                    self._count += 1
                    identity, origin = ResourceId.from_object(match.object), SourcePath(document, match.path)
                    yield ObjectHistory(identity, origin, _create_field_builder(match.object, document, match))

    def _generate(self, node: Kustomization, existing: Sequence[ObjectHistory]) -> list[ObjectHistory]:
        created = []
        for origin, kind in _list_generators(node):
            identity, start = generate_object(origin, kind, node, self._files)
            behavior = as_mapping(origin.value).get("behavior")
            if behavior in ("merge", "replace"):
                change = GeneratedDataTransformer(identity, start(), replace=behavior == "replace")
                for history in existing:
                    history.transformers.append((change,))
            else:
                created.append(ObjectHistory(identity, origin, start))
        unknown = ResourceId("", "", "", "", "")
        unknown_sources = (*list_charts(node.document), *_list_texts(node, "generators"))
        created += [ObjectHistory(unknown, origin, None) for origin in unknown_sources]
        self._count += len(created)
        return created


def _get_release_name(chart: SourcePath) -> str:
    """Return the release name, which charts commonly put into object names."""
    entry = as_mapping(chart.value)
    return str(entry.get("releaseName") or entry.get("name") or "\0")


def _create_field_builder(value: Any, document: SourceDocument, match: DocumentObject) -> Callable[[], Field]:
    return lambda: build_field(value, SourcePath(document, match.path), 0)


def _list_texts(node: Kustomization, *fields: str) -> Iterator[SourcePath]:
    for field in fields:
        for entry in SourcePath(node.document, (field,)).entries():
            if isinstance(entry.value, str):
                yield entry


def _list_generators(node: Kustomization) -> Iterator[tuple[SourcePath, str]]:
    for field, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        for entry in SourcePath(node.document, (field,)).entries():
            if as_mapping(entry.value):
                yield entry, kind


def generate_object(
    origin: SourcePath, kind: str, node: Kustomization, files: SourceFiles
) -> tuple[ResourceId, Callable[[], Field]]:
    """Return the identity of a generated ConfigMap or Secret before transformers, and a builder of its fields."""
    entry = as_mapping(origin.value)
    identity = ResourceId("", "v1", kind, str(entry.get("namespace") or ""), str(entry.get("name") or ""))
    return identity, lambda: _build_generated(origin, kind, node, files)


def _build_generated(origin: SourcePath, kind: str, node: Kustomization, files: SourceFiles) -> Field:
    entries = {key: Field(UNKNOWN, entry, 0) for key, entry in _list_data(origin, node, files)}
    options = origin.child("options")
    shared = SourcePath(node.document, ("generatorOptions",))
    metadata: dict[str, Any] = {"name": _create_child_field(origin, "name")}
    for name in ("labels", "annotations"):
        pairs = {
            key: build_field(value, source.child(name, key), 0)
            for source in (shared, options)
            for key, value in as_mapping(source.child(name).value).items()
        }
        if pairs:
            source = options.child(name) if options.child(name).value else shared.child(name)
            metadata[name] = Field(pairs, source, 0)
    if as_mapping(origin.value).get("namespace"):
        metadata["namespace"] = _create_child_field(origin, "namespace")
    root = {
        "apiVersion": Field("v1", origin, 0),
        "kind": Field(kind, origin, 0),
        "metadata": Field(metadata, origin, 0),
        "data": Field(entries, origin, 0),
        "binaryData": Field(entries, origin, 0),
    }
    if as_mapping(origin.value).get("type"):
        root["type"] = _create_child_field(origin, "type")
    for source in (shared, options):
        if source.child("immutable").value is not None:
            root["immutable"] = _create_child_field(source, "immutable")
    return Field(root, origin, 0)


def _create_child_field(origin: SourcePath, name: str) -> Field:
    return Field(origin.child(name).value, origin.child(name), 0)


def _list_data(generator: SourcePath, node: Kustomization, files: SourceFiles) -> Iterator[tuple[str, SourcePath]]:
    """Yield the keys of a generated object with their origins: literals, files, variables."""
    for entry in generator.child("literals").entries():
        yield str(entry.value).partition("=")[0], entry
    for entry in generator.child("files").entries():
        if isinstance(entry.value, str):
            key, equals, path = entry.value.partition("=")
            yield (key if equals else os.path.basename(entry.value)), create_file_origin(node.resolve(path or key))  # noqa: PTH119
    for entry in (*generator.child("envs").entries(), generator.child("env")):
        if isinstance(entry.value, str):
            for line, origin in files.lines(node.resolve(entry.value)):
                key = line.strip().partition("=")[0]
                if key and not key.startswith("#"):
                    yield key, origin
