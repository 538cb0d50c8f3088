"""Decide which resources a scan judges: by namespace, kind and labels. The others are known to the rules all the same.

Names in the choice that no resource has are kept, so that a typo does not look like a clean scan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from kubekeep.assess.index import DEFAULT_NAMESPACE
from kubekeep.assess.matching import labels_of, selects
from kubekeep.library.admission import Requirement, Selector
from kubekeep.model.choice import Choice
from kubekeep.model.kinds import Kinds, plural_of
from kubekeep.model.resource import Resource

_KEY: Final = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_VALUE: Final = r"(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?"
_SET: Final = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL: Final = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_BARE: Final = re.compile(rf"(!?)\s*({_KEY})")
_SPLIT: Final = re.compile(r",(?![^()]*\))")


def parse_labels(text: str) -> Selector:
    """The selector in `text`, as `kubectl -l` takes it: `app=web,tier!=cache,env in (a, b),!legacy`.

    Raises ValueError for text that is none.
    """
    return Selector(match_expressions=tuple(_requirement(part.strip(), text) for part in _SPLIT.split(text)))


def _requirement(part: str, text: str) -> Requirement:
    if match := _SET.fullmatch(part):
        values = tuple(value.strip() for value in match[3].split(","))
        if any(re.fullmatch(_VALUE, value) is None for value in values):
            raise ValueError(f"not a label selector: {text!r}")
        return Requirement(match[1], "In" if match[2] == "in" else "NotIn", values)
    if match := _EQUAL.fullmatch(part):
        return Requirement(match[1], "NotIn" if match[2] == "!=" else "In", (match[3],))
    if match := _BARE.fullmatch(part):
        return Requirement(match[2], "DoesNotExist" if match[1] else "Exists")
    raise ValueError(f"not a label selector: {text!r}")


class Chooser:
    """Takes the resources of a choice. A namespace may be a pattern: `team-*`.

    What names no namespace is in `default`, as with kubectl. A Namespace counts as being in itself; what is in no
    namespace is left out where namespaces are included. Raises ValueError for labels that are no selector.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._selector = parse_labels(choice.labels) if choice.labels else Selector()
        self._kinds = Kinds(())
        self._seen: set[str] = set()

    def __call__(self, resource: Resource) -> bool:
        """Whether `resource` is to be judged."""
        choice = self._choice
        kinds = {resource.kind.lower(), plural_of(resource.kind)}
        namespace = self._namespace(resource)
        return (
            self._is_included(choice.include_kinds, kinds)
            and not any(name.lower() in kinds for name in choice.exclude_kinds)
            and self._is_included(choice.include_namespaces, {namespace})
            and not any(fnmatchcase(namespace, pattern) for pattern in choice.exclude_namespaces if namespace)
            and selects(self._selector, labels_of(resource.object))
        )

    def unmatched(self) -> Iterator[str]:
        """A sentence for each name that was to be included and that no resource had."""
        choice = self._choice
        for what, names in (("kind", choice.include_kinds), ("namespace", choice.include_namespaces)):
            yield from (f"no resource that was read is in {what} {name}" for name in names if name not in self._seen)

    def _is_included(self, names: tuple[str, ...], said: set[str]) -> bool:
        """Whether a name, or pattern, is among what a resource `said`; without names all are."""
        found = {name for name in names for word in said if word and _matches(word, name)}
        self._seen |= found
        return bool(found) or not names

    def _namespace(self, resource: Resource) -> str:
        if resource.kind == "Namespace" and not resource.group:
            return resource.name
        return resource.namespace or (DEFAULT_NAMESPACE if self._kinds.of(resource).namespaced else "")


def _matches(word: str, name: str) -> bool:
    """Kinds come in small letters and namespaces have no others."""
    return fnmatchcase(word, name.lower())
