"""Decide which resources a scan judges: by namespace, kind and labels. The others are known to the rules all the same.

Names in the choice that no resource has are kept, so that a typo does not look like a clean scan.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Final

from kubekeep.model.label_selector import LabelSelector, SelectorRequirement, get_labels, selects
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import BUILTIN_TYPES, ResourceTypes, guess_plural

_KEY: Final = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_VALUE: Final = r"(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?"
_SET: Final = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL: Final = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_BARE: Final = re.compile(rf"(!?)\s*({_KEY})")
_SPLIT: Final = re.compile(r",(?![^()]*\))")
_KIND: Final = "kind"
_NAMESPACE: Final = "namespace"
_BUILTIN: Final = {word: kind for (_, kind), served in BUILTIN_TYPES.items() for word in (kind.lower(), served.plural)}
"""The kinds of Kubernetes, by what people call them."""


def parse_labels(text: str) -> LabelSelector:
    """The selector in `text`, as `kubectl -l` takes it: `app=web,tier!=cache,env in (a, b),!legacy`.

    Raises ValueError for text that is none.
    """
    return LabelSelector(match_expressions=tuple(_requirement(part.strip(), text) for part in _SPLIT.split(text)))


def _requirement(part: str, text: str) -> SelectorRequirement:
    if match := _SET.fullmatch(part):
        values = tuple(value.strip() for value in match[3].split(","))
        if any(re.fullmatch(_VALUE, value) is None for value in values):
            raise ValueError(f"not a label selector: {text!r}")
        return SelectorRequirement(match[1], "In" if match[2] == "in" else "NotIn", values)
    if match := _EQUAL.fullmatch(part):
        return SelectorRequirement(match[1], "NotIn" if match[2] == "!=" else "In", (match[3],))
    if match := _BARE.fullmatch(part):
        return SelectorRequirement(match[2], "DoesNotExist" if match[1] else "Exists")
    raise ValueError(f"not a label selector: {text!r}")


class Chooser:
    """Takes the resources of a choice. A namespace may be a pattern: `team-*`.

    What names no namespace is in `default`, as with kubectl. A Namespace counts as being in itself; what is in no
    namespace is left out where namespaces are included. Raises ValueError for labels that are no selector.
    """

    def __init__(self, choice: ResourceSelection) -> None:
        self._choice = choice
        self._selector = parse_labels(choice.labels) if choice.labels else LabelSelector()
        self._kinds = ResourceTypes(())
        self._seen: set[tuple[str, str]] = set()
        self.took = False
        """Whether there was any resource to be judged."""

    def __call__(self, resource: Resource) -> bool:
        """Whether `resource` is to be judged."""
        choice = self._choice
        kinds = {resource.kind.lower(), guess_plural(resource.kind)}
        namespaces = {self._namespace(resource)} - {""}
        # All are asked, whatever the first says: a name that a resource has must not be told as one that none has.
        answers = (
            not choice.include_kinds or self._has(_KIND, choice.include_kinds, kinds),
            not self._has(_KIND, choice.exclude_kinds, kinds),
            not choice.include_namespaces or self._has(_NAMESPACE, choice.include_namespaces, namespaces),
            not self._has(_NAMESPACE, choice.exclude_namespaces, namespaces),
            selects(self._selector, get_labels(resource.object)),
        )
        taken = all(answers)
        self.took = self.took or taken
        return taken

    def unmatched(self, *, all_read: bool = True, absent: Collection[str] = ()) -> Iterator[str]:
        """A sentence for each name that no resource had.

        Kinds to be left out are told only if Kubernetes has none either: that there are no Secrets is no mistake.
        Without `all_read`, as from a cluster that is not asked for what is left out, nothing is told of that. `absent`
        are namespaces that a cluster is known not to have.
        """
        choice = self._choice
        kinds, namespaces = choice.include_kinds, choice.include_namespaces
        if all_read:
            kinds = (*kinds, *(name for name in choice.exclude_kinds if not _known(name)))
            namespaces = (*namespaces, *choice.exclude_namespaces)
        for what, names in ((_KIND, kinds), (_NAMESPACE, namespaces)):
            for name in dict.fromkeys(names):
                if what == _NAMESPACE and name in absent:
                    yield f"the cluster has no namespace {name}"
                elif (what, name) not in self._seen:
                    yield f"no resource that was read is in {what} {name}{_hint(name) if what == _KIND else ''}"

    def _has(self, what: str, names: tuple[str, ...], said: set[str]) -> bool:
        """Whether a name, or pattern, is among what a resource `said`."""
        found = {(what, name) for name in names for word in said if _matches(word, name)}
        self._seen |= found
        return bool(found)

    def _namespace(self, resource: Resource) -> str:
        if resource.kind == "Namespace" and not resource.group:
            return resource.name
        return resource.namespace or (DEFAULT_NAMESPACE if self._kinds.of(resource).namespaced else "")


def _matches(word: str, name: str) -> bool:
    """Kinds come in small letters and namespaces have no others."""
    return fnmatchcase(word, name.lower())


def _known(name: str) -> bool:
    """Whether Kubernetes has a kind of this name, or one that fits this pattern."""
    return any(_matches(word, name) for word in _BUILTIN)


def _hint(name: str) -> str:
    """What to say of a kind that Kubernetes does not have either; empty for one that it has."""
    if _known(name):
        return ""
    near = difflib.get_close_matches(name.lower(), _BUILTIN, n=1)
    return ", nor does Kubernetes have one" + (f"; did you mean {_BUILTIN[near[0]]}?" if near else "")
