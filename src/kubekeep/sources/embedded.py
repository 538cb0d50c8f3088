"""Complete Kubernetes objects inside other objects: OpenShift templates, work of other clusters, and custom kinds.

`ManifestWork`, Crossplane's `Object`, `SelectorSyncSet` and similar kinds create the objects that they contain. Objects in
texts, and in policies, where they are patterns, are not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path
from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.source import Source
from kubekeep.model.workload import is_complete_object, is_pattern_group
from kubekeep.sources.objects import DocumentObject

_TEMPLATE_GROUPS: Final = ("", "template.openshift.io")
_MAX_DEPTH: Final = 24
_SKIPPED: Final = frozenset({"metadata", "status"})
_PARAMETER: Final = re.compile(r"\$\{(\w+)\}")
_TYPED_PARAMETER: Final = re.compile(r"\$\{\{(\w+)\}\}")


class EmbeddedObject(msgspec.Struct, frozen=True):
    """An object, its path in the document, and paths in it whose values are not known."""

    object: dict[str, Any]
    path: Path
    unknown: tuple[Path, ...] = ()


def list_embedded(outer: DocumentObject, document: Any, source: Source) -> Iterator[Resource]:
    """Yield the resources inside an object of a document, at any depth."""
    for embedded in _find_embedded(outer.object, outer.path):
        own_source = msgspec.structs.replace(source, root=embedded.path)
        yield Resource(embedded.object, own_source, document, unknown=embedded.unknown)


def _find_embedded(value: dict[str, Any], path: Path) -> Iterator[EmbeddedObject]:
    group = str(value.get("apiVersion") or "").rpartition("/")[0]
    if value.get("kind") == "Template" and group in _TEMPLATE_GROUPS:
        yield from _process_template(value, path)
    elif not is_builtin(group) and not is_pattern_group(group):
        for key, child in value.items():
            if key not in _SKIPPED:
                yield from _search(child, (*path, key))


def _search(value: Any, path: Path) -> Iterator[EmbeddedObject]:
    if len(path) > _MAX_DEPTH:
        return
    if is_complete_object(value):
        yield EmbeddedObject(value, path)
        yield from _find_embedded(value, path)
    elif isinstance(value, dict | list):
        children = value.items() if isinstance(value, dict) else enumerate(value)
        for step, child in children:
            yield from _search(child, (*path, step))


def _process_template(template: dict[str, Any], path: Path) -> Iterator[EmbeddedObject]:
    """Yield the objects of an OpenShift template with the default values of its parameters, as `oc process` does."""
    parameters = _Parameters(template)
    for number, content in enumerate(as_list(template.get("objects"))):
        if is_complete_object(content):
            processed, unknown = parameters.process(content)
            yield EmbeddedObject(processed, (*path, "objects", number), unknown)


class _Parameters:
    """Default values of the parameters of a template. One that is generated or required has no known value."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._values: dict[str, str] = {}
        self._labels = as_mapping(template.get("labels"))
        for parameter in map(as_mapping, as_list(template.get("parameters"))):
            value, name = parameter.get("value"), parameter.get("name")
            if isinstance(name, str) and (
                value is not None or not (parameter.get("generate") or parameter.get("required"))
            ):
                self._values[name] = "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def process(self, content: dict[str, Any]) -> tuple[dict[str, Any], tuple[Path, ...]]:
        """Return an object with the values, without those that are not known, and the paths of these."""
        unknown: list[Path] = []
        processed = self._replace(content, (), unknown)
        if self._labels:
            metadata = as_mapping(processed.get("metadata"))
            labels = {
                **as_mapping(metadata.get("labels")),
                **self._replace(self._labels, ("metadata", "labels"), unknown),
            }
            processed = {**processed, "metadata": {**metadata, "labels": labels}}
        return processed, tuple(unknown)

    def _replace(self, value: Any, path: Path, unknown: list[Path]) -> Any:
        if isinstance(value, str):
            return self._replace_text(value)
        if isinstance(value, list):
            return [self._replace(entry, (*path, number), unknown) for number, entry in enumerate(value)]
        if not isinstance(value, dict):
            return value
        replaced: dict[str, Any] = {}
        for key, entry in value.items():
            # Names of objects stay as they are written, so that reports can tell them apart.
            if isinstance(entry, str) and path[:1] != ("metadata",) and not self._is_known(entry):
                unknown.append((*path, key))
            else:
                replaced[key] = self._replace(entry, (*path, key), unknown)
        return replaced

    def _is_known(self, text: str) -> bool:
        return all(name in self._values for name in (*_PARAMETER.findall(text), *_TYPED_PARAMETER.findall(text)))

    def _replace_text(self, text: str) -> Any:
        typed = _TYPED_PARAMETER.fullmatch(text)
        if typed is not None and typed[1] in self._values:
            try:
                return json.loads(self._values[typed[1]])
            except ValueError:
                return self._values[typed[1]]
        return _PARAMETER.sub(lambda match: self._values.get(match[1], match[0]), text)
