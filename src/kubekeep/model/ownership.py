"""Owners and labels of objects, from their metadata. Reads nothing."""

from __future__ import annotations

from typing import Any, Final

from kubekeep.model.json_values import as_mapping

OWNER_KEYS: Final = ("kubekeep.io/owner", "a8r.io/owner", "owner", "team")
"""Annotations and labels that name an owner, the first one with a text counts. `a8r.io/owner` is the annotation for services that
Ambassador Labs has proposed; `owner` and `team` are the usual labels."""
MOST_LABELS: Final = 64
"""Labels of an object that are kept."""
LONGEST_OWNER: Final = 200
"""Characters of an owner that are kept."""
LONGEST_LABEL_KEY: Final = 317
LONGEST_LABEL_VALUE: Final = 63
"""Characters of a key with its prefix, and of a value (Kubernetes, "Labels and Selectors", syntax and character set)."""
_TEMPLATES: Final = (("template",), ("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
"""Paths of the pod templates of built-in workloads."""


def find_owner(manifest: dict[str, Any]) -> str:
    """Return the owner that an object names, or its pod template; empty without one. An annotation counts before a label."""
    for metadata in _list_metadata(manifest):
        annotations, labels = as_mapping(metadata.get("annotations")), as_mapping(metadata.get("labels"))
        for key in OWNER_KEYS:
            for values in (annotations, labels):
                if owner := shorten_owner(values.get(key)):
                    return owner
    return ""


def list_labels(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the labels of an object by key, in order, and those of its pod template that it does not have itself.

    Left out: labels that Kubernetes would refuse for their length, and all after the first 64.
    """
    labels: dict[str, str] = {}
    for metadata in _list_metadata(manifest):
        for key, value in as_mapping(metadata.get("labels")).items():
            if isinstance(key, str) and isinstance(value, str) and _is_label(key, value):
                labels.setdefault(key, value)
    return dict(sorted(labels.items())[:MOST_LABELS])


def shorten_owner(text: object) -> str:
    """Return an owner as one line of at most 200 characters; empty for what is no text."""
    return " ".join(text.split())[:LONGEST_OWNER] if isinstance(text, str) else ""


def _is_label(key: str, value: str) -> bool:
    return 0 < len(key) <= LONGEST_LABEL_KEY and len(value) <= LONGEST_LABEL_VALUE


def _list_metadata(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metadata of an object, then that of its pod template."""
    parts = [as_mapping(manifest.get("metadata"))]
    for path in _TEMPLATES:
        part = manifest
        for key in path:
            part = as_mapping(part.get(key))
        parts.append(as_mapping(part.get("metadata")))
    return parts
