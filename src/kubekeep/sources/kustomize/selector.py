"""Selection of the objects a transformer applies to: by identity, regular expression, labels or annotations.

Follows kustomize (`types.Selector`): original and current names count, expressions match whole names. Never raises: an
invalid expression selects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from kubekeep._native import Pattern
from kubekeep.model.json_values import as_mapping

_MAX_LENGTH: Final = 500
_TERM: Final = re.compile(
    r"\s*(?:(?P<no>!)\s*(?P<absent>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)\s*(?:(?P<op>==?|!=)\s*(?P<value>[^\s,()]*)|(?P<word>in|notin)\s*\((?P<values>[^)]*)\))?)\s*(?:,|$)"
)
_DEFAULT: Final = "default"


class ResourceId(msgspec.Struct, frozen=True):
    """Identity of an object in a build: API group and version, kind, namespace, name."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def from_object(cls, value: Any) -> ResourceId:
        """Read the identity of an object or of a patch that names one."""
        metadata = as_mapping(as_mapping(value).get("metadata"))
        group, _, version = str(as_mapping(value).get("apiVersion") or "").rpartition("/")
        kind, name = as_mapping(value).get("kind"), metadata.get("name")
        return cls(group, version, str(kind or ""), str(metadata.get("namespace") or ""), str(name or ""))

    def matches(self, other: ResourceId) -> bool:
        """Return True if both identify one object; an empty namespace is the default one."""
        namespaces = {self.namespace or _DEFAULT, other.namespace or _DEFAULT}
        return len(namespaces) == 1 and (self.group, self.version, self.kind, self.name) == (
            other.group,
            other.version,
            other.kind,
            other.name,
        )


def selects(
    target: Mapping[str, Any], ids: Sequence[ResourceId], read_metadata: Callable[[str], Mapping[str, str]]
) -> bool:
    """Return True if a target selects an object. ids: its identities so far, the original one first.

    read_metadata: returns the current `labels` or `annotations`.
    """
    first, last = ids[0], ids[-1]
    return (
        matches_expression(target.get("namespace"), first.namespace or _DEFAULT, last.namespace or _DEFAULT)
        and matches_expression(target.get("name"), first.name, last.name)
        and matches_expression(target.get("group"), last.group)
        and matches_expression(target.get("version"), last.version)
        and matches_expression(target.get("kind"), last.kind)
        and _matches_pairs(target.get("labelSelector"), read_metadata, "labels")
        and _matches_pairs(target.get("annotationSelector"), read_metadata, "annotations")
    )


def matches_expression(expression: Any, *texts: str) -> bool:
    """Return True if a Go regular expression matches all of one of the texts, or if there is no expression."""
    if not isinstance(expression, str) or not expression:
        return True
    if len(expression) > _MAX_LENGTH:
        return False
    if expression.replace("-", "").isalnum():
        return expression in texts
    pattern = _compile(expression)
    return pattern is not None and any(pattern.matches(text) for text in texts)


@lru_cache(maxsize=256)
def _compile(expression: str) -> Pattern | None:
    try:
        return Pattern(f"^(?:{expression})$")
    except ValueError:
        return None


def _matches_pairs(expression: Any, read_metadata: Callable[[str], Mapping[str, str]], name: str) -> bool:
    """Evaluate a selector in text form; https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/."""
    if not isinstance(expression, str) or not expression.strip():
        return True
    pairs, position = read_metadata(name), 0
    while position < len(expression):
        term = _TERM.match(expression, position)
        if term is None or term.end() == position or not _matches_term(term, pairs):
            return False
        position = term.end()
    return True


def _matches_term(term: re.Match[str], pairs: Mapping[str, str]) -> bool:
    if term["no"]:
        return term["absent"] not in pairs
    key = term["key"]
    if term["word"]:
        values = {value.strip() for value in term["values"].split(",")}
        return (pairs.get(key) in values) == (term["word"] == "in")
    if term["op"]:
        return (pairs.get(key) == term["value"]) == (term["op"] != "!=")
    return key in pairs
