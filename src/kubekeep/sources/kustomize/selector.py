"""Which objects a patch or another transformation is for: by identity, by regular expressions, by labels.

As kustomize selects (`types.Selector`): original and current names count, expressions match whole names. Never
raises: an expression that cannot be read selects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from kubekeep._native import Pattern
from kubekeep.model.json_values import as_mapping

_LONGEST: Final = 500
_TERM: Final = re.compile(
    r"\s*(?:(?P<no>!)\s*(?P<absent>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)\s*(?:(?P<op>==?|!=)\s*(?P<value>[^\s,()]*)|(?P<word>in|notin)\s*\((?P<values>[^)]*)\))?)\s*(?:,|$)"
)
_DEFAULT: Final = "default"


class Identity(msgspec.Struct, frozen=True):
    """What tells an object apart: API group and version, kind, namespace, name."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, value: Any) -> Identity:
        """That of an object, or of the part of one that a patch says."""
        metadata = as_mapping(as_mapping(value).get("metadata"))
        group, _, version = str(as_mapping(value).get("apiVersion") or "").rpartition("/")
        kind, name = as_mapping(value).get("kind"), metadata.get("name")
        return cls(group, version, str(kind or ""), str(metadata.get("namespace") or ""), str(name or ""))

    def same(self, other: Identity) -> bool:
        """Whether both are one object; no namespace is that called default."""
        ours, theirs = self.namespace or _DEFAULT, other.namespace or _DEFAULT
        return ours == theirs and (self.group, self.version, self.kind, self.name) == (
            other.group,
            other.version,
            other.kind,
            other.name,
        )


def selects(target: Mapping[str, Any], ids: Sequence[Identity], texts: Callable[[str], Mapping[str, str]]) -> bool:
    """Whether a target of patches selects an object that has had the identities `ids`, the first its original one.

    `texts` gives its `labels` and its `annotations` at that moment.
    """
    first, last = ids[0], ids[-1]
    return (
        chosen_by(target.get("namespace"), first.namespace or _DEFAULT, last.namespace or _DEFAULT)
        and chosen_by(target.get("name"), first.name, last.name)
        and chosen_by(target.get("group"), last.group)
        and chosen_by(target.get("version"), last.version)
        and chosen_by(target.get("kind"), last.kind)
        and _chosen(target.get("labelSelector"), texts, "labels")
        and _chosen(target.get("annotationSelector"), texts, "annotations")
    )


def chosen_by(expression: Any, *texts: str) -> bool:
    """Whether one of the texts is wholly matched by an expression of Go, or there is none."""
    if not isinstance(expression, str) or not expression:
        return True
    if len(expression) > _LONGEST:
        return False
    if expression.replace("-", "").isalnum():
        return expression in texts
    form = _whole(expression)
    return form is not None and any(form.matches(text) for text in texts)


@lru_cache(maxsize=256)
def _whole(expression: str) -> Pattern | None:
    try:
        return Pattern(f"^(?:{expression})$")
    except ValueError:
        return None


def _chosen(expression: Any, texts: Callable[[str], Mapping[str, str]], name: str) -> bool:
    """Whether a label selector in text form selects; https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/."""
    if not isinstance(expression, str) or not expression.strip():
        return True
    labels, at = texts(name), 0
    while at < len(expression):
        term = _TERM.match(expression, at)
        if term is None or term.end() == at or not _holds(term, labels):
            return False
        at = term.end()
    return True


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["no"]:
        return term["absent"] not in labels
    key = term["key"]
    if term["word"]:
        values = {value.strip() for value in term["values"].split(",")}
        return (labels.get(key) in values) == (term["word"] == "in")
    if term["op"]:
        return (labels.get(key) == term["value"]) == (term["op"] != "!=")
    return key in labels
