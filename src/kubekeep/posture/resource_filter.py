"""Filter the resources that a scan evaluates: by namespace, kind and labels. Rules can still look up the others.

Reports names in the selection that match no resource, so that a typo does not look like a clean scan.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Final

from kubekeep.model.label_selector import LabelSelector, SelectorRequirement, get_labels, selects
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import BUILTIN_TYPES, SHORT_NAMES, ResourceTypes, guess_plural
from kubekeep.model.similar_names import find_similar

_KEY: Final = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_VALUE: Final = r"(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?"
_SET_BASED: Final = rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)"
_EQUALITY: Final = rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})"
_EXISTENCE: Final = rf"(!?)\s*({_KEY})"
_SEPARATOR: Final = r",(?![^()]*\))"
_KIND: Final = "kind"
_NAMESPACE: Final = "namespace"
_BUILTIN_KINDS: Final = {
    word: kind for (_, kind), served in BUILTIN_TYPES.items() for word in (kind.lower(), served.plural)
}
"""Kind by lower-case kind and plural, for all kinds of Kubernetes."""


def parse_labels(text: str) -> LabelSelector:
    """Parse a selector in the syntax of `kubectl -l`: `app=web,tier!=cache,env in (a, b),!legacy`.

    Raises ValueError if `text` is not a label selector.
    """
    return LabelSelector(
        match_expressions=tuple(_parse_requirement(part.strip(), text) for part in re.split(_SEPARATOR, text))
    )


def _parse_requirement(part: str, text: str) -> SelectorRequirement:
    if match := re.fullmatch(_SET_BASED, part):
        values = tuple(value.strip() for value in match[3].split(","))
        if any(re.fullmatch(_VALUE, value) is None for value in values):
            raise ValueError(f"not a label selector: {text!r}")
        return SelectorRequirement(match[1], "In" if match[2] == "in" else "NotIn", values)
    if match := re.fullmatch(_EQUALITY, part):
        return SelectorRequirement(match[1], "NotIn" if match[2] == "!=" else "In", (match[3],))
    if match := re.fullmatch(_EXISTENCE, part):
        return SelectorRequirement(match[2], "DoesNotExist" if match[1] else "Exists")
    raise ValueError(f"not a label selector: {text!r}")


class ResourceFilter:
    """Predicate for the resources of a selection. A namespace may be a pattern: `team-*`.

    A namespaced resource without a namespace is in `default`, as with kubectl. A Namespace object belongs to the
    namespace of its name. Including namespaces excludes cluster-scoped resources. Raises ValueError for invalid labels.
    """

    def __init__(self, selection: ResourceSelection) -> None:
        self._selection = selection
        self._label_selector = parse_labels(selection.labels) if selection.labels else LabelSelector()
        self._types = ResourceTypes(())
        self._matched_names: set[tuple[str, str]] = set()
        self.has_matches = False
        """True once a resource has matched."""

    def __call__(self, resource: Resource) -> bool:
        """Return True if `resource` is to be evaluated."""
        selection = self._selection
        kinds = {resource.kind.lower(), guess_plural(resource.kind)}
        namespaces = {self._get_namespace(resource)} - {""}
        # No short circuit: each condition records the names that match, so that they are not reported as unmatched.
        conditions = (
            not selection.include_kinds or self._matches_any(_KIND, selection.include_kinds, kinds),
            not self._matches_any(_KIND, selection.exclude_kinds, kinds),
            not selection.include_namespaces or self._matches_any(_NAMESPACE, selection.include_namespaces, namespaces),
            not self._matches_any(_NAMESPACE, selection.exclude_namespaces, namespaces),
            selects(self._label_selector, get_labels(resource.object)),
        )
        is_match = all(conditions)
        self.has_matches = self.has_matches or is_match
        return is_match

    def explain_unmatched(
        self, *, has_all_resources: bool = True, missing_namespaces: Collection[str] = ()
    ) -> Iterator[str]:
        """Yield a message for each name that matches no resource.

        Excluded kinds are reported only if Kubernetes does not have them either: a cluster may have no Secrets.
        Exclusions are reported only with `has_all_resources`, because a cluster is not queried for excluded resources.
        `missing_namespaces` are namespaces that the cluster does not have.
        """
        selection = self._selection
        kinds, namespaces = selection.include_kinds, selection.include_namespaces
        if has_all_resources:
            kinds = (*kinds, *(name for name in selection.exclude_kinds if not _is_builtin(name)))
            namespaces = (*namespaces, *selection.exclude_namespaces)
        for field, names in ((_KIND, kinds), (_NAMESPACE, namespaces)):
            for name in dict.fromkeys(names):
                if field == _NAMESPACE and name in missing_namespaces:
                    yield f"the cluster has no namespace {name}"
                elif (field, name) not in self._matched_names:
                    yield f"no resource in the input has {field} {name}{_suggest_kind(name) if field == _KIND else ''}"

    def _matches_any(self, field: str, names: tuple[str, ...], values: set[str]) -> bool:
        """Return True if a name or pattern matches one of the resource's `values`."""
        matches = {(field, name) for name in names for value in values if _matches(value, name)}
        self._matched_names |= matches
        return bool(matches)

    def _get_namespace(self, resource: Resource) -> str:
        if resource.kind == "Namespace" and not resource.group:
            return resource.name
        return resource.namespace or (DEFAULT_NAMESPACE if self._types.get_type(resource).is_namespaced else "")


def _matches(value: str, name: str) -> bool:
    """Return True if the pattern `name` matches `value`, a kind or namespace in lower case."""
    return fnmatchcase(value, name.lower())


def _is_builtin(name: str) -> bool:
    """Return True if Kubernetes has a kind of this name, or one that matches this pattern."""
    return any(_matches(word, name) for word in _BUILTIN_KINDS)


def _suggest_kind(name: str) -> str:
    """Return a hint for the name of an unknown kind, with a similar one; empty for a kind of Kubernetes."""
    if _is_builtin(name):
        return ""
    similar = find_similar(name.lower(), _BUILTIN_KINDS)
    kind = SHORT_NAMES.get(name.lower()) or (_BUILTIN_KINDS[similar] if similar else "")
    return ", and Kubernetes has no such kind" + (f"; did you mean {kind}?" if kind else "")
