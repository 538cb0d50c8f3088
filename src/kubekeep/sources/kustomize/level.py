"""The transformations of one kustomization, as steps in the order in which kustomize runs them.

The order is that of `configureBuiltinTransformers` in kustomize, then the configured transformers. Never applies any.
"""

# Paths are text here, as kustomize takes them:
# ruff: noqa: PTH113

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.sources.kustomize.claims import Image, Namespace, Replacement, Replicas, annotations_of, labels_of
from kubekeep.sources.kustomize.graph import Node
from kubekeep.sources.kustomize.references import entries
from kubekeep.sources.kustomize.state import Step
from kubekeep.sources.kustomize.steps import Affix, Patch
from kubekeep.sources.kustomize.written import Pages, Spot, Written


def steps(node: Node, pages: Pages) -> tuple[Step, ...]:
    """The transformations of a kustomization."""
    return tuple(_Level(node, pages).steps())


class _Level:
    """One kustomization whose fields are read."""

    def __init__(self, node: Node, pages: Pages) -> None:
        self._node = node
        self._pages = pages

    def steps(self) -> Iterator[Step]:
        root = Spot(self._node.written)
        for entry in entries(root.below("patchesStrategicMerge")):
            yield from self._strategic(entry)
        for entry in entries(root.below("patches")):
            yield from self._patch(entry)
        yield from _names(root)
        yield from _pairs(root)
        for entry in entries(root.below("patchesJson6902")):
            yield from self._patch(entry)
        yield from map(Replicas, entries(root.below("replicas")))
        yield from map(Image, (*entries(root.below("images")), *entries(root.below("imageTags"))))
        for entry in entries(root.below("replacements")):
            yield from self._replacement(entry)
        for entry in entries(root.below("transformers")):
            for document in self._documents(entry):
                yield from self._configured(document)

    def _documents(self, entry: Spot) -> tuple[Written, ...]:
        """The documents of a value that is the name of a file, or else YAML itself."""
        text = entry.value
        if not isinstance(text, str) or not text:
            return ()
        path = "" if "\n" in text else self._node.resolved(text)
        return self._pages.page(path).documents if path and os.path.isfile(path) else self._pages.inline(entry)

    def _strategic(self, entry: Spot) -> Iterator[Step]:
        for document in self._documents(entry):
            yield Patch(document, None, {})

    def _patch(self, entry: Spot) -> Iterator[Step]:
        said = as_mapping(entry.value)
        target = said.get("target")
        for field in ("path", "patch", "jsonOp"):
            found = self._documents(entry.below(field)) if field == "path" else self._pages.inline(entry.below(field))
            for document in found:
                yield Patch(
                    document, as_mapping(target) if target is not None else None, as_mapping(said.get("options"))
                )

    def _replacement(self, entry: Spot) -> Iterator[Step]:
        if isinstance(as_mapping(entry.value).get("path"), str):
            for document in self._documents(entry.below("path")):
                inner = Spot(document)
                for item in entries(inner) if isinstance(document.value, list) else (inner,):
                    yield from map(Replacement, entries(item.below("targets")))
        yield from map(Replacement, entries(entry.below("targets")))

    def _configured(self, document: Written) -> Iterator[Step]:
        """A transformer that is configured in a document of its own instead of a field of the kustomization."""
        spot = Spot(document)
        kind = as_mapping(document.value).get("kind")
        if kind in ("PatchTransformer", "PatchJson6902Transformer"):
            yield from self._patch(spot)
        elif kind == "PatchStrategicMergeTransformer":
            for entry in entries(spot.below("paths")):
                yield from self._strategic(entry)
            yield from (Patch(found, None, {}) for found in self._pages.inline(spot.below("patches")))
        elif kind == "ReplacementTransformer":
            for entry in entries(spot.below("replacements")):
                yield from self._replacement(entry)
        elif isinstance(kind, str) and (make := _CONFIGURED.get(kind)) is not None:
            yield make(spot)


def _names(root: Spot) -> Iterator[Step]:
    if root.below("namespace").value:
        yield Namespace(root.below("namespace"))
    said = as_mapping(root.value)
    if said.get("namePrefix"):
        yield Affix(prefix=str(said["namePrefix"]))
    if said.get("nameSuffix"):
        yield Affix(suffix=str(said["nameSuffix"]))


def _pairs(root: Spot) -> Iterator[Step]:
    for entry in entries(root.below("labels")):
        said = as_mapping(entry.value)
        selectors, templates = bool(said.get("includeSelectors")), bool(said.get("includeTemplates"))
        yield labels_of(entry.below("pairs"), templates=templates, selectors=selectors)
    if root.below("commonLabels").value:
        yield labels_of(root.below("commonLabels"), templates=True, selectors=True)
    if root.below("commonAnnotations").value:
        yield annotations_of(root.below("commonAnnotations"))


def _text(spot: Spot, field: str) -> str:
    value: Any = spot.below(field).value
    return value if isinstance(value, str) else ""


_CONFIGURED: Final[dict[str, Callable[[Spot], Step]]] = {
    "NamespaceTransformer": lambda spot: Namespace(spot.below("metadata", "namespace")),
    "PrefixTransformer": lambda spot: Affix(prefix=_text(spot, "prefix")),
    "SuffixTransformer": lambda spot: Affix(suffix=_text(spot, "suffix")),
    "PrefixSuffixTransformer": lambda spot: Affix(_text(spot, "prefix"), _text(spot, "suffix")),
    "LabelTransformer": lambda spot: labels_of(spot.below("labels"), templates=True, selectors=True),
    "AnnotationsTransformer": lambda spot: annotations_of(spot.below("annotations")),
    "ReplicaCountTransformer": lambda spot: Replicas(spot.below("replica")),
    "ImageTagTransformer": lambda spot: Image(spot.below("imageTag")),
}
